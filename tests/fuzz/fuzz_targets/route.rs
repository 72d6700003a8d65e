//! Fuzzes `ringway_fuzz::route`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringway_fuzz::route(bytes));
