//! Ringway's data plane alone, in a program whose allocator counts: one function, `f0`, one
//! shard. It prints where it listens, then, for each byte on its input, how many allocations
//! there were so far; the end of its input ends it.
//!
//! With `--no-clock-calls` the kernel kills it at the first clock system call (reads of the vDSO
//! are none).
#![expect(unsafe_code, reason = "an allocator, and prctl")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a pipe"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use ringway_proxy::{
    AccessLog, Address, Change, Config, DriverChoice, Forward, FunctionId, FunctionSpec, Gateway,
    HalfClose, Name, NoDemand, Publisher, Settings,
};

/// The system's allocator; counts what is allocated, on every thread.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Arguments {
    driver: DriverChoice,
    function: SocketAddr,
    clock_calls: bool,
}

fn main() -> std::process::ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-bench-plane: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn arguments() -> anyhow::Result<Arguments> {
    let usage = "usage: ringway-bench-plane --driver io_uring|epoll --function ADDRESS:PORT \
                 [--no-clock-calls]";
    let (mut driver, mut function, mut clock_calls) = (DriverChoice::Auto, None, true);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.by_ref()) {
            ("--no-clock-calls", _) => clock_calls = false,
            ("--driver", rest) => {
                driver = match rest.next().as_deref() {
                    Some("io_uring") => DriverChoice::IoUring,
                    Some("epoll") => DriverChoice::Epoll,
                    other => bail!("--driver {}: {usage}", other.unwrap_or_default()),
                }
            }
            ("--function", rest) => {
                let address = rest.next().unwrap_or_default();
                let parsed = address.parse();
                function = Some(parsed.with_context(|| format!("--function {address}: {usage}"))?);
            }
            (other, _) => bail!("{other}: {usage}"),
        }
    }
    Ok(Arguments {
        driver,
        function: function.context(usage)?,
        clock_calls,
    })
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !arguments.clock_calls {
        forbid_clock_calls()?;
    }
    let publisher = Publisher::new(1);
    publisher.publish([Change::Put(function(arguments.function)?)]);
    let folder = tempfile::tempdir()?;
    let config = config(arguments.driver, folder.path().join("control.sock"));
    let gateway = Gateway::start(config, publisher, Arc::new(NoDemand))?;
    println!("{}", gateway.local_addr());
    let mut byte = [0];
    while std::io::stdin().read(&mut byte)? > 0 {
        println!("{}", ALLOCATIONS.load(Ordering::Relaxed));
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn function(address: SocketAddr) -> anyhow::Result<FunctionSpec> {
    Ok(FunctionSpec {
        id: FunctionId {
            name: Name::parse("f0")?,
            namespace: Name::parse("openfaas-fn")?,
        },
        bare_alias: true,
        authority: address.to_string().into(),
        forward: Forward::Trimmed,
        endpoints: vec![Address::Tcp(address)],
        settings: Settings::default(),
    })
}

fn config(driver: DriverChoice, fallback: std::path::PathBuf) -> Config {
    let minute = Duration::from_secs(60);
    Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        // Nobody listens there: only functions are called.
        fallback,
        driver,
        served_by: concat!("ringway/", env!("CARGO_PKG_VERSION")).to_owned(),
        upstream_timeout: minute,
        read_timeout: Some(minute),
        write_timeout: Some(minute),
        idle_timeout: minute,
        stream_idle: None,
        limits: ringway_proxy::limits::Limits::default(),
        trusted_proxies: Vec::new(),
        access_log: AccessLog::Off,
        half_close: HalfClose::Wait,
        connections_max: None,
        connections_per_client_max: None,
        own: ringway_proxy::OwnPorts::default(),
        memory: 512 << 20,
        give_back: None,
        idle_max: ringway_proxy::limits::IDLE_MAX,
        idle_per_endpoint_max: ringway_proxy::limits::IDLE_PER_ENDPOINT_MAX,
        cors: None,
    }
}

/// Lets the kernel kill this process when any thread of it asks for the time by a system call.
fn forbid_clock_calls() -> anyhow::Result<()> {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let ret = (libc::BPF_RET | libc::BPF_K) as u16;
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let kill = instruction(ret, 0, 0, libc::SECCOMP_RET_KILL_PROCESS);
    // seccomp_data.nr is its first field.
    let mut program = vec![instruction(load, 0, 0, 0)];
    for call in [libc::SYS_clock_gettime, libc::SYS_gettimeofday] {
        program.push(instruction(equal, 0, 1, u32::try_from(call)?));
        program.push(kill);
    }
    program.push(instruction(ret, 0, 0, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog {
        len: u16::try_from(program.len())?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program outlives both calls, and its length is its own.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    };
    if !set {
        return Err(std::io::Error::last_os_error()).context("setting a seccomp filter");
    }
    Ok(())
}
