//! `/system/info`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::router::Api;
use crate::settings::ARCHITECTURE;
use crate::wire::{GatewayInfo, VersionInfo};

pub(super) async fn info(State(api): State<Arc<Api>>) -> Json<GatewayInfo> {
    Json(GatewayInfo {
        provider: api.provider.info().await,
        version: VersionInfo::of_this_build(),
        arch: ARCHITECTURE,
    })
}
