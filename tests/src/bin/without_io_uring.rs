//! Runs a program under a seccomp filter that answers EPERM to `io_uring_setup`, as the default
//! profiles of container engines do.

use std::os::unix::process::CommandExt;
use std::process::Command;

#[expect(unsafe_code, reason = "prctl is how a seccomp filter is set")]
fn forbid_io_uring() -> std::io::Result<()> {
    let syscall = u32::try_from(libc::SYS_io_uring_setup).unwrap_or(u32::MAX);
    let load = u16::try_from(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS).unwrap_or(0);
    let equal = u16::try_from(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K).unwrap_or(0);
    let ret = u16::try_from(libc::BPF_RET | libc::BPF_K).unwrap_or(0);
    let eperm = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).unwrap_or(1);
    let filter = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // seccomp_data.nr is its first field.
    let mut program = [
        filter(load, 0, 0, 0),
        filter(equal, 0, 1, syscall),
        filter(ret, 0, 0, eperm),
        filter(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(0),
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
    if set {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

fn main() -> std::io::Result<()> {
    forbid_io_uring()?;
    let mut words = std::env::args_os().skip(1);
    let program = words.next().ok_or(std::io::ErrorKind::InvalidInput)?;
    Err(Command::new(program).args(words).exec())
}
