//! The families about functions, by the names OpenFaaS dashboards and alert rules know.

use ringway_proxy::metrics::Snapshot;

use super::page::Page;
use crate::name;
use crate::publish::{Standing, UNKNOWN};

/// Calls of functions, and how many replicas they have.
pub(super) fn functions(page: &mut Page, snapshot: &Snapshot, standings: &[Standing]) {
    let names = snapshot.functions.iter().map(|f| name::full(&f.id));
    // Names that no function has share one series, however many are tried.
    let names: Vec<String> = names.chain([UNKNOWN.to_owned()]).collect();
    let rows = || {
        names
            .iter()
            .zip(snapshot.functions.iter().chain(&snapshot.unknown))
    };

    let family = "gateway_function_invocation_total";
    page.family(family, "counter", "Calls that ended, by status.");
    for (name, function) in rows() {
        for code in &function.codes {
            let status = code.code.to_string();
            page.sample(
                family,
                &[("function_name", name), ("code", &status)],
                code.count,
            );
        }
    }
    // Dashboards expect this counter without the usual suffix.
    let family = "gateway_function_invocation_started";
    page.family(family, "counter", "Calls that began.");
    for (name, function) in rows() {
        page.sample(family, &[("function_name", name)], function.started);
    }
    let family = "gateway_functions_seconds";
    page.family(family, "histogram", "Duration of calls, by status.");
    for (name, function) in rows() {
        for code in &function.codes {
            let status = code.code.to_string();
            page.histogram(family, &[("function_name", name), ("code", &status)], code);
        }
    }
    let family = "gateway_function_invocation_inflight";
    page.family(
        family,
        "gauge",
        "Calls in flight, waiting for a replica included.",
    );
    for (name, function) in rows() {
        page.sample(family, &[("function_name", name)], function.inflight);
    }
    let family = "ringway_function_parked";
    page.family(family, "gauge", "Calls that wait for a first replica.");
    for (name, function) in rows() {
        page.sample(family, &[("function_name", name)], function.parked);
    }
    let family = "gateway_service_count";
    page.family(family, "gauge", "Replicas wanted.");
    for standing in standings {
        let labels = [("function_name", standing.name.as_str())];
        page.sample(family, &labels, standing.replicas);
    }
    let family = "gateway_service_ready_count";
    page.family(family, "gauge", "Replicas that take traffic.");
    for standing in standings {
        let labels = [("function_name", standing.name.as_str())];
        page.sample(family, &labels, standing.ready);
    }
}
