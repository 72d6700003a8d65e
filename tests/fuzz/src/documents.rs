//! Documents of providers and clients, and the texts of headers: a value or an error, never a
//! panic, and no line of the log that a client wrote.

use ringway_control::provider::Standing;
use ringway_control::queue::CallbackUrl;
use ringway_control::settings::duration;
use ringway_control::wire::{
    DeleteRequest, Deployment, NamespaceDocument, Rows, ScaleRequest, SecretDocument,
};
use ringway_proxy::{Cidr, Name};

/// JSON that a provider or a client sends.
pub fn provider(document: &[u8]) {
    if let Some(rows) = Rows::parse(document) {
        let _ = rows.namespaces();
    }
    let _ = Rows::parse_one(document);
    let _ = Standing::parse(document);
    let _ = Standing::parse_list(document);
    if let Ok(deployment) = Deployment::parse(document) {
        let text = serde_json::to_vec(&deployment).expect("it is shown again");
        Deployment::parse(&text).expect("what is shown can be deployed");
    }
    let _ = DeleteRequest::parse(document);
    let _ = ScaleRequest::parse(document);
    let _ = SecretDocument::parse(document);
    let _ = NamespaceDocument::parse(document);
}

/// Text of a header, a setting or a log record.
pub fn text(bytes: &[u8]) {
    let mut line = String::new();
    ringway_proxy::metrics::escape(bytes, &mut line);
    assert!(
        line.bytes().all(|b| (b' '..0x7f).contains(&b) && b != b'"'),
        "{line:?} ends a field or a line"
    );
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = duration::parse(text);
    let _ = Cidr::parse(text);
    let _ = Name::parse(text);
    let _ = CallbackUrl::parse(text);
}
