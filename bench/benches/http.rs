//! The sans-IO half of a request's path: finding a head's end, parsing it (beside httparse alone,
//! which does a part of that), framing, chunked bodies, and writing the heads that are sent on.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway_proxy::http::{
    BodyCursor, Framing, HeadEnd, Method, Trailers, Version, forward, parse_request,
    parse_response, request_slots, response_slots,
};
use ringway_proxy::route::route;

/// What the load generator sends, and what browsers send.
const SMALL: &[u8] = b"GET /function/f0/tiny HTTP/1.1\r\nHost: bench.local\r\n\
    User-Agent: ringway-bench\r\nAccept: */*\r\n\r\n";
const LARGE: &[u8] = b"POST /function/checkout/cart/items?ref=front HTTP/1.1\r\n\
    Host: shop.example.com\r\nConnection: keep-alive\r\nContent-Length: 734\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not A(Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\nContent-Type: application/json\r\nAccept: */*\r\n\
    Origin: https://shop.example.com\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n\
    Referer: https://shop.example.com/cart\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n\
    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Content-Length: 734\r\nX-Duration-Seconds: 0.001\r\n\
    Date: Wed, 25 Nov 2026 10:00:00 GMT\r\n\r\n";
const HEADS: [(&str, &[u8]); 2] = [("small", SMALL), ("large", LARGE)];

fn head(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    for (name, bytes) in HEADS {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("end", name), |b| {
            b.iter(|| HeadEnd::request().find(black_box(bytes)));
        });
        group.bench_function(BenchmarkId::new("end and parse", name), |b| {
            b.iter(|| {
                let end = HeadEnd::request().find(black_box(bytes));
                let mut slots = request_slots();
                let head = parse_request(bytes, &mut slots).map(|head| head.framing);
                (end, head)
            });
        });
        group.bench_function(BenchmarkId::new("httparse alone", name), |b| {
            b.iter(|| {
                let mut headers = [httparse::EMPTY_HEADER; 64];
                let mut request = httparse::Request::new(&mut headers);
                request.parse(black_box(bytes))
            });
        });
    }
    group.finish();
}

fn framing(c: &mut Criterion) {
    let mut group = c.benchmark_group("framing");
    let with = |field: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n").into_bytes();
    for (name, bytes) in [
        ("none", with("")),
        ("length", with("Content-Length: 1048576\r\n")),
        ("chunked", with("Transfer-Encoding: chunked\r\n")),
        (
            "refused",
            with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        ),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut slots = request_slots();
                let head = parse_request(black_box(&bytes), &mut slots);
                head.map(|head| head.framing)
            });
        });
    }
    group.finish();
}

/// A body of 1 MiB in chunks of one size, then taken as reads of 256 KiB give it.
fn chunked(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked");
    for chunk in [64_usize, 4 * 1_024, 64 * 1_024] {
        let mut body = Vec::new();
        for _ in 0..1_048_576 / chunk {
            body.extend_from_slice(format!("{chunk:x}\r\n").as_bytes());
            body.resize(body.len() + chunk, b'x');
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(chunk), |b| {
            b.iter(|| {
                let mut cursor = BodyCursor::new(Framing::Chunked, Trailers::Drop);
                for mut read in black_box(&body).chunks(256 * 1_024) {
                    while !read.is_empty() && !cursor.is_done() {
                        let step = cursor.step(read).expect("the body is well-formed");
                        let taken = step.skip + step.forward;
                        if taken == 0 {
                            break;
                        }
                        read = &read[taken..];
                    }
                }
                assert!(cursor.is_done());
            });
        });
    }
    group.finish();
}

fn rewrite(c: &mut Criterion) {
    let mut group = c.benchmark_group("rewrite");
    let to = forward::ToFunction {
        prefix: b"",
        rest: b"/tiny",
        host: b"127.0.0.1:9000",
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        peer_is_trusted: false,
        call_id: b"087b0147-07bc-4484-bc88-96ff4e201aef",
        start_time: b"1795575787929868525",
    };
    let mut out = Vec::with_capacity(8_192);
    for (name, bytes) in HEADS {
        let mut slots = request_slots();
        let head = parse_request(bytes, &mut slots).expect("the head is well-formed");
        group.bench_function(BenchmarkId::new("request", name), |b| {
            b.iter(|| {
                out.clear();
                forward::request(black_box(&head), &to, &mut out);
                out.len()
            });
        });
    }
    let mut slots = response_slots();
    let head = parse_response(REPLY, &mut slots, Method::Get).expect("the head is well-formed");
    let to = forward::ToClient {
        version: Version::Http11,
        framing: head.framing,
        close: false,
        trailers: false,
        ids: Some(forward::Ids {
            call_id: b"087b0147-07bc-4484-bc88-96ff4e201aef",
            start_time: b"1795575787929868525",
            served_by: b"ringway/0.1.0",
        }),
        cors: b"",
    };
    group.bench_function("reply", |b| {
        b.iter(|| {
            out.clear();
            forward::response(black_box(&head), &to, &mut out);
            out.len()
        });
    });
    group.finish();
}

fn routing(c: &mut Criterion) {
    let mut group = c.benchmark_group("route");
    for path in [
        "/function/f0/tiny",
        "/function/a-name.openfaas-fn/a/b/c",
        "/system/functions",
    ] {
        group.bench_function(path, |b| {
            b.iter(|| black_box(route(black_box(path.as_bytes()))));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = head, framing, chunked, rewrite, routing
}
criterion_main!(benches);
