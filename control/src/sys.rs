//! The few system calls no safe wrapper offers; the only file of this crate with `unsafe`.
//!
//! Used by the spawner and the watchdog, which have one thread each when they call in here.
#![expect(
    unsafe_code,
    reason = "pre_exec, unshare, close_range and signalfd have no safe form"
)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{self, MountFlags, MountPropagationFlags};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::UnshareFlags;

/// What a child does to itself between fork and exec.
#[derive(Debug, Default)]
pub(crate) struct ChildRules {
    /// A session of its own, else only a process group.
    pub(crate) session: bool,
    /// `RLIMIT_DATA`.
    pub(crate) data_bytes: Option<u64>,
    /// Soft `RLIMIT_NOFILE`.
    pub(crate) descriptors: Option<u64>,
    /// `cgroup.procs` files of the groups it joins.
    pub(crate) cgroups: Vec<File>,
    /// Shows it a folder in another place.
    pub(crate) secrets: Option<Shown>,
    /// Gives it a root file system that cannot be written.
    pub(crate) read_only_root: Option<ReadOnlyRoot>,
}

/// A private mount namespace in which one folder is seen, read-only, in another place.
#[derive(Debug)]
pub(crate) struct Shown {
    folder: CString,
    place: CString,
}

/// A private mount namespace in which everything is read-only; `/tmp` and `/dev/shm` are fresh,
/// and `kept` stays writable.
#[derive(Debug)]
pub(crate) struct ReadOnlyRoot {
    kept: CString,
    /// The folders from `/tmp` down to `kept`, to be made anew.
    parents: Vec<CString>,
}

/// Applies `rules` to whatever `command` starts; descriptors above 2 are closed at exec.
pub(crate) fn prepare(command: &mut Command, rules: ChildRules) {
    let parent = std::process::id();
    // SAFETY: the closure runs in the child of a process with one thread, so nothing another
    // thread held (a lock, the allocator) can be in a broken state; it only makes system calls.
    unsafe {
        command.pre_exec(move || rules.apply(parent));
    }
}

impl ChildRules {
    fn apply(&self, parent: u32) -> io::Result<()> {
        if self.session {
            rustix::process::setsid()?;
        } else {
            rustix::process::setpgid(None, None)?;
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before it was asked to be watched.
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        // None: the parent is outside this process's PID namespace, of which it is the init.
        if now.is_some_and(|now| now != parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for group in &self.cgroups {
            rustix::io::write(group, b"0")?;
        }
        if let Some(secrets) = &self.secrets {
            secrets.enter()?;
        }
        if let Some(root) = &self.read_only_root {
            root.enter()?;
        }
        // What is right for the gateway's memory is not the function's affair.
        let _ = rustix::thread::disable_transparent_huge_pages(false);
        soft_limit(Resource::Nofile, self.descriptors)?;
        if let Some(bytes) = self.data_bytes {
            let limit = Rlimit {
                current: Some(bytes),
                maximum: Some(bytes),
            };
            rustix::process::setrlimit(Resource::Data, limit)?;
        }
        unblock_signals()?;
        close_at_exec();
        Ok(())
    }
}

impl Shown {
    /// `folder` to be seen as `place`, which exists.
    pub(crate) fn new(folder: &Path, place: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: text(folder)?,
            place: text(place)?,
        })
    }

    fn enter(&self) -> io::Result<()> {
        unshare(UnshareFlags::NEWNS)?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount::mount_change(c"/", private)?;
        mount::mount_bind(&self.folder, &self.place)?;
        read_only(&self.place, true, false)
    }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

impl ReadOnlyRoot {
    /// Prepares a root in which only `kept` (and `/tmp`, fresh) can be written.
    pub(crate) fn new(kept: &Path) -> io::Result<Self> {
        let mut parents = Vec::new();
        for folder in kept.ancestors().filter(|f| f.starts_with("/tmp/")) {
            parents.push(text(folder)?);
        }
        parents.reverse();
        Ok(Self {
            kept: text(kept)?,
            parents,
        })
    }

    fn enter(&self) -> io::Result<()> {
        unshare(UnshareFlags::NEWNS)?;
        // Stays reachable once `/tmp` is covered; opened here, since a mount of the namespace that
        // was left cannot be bound in this one.
        let kept = rustix::fs::open(&self.kept, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let kept = format!("/proc/self/fd/{}", kept.as_raw_fd());
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount::mount_change(c"/", private)?;
        read_only(c"/", true, true)?;
        let fresh = |folder: &CStr| {
            mount::mount(
                c"tmpfs",
                folder,
                c"tmpfs",
                MountFlags::NOSUID,
                Some(c"mode=1777"),
            )
        };
        fresh(c"/tmp")?;
        // Shared memory is not the root file system; a machine without it needs none.
        let _ = fresh(c"/dev/shm");
        for folder in &self.parents {
            match rustix::fs::mkdir(folder, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        mount::mount_bind(kept.as_str(), &self.kept)?;
        read_only(&self.kept, false, false)
    }
}

/// Makes a mount (and with `recursive` those below it) read-only, or writable again.
fn read_only(path: &CStr, on: bool, recursive: bool) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: if on { libc::MOUNT_ATTR_RDONLY } else { 0 },
        attr_clr: if on { 0 } else { libc::MOUNT_ATTR_RDONLY },
        propagation: 0,
        userns_fd: 0,
    };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `path` is a C string and `attributes` a structure of the size told; both outlive
    // the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Moves the next children (PID) or this process (mounts) into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only FILES can take descriptors from other threads, and it is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Sets a soft limit, within the hard one; `None` leaves it.
pub(crate) fn soft_limit(resource: Resource, soft: Option<u64>) -> io::Result<()> {
    let Some(soft) = soft else {
        return Ok(());
    };
    let hard = rustix::process::getrlimit(resource).maximum;
    let current = Some(hard.map_or(soft, |hard| soft.min(hard)));
    Ok(rustix::process::setrlimit(
        resource,
        Rlimit {
            current,
            maximum: hard,
        },
    )?)
}

/// Raises the soft limit of descriptors to the hard one; returns what it was.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let before = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Refused only where a sandbox forbids it, and then the old limit holds.
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
    before.current
}

/// Marks every descriptor above 2 close-on-exec. Kernels before 5.11 refuse: there it is enough
/// that everything here is opened that way.
fn close_at_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: takes three numbers; descriptors stay open until exec.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// Lets every signal through: the mask is inherited over exec.
fn unblock_signals() -> io::Result<()> {
    // SAFETY: a zeroed set is a valid argument of sigemptyset, which initialises it; both calls
    // take a pointer to it that outlives them.
    let result = unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Blocks SIGCHLD, SIGTERM, SIGINT and SIGHUP and returns a descriptor that is readable when one
/// came. [`prepare`] unblocks them in children, which std does not.
pub(crate) fn signal_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: a zeroed set is a valid argument of sigemptyset, which initialises it; every call
    // takes a pointer to it that outlives the call; the new descriptor is owned by nobody else.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&raw mut set, signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Has the allocator give what this thread has freed back to the system.
#[cfg(feature = "mimalloc")]
pub(crate) const GIVE_BACK: Option<fn()> = Some(collect);
/// Other allocators see to it themselves.
#[cfg(not(feature = "mimalloc"))]
pub(crate) const GIVE_BACK: Option<fn()> = None;

#[cfg(feature = "mimalloc")]
fn collect() {
    // SAFETY: may be called at any time on any thread; it touches what is free.
    unsafe { libmimalloc_sys::mi_collect(true) };
}
