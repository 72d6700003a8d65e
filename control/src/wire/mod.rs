//! The JSON of the OpenFaaS API: plain structs, no rules beyond types.

mod deployment;
mod fields;
mod info;
mod request;
mod status;

pub use deployment::{Deployment, Resources};
pub use fields::WireError;
pub use info::{GatewayInfo, ProviderInfo, VersionInfo};
pub use request::{DeleteRequest, ScaleRequest};
pub use status::{FunctionStatus, Shown, Usage};
