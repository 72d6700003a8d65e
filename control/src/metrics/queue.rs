//! The families about asynchronous calls.

use super::page::Page;
use crate::queue::{Counts, Depths};

/// What the queue counts, and how full it is; no depths while there is no queue.
pub(super) fn queue(page: &mut Page, counts: &Counts, depths: Option<&Depths>) {
    let family = "ringway_async_available";
    page.family(family, "gauge", "Whether asynchronous calls can be queued.");
    page.sample(
        family,
        &[],
        u8::from(depths.is_some_and(|depths| depths.is_open)),
    );
    by_function(
        page,
        "ringway_async_submitted_total",
        "Asynchronous calls queued.",
        counts.submitted.iter(),
    );
    let family = "ringway_async_processed_total";
    page.family(
        family,
        "counter",
        "Attempts at asynchronous calls that ended, by status; 0 without a reply.",
    );
    for ((function, code), count) in &counts.processed {
        let code = code.to_string();
        page.sample(
            family,
            &[("function_name", function), ("code", &code)],
            count,
        );
    }
    by_function(
        page,
        "ringway_async_retries_total",
        "Attempts at asynchronous calls that are repeated.",
        counts.retries.iter(),
    );
    by_function(
        page,
        "ringway_async_dead_total",
        "Asynchronous calls that failed for the last time.",
        counts.dead.iter(),
    );
    let family = "ringway_async_callbacks_total";
    page.family(
        family,
        "counter",
        "Deliveries of replies tried, by outcome.",
    );
    for (outcome, count) in &counts.deliveries {
        page.sample(family, &[("outcome", outcome)], count);
    }
    let family = "ringway_async_rate_limit";
    let help = "Asynchronous calls begun per second at most, because the machine is late.";
    page.family(family, "gauge", help);
    match counts.rate_limit {
        Some(rate) => page.sample(family, &[], format!("{rate:.0}")),
        None => page.sample(family, &[], "+Inf"),
    }
    if let Some(depths) = depths {
        gauges(page, depths);
    }
}

fn gauges(page: &mut Page, depths: &Depths) {
    let pending = depths
        .functions
        .iter()
        .map(|(name, pending, _)| (name, pending));
    let family = "ringway_async_pending";
    page.family(family, "gauge", "Asynchronous calls that are not done.");
    for (function, count) in pending {
        page.sample(family, &[("function_name", function)], count);
    }
    let family = "ringway_async_inflight";
    page.family(family, "gauge", "Asynchronous calls that run.");
    for (function, _, running) in &depths.functions {
        page.sample(family, &[("function_name", function)], running);
    }
    let family = "ringway_async_dead";
    page.family(family, "gauge", "Dead letters kept.");
    page.sample(family, &[], depths.dead);
    let family = "ringway_async_callbacks_pending";
    page.family(family, "gauge", "Replies to be delivered.");
    page.sample(family, &[], depths.callbacks);
    let family = "ringway_async_oldest_seconds";
    page.family(
        family,
        "gauge",
        "Age of the oldest asynchronous call that is not done.",
    );
    page.sample(family, &[], depths.oldest_seconds);
}

fn by_function<'a>(
    page: &mut Page,
    family: &str,
    help: &str,
    counts: impl Iterator<Item = (&'a String, &'a u64)>,
) {
    page.family(family, "counter", help);
    for (function, count) in counts {
        page.sample(family, &[("function_name", function)], count);
    }
}
