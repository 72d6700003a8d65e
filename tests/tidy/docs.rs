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

/// Whether `a::b::c` is a module of `tests/e2e/` and a test in it, or a module alone.
fn is_test(path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let e2e = top().join("tests/e2e");
    let file = |parts: &[&str]| {
        let path = parts.join("/");
        let text = std::fs::read_to_string(e2e.join(format!("{path}.rs")));
        text.or_else(|_| std::fs::read_to_string(e2e.join(path).join("mod.rs")))
    };
    if file(&parts).is_ok() {
        return true;
    }
    let Some((test, module)) = parts.split_last() else {
        return false;
    };
    file(module).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}

#[test]
fn every_trap_names_tests_that_exist() {
    let compat = std::fs::read_to_string(top().join("docs/COMPAT.md")).unwrap_or_default();
    let rows = compat.lines().skip_while(|line| *line != "## The traps");
    let rows = rows.filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let mut wrong = Vec::new();
    let mut numbers = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        numbers.push(cells[1].to_owned());
        let tests = cells[4].split('`').skip(1).step_by(2);
        for test in tests.filter(|test| !test.contains('/')) {
            if !is_test(test) {
                wrong.push(format!(
                    "docs/COMPAT.md: trap {}: there is no {test}",
                    cells[1]
                ));
            }
        }
        if cells[4].is_empty() && cells[3] != "not yet" {
            wrong.push(format!("docs/COMPAT.md: trap {} has no test", cells[1]));
        }
    }
    let wanted: Vec<String> = (1..=52).map(|n| n.to_string()).collect();
    assert_eq!(numbers, wanted);
    report(&wrong);
}
