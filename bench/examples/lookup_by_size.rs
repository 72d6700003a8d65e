//! Whether a lookup costs the same whatever the table's size: tables of 10, 1,000 and 100,000
//! functions, in interleaved rounds, medians; fails when the largest differs by over 5 %. (On a
//! noisy machine criterion's benches, which run one after the other, differ by more by chance.)
#![expect(clippy::print_stdout, reason = "a figure for a person")]

use std::hint::black_box;
use std::time::Instant;

use ringway_proxy::{Change, Forward, FunctionId, FunctionSpec, Name, Publisher, Settings};

const SIZES: [usize; 3] = [10, 1_000, 100_000];
const ROUNDS: usize = 401;
const LOOKUPS: usize = 20_000;

fn main() -> std::process::ExitCode {
    let tables = SIZES.map(|size| {
        let publisher = Publisher::new(1);
        publisher.publish((0..size).filter_map(spec).map(Change::Put));
        publisher.current()
    });
    let names: Vec<Vec<u8>> = (0..10)
        .map(|i| format!("function-{i:06}").into_bytes())
        .collect();
    let mut nanos: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (table, nanos) in tables.iter().zip(&mut nanos) {
            let began = Instant::now();
            for name in names.iter().cycle().take(LOOKUPS) {
                black_box(table.lookup(black_box(name)));
            }
            nanos.push(began.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64);
        }
    }
    let medians = nanos.map(|mut n| {
        n.sort_by(f64::total_cmp);
        n[ROUNDS / 2]
    });
    for (size, median) in SIZES.iter().zip(medians) {
        println!("{size:>7} functions: {median:.1} ns");
    }
    let most = medians.iter().copied().fold(f64::MIN, f64::max);
    let least = medians.iter().copied().fold(f64::MAX, f64::min);
    println!("most / least: {:.3}", most / least);
    std::process::ExitCode::from(u8::from(most / least > 1.05))
}

fn spec(i: usize) -> Option<FunctionSpec> {
    let name = format!("function-{i:06}");
    Some(FunctionSpec {
        id: FunctionId {
            name: Name::parse(&name).ok()?,
            namespace: Name::parse("openfaas-fn").ok()?,
        },
        bare_alias: true,
        authority: name.into(),
        forward: Forward::Trimmed,
        endpoints: Vec::new(),
        settings: Settings::default(),
    })
}
