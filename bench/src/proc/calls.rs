//! System calls of a proxy, in a pass of its own: counting them slows what is counted. perf counts
//! all with little delay and strace says which they are.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often each system call was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// Which tool counted.
    pub(crate) tool: &'static str,
    pub(crate) all: u64,
    /// By name, the most frequent first; empty when the tool does not tell.
    pub(crate) by_name: Vec<(String, u64)>,
}

/// Counts the calls that these processes make during `load`, with whichever tool is there.
pub(crate) fn calls(
    tool: &'static str,
    pids: &[Pid],
    load: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Calls> {
    let log = tempfile::NamedTempFile::new()?;
    let list: Vec<String> = pids
        .iter()
        .map(|p| p.as_raw_nonzero().to_string())
        .collect();
    let mut command = Command::new(tool);
    match tool {
        "perf" => {
            command.args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o"]);
            command.arg(log.path()).arg("-p").arg(list.join(","));
        }
        "strace" => {
            command
                .args(["-f", "-c", "-S", "calls", "-o"])
                .arg(log.path());
            list.iter().for_each(|pid| {
                command.args(["-p", pid]);
            });
        }
        other => bail!("{other} counts no system calls"),
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {tool}"))?;
    // It has attached when it sleeps; there is nothing else to wait for.
    std::thread::sleep(Duration::from_millis(300));
    let loaded = load();
    interrupt(&mut child)?;
    loaded?;
    let text = std::fs::read_to_string(log.path())?;
    let calls = if tool == "perf" {
        perf(&text)
    } else {
        strace(&text)
    };
    calls.with_context(|| format!("{tool} did not tell: {}", text.trim()))
}

fn interrupt(child: &mut Child) -> anyhow::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("a process without an id")?;
    kill_process(pid, Signal::INT)?;
    child.wait()?;
    let _ = std::io::stderr().flush();
    Ok(())
}

fn perf(text: &str) -> Option<Calls> {
    let line = text.lines().find(|line| line.contains("sys_enter"))?;
    Some(Calls {
        tool: "perf",
        all: line.split(',').next()?.parse().ok()?,
        by_name: Vec::new(),
    })
}

fn strace(text: &str) -> Option<Calls> {
    let mut by_name = Vec::new();
    // % time, seconds, usecs/call, calls, errors (may be absent), name.
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, count, .., name] = words.as_slice()
            && let Ok(count) = count.parse::<u64>()
            && *name != "total"
        {
            by_name.push(((*name).to_owned(), count));
        }
    }
    by_name.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    text.contains("total").then(|| Calls {
        tool: "strace",
        all: by_name.iter().map(|(_, count)| count).sum(),
        by_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_are_understood() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n \
                     90.00    1.0           1           70         2 recvfrom\n \
                     10.00    0.1           1          130           sendto\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    1.1           1         200         2 total\n";
        let calls = strace(table).unwrap();
        assert_eq!(calls.all, 200);
        assert_eq!(calls.by_name[0], ("sendto".to_owned(), 130));
        assert_eq!(calls.by_name[1], ("recvfrom".to_owned(), 70));
        let line = "# started\n\n7215,,raw_syscalls:sys_enter,1000,100.00,,\n";
        assert_eq!(perf(line).unwrap().all, 7_215);
        assert!(strace("").is_none() && perf("").is_none());
    }
}
