//! The API as clients know it, against the built-in provider and behind both kinds of remote one.

mod cli_deploy;
mod cli_invoke;
mod cli_rest;
mod functions;
mod json;
mod logs;
mod methods;
mod namespaces;
mod rest;
mod scenes;
mod secrets;
mod stage;
