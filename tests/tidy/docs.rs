//! The documents name files that exist, and every file of the code map's crates is on the map.

use crate::{files, report, top};

/// Words in backquotes that look like paths of this repository.
fn paths(text: &str) -> Vec<String> {
    let words = text.split('`').skip(1).step_by(2);
    let is_path = |w: &&str| {
        let first = w.split('/').next().unwrap_or_default();
        ["proxy", "control", "bench", "tests", "scripts", "docs"].contains(&first)
            && w.contains('/')
            && !w.contains([' ', '*', '{', '<', '…'])
    };
    words.filter(is_path).map(str::to_owned).collect()
}

#[test]
fn documents_name_only_what_exists() {
    let mut missing = Vec::new();
    for (document, text) in files(".", ".md") {
        for path in paths(&text) {
            if !top().join(&path).exists() {
                missing.push(format!("{document}: {path} does not exist"));
            }
        }
    }
    report(&missing);
}

#[test]
fn the_code_map_is_complete() {
    let map = std::fs::read_to_string(top().join("docs/ARCHITECTURE.md")).unwrap_or_default();
    let mut absent = Vec::new();
    for krate in ["proxy/src", "control/src"] {
        for (path, _) in files(krate, ".rs") {
            // A module's files may be mapped by their folder.
            let folder = path.rsplit_once('/').map_or("", |(f, _)| f);
            let folder = format!("{folder}/");
            if !map.contains(&format!("`{path}`")) && !map.contains(&format!("`{folder}`")) {
                absent.push(format!("docs/ARCHITECTURE.md: {path} is not on the map"));
            }
        }
    }
    report(&absent);
}

#[test]
fn every_setting_is_documented() {
    let readme = std::fs::read_to_string(top().join("docs/CONFIGURATION.md")).unwrap_or_default();
    let mut absent = Vec::new();
    for (path, text) in files("control/src/settings", ".rs") {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_ours = word.starts_with("RINGWAY_") && word.len() > 8;
            if is_ours && !readme.contains(word) && !word.ends_with('_') {
                absent.push(format!("{path}: {word} is not in docs/CONFIGURATION.md"));
            }
        }
    }
    absent.dedup();
    report(&absent);
}
