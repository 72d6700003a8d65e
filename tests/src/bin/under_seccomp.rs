//! `under-seccomp PROFILE PROGRAM…` runs a program under a seccomp profile of container runtimes.
//! `under-seccomp probe` makes system calls that only harm where they are allowed and given sense,
//! and prints each with what came of it: 0 or the error's number.

use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let profile = words.next().ok_or(std::io::ErrorKind::InvalidInput)?;
    if profile == "probe" {
        probe();
        return Ok(());
    }
    let profile: Value = serde_json::from_slice(&std::fs::read(profile)?)?;
    for program in filters(&profile)? {
        seccompiler::apply_filter(&program).map_err(Error::other)?;
    }
    let program = words.next().ok_or(std::io::ErrorKind::InvalidInput)?;
    Err(Command::new(program).args(words).exec())
}

/// What the profile allows; and a filter for each error that it gives to calls by name, which the
/// first one lets through: of two filters the stricter one decides.
fn filters(profile: &Value) -> Result<Vec<BpfProgram>> {
    let default = errno(&profile["defaultErrnoRet"])?;
    if profile["defaultAction"] != "SCMP_ACT_ERRNO" {
        return Err(Error::other("what is not named must be refused"));
    }
    let mut allowed = Vec::new();
    let mut programs = Vec::new();
    for group in profile["syscalls"].as_array().into_iter().flatten() {
        let rules = rules(group)?;
        match group["action"].as_str() {
            Some("SCMP_ACT_ALLOW") => {}
            Some("SCMP_ACT_ERRNO") => {
                let action = json!({"errno": errno(&group["errnoRet"])?});
                programs.push(compile(&json!("allow"), &action, &rules)?);
            }
            other => return Err(Error::other(format!("action {other:?}"))),
        }
        allowed.extend(rules);
    }
    programs.push(compile(
        &json!({"errno": default}),
        &json!("allow"),
        &allowed,
    )?);
    Ok(programs)
}

fn errno(value: &Value) -> Result<u64> {
    let number = value.as_u64();
    number.ok_or_else(|| Error::other("an error's number is missing"))
}

/// A group's calls with their conditions, as `seccompiler` spells them.
fn rules(group: &Value) -> Result<Vec<Value>> {
    let mut conditions = Vec::new();
    for condition in group["args"].as_array().into_iter().flatten() {
        let (value, mask) = match condition["op"].as_str() {
            Some("SCMP_CMP_EQ") => (&condition["value"], None),
            Some("SCMP_CMP_MASKED_EQ") => (&condition["valueTwo"], Some(&condition["value"])),
            other => return Err(Error::other(format!("comparison {other:?}"))),
        };
        let op = mask.map_or_else(|| json!("eq"), |mask| json!({"masked_eq": mask}));
        let index = &condition["index"];
        conditions.push(json!({"index": index, "type": "qword", "op": op, "val": value}));
    }
    let names = group["names"].as_array().into_iter().flatten();
    // The profile names calls that other machines do not have; container runtimes pass over them.
    let names = names.filter(|name| cfg!(target_arch = "x86_64") || is_known(name));
    let rule = |name: &Value| match conditions.is_empty() {
        true => json!({"syscall": name}),
        false => json!({"syscall": name, "args": conditions}),
    };
    Ok(names.map(rule).collect())
}

fn is_known(name: &Value) -> bool {
    compile(
        &json!("allow"),
        &json!({"errno": 1}),
        &[json!({"syscall": name})],
    )
    .is_ok()
}

fn compile(otherwise: &Value, action: &Value, rules: &[Value]) -> Result<BpfProgram> {
    let filter = json!({"mismatch_action": otherwise, "match_action": action, "filter": rules});
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(Error::other)?;
    let text = json!({"profile": filter}).to_string();
    let mut programs = compile_from_json(text.as_bytes(), arch).map_err(Error::other)?;
    programs
        .remove("profile")
        .ok_or_else(|| Error::other("no program"))
}

/// Each call with one argument that has no sense, or asks for nothing.
const PROBES: [(&str, libc::c_long, libc::c_long); 22] = [
    ("add_key", libc::SYS_add_key, 0),
    ("bpf", libc::SYS_bpf, -1),
    ("chroot", libc::SYS_chroot, 0),
    ("clone3", libc::SYS_clone3, 0),
    ("finit_module", libc::SYS_finit_module, -1),
    ("init_module", libc::SYS_init_module, 0),
    ("kexec_file_load", libc::SYS_kexec_file_load, -1),
    ("keyctl", libc::SYS_keyctl, -1),
    ("mount", libc::SYS_mount, 0),
    ("name_to_handle_at", libc::SYS_name_to_handle_at, -1),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, -1),
    ("perf_event_open", libc::SYS_perf_event_open, 0),
    ("pivot_root", libc::SYS_pivot_root, 0),
    ("process_vm_readv", libc::SYS_process_vm_readv, -1),
    ("ptrace", libc::SYS_ptrace, -1),
    ("reboot", libc::SYS_reboot, 0),
    ("setns", libc::SYS_setns, -1),
    ("socket of another family", libc::SYS_socket, 40),
    ("swapon", libc::SYS_swapon, 0),
    ("umount2", libc::SYS_umount2, 0),
    ("unshare", libc::SYS_unshare, 0),
    ("userfaultfd", libc::SYS_userfaultfd, -1),
];

#[expect(unsafe_code, reason = "the calls themselves are what is tried")]
#[expect(clippy::print_stdout, reason = "the caller reads it")]
fn probe() {
    let told = |name: &str, result: libc::c_long| {
        let error = Error::last_os_error().raw_os_error().unwrap_or(0);
        println!("{name}: {}", if result < 0 { error } else { 0 });
    };
    let none: libc::c_long = 0;
    for (name, number, argument) in PROBES {
        // SAFETY: no argument points to memory, and none asks for anything that can be done.
        told(name, unsafe {
            libc::syscall(number, argument, none, none, none, none)
        });
    }
    // SAFETY: as above; should it be allowed, the child, a copy with a stack of its own, ends at
    // once.
    let child = unsafe {
        let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
        let child = libc::syscall(libc::SYS_clone, flags, none, none, none, none);
        if child == 0 {
            libc::_exit(0);
        }
        child
    };
    told("clone into a user namespace", child);
}
