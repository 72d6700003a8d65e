//! Who may know whom. Each rule of `docs/ARCHITECTURE.md` that a search can check.

use crate::{report, rust};

/// Files below `folder` (but not below `except`) that name one of `words`.
fn names(folder: &str, except: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in rust() {
        if !path.starts_with(folder) || except.iter().any(|e| path.starts_with(e)) {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = words.iter().find(|w| code.contains(**w)) {
                found.push(format!("{path}:{number}: names {word}"));
            }
        }
    }
    found
}

fn manifest(krate: &str) -> String {
    std::fs::read_to_string(crate::top().join(krate).join("Cargo.toml")).unwrap_or_default()
}

#[test]
fn the_data_plane_knows_no_control_plane_and_no_tokio() {
    report(&names(
        "proxy/src",
        &[],
        &["tokio", "hyper::", "axum", "serde", "ringway_control"],
    ));
    let depends = manifest("proxy");
    for word in ["tokio", "hyper", "axum", "serde", "ringway-control"] {
        assert!(
            !depends.contains(&format!("\n{word}")),
            "proxy depends on {word}"
        );
    }
}

#[test]
fn the_control_plane_knows_no_monoio() {
    report(&names("control/src", &[], &["monoio", "io_uring::"]));
    assert!(!manifest("control").contains("monoio"));
}

#[test]
fn the_control_plane_sees_only_the_paved_path_of_the_data_plane() {
    let hidden = [
        "ringway_proxy::http",
        "ringway_proxy::route",
        "ringway_proxy::shard",
    ];
    report(&names("control/src", &[], &hidden));
}

#[test]
fn http_is_sans_io() {
    let io = [
        "monoio",
        "std::io",
        "std::time",
        "std::sync",
        "std::thread",
        "crate::shard",
        "crate::buf",
        "crate::table",
        "crate::metrics",
        "crate::clock",
        "libc::",
    ];
    report(&names("proxy/src/http", &["proxy/src/http/tests"], &io));
    report(&names("proxy/src/route", &[], &io));
    report(&names("proxy/src/endpoint/pick.rs", &[], &io));
}

#[test]
fn monoio_is_named_in_few_places() {
    let allowed = [
        "proxy/src/shard/",
        "proxy/src/runtime.rs",
        "proxy/src/gateway.rs",
        "proxy/src/buf/window.rs",
    ];
    report(&names("proxy/src", &allowed, &["monoio::"]));
}

#[test]
fn unsafe_code_lives_in_few_places() {
    let allowed = [
        "proxy/src/shard/io.rs",
        "proxy/src/shard/pipe.rs",
        "proxy/src/buf/window.rs",
        "proxy/src/gateway.rs",
    ];
    report(&names("proxy/src", &allowed, &["unsafe "]));
}

#[test]
fn black_box_tests_know_no_internals() {
    report(&names(
        "tests/e2e",
        &[],
        &["ringway_proxy", "ringway_control"],
    ));
    report(&names(
        "tests/src",
        &[],
        &["ringway_proxy", "ringway_control"],
    ));
}
