//! Which monoio driver the shards run on, and running one shard's loop on it.
//!
//! Decided once for all shards, by making a small ring with each set of flags: container
//! profiles refuse the system call, older kernels refuse the newer flags.

use std::future::Future;
use std::io;

use monoio::RuntimeBuilder;

use crate::config::DriverChoice;
use crate::gateway::{Driver, DriverReport};

/// The decision, for every shard.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) report: DriverReport,
    flags: Flags,
}

/// Sets of ring set-up flags, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flags {
    /// Completions are reaped only by the thread that waits for them (kernel 6.1).
    DeferTaskrun,
    /// No interrupt for completions (kernel 5.19).
    CoopTaskrun,
    Plain,
}

impl Flags {
    const ALL: [Self; 3] = [Self::DeferTaskrun, Self::CoopTaskrun, Self::Plain];

    const fn name(self) -> &'static str {
        match self {
            Self::DeferTaskrun => "SINGLE_ISSUER|DEFER_TASKRUN|COOP_TASKRUN",
            Self::CoopTaskrun => "COOP_TASKRUN",
            Self::Plain => "none",
        }
    }

    fn builder(self) -> io_uring::Builder {
        let mut builder = io_uring::IoUring::builder();
        match self {
            Self::DeferTaskrun => {
                builder.setup_coop_taskrun();
                builder.setup_single_issuer();
                builder.setup_defer_taskrun();
            }
            Self::CoopTaskrun => {
                builder.setup_coop_taskrun();
            }
            Self::Plain => {}
        }
        builder
    }
}

/// Finds the best driver that `wanted` allows.
///
/// # Errors
/// `io_uring` was demanded and the kernel refuses it; the text says why and what to do.
pub(crate) fn choose(wanted: DriverChoice) -> Result<Choice, String> {
    let epoll = |fallback| Choice {
        report: DriverReport {
            driver: Driver::Epoll,
            flags: "",
            fallback,
        },
        flags: Flags::Plain,
    };
    if wanted == DriverChoice::Epoll {
        return Ok(epoll(None));
    }
    let why = match probe() {
        Ok((flags, refused)) => {
            let fallback = refused.map(|e| format!("better ring flags are refused: {e}"));
            return Ok(Choice {
                report: DriverReport {
                    driver: Driver::IoUring,
                    flags: flags.name(),
                    fallback,
                },
                flags,
            });
        }
        Err(why) => why,
    };
    if wanted == DriverChoice::IoUring {
        return Err(why);
    }
    Ok(epoll(Some(why)))
}

fn probe() -> Result<(Flags, Option<io::Error>), String> {
    let mut refused = None;
    for flags in Flags::ALL {
        match flags.builder().build(8) {
            Ok(_) if !monoio::utils::detect_uring() => {
                return Err(
                    "this kernel's io_uring lacks operations that are needed (5.6 or \
                            later has them)"
                        .into(),
                );
            }
            Ok(_) => return Ok((flags, refused)),
            Err(e) => refused = Some(e),
        }
    }
    let e = refused.map_or_else(String::new, |e| e.to_string());
    Err(format!(
        "io_uring is refused by this system ({e}): a container's seccomp profile or the sysctl \
         kernel.io_uring_disabled; allow io_uring_setup, io_uring_enter and io_uring_register, or \
         use the epoll driver"
    ))
}

/// Runs one shard's loop on this thread until `main` ends.
///
/// # Errors
/// The driver could not be made on this thread.
pub(crate) fn block_on(choice: &Choice, main: impl Future<Output = ()>) -> io::Result<()> {
    // The runtimes are forgotten, not dropped: dropping one frees the buffers of operations that
    // the kernel may still complete (dataplane notes, monoio 0.2.4).
    match choice.report.driver {
        Driver::IoUring => {
            let mut runtime = RuntimeBuilder::<monoio::IoUringDriver>::new()
                .uring_builder(choice.flags.builder())
                .enable_timer()
                .build()?;
            runtime.block_on(main);
            std::mem::forget(runtime);
        }
        Driver::Epoll => {
            let mut runtime = RuntimeBuilder::<monoio::LegacyDriver>::new()
                .enable_timer()
                .build()?;
            runtime.block_on(main);
            std::mem::forget(runtime);
        }
    }
    Ok(())
}
