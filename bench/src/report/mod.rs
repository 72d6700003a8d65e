//! What a run found, as a terminal, a spreadsheet and a browser show it.

mod chart;
mod charts;
mod conditions;
mod csv;
mod page;
mod readme;
mod table;

pub(crate) use conditions::Conditions;
pub(crate) use table::tables;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::run::Results;

/// Writes all of it to a new folder below `runs`, and says which.
pub(crate) fn write(
    runs: &Path,
    conditions: &Conditions,
    results: &Results,
) -> anyhow::Result<PathBuf> {
    let name = format!("{}-{}", conditions.date, conditions.label);
    let mut folder = runs.join(&name);
    // A second run of a day does not overwrite the first.
    let mut number = 2;
    while folder.exists() {
        folder = runs.join(format!("{name}-{number}"));
        number += 1;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let charts = charts::charts(results);
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    file("slices.csv", csv::slices(results))?;
    file("singles.csv", csv::singles(results))?;
    file("summary.csv", csv::summary(results))?;
    file("README.md", readme::readme(conditions, results, &charts))?;
    file("index.html", page::page(conditions, results, &charts))?;
    for chart in charts.iter().filter(|chart| chart.is_in_readme) {
        file(&format!("{}.svg", chart.name), chart.svg())?;
    }
    Ok(folder)
}
