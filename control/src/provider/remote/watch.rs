//! Keeps what is known true: asks for the lists every few seconds, and for addresses as their
//! answers grow old.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use ringway_proxy::{Address, FunctionId};
use tokio::time::{self, Instant};

use super::known::Lists;
use super::order::query;
use super::provider::Shared;
use crate::client::Question;
use crate::percent::encoded;
use crate::provider::{ProviderError, Standing};

/// Looks at the lists until the gateway ends.
pub(super) async fn functions(shared: &Shared) {
    let mut trouble = None;
    loop {
        let began = Instant::now();
        match shared.round().await {
            Ok(()) if trouble.take().is_some() => {
                tracing::info!("the provider lists its functions again");
            }
            Ok(()) => {}
            Err(error) => {
                let text = error.to_string();
                // Once per kind of trouble: it may last.
                if trouble.as_ref() != Some(&text) {
                    tracing::warn!(
                        "functions are not listed, what was known stays in force: {text}{}",
                        internal(&error)
                    );
                    trouble = Some(text);
                }
            }
        }
        let heard = shared.heard.load(Ordering::Relaxed);
        tokio::select! {
            () = time::sleep(if heard { EVERY } else { PAUSE_MIN }) => {}
            () = shared.look.notified() => time::sleep_until(began + PAUSE_MIN).await,
        }
    }
}

/// Follows the addresses of the provider, and those of functions where they are called directly.
pub(super) async fn addresses(shared: &Shared) {
    let mut due = std::time::Instant::now();
    let mut known: Vec<Address> = Vec::new();
    loop {
        if due <= std::time::Instant::now() {
            match shared.names.find(shared.url.host()).await {
                Ok(found) => {
                    due = found.until;
                    let port = shared.url.port();
                    let addresses = found.addresses.iter();
                    let fresh: Vec<Address> = addresses
                        .map(|ip| Address::Tcp((*ip, port).into()))
                        .collect();
                    if fresh.is_empty() {
                        tracing::warn!(host = shared.url.host(), "the provider has no address");
                    }
                    if fresh != known {
                        known.clone_from(&fresh);
                        shared.known.moved(Some(fresh));
                    }
                }
                Err(error) => {
                    tracing::warn!(host = shared.url.host(), %error, "the name was not resolved");
                }
            }
        }
        shared.resolve_functions().await;
        tokio::select! {
            () = time::sleep(ADDRESSES_EVERY) => {}
            () = shared.resolve.notified() => {}
        }
    }
}

impl Shared {
    /// Resolves functions that are called directly, and tells what changed.
    pub(super) async fn resolve_functions(&self) {
        if let Some(direct) = &self.known.place.direct
            && direct.refresh(&self.known.ready()).await
        {
            self.known.moved(None);
        }
    }

    /// One look at every list.
    async fn round(&self) -> Result<(), ProviderError> {
        for _ in 0..ROUNDS_MAX {
            let lists = self.lists().await?;
            if self.known.lists(lists) {
                self.heard.store(true, Ordering::Relaxed);
                self.resolve.notify_one();
                return Ok(());
            }
            // Something was changed through this gateway meanwhile: these lists are old.
        }
        Ok(())
    }

