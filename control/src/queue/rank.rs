//! Which threads go first where there are more threads than cores.

/// Lets the shards' threads go before the calling one: who waits for a reply goes first.
pub(crate) fn step_back() {
    // On Linux this is the calling thread's alone (setpriority(2)). Without it calls that wait
    // compete with those that can wait, and that is all.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

const NICENESS: i32 = 19;
