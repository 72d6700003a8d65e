//! The report: how often each topology came to each verdict.

use crate::judge::Verdict;

/// Verdicts by topology.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(&'static str, [usize; COLUMNS.len()])>,
    disagreements: Vec<String>,
}

impl Table {
    /// Adds an input's verdicts, one for each topology.
    pub(crate) fn add(&mut self, input: &str, verdicts: Vec<(&'static str, Verdict)>) {
        for (topology, verdict) in verdicts {
            let column = match &verdict {
                Verdict::Agreed => 0,
                Verdict::RefusedByRingway => 1,
                Verdict::RefusedByPeer => 2,
                Verdict::Closed => 3,
                Verdict::Waiting => 4,
                Verdict::Disagreed(why) => {
                    self.disagreements
                        .push(format!("{topology}: {input}\n      {why}"));
                    5
                }
            };
            let known = self.rows.iter().position(|(name, _)| *name == topology);
            let row = known.unwrap_or_else(|| {
                self.rows.push((topology, [0; COLUMNS.len()]));
                self.rows.len() - 1
            });
            self.rows[row].1[column] += 1;
        }
    }

    pub(crate) fn disagreed(&self) -> bool {
        !self.disagreements.is_empty()
    }

    #[expect(clippy::print_stdout, reason = "a report for a person")]
    pub(crate) fn print(&self) {
        println!("{:<38}{}", "", COLUMNS.map(|c| format!("{c:>12}")).concat());
        for (topology, counts) in &self.rows {
            println!(
                "{topology:<38}{}",
                counts.map(|c| format!("{c:>12}")).concat()
            );
        }
        for disagreement in self.disagreements.iter().take(SHOWN) {
            println!("   DISAGREED {disagreement}");
        }
        if self.disagreements.len() > SHOWN {
            println!("   and {} more", self.disagreements.len() - SHOWN);
        }
    }
}

const COLUMNS: [&str; 6] = [
    "agreed",
    "by Ringway",
    "by peer",
    "closed",
    "waiting",
    "disagreed",
];
const SHOWN: usize = 40;
