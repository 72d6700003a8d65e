//! `GatewayInfo`: who this gateway and its provider are.

use serde::Serialize;

/// The answer of `/system/info`; no object in it is ever null, since `faas-cli` reads them all.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayInfo {
    /// The provider behind the gateway.
    pub provider: ProviderInfo,
    /// This gateway's version.
    pub version: VersionInfo,
    /// Processor architecture.
    pub arch: &'static str,
}

/// The provider's identity.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderInfo {
    /// Its name.
    pub provider: String,
    /// What it runs functions on.
    pub orchestration: String,
    /// Its version.
    pub version: VersionInfo,
}

/// A version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionInfo {
    /// First line of the commit's message.
    pub commit_message: String,
    /// The commit.
    pub sha: String,
    /// The release.
    pub release: String,
}

impl VersionInfo {
    /// The version of this build.
    #[must_use]
    pub fn of_this_build() -> Self {
        Self {
            commit_message: String::new(),
            sha: option_env!("RINGWAY_BUILD_SHA")
                .unwrap_or("unknown")
                .to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
