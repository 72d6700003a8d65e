//! Logs: one JSON object per line, as they come.

use std::time::Duration;

use ringway_tests::{Client, Credentials, Reply, eventually};
use serde_json::{Value, json};

use super::json::is_rfc3339;
use super::scenes::on_every_provider;
use super::stage::Stage;

on_every_provider!(
    lines_come_as_ndjson,
    the_last_of_repeated_parameters_wins,
    a_follower_gets_the_head_at_once_and_lines_as_they_come,
    unknown_functions_have_no_lines,
    bad_parameters_are_refused,
);

fn logs(stage: &Stage, query: &str) -> Reply {
    stage.admin("GET", &format!("/system/logs?{query}"), &Value::Null)
}

fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = reply.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn texts(reply: &Reply) -> Vec<String> {
    let text = |line: &Value| line["text"].as_str().unwrap().trim_end().to_owned();
    lines(reply).iter().map(text).collect()
}

/// Three lines, all there.
fn told(stage: &Stage) {
    stage.deploy("say");
    for text in ["one", "two", "three"] {
        stage.log("say", text);
    }
    eventually("three lines", Duration::from_secs(5), || {
        (texts(&logs(stage, "name=say")).len() == 3).then_some(())
    });
}

fn lines_come_as_ndjson(stage: &Stage) {
    told(stage);
    let reply = logs(stage, "name=say&follow=false");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    for line in lines(&reply) {
        assert_eq!(line["name"], "say", "{line}");
        for field in ["namespace", "instance", "text"] {
            assert!(line[field].is_string(), "{field}: {line}");
        }
        assert!(is_rfc3339(line["timestamp"].as_str().unwrap()), "{line}");
    }
    assert_eq!(texts(&reply), ["one", "two", "three"]);
    assert_eq!(texts(&logs(stage, "name=say&tail=1")), ["three"]);
    assert_eq!(
        texts(&logs(stage, "name=say&tail=-1&namespace=openfaas-fn")).len(),
        3
    );
    assert_eq!(
        texts(&logs(stage, "name=say&since=2001-02-03T04:05:06Z")).len(),
        3
    );
    assert_eq!(
        texts(&logs(stage, "name=say&since=2201-02-03T04:05:06%2B02:00")).len(),
        0
    );
    let instance = lines(&reply)[0]["instance"].as_str().unwrap().to_owned();
    assert!(!texts(&logs(stage, &format!("name=say&instance={instance}"))).is_empty());
    assert!(texts(&logs(stage, "name=say&instance=another")).is_empty());
}

fn the_last_of_repeated_parameters_wins(stage: &Stage) {
    told(stage);
    let reply = logs(stage, "name=other&tail=1&name=say&tail=2");
    assert_eq!(texts(&reply), ["two", "three"]);
}

fn a_follower_gets_the_head_at_once_and_lines_as_they_come(stage: &Stage) {
    stage.deploy("say");
    let mut client = Client::connect(stage.gateway.address).unwrap();
    let authorization = Credentials::new("admin", "secret").header();
    let head = format!(
        "GET /system/logs?name=say&follow=true&tail=-1 HTTP/1.1\r\nHost: g\r\n\
         User-Agent: faas-cli/0.17.4\r\nAuthorization: {authorization}\r\n\r\n"
    );
    client.send(head.as_bytes()).unwrap();
    assert!(client.line().unwrap().starts_with("HTTP/1.1 200"));
    while !client.line().unwrap().is_empty() {}
    for text in ["first", "second"] {
        stage.log("say", text);
        let mut seen = String::new();
        while !seen.contains(text) {
            seen = client.line().unwrap();
        }
    }
    let Some(provider) = &stage.provider else {
        return;
    };
    assert_eq!(provider.followers(), 1);
    drop(client);
    eventually("the upstream to be left", Duration::from_secs(5), || {
        (provider.followers() == 0).then_some(())
    });
}

fn unknown_functions_have_no_lines(stage: &Stage) {
    let reply = logs(stage, "name=nobody&follow=false");
    match stage.provider {
        Some(_) => assert_eq!((reply.status, reply.body.len()), (200, 0)),
        None => assert!(
            matches!((reply.status, reply.body.len()), (200, 0) | (404, _)),
            "{reply:?}"
        ),
    }
}

fn bad_parameters_are_refused(stage: &Stage) {
    stage.deploy("say");
    for query in ["name=say&tail=many", "name=say&since=yesterday"] {
        let reply = logs(stage, query);
        assert!(matches!(reply.status, 400 | 422), "{query}: {reply:?}");
        assert!(
            stage.provider.is_none() || reply.status == 422,
            "{query}: {reply:?}"
        );
    }
    assert_eq!(
        stage
            .admin("POST", "/system/logs?name=say", &json!({}))
            .status,
        405
    );
}
