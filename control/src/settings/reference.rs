//! The reference of all settings, as Markdown; `docs/CONFIGURATION.md` holds what this writes.

use std::fmt::Write;

use super::key::Key;

/// One row per setting.
#[must_use]
pub fn reference() -> String {
    let mut text = "| Flag | Variable | Value | Meaning |\n|---|---|---|---|\n".to_owned();
    for key in Key::ALL {
        let shape = key.shape();
        let value = match shape.value {
            "" => String::new(),
            value => format!("`{value}`"),
        };
        let help = shape.help.replace('|', "\\|");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `--{}` | `{}` | {value} | {help} |",
            shape.flag, shape.variable
        );
    }
    text.push_str("\nAccepted from charts and compose files, without an effect here:\n\n");
    text.push_str("| Variable | Why |\n|---|---|\n");
    for (names, why) in TOLERATED {
        let _ = writeln!(text, "| {names} | {why} |");
    }
    text
}

/// Variables of OpenFaaS installations that change nothing.
const TOLERATED: [(&str, &str); 4] = [
    (
        "`auth_proxy_url`, `auth_proxy_pass_body`",
        "OpenFaaS reads them and does nothing with them either",
    ),
    (
        "`faas_nats_cluster_name`, `faas_nats_queue_group`, `faas_max_reconnect`, \
         `faas_reconnect_delay`, `ack_wait`",
        "of NATS Streaming, which JetStream replaced; connections to NATS are tried for ever",
    ),
    (
        "`async`, `probe_functions`, `default_target`, `pprof`, `metering…`",
        "set by charts for other editions",
    ),
    (
        "`http_proxy`, `https_proxy`, `no_proxy`",
        "the provider and functions are always reached directly",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_is_generated() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
        let document = std::fs::read_to_string(path).unwrap();
        assert!(
            document.contains(&reference()),
            "docs/CONFIGURATION.md is old: put the output of `cargo run -- reference` between \
             its marks"
        );
    }
}
