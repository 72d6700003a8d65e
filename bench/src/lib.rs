//! Benchmarks of Ringway. So far: criterion benches of the data plane's pure parts.
