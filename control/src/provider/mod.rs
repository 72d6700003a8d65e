//! What runs functions, as a trait: the built-in provider now, others beside it.
//!
//! **Invariant:** endpoint tables are made only of what an [`Observer`] was told. A provider
//! tells it in the order things happened, and before the call that caused a change returns.

mod error;
pub mod process;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use ringway_proxy::{Address, FunctionId, Settings};

use crate::wire::{Deployment, FunctionStatus, ProviderInfo};

pub use error::{Invalid, ProviderError};

/// Something that runs functions.
///
/// Every method but [`watch`](Self::watch) and [`wanted`](Self::wanted) answers one API call.
pub trait Provider: Send + Sync {
    /// The functions of a namespace (empty: the default one), in order of name.
    fn list(&self, namespace: String) -> BoxFuture<'_, Result<Vec<FunctionStatus>, ProviderError>>;

    /// One function; with `usage`, what it uses now.
    fn status(
        &self,
        target: Target,
        usage: bool,
    ) -> BoxFuture<'_, Result<FunctionStatus, ProviderError>>;

    /// Deploys a function, or updates it when it exists.
    fn deploy(&self, deployment: Deployment) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Updates a function that exists.
    fn update(&self, deployment: Deployment) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Removes a function; calls in flight finish.
    fn delete(&self, target: Target) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Sets the number of replicas.
    fn scale(&self, target: Target, replicas: u64) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Who the provider is.
    fn info(&self) -> BoxFuture<'_, ProviderInfo>;

    /// Whether it can do its work now.
    fn health(&self) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Tells `observer` every function there is, at once, and every change from then on.
    fn watch(&self, observer: Arc<dyn Observer>);

    /// Callers of `function` wait and there is no endpoint. Must not block.
    fn wanted(&self, function: FunctionId);
}

/// Hears of functions; called under the provider's lock, so it must be quick.
pub trait Observer: Send + Sync {
    /// What changed, in order, to be seen as one change.
    fn observed(&self, changes: Vec<Observed>);
}

/// One change of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The function is there, like this.
    Present(Row),
    /// The function is gone.
    Gone(FunctionId),
}

/// A function as the data plane and the gauges need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name and namespace.
    pub id: FunctionId,
    /// Replicas that are ready for traffic.
    pub endpoints: Vec<Address>,
    /// Limits and policies.
    pub settings: Settings,
    /// Replicas wanted.
    pub replicas: u32,
}

/// Which function a call means, as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name.
    pub name: String,
    /// The namespace; empty is the default one.
    pub namespace: String,
}
