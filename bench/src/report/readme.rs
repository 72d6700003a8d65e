//! The README of a run.

use std::fmt::Write as _;

use super::chart::Chart;
use super::conditions::Conditions;
use super::table::tables;
use crate::run::Results;

pub(super) fn readme(conditions: &Conditions, results: &Results, charts: &[Chart]) -> String {
    let mut out = format!("# Run of {}, {}\n\n", conditions.date, conditions.label);
    out.push_str(
        "`docs/BENCHMARKS.md` says what was done and how to read it. `slices.csv` and \
         `singles.csv` are the raw figures, `index.html` is this page with every chart.\n\n",
    );
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in &conditions.rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    for (name, version) in &results.versions {
        let _ = writeln!(out, "| {name} | {version} |");
    }
    for (name, why) in &results.absent {
        let _ = writeln!(out, "| {name} | did not take part: {why} |");
    }
    out.push('\n');
    let tables = tables(results);
    if let Some((aims, _)) = tables.split_last() {
        out.push_str(&aims.markdown());
    }
    for chart in charts.iter().filter(|chart| chart.is_in_readme) {
        let _ = writeln!(out, "![{}]({}.svg)\n", chart.title, chart.name);
    }
    for table in tables.iter().rev().skip(1).rev() {
        out.push_str(&table.markdown());
    }
    out
}
