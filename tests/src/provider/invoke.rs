//! The provider's own proxy: every function echoes what it got.

use tungstenite::handshake::derive_accept_key;

use super::routes::{is_name, not_found};
use super::world::{World, namespace_or_default};
use crate::server::{Act, Answer, Seen};

impl World {
    /// `rest` is what follows `/function/`, decoded.
    pub(super) fn invoke(&self, request: &Seen, rest: &str) -> Act {
        let name = rest.split('/').next().unwrap_or_default();
        if !is_name(name) {
            return Act::Answer(not_found());
        }
        if !METHODS.contains(&request.method.as_str()) {
            return Act::Answer(Answer::status(405));
        }
        let (name, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
        let key = (namespace_or_default(Some(namespace)), name.to_owned());
        let ready = self
            .state()
            .functions
            .get(&key)
            .is_some_and(|f| f.available() > 0);
        if !ready {
            let text = format!("no endpoints available for {name}\n");
            return Act::Answer(Answer::text(503, &text).header("X-OpenFaaS-Internal", "proxy"));
        }
        if request.header("upgrade") == Some("websocket") {
            let key = request.header("sec-websocket-key").unwrap_or_default();
            return Act::Tunnel(
                Answer::status(101)
                    .header("Upgrade", "websocket")
                    .header("Connection", "Upgrade")
                    .header("Sec-WebSocket-Accept", &derive_accept_key(key.as_bytes())),
            );
        }
        Act::Answer(Answer::echo(request))
    }
}

/// What providers let through.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
