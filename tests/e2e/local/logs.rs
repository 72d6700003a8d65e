//! Logs of processes: what they wrote, per replica, followed while they come and go.

use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway, eventually};
use serde_json::Value;

fn lines(gateway: &Gateway, query: &str) -> Vec<Value> {
    let reply = gateway.call("GET", &format!("/system/logs?{query}"), b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn both_outputs_of_a_server_are_its_log() {
    let gateway = Gateway::start();
    let command = "sh -c 'echo to-output; echo to-error >&2; exec sleep 1000'";
    gateway.deploy(&Deployment::http("talker", command));
    for wanted in ["to-output", "to-error"] {
        eventually(wanted, Duration::from_secs(10), || {
            let all = lines(&gateway, "name=talker");
            all.iter()
                .any(|line| line["text"].as_str().unwrap().trim_end() == wanted)
                .then_some(())
        });
    }
}

#[test]
fn replicas_are_told_apart() {
    let gateway = Gateway::start();
    let command = "sh -c 'echo \"I am $RINGWAY_INSTANCE\"; exec sleep 1000'";
    gateway.deploy(&Deployment::http("talker", command).replicas(2));
    let instances = eventually("two instances", Duration::from_secs(10), || {
        let all = lines(&gateway, "name=talker");
        let mut names: Vec<String> = all
            .iter()
            .map(|line| line["instance"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.dedup();
        (names.len() == 2).then_some(names)
    });
    for instance in instances {
        let own = lines(&gateway, &format!("name=talker&instance={instance}"));
        assert_eq!(own.len(), 1, "{own:?}");
        assert_eq!(own[0]["instance"], instance);
    }
}

#[test]
fn a_follower_sees_replicas_that_start_later() {
    let gateway = Gateway::start();
    let command = "sh -c 'echo started; exec sleep 1000'";
    gateway.deploy(&Deployment::http("talker", command));
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /system/logs?name=talker&follow=1&tail=-1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert!(client.line().unwrap().contains(" 200"));
    let mut started = 0;
    let mut see = |wanted: usize| {
        while started < wanted {
            let line = client.line().unwrap();
            started += usize::from(line.contains("\"started") || line.contains("started\\n"));
        }
    };
    see(1);
    gateway.scale("talker", 2);
    see(2);
}

#[test]
fn a_line_that_is_no_text_is_still_one_json_line() {
    let gateway = Gateway::start();
    let command = r#"sh -c 'printf "a\tb\"\\\\\001\377\n" >&2; exec sleep 1000'"#;
    gateway.deploy(&Deployment::http("talker", command));
    eventually("the line", Duration::from_secs(10), || {
        let all = lines(&gateway, "name=talker");
        let text = all.first()?["text"].as_str()?.to_owned();
        text.starts_with("a\tb\"").then_some(())
    });
}

/// A process per request: its last words need no line end, and do not run into those of the next.
#[test]
fn last_words_without_a_line_end_are_a_line_soon() {
    let gateway = Gateway::start();
    let body = serde_json::json!({
        "service": "terse", "image": "test",
        "envProcess": "sh -c 'cat >&2; printf reply'",
    });
    let reply = gateway.call("POST", "/system/functions", body.to_string().as_bytes());
    assert_eq!(reply.status, 202);
    for (index, words) in ["first", "second"].into_iter().enumerate() {
        let reply = gateway.call("POST", "/function/terse", words.as_bytes());
        assert_eq!(reply.text(), "reply");
        eventually(words, Duration::from_secs(5), || {
            let all = lines(&gateway, "name=terse");
            let last = all.last().and_then(|line| line["text"].as_str());
            (all.len() == index + 1 && last == Some(words)).then_some(())
        });
    }
}
