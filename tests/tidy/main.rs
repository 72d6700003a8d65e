//! Checks of the code itself: sizes, headers, layer rules, and that the documents tell the truth.

mod docs;
mod files;
mod layers;
mod openapi;

use std::path::{Path, PathBuf};

/// The repository's top folder.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository")
}

/// Every file below `folder` with this ending, with its path relative to the top.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let top = top();
    let mut found = Vec::new();
    let mut folders = vec![top.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let path = path.strip_prefix(&top).expect("below the top");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

/// Rust files of all crates.
fn rust() -> Vec<(String, String)> {
    ["proxy", "control", "bench", "tests"]
        .iter()
        .flat_map(|f| files(f, ".rs"))
        .collect()
}

/// Fails with all findings at once.
fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}
