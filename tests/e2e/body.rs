//! Bodies: any size, both framings, both ways at once, and never half of one taken for a whole.

use std::io::{Read, Write};
use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway, eventually};

/// `n` bytes that no compression or repetition hides a fault in.
fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    let word = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()
    };
    std::iter::repeat_with(word).flatten().take(n).collect()
}

#[test]
fn bodies_of_every_size_come_back_whole() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    for n in [
        1, 2, 1000, 3071, 3072, 3073, 4096, 16_384, 65_536, 262_144, 1_000_003,
    ] {
        let body = noise(n, n as u64);
        let reply = client
            .request("POST", "/function/vice/echo", &[], &body)
            .unwrap();
        assert!(reply.body == body, "{n} bytes");
    }
}

#[test]
fn a_function_that_answers_while_it_reads_never_blocks() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::streaming("cat", "cat"));
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    // Far more than all socket buffers on the way hold: this only ends if both ways flow.
    let body = noise(48 * 1024 * 1024, 7);
    for target in ["/function/cat", "/function/vice/echo"] {
        let mut client = Client::connect(gateway.address).unwrap();
        let mut writer = client.stream().try_clone().unwrap();
        let sent = body.clone();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        let up = std::thread::spawn(move || {
            writer.write_all(head.as_bytes()).unwrap();
            writer.write_all(&sent).unwrap();
        });
        let reply = client.reply("POST").unwrap();
        up.join().unwrap();
        assert!(reply.complete && reply.body == body, "{target}");
    }
}

#[test]
fn chunked_bodies_pass_in_any_pieces() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let head = b"POST /function/vice/raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = b"5\r\nhello\r\n006;ext=1\r\n world\r\n0\r\n\r\n";
    for split in 0..body.len() {
        let mut client = Client::connect(gateway.address).unwrap();
        client.send(head).unwrap();
        client.send(&body[..split]).unwrap();
        if split % 4 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        client.send(&body[split..]).unwrap();
        let reply = client.reply("POST").unwrap();
        let text = reply.text();
        assert!(
            text.to_ascii_lowercase()
                .contains("transfer-encoding: chunked"),
            "{text}"
        );
        assert!(
            text.ends_with("\r\n\r\nhello world"),
            "split at {split}: {text}"
        );
    }
}

#[test]
fn content_length_is_kept_for_the_function() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let text = gateway
        .call("POST", "/function/vice/raw", b"12345")
        .text()
        .to_ascii_lowercase();
    assert!(
        text.contains("content-length: 5\r\n") && !text.contains("transfer-encoding"),
        "{text}"
    );
}

#[test]
fn trailers_pass_to_a_client_that_asked() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let mut client = Client::connect(gateway.address).unwrap();
    let reply = client.request(
        "GET",
        "/function/vice/trailers",
        &[("TE", "trailers"), ("Connection", "TE")],
        b"",
    );
    assert_eq!(reply.unwrap().trailers, ["X-Sum: 42"]);
    let reply = client
        .request("GET", "/function/vice/trailers", &[], b"")
        .unwrap();
    assert_eq!((reply.text().as_str(), reply.trailers.len()), ("body", 0));
    client
        .send(b"POST /function/vice/raw HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n")
        .unwrap();
    let text = client.reply("POST").unwrap().text();
    assert!(text.contains("abtrailer X-Sum: 7"), "{text}");
}

#[test]
fn a_reply_without_framing_is_chunked_for_the_client() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let mut client = Client::connect(gateway.address).unwrap();
    for _ in 0..3 {
        let reply = client
            .request("GET", "/function/vice/until-close", &[], b"")
            .unwrap();
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
        assert!(reply.complete);
        assert_eq!(reply.text(), "until close");
    }
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let mut writer = client.stream().try_clone().unwrap();
    let up = std::thread::spawn(move || {
        let _ = writer.write_all(
            b"POST /function/vice/refuse-body?ms=300 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n",
        );
        let block = vec![0; 64 * 1024];
        while writer.write_all(&block).is_ok() {}
    });
    let reply = client.reply("POST").unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (413, "no\n"));
    assert!(client.is_closed(Duration::from_secs(10)));
    let _ = client.stream().shutdown(std::net::Shutdown::Both);
    up.join().unwrap();
}

#[test]
fn half_a_body_is_an_error_for_the_client_and_a_cut_for_the_function() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"POST /function/vice/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .unwrap();
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.reply("POST").unwrap().status, 400);
    let mut client = Client::connect(gateway.address).unwrap();
    client.send(b"POST /function/vice/raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    client.send(b"zz\r\n").unwrap();
    assert_eq!(client.reply("POST").unwrap().status, 400);
    assert!(client.is_closed(Duration::from_secs(5)));
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let gateway = Gateway::start();
    // Ready, for the end of a parked caller's sending side counts as leaving.
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/vice/slow?ms=400 HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.reply("GET").unwrap().text(), "slow");
}

#[test]
fn a_client_that_closes_ends_its_call_where_that_is_asked() {
    let gateway = Gateway::with(&[("RINGWAY_HALF_CLOSE", "abort")]);
    gateway.deploy_ready(&Deployment::streaming("sleeper", "sleep 30"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/sleeper HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let of = "{function_name=\"sleeper.openfaas-fn\"";
    let patience = Duration::from_secs(5);
    eventually("the call", patience, || {
        let inflight = gateway.metric(&format!("gateway_function_invocation_inflight{of}}}"));
        (inflight == Some(1.0)).then_some(())
    });
    drop(client);
    eventually("its end", patience, || {
        let gone = gateway.metric(&format!(
            "gateway_function_invocation_total{of},code=\"499\"}}"
        ));
        (gone == Some(1.0)).then_some(())
    });
}

#[test]
fn cut_replies_look_cut() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    for target in ["/function/vice/cut-length", "/function/vice/cut-chunked"] {
        let mut client = Client::connect(gateway.address).unwrap();
        let reply = client.request("GET", target, &[], b"").unwrap();
        assert!(!reply.complete, "{target}: {reply:?}");
        assert!(client.is_closed(Duration::from_secs(5)));
    }
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/vice/cut-chunked HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut all = Vec::new();
    let end = client.stream().try_clone().unwrap().read_to_end(&mut all);
    assert!(
        end.is_err(),
        "an HTTP/1.0 client learns of the cut by a reset: {all:?}"
    );
}
