//! The provider's routing table: cleaned paths, methods, and who must say who they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::kind::Kind;
use super::world::World;
use crate::server::{Act, Answer, Seen, clean, decode};

impl World {
    /// What the provider does with a request that no script means.
    pub(super) fn route(&self, request: &Seen, target: &str) -> Act {
        let act = self.matched(request, target);
        match act {
            Act::Answer(answer) if self.kind() == Kind::Faasd => {
                Act::Answer(answer.header("X-OpenFaaS-EULA", "openfaas-ce"))
            }
            act => act,
        }
    }

    fn matched(&self, request: &Seen, target: &str) -> Act {
        let (raw_path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = decode(raw_path, false);
        let clean = clean(&path);
        if clean != path {
            let query = if query.is_empty() {
                String::new()
            } else {
                format!("?{query}")
            };
            let location = format!("{}{clean}{query}", self.options.base);
            return Act::Answer(Answer::status(301).header("Location", &location));
        }
        if let Some(rest) = path.strip_prefix("/function/") {
            return self.invoke(request, rest);
        }
        Act::Answer(match Route::of(&path) {
            None => not_found(),
            Some(route)
                if !route
                    .methods(self.kind())
                    .contains(&request.method.as_str()) =>
            {
                Answer::status(405)
            }
            Some(route) if route.is_guarded() && !self.knows(request) => unauthorized(),
            Some(Route::Logs) => return self.logs(request),
            Some(route) => self.answer(request, &route),
        })
    }

    fn answer(&self, request: &Seen, route: &Route) -> Answer {
        match route {
            Route::Functions => match request.method.as_str() {
                "GET" => self.list(request),
                "POST" => self.deploy(request),
                "PUT" => self.update(request),
                _ => self.delete(request),
            },
            Route::Function(name) => self.status(request, name),
            Route::Scale(name) => self.scale(request, name),
            Route::Secrets => self.secrets(request),
            Route::Namespaces => self.namespaces(),
            Route::Namespace(name) => self.namespace(request, name),
            Route::Info => self.info(),
            Route::Telemetry => Answer::json(&json!({"functions": self.state().functions.len()})),
            Route::Metrics => Answer::text(200, "# the provider's own\n"),
            Route::Health | Route::Logs => Answer::status(200),
        }
    }

    fn info(&self) -> Answer {
        let orchestration = match self.kind() {
            Kind::Netes => "kubernetes",
            Kind::Faasd => "containerd",
        };
        let version = json!({"release": "0.18.13", "sha": "662ce9ce"});
        let provider = self.kind().name();
        Answer::json(
            &json!({"provider": provider, "version": version, "orchestration": orchestration}),
        )
    }

    /// Whether the request carries the credentials, or none are wanted.
    fn knows(&self, request: &Seen) -> bool {
        let Some((user, password)) = &self.options.credentials else {
            return true;
        };
        let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        request.header("authorization") == Some(wanted.as_str())
    }
}

/// What a path names.
enum Route {
    Functions,
    Function(String),
    Scale(String),
    Secrets,
    Logs,
    Namespaces,
    Namespace(String),
    Info,
    Telemetry,
    Metrics,
    Health,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let name = |prefix: &str| path.strip_prefix(prefix).filter(|name| is_name(name));
        Some(match path {
            "/system/functions" => Self::Functions,
            "/system/secrets" => Self::Secrets,
            "/system/logs" => Self::Logs,
            "/system/namespaces" => Self::Namespaces,
            "/system/namespace/" => Self::Namespace(String::new()),
            "/system/info" => Self::Info,
            "/system/telemetry" => Self::Telemetry,
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Health,
            _ => {
                let function = name("/system/function/").map(|n| Self::Function(n.into()));
                let scale = || name("/system/scale-function/").map(|n| Self::Scale(n.into()));
                let namespace = || name("/system/namespace/").map(|n| Self::Namespace(n.into()));
                function.or_else(scale).or_else(namespace)?
            }
        })
    }

    fn methods(&self, kind: Kind) -> &'static [&'static str] {
        match self {
            Self::Functions | Self::Secrets => &["GET", "POST", "PUT", "DELETE"],
            Self::Namespace(_) if kind == Kind::Faasd => &["GET", "POST", "PUT", "DELETE"],
            Self::Scale(_) => &["POST"],
            Self::Health => &["GET", "HEAD"],
            Self::Metrics => &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            _ => &["GET"],
        }
    }

    /// The shared bootstrap code of providers leaves the namespaces open.
    fn is_guarded(&self) -> bool {
        !matches!(
            self,
            Self::Namespaces | Self::Namespace(_) | Self::Metrics | Self::Health
        )
    }
}

/// The router's text for what it does not know.
pub(super) fn not_found() -> Answer {
    Answer::text(404, "404 page not found\n").header("X-Content-Type-Options", "nosniff")
}

fn unauthorized() -> Answer {
    Answer::text(401, "invalid credentials\n")
        .header("WWW-Authenticate", "Basic realm=\"Restricted\"")
}

/// One or more letters, digits, `-`, `_`, `.`.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(allowed)
}
