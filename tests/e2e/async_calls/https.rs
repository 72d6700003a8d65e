//! Receivers that speak TLS, and those whose certificate nobody vouches for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ringway_tests::eventually;
use ringway_tests::server::{Answer, Vice};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::stage::Stage;

/// Certificates for 127.0.0.1, and the authority that signed them.
fn pem(name: &str) -> String {
    format!("{}/e2e/nats/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Answers every request with 200; what it read.
fn receiver() -> (SocketAddr, Receiver<String>) {
    let chain = vec![CertificateDer::from_pem_file(pem("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            let mut text = Vec::new();
            let mut piece = [0; 4096];
            // The body is known to end with its last word.
            while !text.ends_with(b"the end") {
                match stream.read(&mut piece) {
                    Ok(n) if n > 0 => text.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            if text.is_empty() {
                continue;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            if seen
                .send(String::from_utf8_lossy(&text).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    (address, told)
}

/// A call with a callback to an https URL; its job id.
fn call(stage: &Stage, address: SocketAddr) -> String {
    let answer = Answer::text(201, "made, to the end");
    stage.provider.script("/function/one", Vice::Answer(answer));
    let url = format!("https://{address}/cb?a=b");
    stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x")
}

#[test]
fn a_receiver_with_a_trusted_certificate_gets_the_reply_over_tls() {
    let authority = pem("ca.pem");
    let settings = [
        ("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32"),
        ("SSL_CERT_FILE", &authority),
    ];
    let stage = Stage::with(&settings, &[]);
    let (address, told) = receiver();
    let id = call(&stage, address);
    let text = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(text.starts_with("POST /cb?a=b HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("x-function-status: 201\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nmade, to the end"), "{text}");
    stage.await_callback(&id, "delivered");
}

#[test]
fn a_receiver_whose_certificate_nobody_vouches_for_gets_nothing() {
    let stage = Stage::new();
    let (address, told) = receiver();
    let id = call(&stage, address);
    let error = eventually("an attempt", Duration::from_secs(20), || {
        let callback = stage.job(&id)["callback"].clone();
        callback["lastError"].as_str().map(str::to_owned)
    });
    assert!(error.contains("TLS"), "{error}");
    assert!(told.try_recv().is_err(), "nothing was sent");
}
