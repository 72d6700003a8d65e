//! The same bytes through our codec, hyper's and monoio-http's: nobody may see a request that
//! we did not see.
//!
//! Two things are asserted, for a corpus of smuggling attempts and for some 20,000 mutations:
//! - What we forward for one request is one request to the others, with the same body.
//! - Where we and another codec both accept the bytes of a connection, we agree on each request
//!   and on where it ends. We may refuse what others accept; that is not compared further.
//!
//! `RINGWAY_SEED` repeats a run, `RINGWAY_CASES` sets the number of mutations.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod corpus;
mod hyper_server;
mod monoio_http;
mod mutate;
mod ringway;

use std::panic::catch_unwind;

use mutate::Random;

/// One request as a codec sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    /// Path and query.
    target: String,
    body: Vec<u8>,
}

/// What a codec makes of the bytes of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    /// The complete requests, in order.
    requests: Vec<Seen>,
    end: End,
}

/// Why a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At the end of the bytes.
    Clean,
    /// Behind a request that closes the connection; only we say so.
    Closed,
    /// In the middle of a request.
    Incomplete,
    /// At bytes that the codec refuses, or that it panics at.
    Refused,
}

/// How much was really compared: a test that refuses everything would pass.
#[derive(Default)]
struct Tally {
    forwarded: usize,
    agreed_with_hyper: usize,
    agreed_with_monoio: usize,
    refused_by_us_alone: usize,
}

#[test]
fn the_corpus_holds_no_hidden_request() {
    let hyper = hyper_server::Hyper::new();
    let mut random = Random::new(1);
    let mut tally = Tally::default();
    for stream in corpus::all() {
        for _ in 0..4 {
            compare(&hyper, &mut random, stream.as_bytes(), &mut tally);
        }
    }
    assert!(tally.forwarded > 50, "{} forwarded", tally.forwarded);
}

#[test]
fn the_corpus_contains_what_it_should() {
    for stream in corpus::refused() {
        let reading = ringway::read(&mut Random::new(1), stream.as_bytes()).reading;
        assert_eq!(reading.end, End::Refused, "{stream:?}");
        assert_eq!(reading.requests, [], "{stream:?}");
    }
    for stream in corpus::accepted() {
        let reading = ringway::read(&mut Random::new(1), stream.as_bytes()).reading;
        let accepted = matches!(reading.end, End::Clean | End::Closed);
        assert!(accepted, "{stream:?}: {:?}", reading.end);
        assert!(!reading.requests.is_empty(), "{stream:?}");
    }
}

#[test]
fn no_mutation_makes_two_readings_of_one_connection() {
    let hyper = hyper_server::Hyper::new();
    let mut random = Random::new(20_000);
    let mut tally = Tally::default();
    let (honest, refused) = (corpus::accepted(), corpus::refused());
    let cases = mutate::from_env("RINGWAY_CASES").unwrap_or(20_000);
    for _ in 0..cases {
        let stream = mutate::stream(&mut random, &honest, &refused);
        compare(&hyper, &mut random, &stream, &mut tally);
    }
    for (compared, what) in [
        (tally.forwarded, "forwarded"),
        (tally.agreed_with_hyper, "agreed with hyper"),
        (tally.agreed_with_monoio, "agreed with monoio-http"),
        (tally.refused_by_us_alone, "refused by us alone"),
    ] {
        let least = cases / 20;
        assert!(compared as u64 >= least, "only {compared} {what}");
    }
}

/// Reads `stream` with every codec and asserts both rules.
#[track_caller]
fn compare(hyper: &hyper_server::Hyper, random: &mut Random, stream: &[u8], tally: &mut Tally) {
    let ours = ringway::read(random, stream);
    for (seen, bytes) in ours.reading.requests.iter().zip(&ours.forwarded) {
        tally.forwarded += 1;
        is_one_request(hyper, seen, bytes, stream);
    }
    let theirs = hyper.read(stream);
    agree("hyper", &ours.reading, &theirs, stream);
    tally.agreed_with_hyper += usize::from(both_accept(&ours.reading, &theirs));
    tally.refused_by_us_alone +=
        usize::from(ours.reading.end == End::Refused && theirs.end == End::Clean);
    let Ok(theirs) = catch_unwind(|| monoio_http::read(stream)) else {
        return; // A known fault of theirs (names of 64 KiB, for one).
    };
    agree("monoio-http", &ours.reading, &theirs, stream);
    tally.agreed_with_monoio += usize::from(both_accept(&ours.reading, &theirs));
}

/// Asserts that the bytes we forward for `seen` are that request and nothing else.
#[track_caller]
fn is_one_request(hyper: &hyper_server::Hyper, seen: &Seen, bytes: &[u8], stream: &[u8]) {
    let shown = || {
        format!(
            "forwarded {}\nof {}",
            bytes.escape_ascii(),
            stream.escape_ascii()
        )
    };
    let expected = Reading {
        requests: vec![seen.clone()],
        end: End::Clean,
    };
    assert!(framing_fields(bytes) <= 1, "framed twice: {}", shown());
    let theirs = hyper.read(bytes);
    assert_eq!(theirs, expected, "hyper: {}", shown());
    if let Ok(theirs) = catch_unwind(|| monoio_http::read(bytes))
        && theirs.end != End::Refused
    {
        // Refused are trailers and more than 96 fields, which it does not know.
        assert_eq!(theirs, expected, "monoio-http: {}", shown());
    }
}

/// The fields of a head that some parser may take for framing.
fn framing_fields(bytes: &[u8]) -> usize {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let head = lines.take_while(|line| !line.is_empty());
    let names = head.filter_map(|line| line.split(|byte| *byte == b':').next());
    names
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| {
            let name = String::from_utf8_lossy(name).replace('_', "-");
            matches!(name.trim(), "content-length" | "transfer-encoding")
        })
        .count()
}

/// Asserts that two codecs which accept the same bytes see the same requests in them.
#[track_caller]
fn agree(name: &str, ours: &Reading, theirs: &Reading, stream: &[u8]) {
    let shared = ours.requests.len().min(theirs.requests.len());
    assert_eq!(
        ours.requests[..shared],
        theirs.requests[..shared],
        "{name} and we read differently: {}",
        stream.escape_ascii()
    );
    // After a refusal of ours the connection is closed, and what they see no longer matters;
    // monoio-http does not know `Connection: close`.
    let we_close = match ours.end {
        End::Clean | End::Incomplete => false,
        End::Closed => name == "monoio-http",
        End::Refused => true,
    };
    assert!(
        theirs.requests.len() <= ours.requests.len() || we_close,
        "{name} sees a request that we do not see in {}\nours: {ours:?}\ntheirs: {theirs:?}",
        stream.escape_ascii()
    );
    if theirs.end == End::Clean && ours.end != End::Refused {
        assert!(
            theirs.requests.len() >= ours.requests.len(),
            "{name} does not see a request that we see in {}",
            stream.escape_ascii()
        );
    }
}

fn both_accept(ours: &Reading, theirs: &Reading) -> bool {
    let we_accept = matches!(ours.end, End::Clean | End::Closed);
    we_accept && theirs.end == End::Clean && !ours.requests.is_empty()
}
