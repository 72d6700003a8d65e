//! A gateway with basic auth, alone or behind a scripted provider.

use std::time::Duration;

use ringway_tests::provider::{Kind, Options, Provider};
use ringway_tests::server::Seen;
use ringway_tests::{Credentials, Gateway, Reply, eventually};
use serde_json::{Value, json};

/// What runs the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    BuiltIn,
    Netes,
    Faasd,
}

/// The gateway and what is behind it.
pub(crate) struct Stage {
    pub(crate) behind: Behind,
    pub(crate) gateway: Gateway,
    pub(crate) provider: Option<Provider>,
}

impl Behind {
    /// One value of three: built-in, faas-netes, faasd.
    pub(crate) fn of<T: Copy>(self, each: [T; 3]) -> T {
        each[self as usize]
    }
}

impl Stage {
    /// Basic auth with admin and secret; the provider asks for the same.
    pub(crate) fn start(behind: Behind) -> Self {
        Self::with(behind, &[])
    }

    /// With settings.
    pub(crate) fn with(behind: Behind, settings: &[(&str, &str)]) -> Self {
        let options = |kind| Options::of(kind).guarded("admin", "secret");
        let provider = match behind {
            Behind::BuiltIn => None,
            Behind::Netes => Some(Provider::with(options(Kind::Netes))),
            Behind::Faasd => Some(Provider::with(options(Kind::Faasd))),
        };
        let gateway = match &provider {
            Some(provider) => Gateway::behind(provider, settings),
            None => Gateway::guarded(&Credentials::new("admin", "secret"), settings),
        };
        Self {
            behind,
            gateway,
            provider,
        }
    }

    /// Without any credentials.
    pub(crate) fn open(behind: Behind) -> Self {
        let provider = match behind {
            Behind::BuiltIn => None,
            Behind::Netes => Some(Provider::start(Kind::Netes)),
            Behind::Faasd => Some(Provider::start(Kind::Faasd)),
        };
        let gateway = match &provider {
            Some(provider) => Gateway::behind(provider, &[]),
            None => Gateway::start(),
        };
        Self {
            behind,
            gateway,
            provider,
        }
    }

    /// A request with credentials; `Null` is no body.
    pub(crate) fn admin(&self, method: &str, target: &str, body: &Value) -> Reply {
        let (text, headers) = match body {
            Value::Null => (String::new(), &[][..]),
            body => (
                body.to_string(),
                &[("Content-Type", "application/json")][..],
            ),
        };
        self.gateway
            .admin_with(method, target, headers, text.as_bytes())
    }

    /// A document that must be there.
    pub(crate) fn json(&self, target: &str) -> Value {
        let reply = self.admin("GET", target, &Value::Null);
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Requests one after another, and the status each must get from each provider.
    pub(crate) fn check(&self, rows: &[(&str, &str, Value, [u16; 3])]) {
        for (method, target, body, statuses) in rows {
            let reply = self.admin(method, target, body);
            let wanted = self.behind.of(*statuses);
            let got = (reply.status, reply.text());
            assert_eq!(
                got.0, wanted,
                "{:?} {method} {target} {body}: {}",
                self.behind, got.1
            );
        }
    }

    /// Deploys a function that answers with its input, and waits until it is there.
    pub(crate) fn deploy(&self, name: &str) {
        let reply = self.admin("POST", "/system/functions", &deployment(name));
        assert_eq!(
            reply.status,
            self.behind.of([202, 202, 200]),
            "{}",
            reply.text()
        );
        self.await_ready(name);
    }

    /// Waits until a function has an available replica.
    pub(crate) fn await_ready(&self, name: &str) {
        let target = format!("/system/function/{name}");
        eventually(
            &format!("{name} to be ready"),
            Duration::from_secs(20),
            || {
                self.json(&target)["availableReplicas"]
                    .as_u64()
                    .filter(|n| *n > 0)
            },
        );
    }

    /// Makes a line in a function's log.
    pub(crate) fn log(&self, name: &str, text: &str) {
        match &self.provider {
            Some(provider) => provider.log(name, text),
            None => {
                let target = format!("/function/{name}");
                let reply = self
                    .gateway
                    .call("POST", &target, format!("{text}\n").as_bytes());
                assert_eq!(reply.status, 200, "{}", reply.text());
            }
        }
    }

    /// What the provider saw; nothing from the built-in one.
    pub(crate) fn seen(&self, beginning: &str) -> Vec<Seen> {
        let provider = self.provider.as_ref();
        provider.map_or_else(Vec::new, |p| p.requests(beginning))
    }
}

/// A function that answers with its input and writes it to its log.
pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "service": name,
        "image": "test/image:1.0",
        "envProcess": "tee /dev/stderr",
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
    })
}
