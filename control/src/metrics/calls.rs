//! Calls of the API by method, route and status: few enough to be counted under a lock.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, StatusCode};
use parking_lot::Mutex;
use ringway_proxy::metrics::{BUCKETS_SECONDS, CodeSnapshot};

/// Method, route and status of a series; each of a fixed set.
pub(super) type Key = (String, String, u16);

/// The calls so far.
#[derive(Default)]
pub struct SystemCalls {
    series: Mutex<BTreeMap<Key, CodeSnapshot>>,
}

impl SystemCalls {
    /// Counts one call.
    pub fn ended(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = match *method {
            Method::GET | Method::POST | Method::PUT | Method::DELETE => method.as_str(),
            // Clients may invent methods.
            _ => "other",
        };
        let key = (method.to_owned(), route.to_owned(), status.as_u16());
        let mut series = self.series.lock();
        let calls = series.entry(key).or_insert(CodeSnapshot {
            code: status.as_u16(),
            count: 0,
            sum_micros: 0,
            cumulative: [0; BUCKETS_SECONDS.len()],
        });
        calls.count += 1;
        calls.sum_micros += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let seconds = took.as_secs_f64();
        for (bound, count) in BUCKETS_SECONDS.iter().zip(&mut calls.cumulative) {
            *count += u64::from(seconds <= *bound);
        }
    }

    pub(super) fn series(&self) -> Vec<(Key, CodeSnapshot)> {
        let series = self.series.lock();
        series.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}
