//! Tables: one per workload, one of the figures taken by themselves, one of the aims.

use std::fmt::Write as _;

use crate::figures::{Metric, Spread};
use crate::run::Results;
use crate::target::{OURS, verdicts};
use crate::workload::Workload;

/// Words in rows and columns; the first column is text, the rest are figures.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// All that a run has figures for.
pub(crate) fn tables(results: &Results) -> Vec<Table> {
    let mut all: Vec<Table> = Workload::ALL
        .into_iter()
        .filter(|w| !results.peers(*w).is_empty())
        .map(|w| workload(results, w))
        .collect();
    if !results.singles.is_empty() {
        all.push(singles(results));
    }
    all.push(aims(results));
    all
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn workload(results: &Results, workload: Workload) -> Table {
    let rows = results.peers(workload).into_iter().map(|peer| {
        let place = (workload, peer);
        let median = |metric| results.spread(place, metric).map(|s| s.median);
        let cost = median(Metric::Cost).filter(|cost| *cost > 0.0);
        let user = results.user_share(place);
        let split = cost.zip(user).map(|(cost, user)| {
            format!("{} + {}", figure(cost * user), figure(cost * (1.0 - user)))
        });
        let to = |other: &str| {
            let ratio = results.ratio(place, (workload, other), Metric::Cost);
            ratio
                .filter(|_| peer != other && cost.is_some())
                .map(spread)
        };
        let ours = results.ratio((workload, OURS), place, Metric::Cost);
        let ours = ours.filter(|_| peer != OURS && cost.is_some()).map(spread);
        let peak = results.at(place).map(|slice| slice.peak_kib).max();
        let failed: u64 = results.at(place).map(|slice| slice.failed).sum();
        let number = |value: Option<f64>| value.map_or_else(String::new, figure);
        vec![
            peer.to_owned(),
            number(median(Metric::PerSecond)),
            number(cost),
            split.unwrap_or_default(),
            to("relay").unwrap_or_default(),
            ours.unwrap_or_default(),
            number(median(Metric::P50)),
            number(median(Metric::P99)),
            number(median(Metric::P999)),
            number(peak.filter(|kib| *kib > 0).map(|kib| kib as f64 / 1_024.0)),
            median(Metric::CoreShare).map_or_else(String::new, |s| format!("{:.0} %", s * 100.0)),
            failed.to_string(),
        ]
    });
    Table {
        title: format!("{}: {}", workload.name(), workload.about()),
        head: words(&[
            "proxy",
            "req/s",
            "CPU us/req",
            "user + sys",
            "of relay",
            "ringway / it",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "peak MiB",
            "core",
            "failed",
        ]),
        rows: rows.collect(),
    }
}

fn singles(results: &Results) -> Table {
    let mut whats: Vec<&str> = Vec::new();
    let mut peers: Vec<&str> = Vec::new();
    for single in &results.singles {
        if !whats.contains(&single.what.as_str()) {
            whats.push(&single.what);
        }
        if !peers.contains(&single.peer.as_str()) {
            peers.push(&single.peer);
        }
    }
    let rows = whats.iter().map(|what| {
        let unit = results
            .singles
            .iter()
            .find(|s| s.what == *what)
            .map_or("", |s| s.unit);
        let label = match unit {
            "" => (*what).to_owned(),
            unit => format!("{what}, {unit}"),
        };
        let values = peers.iter().map(|peer| {
            let value = results.single(what, peer);
            value.map_or_else(String::new, figure)
        });
        std::iter::once(label).chain(values).collect()
    });
    Table {
        title: "Taken by themselves".to_owned(),
        head: std::iter::once("")
            .chain(peers.iter().copied())
            .map(str::to_owned)
            .collect(),
        rows: rows.collect(),
    }
}

fn aims(results: &Results) -> Table {
    let rows = verdicts(results).into_iter().map(|v| {
        let spread = v
            .spread
            .map(|(low, high)| format!("{}-{}", figure(low), figure(high)));
        vec![
            v.what.clone(),
            v.workload.to_owned(),
            figure(v.limit),
            v.value.map_or_else(String::new, figure),
            spread.unwrap_or_default(),
            v.mark().to_owned(),
        ]
    });
    Table {
        title: "What Ringway must reach".to_owned(),
        head: words(&["", "workload", "at most", "is", "p10-p90", ""]),
        rows: rows.collect(),
    }
}

/// As many digits as tell something.
pub(super) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => return "0".to_owned(),
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

fn spread(spread: Spread) -> String {
    format!("{:.2} ({:.2}-{:.2})", spread.median, spread.p10, spread.p90)
}

impl Table {
    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.head).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut out = format!("\n{}\n", self.title);
        for line in lines {
            let cells = line.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        }
        out
    }

    /// For a README.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = self.head.iter().enumerate();
        let rule: Vec<String> = rule
            .map(|(column, _)| if column == 0 { "---" } else { "---:" }.to_owned())
            .collect();
        let rows = self.rows.iter().map(|row| line(row));
        let rows: String = rows.collect();
        format!(
            "### {}\n\n{}{}{rows}\n",
            self.title,
            line(&self.head),
            line(&rule)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_tell() {
        let of: Vec<String> = [0.0, 0.012_34, 0.567_8, 9.876, 45.67, 54_321.9, -0.5]
            .map(figure)
            .to_vec();
        assert_eq!(
            of,
            ["0", "0.0123", "0.57", "9.88", "45.7", "54322", "-0.50"]
        );
    }

    #[test]
    fn an_empty_run_still_lists_its_aims() {
        let tables = tables(&Results::default());
        assert_eq!(tables.len(), 1);
        assert!(tables[0].rows.iter().all(|row| row.last().unwrap() == "-"));
        assert!(tables[0].text().contains("bytes per idle connection"));
    }
}
