//! The gateway under the seccomp profile of `docs/hardening/`.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use ringway_tests::{Client, Deployment, Gateway, sibling};

const PROFILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/hardening/seccomp.json"
);

fn under_the_profile() -> Gateway {
    let through = [
        sibling("under-seccomp").into(),
        OsString::from(Path::new(PROFILE)),
    ];
    Gateway::through(&through, &[])
}

/// Functions in languages that this machine has.
fn functions() -> Vec<(&'static str, &'static str, &'static str)> {
    let all = [
        ("cat", "cat", "cat"),
        (
            "shell",
            "sh",
            "sh -c 'read line; echo \"$line\" | tr a-z A-Z'",
        ),
        (
            "python",
            "python3",
            "python3 -c 'import sys,threading,subprocess,socket;socket.getaddrinfo(\"localhost\",80);t=threading.Thread(target=print,args=(\"thread\",));t.start();t.join();print(subprocess.run([\"echo\",\"child\"],capture_output=True).stdout.decode())'",
        ),
        (
            "node",
            "node",
            "node -e 'require(\"os\").networkInterfaces();require(\"fs\").promises.readFile(\"/etc/hostname\").then(()=>console.log(require(\"child_process\").execSync(\"echo child\").toString()))'",
        ),
    ];
    let has = |program: &str| {
        let version = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        version.is_ok_and(|output| output.status.success())
    };
    all.into_iter()
        .filter(|(_, program, _)| has(program))
        .collect()
}

#[test]
fn the_gateway_and_its_functions_live_under_the_seccomp_profile() {
    let gateway = under_the_profile();
    let driver = match std::env::var("RINGWAY_TEST_DRIVER").as_deref() {
        Ok("epoll" | "refused") => "epoll",
        _ => "io_uring",
    };
    let series = format!("ringway_driver{{driver=\"{driver}\"}}");
    assert_eq!(gateway.metric(&series), Some(1.0), "{}", gateway.log());
    let status = format!("/proc/{}/status", gateway.pid());
    let status = std::fs::read_to_string(status).unwrap();
    assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
    for (name, _, command) in functions() {
        gateway.deploy_ready(&Deployment::streaming(name, command), 1);
        let reply = gateway.call("POST", &format!("/function/{name}"), b"hello\n");
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let told = match name {
            "cat" => "hello\n",
            "shell" => "HELLO\n",
            _ => "child\n",
        };
        assert!(reply.text().contains(told), "{name}: {}", reply.text());
    }
    // A long-lived function, by TCP; large bodies both ways.
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let body = vec![b'x'; 1_000_000];
    let reply = client.request("POST", "/function/vice/echo", &[], &body);
    assert!(reply.unwrap().body == body);
    gateway.scale("vice", 3);
    gateway.await_replicas("vice", 3);
    let queued = gateway.call("POST", "/async-function/cat", b"later");
    assert_eq!(queued.status, 202, "{}", queued.text());
}

#[test]
fn what_the_seccomp_profile_does_not_name_is_refused_to_functions() {
    let gateway = under_the_profile();
    let probe = format!("{} probe", sibling("under-seccomp").display());
    gateway.deploy_ready(&Deployment::streaming("probe", &probe), 1);
    let reply = gateway.call("GET", "/function/probe", b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    assert!(text.lines().count() > 20, "{text}");
    for line in text.lines() {
        let (name, error) = line.split_once(": ").unwrap();
        let wanted = match name {
            "clone3" => libc::ENOSYS,
            _ => libc::EPERM,
        };
        assert_eq!(error, wanted.to_string(), "{name}");
    }
    // It is the profile that refuses them.
    let free = Command::new(sibling("under-seccomp")).arg("probe").output();
    assert_ne!(text, String::from_utf8(free.unwrap().stdout).unwrap());
}
