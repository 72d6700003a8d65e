//! Replicas reached by the name of their function, without the provider in between.

use std::net::SocketAddr;
use std::time::Instant;

use dashmap::DashMap;
use futures_util::StreamExt;
use ringway_proxy::{Address, FunctionId};

use super::names::{Found, Names};
use crate::name::full;

/// The addresses of functions, as their names resolve.
pub struct Direct {
    names: Names,
    /// Put behind `name.namespace.`; may be empty.
    suffix: String,
    port: u16,
    found: DashMap<FunctionId, Found>,
}

impl Direct {
    /// Functions under `<name>.<namespace>.<suffix>:<port>`.
    #[must_use]
    pub fn new(names: Names, suffix: &str, port: u16) -> Self {
        Self {
            names,
            suffix: suffix.trim_matches('.').to_owned(),
            port,
            found: DashMap::new(),
        }
    }

    /// Addresses of a function, as last resolved.
    pub(super) fn addresses(&self, id: &FunctionId) -> Vec<Address> {
        let found = self.found.get(id);
        let addresses = found.iter().flat_map(|found| &found.addresses);
        addresses
            .map(|ip| Address::Tcp(SocketAddr::new(*ip, self.port)))
            .collect()
    }

    /// Asks again for names whose answer is too old, and for those of `functions` never asked
    /// for; whether any address changed.
    pub(super) async fn refresh(&self, functions: &[FunctionId]) -> bool {
        let now = Instant::now();
        let mut asked = Vec::new();
        for id in functions {
            let found = self.found.get(id);
            if found.is_none_or(|found| found.until <= now) {
                asked.push(self.ask(id));
            }
        }
        let mut answers = futures_util::stream::iter(asked).buffer_unordered(QUERIES_MAX);
        let mut changed = false;
        while let Some(news) = answers.next().await {
            changed |= news;
        }
        // Functions that are gone need no answer any more.
        if self.found.len() > functions.len() * 2 + FORGET_ABOVE {
            let kept: std::collections::HashSet<&FunctionId> = functions.iter().collect();
            self.found.retain(|id, _| kept.contains(id));
        }
        changed
    }

    async fn ask(&self, id: &FunctionId) -> bool {
        let host = self.host(id);
        match self.names.find(&host).await {
            Ok(found) => {
                if found.addresses.is_empty() {
                    tracing::warn!(function = full(id), host, "the name has no address");
                }
                let addresses = found.addresses.clone();
                let before = self.found.insert(id.clone(), found);
                before.is_none_or(|before| before.addresses != addresses)
            }
            Err(error) => {
                // Addresses that were good a moment ago are better than none.
                tracing::warn!(function = full(id), host, %error, "the name was not resolved");
                false
            }
        }
    }

    /// Fully qualified, so that no search list is tried.
    fn host(&self, id: &FunctionId) -> String {
        if self.suffix.is_empty() {
            return full(id);
        }
        format!("{}.{}.", full(id), self.suffix)
    }
}

/// Names asked for at once.
const QUERIES_MAX: usize = 16;
/// Answers kept beyond twice the functions before old ones are dropped.
const FORGET_ABOVE: usize = 64;
