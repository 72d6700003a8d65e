//! The JSON message of OpenFaaS's own publishers (section `QueueRequest` of its queue worker): read
//! when one arrives, never written. Pure.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::name::{Namespace, parse_full};
use crate::queue::headers::lines;
use crate::queue::job::{Call, JobId, Millis};

/// Keys are capitalised; whatever else there is does not matter.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    header: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    query_string: Option<String>,
    function: String,
    #[serde(default)]
    callback_url: Option<Url>,
}

/// Go's `url.URL`, as its encoder writes it: an object, not a text. Credentials are lost there.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Url {
    #[serde(default)]
    scheme: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    raw_path: String,
    #[serde(default)]
    raw_query: String,
}

/// Reads a message; `id` names the call.
///
/// # Errors
/// Why it is none.
pub(super) fn read(
    bytes: &[u8],
    id: JobId,
    queued_at: Millis,
    namespace: &Namespace,
) -> Result<(Call, Vec<u8>), String> {
    let message: Message = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let name = message.function;
    let function = match parse_full(&name) {
        Some(_) => name.clone(),
        None => format!("{name}.{namespace}"),
    };
    if parse_full(&function).is_none() {
        return Err(format!("{name:?} is no function's name"));
    }
    let body = message.body.unwrap_or_default();
    let body = STANDARD
        .decode(body)
        .map_err(|error| format!("its body: {error}"))?;
    let mut headers = HeaderMap::new();
    for (name, values) in message.header.unwrap_or_default() {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        let values = values.iter().filter_map(|v| HeaderValue::from_str(v).ok());
        values.for_each(|value| {
            headers.append(name.clone(), value);
        });
    }
    let call_id = headers
        .get("x-call-id")
        .and_then(|value| value.to_str().ok());
    let call = Call {
        id,
        function,
        name,
        call_id: call_id.unwrap_or_default().to_owned(),
        target: target(
            &message.path.unwrap_or_default(),
            &message.query_string.unwrap_or_default(),
        ),
        headers: lines(&headers),
        callback: message.callback_url.and_then(callback),
        store: false,
        queued_at,
    };
    Ok((call, body))
}

/// The path was decoded when it was written, the query was not.
fn target(path: &str, query: &str) -> String {
    let mut target = String::new();
    if !path.is_empty() && !path.starts_with('/') {
        target.push('/');
    }
    encode(path, b"/-._~!$&'()*+,;=:@", &mut target);
    if !query.is_empty() {
        target.push('?');
        encode(query, b"/?-._~!$&'()*+,;=:@%", &mut target);
    }
    target
}

fn encode(text: &str, plain: &[u8], out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn callback(url: Url) -> Option<String> {
    if url.scheme.is_empty() || url.host.is_empty() {
        return None;
    }
    let path = if url.raw_path.is_empty() {
        target(&url.path, "")
    } else {
        url.raw_path
    };
    let query = match url.raw_query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    Some(format!("{}://{}{path}{query}", url.scheme, url.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::headers::map;

    fn read_text(text: &str) -> Result<(Call, Vec<u8>), String> {
        let namespace = Namespace::parse("openfaas-fn").unwrap();
        read(
            text.as_bytes(),
            JobId::from_bytes([1; 16]),
            Millis(7),
            &namespace,
        )
    }

    #[test]
    fn a_message_as_openfaas_writes_it_is_understood() {
        let (call, body) = read_text(
            r#"{"Header":{"Content-Length":["5"],"X-Call-Id":["c-1"],"X-A":["1","2"],
                "Connection":["close"]},"Host":"gw:8080","Body":"aGVsbG8=","Method":"POST",
                "Path":"/a b/é","QueryString":"q=%20&r=1","Function":"cat","QueueName":"",
                "Annotations":null,"CallbackUrl":{"Scheme":"http","Opaque":"","User":null,
                "Host":"cb:81","Path":"/x y","RawPath":"","OmitHost":false,"ForceQuery":false,
                "RawQuery":"z=1","Fragment":"","RawFragment":""}}"#,
        )
        .unwrap();
        assert_eq!(body, b"hello");
        assert_eq!(call.function, "cat.openfaas-fn");
        assert_eq!((call.name.as_str(), call.call_id.as_str()), ("cat", "c-1"));
        assert_eq!(call.target, "/a%20b/%C3%A9?q=%20&r=1");
        assert_eq!(call.callback.as_deref(), Some("http://cb:81/x%20y?z=1"));
        let fields = map(&call.headers);
        assert!(fields.get("connection").is_none() && fields.get("content-length").is_none());
        assert_eq!(fields.get_all("x-a").iter().count(), 2);
    }

    #[test]
    fn little_is_enough() {
        let (call, body) =
            read_text(r#"{"Function":"a.b","Body":"","CallbackUrl":null,"New":1}"#).unwrap();
        assert_eq!((call.function.as_str(), call.target.as_str()), ("a.b", ""));
        assert!(body.is_empty() && call.callback.is_none());
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for (text, word) in [
            ("", "EOF"),
            ("{}", "Function"),
            (r#"{"Function":""}"#, "name"),
            (r#"{"Function":"a/b"}"#, "name"),
            (r#"{"Function":"a","Body":"%"}"#, "body"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
