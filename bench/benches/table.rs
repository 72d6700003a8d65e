//! Publishing, and lookup by name in tables of 10, 1,000 and 100,000 functions. The names looked up are the same
//! ten in every table, in turn: what is compared is the cost of the table's size, not of the
//! processor's caches.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringway_proxy::{
    Address, Change, Forward, FunctionId, FunctionSpec, Name, Publisher, Settings,
};

fn spec(i: usize) -> FunctionSpec {
    let name = format!("function-{i:06}");
    FunctionSpec {
        id: FunctionId {
            name: Name::parse(&name).expect("a name"),
            namespace: Name::parse("openfaas-fn").expect("a name"),
        },
        bare_alias: true,
        authority: name.into(),
        forward: Forward::Trimmed,
        endpoints: vec![Address::Tcp(([127, 0, 0, 1], 9000).into())],
        settings: Settings::default(),
    }
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for size in [10usize, 1_000, 100_000] {
        let publisher = Publisher::new(1);
        publisher.publish((0..size).map(|i| Change::Put(spec(i))));
        let table = publisher.current();
        for (form, suffix) in [("name", ""), ("name.namespace", ".openfaas-fn")] {
            let names: Vec<Vec<u8>> = (0..10)
                .map(|i| format!("function-{i:06}{suffix}").into_bytes())
                .collect();
            let mut next = names.iter().cycle();
            group.bench_function(BenchmarkId::new(form, size), |b| {
                b.iter(|| {
                    let name = next.next().map(Vec::as_slice).unwrap_or_default();
                    black_box(table.lookup(black_box(name))).is_some()
                });
            });
        }
    }
    group.finish();
}

/// One function changes in a table of many; all of them come at once.
fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish");
    group.sample_size(10);
    for size in [10usize, 1_000, 100_000] {
        let publisher = Publisher::new(1);
        publisher.publish((0..size).map(|i| Change::Put(spec(i))));
        group.bench_function(BenchmarkId::new("one of", size), |b| {
            b.iter(|| publisher.publish([Change::Put(spec(black_box(0)))]));
        });
        group.bench_function(BenchmarkId::new("all of", size), |b| {
            b.iter(|| {
                let publisher = Publisher::new(1);
                publisher.publish((0..size).map(|i| Change::Put(spec(i))));
                publisher
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // A long warm-up: the first bench of a run otherwise pays for the processor's clock to rise.
    config = Criterion::default().warm_up_time(Duration::from_secs(5));
    targets = lookup, publish
}
criterion_main!(benches);
