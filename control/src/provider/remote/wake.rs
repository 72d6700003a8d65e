//! Brings a function with waiting callers back from zero, once at a time however many wait.

use std::sync::Arc;
use std::time::Duration;

use ringway_proxy::FunctionId;
use tokio::time::{self, Instant};

use super::provider::Shared;
use super::watch::internal;
use crate::name::full;
use crate::provider::{ProviderError, Standing};
use crate::scale::Bounds;
use crate::supervise::once;

/// Wakes `id` unless that is under way.
pub(super) async fn wake(shared: Arc<Shared>, id: FunctionId) {
    if shared.waking.insert(id.clone(), ()).is_some() {
        return;
    }
    let name = full(&id);
    let ended = once("a function's wake-up", shared.wake_once(&id)).await;
    shared.waking.remove(&id);
    let Some(ended) = ended else {
        // Who comes later may ask once more.
        return shared.known.repeat(&id);
    };
    match ended {
        Ok(true) => {}
        Ok(false) => tracing::warn!(function = name, "no replica became ready"),
        Err(error) => {
            tracing::warn!(function = name, "not woken: {error}{}", internal(&error));
        }
    }
}

impl Shared {
    /// Whether a replica became ready. Whatever comes of it, the observer hears of the function
    /// again, so that callers who come later may ask once more.
    async fn wake_once(&self, id: &FunctionId) -> Result<bool, ProviderError> {
        let began = Instant::now();
        let result = match self.scaled_up(id).await {
            Ok(true) => self.became_ready(id, began).await,
            other => other,
        };
        if !matches!(result, Ok(true)) {
            self.known.repeat(id);
        }
        result
    }

    /// Asks for replicas unless some are wanted already; whether some are wanted now.
    async fn scaled_up(&self, id: &FunctionId) -> Result<bool, ProviderError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.standing(id).await {
                Ok(None) => {
                    self.known.gone(id);
                    return Ok(false);
                }
                Ok(Some(standing)) if standing.replicas > 0 => return Ok(true),
                Ok(Some(standing)) => match self.ask_for_replicas(id, &standing).await {
                    Ok(()) => return Ok(true),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if attempts == ATTEMPTS_MAX {
                return Err(error);
            }
            time::sleep(EVERY).await;
        }
    }

    async fn ask_for_replicas(
        &self,
        id: &FunctionId,
        standing: &Standing,
    ) -> Result<(), ProviderError> {
        let replicas = Bounds::of(&standing.labels).min.max(1);
        let answer = self.set_replicas(id, u64::from(replicas)).await?;
        tracing::info!(
            function = full(id),
            replicas,
            status = answer.status.as_u16(),
            "woken for waiting callers"
        );
        if answer.status.is_success() {
            return Ok(());
        }
        Err(ProviderError::Unreachable {
            external: "does not scale the function",
            internal: format!(
                "{}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body[..answer.body.len().min(TEXT_BYTES_MAX)])
            ),
        })
    }

    async fn became_ready(&self, id: &FunctionId, began: Instant) -> Result<bool, ProviderError> {
        while began.elapsed() < WAIT_MAX {
            match self.standing(id).await {
                Ok(None) => {
                    self.known.gone(id);
                    return Ok(false);
                }
                Ok(Some(standing)) if standing.available_replicas > 0 => {
                    let ready = standing.available_replicas;
                    self.known.changed();
                    self.known.present(id.clone(), &standing, ready);
                    self.resolve_functions().await;
                    return Ok(true);
                }
                // A provider that hiccups is asked again.
                Ok(Some(_)) | Err(_) => {}
            }
            time::sleep(EVERY).await;
        }
        Ok(false)
    }

    /// Asks how a function stands, and has the observer hear of it in any case.
    pub(super) async fn check(&self, id: &FunctionId) {
        match self.standing(id).await {
            Ok(Some(standing)) => {
                self.known.changed();
                self.known
                    .present(id.clone(), &standing, standing.available_replicas);
            }
            Ok(None) => {
                self.known.changed();
                self.known.gone(id);
            }
            Err(error) => {
                tracing::debug!(function = full(id), %error, "not checked");
                self.known.repeat(id);
            }
        }
    }
}

/// Between two questions, as OpenFaaS asks.
const EVERY: Duration = Duration::from_millis(100);
/// Attempts to have replicas wanted.
const ATTEMPTS_MAX: u32 = 20;
/// As long as callers may wait (`PARK_TIMEOUT_MAX` of the data plane).
const WAIT_MAX: Duration = Duration::from_secs(100);
/// Of a provider's error text in the log.
const TEXT_BYTES_MAX: usize = 512;
