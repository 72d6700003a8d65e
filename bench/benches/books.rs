//! What a request costs beside its bytes: the choice of an endpoint, and counting its end in the
//! latency histogram.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringway_proxy::innards::{Books, pick};

/// The shards' own generator is as cheap as this one.
fn random() -> impl FnMut() -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn picking(c: &mut Criterion) {
    let mut group = c.benchmark_group("pick");
    for count in [1_usize, 2, 10, 1_000] {
        let loads: Vec<u32> = (0..count).map(|i| (i % 7) as u32).collect();
        let mut random = random();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| pick(black_box(count), &mut random, |i| loads.get(i).copied()));
        });
    }
    // All but one are avoided: the rest is looked through.
    let mut random = random();
    group.bench_function("999 of 1000 avoided", |b| {
        b.iter(|| pick(black_box(1_000), &mut random, |i| (i == 500).then_some(0)));
    });
    group.finish();
}

fn histogram(c: &mut Criterion) {
    let mut group = c.benchmark_group("histogram");
    for (name, micros) in [
        ("fast", 100_u64),
        ("slow", 9_000_000),
        ("beyond", 20_000_000),
    ] {
        let books = Books::new();
        group.bench_function(name, |b| {
            b.iter(|| books.ended(black_box(200), black_box(micros)));
        });
    }
    // The fifth status of a function is the fifth of a list.
    let books = Books::new();
    [200, 404, 429, 500, 502]
        .iter()
        .for_each(|code| books.ended(*code, 1));
    group.bench_function("fifth status", |b| {
        b.iter(|| books.ended(black_box(502), black_box(100)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = picking, histogram
}
criterion_main!(benches);
