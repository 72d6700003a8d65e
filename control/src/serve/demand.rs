//! What the data plane asks the control plane for, handed over without waiting.

use std::sync::Arc;

use ringway_proxy::{Demand, FunctionId, NoDemand};
use tokio::sync::mpsc;

use crate::provider::Provider;
use crate::supervise::keep;

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

/// Hands wishes to the provider; one whose handling panics is lost, and no other.
pub(super) fn attend(
    provider: Arc<dyn Provider>,
    mut wishes: mpsc::Receiver<Wish>,
) -> impl Future<Output = ()> + Send {
    keep("scale from zero", async move || {
        while let Some(wish) = wishes.recv().await {
            match wish {
                Wish::Wanted(function) => provider.wanted(function),
                Wish::Unready(function) => provider.unready(function),
            }
        }
    })
}

/// Functions that may be wanted at once and not yet heard of.
const WISHES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::tests::memory::Memory;
    use crate::name::Namespace;

    #[tokio::test]
    async fn wishes_are_attended_to_after_one_that_panics() {
        let provider = Arc::new(Memory::default());
        let (demand, wishes) = demand(true);
        let task = tokio::spawn(attend(Arc::clone(&provider) as _, wishes));
        let namespace = Namespace::parse("ns").unwrap();
        for name in ["first", "panics", "second"] {
            demand.wanted(&namespace.function(name).unwrap());
        }
        drop(demand);
        let ended = tokio::time::timeout(Duration::from_secs(10), task).await;
        ended.unwrap().unwrap();
        let passed = provider.passed.lock().clone();
        assert_eq!(passed, ["wanted first", "wanted second"]);
    }
}
