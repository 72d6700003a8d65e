//! A page of Prometheus' text format 0.0.4, written family by family.

use std::fmt::{Display, Write};

use ringway_proxy::metrics::{BUCKETS_SECONDS, CodeSnapshot};

/// The text so far.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample of the family.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            // Values are names, numbers and words of ours: nothing in them needs escaping.
            let _ = write!(self.text, "{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// Adds the series of a histogram with these labels.
    pub(super) fn histogram(&mut self, family: &str, labels: &[(&str, &str)], of: &CodeSnapshot) {
        let bucket = format!("{family}_bucket");
        let bounds = BUCKETS_SECONDS.iter().map(ToString::to_string);
        let bounds: Vec<String> = bounds.chain(["+Inf".to_owned()]).collect();
        for (bound, count) in bounds.iter().zip(of.cumulative.iter().chain([&of.count])) {
            let labelled = [labels, &[("le", bound)]].concat();
            self.sample(&bucket, &labelled, count);
        }
        let (seconds, micros) = (of.sum_micros / 1_000_000, of.sum_micros % 1_000_000);
        self.sample(
            &format!("{family}_sum"),
            labels,
            format_args!("{seconds}.{micros:06}"),
        );
        self.sample(&format!("{family}_count"), labels, of.count);
    }
}
