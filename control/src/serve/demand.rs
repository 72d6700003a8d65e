//! What the data plane asks the control plane for, handed over without waiting.

use std::sync::Arc;

use ringway_proxy::{Demand, FunctionId, NoDemand};
use tokio::sync::mpsc;

use crate::provider::Provider;

/// Something a shard found out about a function.
#[derive(Debug)]
pub(super) enum Wish {
    /// Callers wait and there is no endpoint.
    Wanted(FunctionId),
    /// The provider says that there is no replica.
    Unready(FunctionId),
}

/// Puts wishes into a bounded queue.
struct Wishes(mpsc::Sender<Wish>);

impl Demand for Wishes {
    fn wanted(&self, function: &FunctionId) {
        // Full only when that many functions are wanted at once; their callers wait in vain.
        let _ = self.0.try_send(Wish::Wanted(function.clone()));
    }

    fn unready(&self, function: &FunctionId) -> bool {
        self.0.try_send(Wish::Unready(function.clone())).is_ok()
    }
}

/// The way of wishes; without scaling from zero nobody has any.
pub(super) fn demand(scale_from_zero: bool) -> (Arc<dyn Demand>, mpsc::Receiver<Wish>) {
    let (sender, receiver) = mpsc::channel(WISHES_MAX);
    let demand: Arc<dyn Demand> = if scale_from_zero {
        Arc::new(Wishes(sender))
    } else {
        Arc::new(NoDemand)
    };
    (demand, receiver)
}

/// Hands wishes to the provider.
pub(super) async fn attend(provider: Arc<dyn Provider>, mut wishes: mpsc::Receiver<Wish>) {
    while let Some(wish) = wishes.recv().await {
        match wish {
            Wish::Wanted(function) => provider.wanted(function),
            Wish::Unready(function) => provider.unready(function),
        }
    }
}

/// Functions that may be wanted at once and not yet heard of.
const WISHES_MAX: usize = 16 * 1024;
