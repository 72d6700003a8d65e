//! Fuzzes `ringway_fuzz::provider`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway_fuzz::provider(bytes));
