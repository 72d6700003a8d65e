//! How often functions were called: by all gateways as Prometheus knows, else by this one.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ringway_proxy::FunctionId;
use serde::Deserialize;
use tokio::time;

use crate::client::{Client, Question};
use crate::name::{Namespace, full};
use crate::percent::encoded;
use crate::settings::ProviderUrl;
use crate::wire::Rows;

/// Where invocation counts come from.
pub struct Counts {
    /// Ended calls by function, from the data plane's counters.
    own: Box<dyn Fn() -> Vec<(FunctionId, u64)> + Send + Sync>,
    prometheus: Option<Client>,
    /// Namespace of rows that name none.
    namespace: Namespace,
}

/// Counts by `name.namespace`.
type ByName = HashMap<String, u64>;

impl Counts {
    /// Counts of this gateway, and of the Prometheus at `url` when there is one.
    pub fn new(
        own: Box<dyn Fn() -> Vec<(FunctionId, u64)> + Send + Sync>,
        url: Option<ProviderUrl>,
        namespace: Namespace,
    ) -> Self {
        let prometheus = url.map(|url| Client::new(url, None, PATIENCE));
        Self {
            own,
            prometheus,
            namespace,
        }
    }

    /// A list of functions with their counts; `None` when it is no list.
    pub(super) async fn list_with(&self, list: &[u8]) -> Option<Vec<u8>> {
        let rows = Rows::parse(list)?;
        let counts = self.of(&rows).await;
        Some(rows.with_counts(|name, namespace| self.find(&counts, name, namespace)))
    }

    /// One function's document with its count; `None` when it is no document.
    pub(super) async fn one_with(&self, document: &[u8]) -> Option<Vec<u8>> {
        let rows = Rows::parse_one(document)?;
        let counts = self.of(&rows).await;
        Some(rows.one_with_count(|name, namespace| self.find(&counts, name, namespace)))
    }

    fn find(&self, counts: &ByName, name: &str, namespace: &str) -> u64 {
        let namespace = match namespace {
            "" => self.namespace.as_str(),
            named => named,
        };
        let key = format!("{name}.{namespace}");
        counts.get(&key).copied().unwrap_or(0)
    }

    /// Counts of a function that Prometheus has not heard of yet are this gateway's.
    async fn of(&self, rows: &Rows<'_>) -> ByName {
        let own = (self.own)().into_iter().filter(|(_, n)| *n > 0);
        let mut counts: ByName = own.map(|(id, n)| (full(&id), n)).collect();
        if let Some(prometheus) = &self.prometheus {
            let namespaces = rows.namespaces();
            if namespaces.is_empty() {
                return counts;
            }
            match self.ask(prometheus, &namespaces).await {
                Ok(known) => counts.extend(known),
                Err(error) => tracing::debug!(error, "Prometheus does not tell the counts"),
            }
        }
        counts
    }

    async fn ask(&self, prometheus: &Client, namespaces: &[String]) -> Result<ByName, String> {
        let names = namespaces.iter().map(|namespace| match namespace.as_str() {
            "" => literal(self.namespace.as_str()),
            named => literal(named),
        });
        let names: Vec<String> = names.collect();
        // Two languages: the regular expression stands in a string of the query's.
        let pattern = format!(".*\\.({})", names.join("|"));
        let pattern = pattern.replace('\\', "\\\\").replace('"', "\\\"");
        let query = format!(
            "sum(gateway_function_invocation_total{{function_name=~\"{pattern}\"}}) by \
             (function_name)"
        );
        let target = format!("/api/v1/query?query={}", encoded(&query));
        let answer = time::timeout(PATIENCE, prometheus.ask(Question::get(&target)));
        let answer = answer.await.map_err(|_| "no answer in time".to_owned())?;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let found: Found = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
        let counts = found.data.result.into_iter().filter_map(|series| {
            let name = series.metric.get("function_name")?.clone();
            let count: f64 = series.value.1.parse().ok()?;
            (count.is_finite() && count >= 0.0).then_some((name, count.round() as u64))
        });
        Ok(counts.collect())
    }
}

/// A text that a regular expression finds as it is.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && c != '-' && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The answer of an instant query (Prometheus' HTTP API, `/api/v1/query`).
#[derive(Deserialize)]
struct Found {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// Instant and value.
    value: (f64, String),
}

/// A list must not wait long for its least important field.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_no_pattern() {
        assert_eq!(literal("open-fn_2"), "open-fn_2");
        assert_eq!(literal("a.b|c"), "a\\.b\\|c");
    }

    #[test]
    fn an_answer_of_prometheus_is_read() {
        let text = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"function_name":"a.ns"},"value":[1700000000.123,"12"]}]}}"#;
        let found: Found = serde_json::from_slice(text).unwrap();
        assert_eq!(found.data.result[0].value.1, "12");
    }

    #[tokio::test]
    async fn without_prometheus_the_own_counts_are_shown() {
        let namespace = Namespace::parse("ns").unwrap();
        let id = namespace.function("a").unwrap();
        let own = move || vec![(id.clone(), 3)];
        let counts = Counts::new(Box::new(own), None, namespace);
        let list = counts
            .list_with(br#"[{"name":"a"},{"name":"b"}]"#)
            .await
            .unwrap();
        assert_eq!(list, br#"[{"name":"a","invocationCount":3},{"name":"b"}]"#);
        assert!(counts.list_with(b"oops").await.is_none());
    }

    #[tokio::test]
    async fn a_prometheus_that_is_down_changes_nothing() {
        let namespace = Namespace::parse("ns").unwrap();
        let url = ProviderUrl::at("127.0.0.1", 1);
        let counts = Counts::new(Box::new(Vec::new), url, namespace);
        let list = counts.list_with(br#"[{"name":"a"}]"#).await.unwrap();
        assert_eq!(list, br#"[{"name":"a"}]"#);
    }
}
