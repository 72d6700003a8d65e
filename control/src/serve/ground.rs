//! The sockets a gateway stands on.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use ringway_proxy::{Config, Demand, Gateway, Publisher};

use super::listen::usable;
use super::running::StartError;
use crate::settings::Settings;
use crate::takeover::{Inheritance, Successor};

/// What the gateway stands on: sockets of its own, or those of the gateway before it.
pub(super) struct Ground {
    pub(super) listen: SocketAddr,
    pub(super) listeners: Listeners,
    pub(super) metrics: TcpListener,
    /// To be told when this gateway serves.
    pub(super) successor: Option<Successor>,
}

impl Ground {
    /// Binds the metrics listener, or takes over; `wait` returns when this gateway could serve.
    pub(super) fn take(
        inheritance: Option<Inheritance>,
        settings: &Settings,
        control: &Path,
        wait: impl FnOnce(),
    ) -> Result<Self, StartError> {
        let Some(inheritance) = inheritance else {
            let address = usable(settings.metrics_listen);
            let metrics = TcpListener::bind(address);
            let failed = |source| ringway_proxy::StartError::Listen(address, source);
            return Ok(Self {
                listen: usable(settings.listen),
                listeners: Listeners::ToBind,
                metrics: metrics.map_err(|e| StartError::Metrics(failed(e)))?,
                successor: None,
            });
        };
        wait();
        inheritance.successor.prepared(control.to_owned())?;
        Ok(Self {
            listen: inheritance.offer.listen,
            listeners: Listeners::Inherited(inheritance.listeners),
            metrics: inheritance.metrics,
            successor: Some(inheritance.successor),
        })
    }
}

/// The public ones.
pub(super) enum Listeners {
    /// To be bound to the configured address.
    ToBind,
    /// Another gateway's.
    Inherited(Vec<TcpListener>),
}

impl Listeners {
    /// Starts the data plane on them.
    pub(super) fn start(
        self,
        config: Config,
        publisher: Publisher,
        demand: Arc<dyn Demand>,
    ) -> Result<Gateway, ringway_proxy::StartError> {
        match self {
            Self::ToBind => Gateway::start(config, publisher, demand),
            Self::Inherited(listeners) => Gateway::start_on(listeners, config, publisher, demand),
        }
    }
}
