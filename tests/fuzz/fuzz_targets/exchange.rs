//! Fuzzes the shard's own code in a simulated world (`docs/decisions/0011-simulation.md`): the input
//! chooses what happens. Its stored inputs are run by a unit test of `ringway-proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway_proxy::innards::exchange(bytes));
