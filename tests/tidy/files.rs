//! A file is one noun of at most 500 lines, and says what it is.

use crate::{files, report, rust};

const LINES_MAX: usize = 500;

#[test]
fn no_file_is_longer_than_one_noun_needs() {
    let long = rust()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX);
    report(
        &long
            .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_file_says_what_it_is() {
    let silent = rust()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "));
    report(
        &silent
            .map(|(path, _)| format!("{path}: does not open with //!"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_test_is_ignored_and_nothing_is_unfinished() {
    let words = [
        "#[ignore",
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    let mut found = Vec::new();
    for (path, text) in rust() {
        if path.starts_with("tests/tidy/") {
            continue;
        }
        for word in words {
            if text.contains(word) {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    report(&found);
}

#[test]
fn no_path_of_one_machine() {
    let mut found = Vec::new();
    let texts = [".md", ".sh", ".toml", ".rs", ".yml"]
        .iter()
        .flat_map(|ending| files(".", ending));
    for (path, text) in texts {
        for word in [concat!("/wo", "rk/"), concat!("/ro", "ot/")] {
            if text.contains(word) {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    report(&found);
}
