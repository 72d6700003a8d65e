//! Raw figures, one line each: whatever else is asked of a run can be computed from them.

use std::fmt::Write as _;

use super::table::tables;
use crate::run::Results;

pub(super) fn slices(results: &Results) -> String {
    let mut out = String::from(
        "round,workload,proxy,answered,failed,nanos,cpu_nanos,user_ticks,system_ticks,\
         p50_nanos,p99_nanos,p999_nanos,peak_kib,grown_kib\n",
    );
    for s in &results.slices {
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            s.round,
            s.workload.name(),
            s.peer,
            s.answered,
            s.failed,
            s.nanos,
            s.cost.nanos,
            s.cost.user_ticks,
            s.cost.system_ticks,
            s.p50,
            s.p99,
            s.p999,
            s.peak_kib,
            s.grown_kib,
        );
    }
    out
}

pub(super) fn singles(results: &Results) -> String {
    let mut out = String::from("what,proxy,value,unit\n");
    for s in &results.singles {
        let _ = writeln!(out, "\"{}\",{},{:.6},{}", s.what, s.peer, s.value, s.unit);
    }
    out
}

/// The tables, without their alignment.
pub(super) fn summary(results: &Results) -> String {
    let mut out = String::new();
    for table in tables(results) {
        let _ = writeln!(out, "\"{}\"", table.title);
        let lines = std::iter::once(&table.head).chain(&table.rows);
        for line in lines {
            let cells: Vec<String> = line.iter().map(|cell| format!("\"{cell}\"")).collect();
            let _ = writeln!(out, "{}", cells.join(","));
        }
        out.push('\n');
    }
    out
}
