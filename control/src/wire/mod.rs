//! The JSON of the OpenFaaS API: plain structs, no rules beyond types.

mod deployment;
mod fields;
mod info;
mod job;
mod namespace;
mod request;
mod rows;
mod secret;
mod status;

pub use deployment::{Deployment, Resources};
pub use fields::WireError;
pub use info::{GatewayInfo, ProviderInfo, VersionInfo};
pub use job::JobDocument;
pub use namespace::NamespaceDocument;
pub use request::{DeleteRequest, ScaleRequest};
pub use rows::Rows;
pub use secret::SecretDocument;
pub use status::{FunctionStatus, Shown, Usage};
