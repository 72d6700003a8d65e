//! The `ringway` binary: everything is in the library.

use std::process::ExitCode;

/// Faster than the C library's allocator for the control plane's short-lived documents.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringway_control::cli::run()
}
