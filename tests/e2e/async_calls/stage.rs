//! A gateway in front of a scripted provider whose functions do as they are told, and a receiver
//! of callbacks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::server::{Act, Answer, App, Seen, Server};
use ringway_tests::{Gateway, Nats, Reply, eventually, request};
use serde_json::{Value, json};

/// Who plays.
pub(crate) struct Stage {
    pub(crate) provider: Provider,
    pub(crate) gateway: Gateway,
    /// The queue, where it is not the gateway's own.
    pub(crate) nats: Option<Nats>,
}

/// Annotations under which attempts follow each other quickly.
pub(crate) const QUICK: [(&str, &str); 3] = [
    ("com.openfaas.retry.attempts", "3"),
    ("com.openfaas.retry.min_wait", "100ms"),
    ("com.openfaas.retry.max_wait", "1s"),
];

impl Stage {
    /// A ready function `one`, and receivers on this machine allowed.
    pub(crate) fn new() -> Self {
        Self::with(&[("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")], &[])
    }

    /// The same with settings, and annotations of `one`.
    pub(crate) fn with(settings: &[(&str, &str)], annotations: &[(&str, &str)]) -> Self {
        Self::on(None, settings, annotations)
    }

    /// The same with the queue in NATS.
    pub(crate) fn on_nats(settings: &[(&str, &str)], annotations: &[(&str, &str)]) -> Self {
        Self::served(Nats::start(), settings, annotations)
    }

    /// The same with the queue in this NATS, which runs and makes the streams in its own time.
    pub(crate) fn served(
        nats: Nats,
        settings: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) -> Self {
        let stage = Self::on(Some(nats), settings, annotations);
        stage.gateway.await_metric("ringway_async_available", 1.0);
        stage
    }

    /// The same with the queue in this NATS, if there is one; it may not run yet, or refuse.
    pub(crate) fn on(
        nats: Option<Nats>,
        settings: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) -> Self {
        let place = nats.as_ref().map(Nats::settings).unwrap_or_default();
        let place = place
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<(&str, &str)> = place.chain(settings.iter().copied()).collect();
        let provider = Provider::start(Kind::Netes);
        let annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), json!(v)));
        let annotations = Value::Object(annotations.collect());
        let document = json!({"service": "one", "image": "x", "annotations": annotations});
        provider.add_document(&document, Readiness::AtOnce, 1);
        let gateway = Gateway::behind(&provider, &settings);
        eventually("the function in the table", Duration::from_secs(10), || {
            gateway
                .metrics_text()
                .contains("gateway_service_ready_count{function_name=\"one.openfaas-fn\"} 1")
                .then_some(())
        });
        Self {
            provider,
            gateway,
            nats,
        }
    }

    /// Queues a call, and expects it to be accepted; its job id.
    pub(crate) fn enqueue(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let reply = self.post(target, headers, body);
        assert_eq!((reply.status, reply.body.len()), (202, 0), "{reply:?}");
        reply.header("x-job-id").unwrap().to_owned()
    }

    pub(crate) fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        request(self.gateway.address, "POST", target, headers, body).unwrap()
    }

    /// How a call stands.
    pub(crate) fn job(&self, id: &str) -> Value {
        let reply = self
            .gateway
            .call("GET", &format!("/async-function/{id}"), b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Waits until a call is in this state; its document.
    pub(crate) fn await_state(&self, id: &str, state: &str) -> Value {
        let what = format!("{id} to be {state}");
        eventually(&what, Duration::from_secs(20), || {
            Some(self.job(id)).filter(|job| job["state"] == state)
        })
    }

    /// Waits until its callback is in this state; its document.
    pub(crate) fn await_callback(&self, id: &str, state: &str) -> Value {
        let what = format!("the callback of {id} to be {state}");
        eventually(&what, Duration::from_secs(20), || {
            let job = self.job(id);
            Some(job["callback"].clone()).filter(|callback| callback["state"] == state)
        })
    }

    /// Waits until the function got so many calls; what is running is not yet on its way there.
    pub(crate) fn await_calls(&self, count: usize) {
        eventually("the function's calls", Duration::from_secs(20), || {
            (self.calls().len() == count).then_some(())
        });
    }

    /// The calls the function got.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.provider.requests("/function/one")
    }
}

/// A receiver of callbacks that answers as it was told.
pub(crate) struct Receiver {
    pub(crate) server: Server,
    /// What it answers, and after how long.
    answer: Arc<Mutex<(Answer, Duration)>>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let answer = Arc::new(Mutex::new((Answer::status(200), Duration::ZERO)));
        let server = Server::start(Arc::new(Says(Arc::clone(&answer))));
        Self { server, answer }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        self.answers_late(answer, Duration::ZERO);
    }

    pub(crate) fn answers_late(&self, answer: Answer, delay: Duration) {
        *self.answer.lock().unwrap() = (answer, delay);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Waits for the first delivery.
    pub(crate) fn first(&self) -> Seen {
        eventually("a delivery", Duration::from_secs(20), || {
            self.server.seen().into_iter().next()
        })
    }
}

struct Says(Arc<Mutex<(Answer, Duration)>>);

impl App for Says {
    fn act(&self, _: &Seen) -> Act {
        let (answer, delay) = self.0.lock().unwrap().clone();
        Act::Later(delay, Box::new(Act::Answer(answer)))
    }
}
