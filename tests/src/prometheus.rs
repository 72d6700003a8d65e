//! A scripted Prometheus: instant queries for invocation counts, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::server::{Act, Answer, App, Seen, Server, Vice, decode};

/// A running server; ends when dropped.
pub struct Prometheus {
    state: Arc<State>,
    server: Server,
}

struct State {
    /// By `function_name` label.
    counts: Mutex<BTreeMap<String, f64>>,
    vice: Mutex<Option<Vice>>,
}

impl Prometheus {
    /// Starts one that knows nothing.
    #[must_use]
    pub fn start() -> Self {
        let state = Arc::new(State {
            counts: Mutex::default(),
            vice: Mutex::default(),
        });
        let server = Server::start(state.clone());
        Self { state, server }
    }

    /// Its settings in the gateway: host and port.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, String); 2] {
        let address = self.server.address();
        [
            ("faas_prometheus_host", address.ip().to_string()),
            ("faas_prometheus_port", address.port().to_string()),
        ]
    }

    /// The server: its record, its end and its return.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Sets the count of `name.namespace`.
    pub fn set(&self, name: &str, count: f64) {
        lock(&self.state.counts).insert(name.to_owned(), count);
    }

    /// Treats every query so; `None` answers them.
    pub fn set_vice(&self, vice: Option<Vice>) {
        *lock(&self.state.vice) = vice;
        self.server.wake();
    }

    /// The queries so far.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        self.server.seen().iter().filter_map(query).collect()
    }
}

impl App for State {
    fn act(&self, request: &Seen) -> Act {
        let truth = || Act::Answer(self.answer(request));
        match lock(&self.vice).as_ref() {
            Some(vice) => vice.act(truth),
            None => truth(),
        }
    }
}

impl State {
    /// Every count that is known, whatever the query's selector is: the reader has to match rows
    /// by name.
    fn answer(&self, request: &Seen) -> Answer {
        if request.path() != "/api/v1/query" {
            return Answer::status(404);
        }
        if query(request).is_none() {
            let error = json!({"status": "error", "errorType": "bad_data", "error": "no query"});
            return Answer {
                status: 400,
                ..Answer::json(&error)
            };
        }
        let counts = lock(&self.counts);
        let rows = counts.iter().map(|(name, count)| {
            let value = json!([1_767_323_045.25, count.to_string()]);
            json!({"metric": {"function_name": name}, "value": value})
        });
        let rows: Vec<Value> = rows.collect();
        let data = json!({"resultType": "vector", "result": rows});
        Answer::json(&json!({"status": "success", "data": data}))
    }
}

/// The query of a GET or of a form.
fn query(request: &Seen) -> Option<String> {
    let form = String::from_utf8_lossy(&request.body).into_owned();
    let field = form.split('&').find_map(|f| f.strip_prefix("query="));
    let field = field.map(|f| decode(f, true));
    request.parameter("query").or(field)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;

    #[test]
    fn queries_are_answered_and_kept() {
        let prometheus = Prometheus::start();
        prometheus.set("fn.ns", 12.0);
        let address = prometheus.server().address();
        let get = |target: &str| request(address, "GET", target, &[], b"").unwrap();
        let reply = get("/api/v1/query?query=sum%28x%29");
        let reply: Value = serde_json::from_slice(&reply.body).unwrap();
        let row = &reply["data"]["result"][0];
        assert_eq!(row["metric"]["function_name"], "fn.ns");
        assert_eq!(row["value"][1], "12");
        let form = request(address, "POST", "/api/v1/query", &[], b"query=a%2Bb&x=y").unwrap();
        assert_eq!(form.status, 200);
        assert_eq!(prometheus.queries(), ["sum(x)", "a+b"]);
        assert_eq!((get("/api/v1/query").status, get("/x").status), (400, 404));
        prometheus.set_vice(Some(Vice::Answer(Answer::status(500))));
        assert_eq!(get("/api/v1/query?query=x").status, 500);
    }
}