    async fn lists(&self) -> Result<Lists, ProviderError> {
        let mut lists = Lists {
            asked_at: self.known.changes(),
            rows: Vec::new(),
            unheard: HashSet::new(),
        };
        let mut failed = None;
        for namespace in self.all_namespaces().await {
            match self.list_of(&namespace).await {
                Ok(rows) => lists.rows.extend(rows),
                Err(error) => {
                    lists.unheard.insert(namespace);
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if lists.rows.is_empty() => Err(error),
            Some(error) => {
                tracing::debug!(%error, "a namespace was not listed");
                Ok(self.with_readiness(lists).await)
            }
            None => Ok(self.with_readiness(lists).await),
        }
    }

    /// Every namespace; the default one alone where the provider does not tell.
    async fn all_namespaces(&self) -> Vec<String> {
        let answer = self.client.ask(Question::get("/system/namespaces")).await;
        let names: Option<Vec<String>> = match answer {
            Ok(answer) if answer.status == 200 => serde_json::from_slice(&answer.body).ok(),
            _ => None,
        };
        let mut names = names.unwrap_or_default();
        names.retain(|name| !name.is_empty());
        if names.is_empty() {
            names.push(self.known.place.namespace.to_string());
        }
        names
    }

    async fn list_of(
        &self,
        namespace: &str,
    ) -> Result<Vec<(FunctionId, Standing, u32)>, ProviderError> {
        let target = format!("/system/functions{}", query(namespace));
        let answer = self.client.ask(Question::get(&target)).await?;
        if answer.status != 200 {
            return Err(ProviderError::Unreachable {
                external: "does not list its functions",
                internal: format!("{target}: {}", answer.status),
            });
        }
        let rows = Standing::parse_list(&answer.body).ok_or(ProviderError::Unreachable {
            external: "lists its functions in a way that cannot be read",
            internal: target,
        })?;
        let rows = rows.into_iter().filter_map(|mut row| {
            if row.namespace.is_empty() {
                namespace.clone_into(&mut row.namespace);
            }
            let ready = row.available_replicas;
            Some((self.known.id(&row)?, row, ready))
        });
        Ok(rows.collect())
    }

    /// Completes rows that want replicas and name no available ones: that may mean that none is
    /// ready (faas-netes) or that lists do not tell (faasd); only the function's own document
    /// does. What was known is believed until a call finds otherwise.
    async fn with_readiness(&self, mut lists: Lists) -> Lists {
        let mut unsure = Vec::new();
        for (at, (id, row, ready)) in lists.rows.iter_mut().enumerate() {
            if row.replicas == 0 || *ready > 0 {
                continue;
            }
            match self.known.standing(id) {
                Some((replicas, known)) if known > 0 && replicas == row.replicas => *ready = known,
                _ => unsure.push(at),
            }
        }
        // Not more than a moment's work; the next round asks for others.
        let begin = self.rotation(unsure.len());
        unsure.rotate_left(begin);
        unsure.truncate(UNSURE_MAX);
        let asked = unsure.into_iter().map(|at| {
            let id = lists.rows[at].0.clone();
            async move { (at, self.standing(&id).await) }
        });
        let asked: Vec<_> = asked.collect();
        let mut answers = futures_util::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
        let mut heard = Vec::new();
        while let Some((at, answer)) = answers.next().await {
            if let Ok(Some(standing)) = answer {
                heard.push((at, standing.available_replicas));
            }
        }
        drop(answers);
        for (at, available) in heard {
            lists.rows[at].2 = available;
        }
        lists
    }

    /// How one function stands now; `None` when there is no such function.
    pub(super) async fn standing(
        &self,
        id: &FunctionId,
    ) -> Result<Option<Standing>, ProviderError> {
        let target = format!(
            "/system/function/{}?namespace={}&usage=false",
            encoded(id.name.as_str()),
            encoded(id.namespace.as_str())
        );
        let answer = self.client.ask(Question::get(&target)).await?;
        match answer.status.as_u16() {
            200 => match Standing::parse(&answer.body) {
                Some(standing) => Ok(Some(standing)),
                None => Err(ProviderError::Unreachable {
                    external: "answers in a way that cannot be read",
                    internal: target,
                }),
            },
            404 => Ok(None),
            status => Err(ProviderError::Unreachable {
                external: "does not tell how the function stands",
                internal: format!("{target}: {status}"),
            }),
        }
    }
}

/// What the log tells besides.
pub(super) fn internal(error: &ProviderError) -> String {
    match error {
        ProviderError::Unreachable { internal, .. } | ProviderError::Failed { internal, .. } => {
            format!(" ({internal})")
        }
        _ => String::new(),
    }
}

/// How often the lists are asked for.
const EVERY: Duration = Duration::from_secs(5);
/// Between two rounds, however often one is asked for.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// How often addresses are looked at; answers say how long they are good for.
const ADDRESSES_EVERY: Duration = Duration::from_secs(1);
/// Lists taken again because something changed meanwhile, before the next round does.
const ROUNDS_MAX: u32 = 3;
/// Functions whose own document is asked for in one round.
const UNSURE_MAX: usize = 64;
const ASKED_AT_ONCE: usize = 8;
