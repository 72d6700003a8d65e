//! Read your own deploy: 1,000 new names, each invoked at once on every shard.

use ringway_tests::{Client, Deployment, Gateway};
use serde_json::json;

use crate::must;

const ROUNDS: usize = 1_000;

pub(crate) fn read_your_own_deploy() -> Result<String, String> {
    let gateway = Gateway::start();
    // New connections go to the shard with the fewest, so four of them cover both shards.
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(gateway.address).map_err(|e| e.to_string())?;
        client
            .request("GET", "/healthz", &[], b"")
            .map_err(|e| e.to_string())?;
        kept.push(client);
    }
    let open = |i| gateway.metric(&format!("ringway_connections{{shard=\"{i}\"}}"));
    let by_shard = (open(0), open(1));
    let covers = by_shard.0 >= Some(1.0) && by_shard.1 >= Some(1.0);
    must(covers, || format!("connections by shard: {by_shard:?}"))?;
    let mut calls = 0;
    let mut bad = Vec::new();
    for i in 0..ROUNDS {
        let name = format!("fresh-{i}");
        gateway.deploy(&Deployment::http(&name, &ringway_tests::vice()));
        let target = format!("/function/{name}/x");
        let mut fresh = Client::connect(gateway.address).map_err(|e| e.to_string())?;
        for client in kept.iter_mut().chain([&mut fresh]) {
            calls += 1;
            match client.request("GET", &target, &[], b"") {
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => bad.push(format!("{name}: {}", reply.status)),
                Err(e) => return Err(format!("{name}: {e}")),
            }
        }
        let body = json!({"functionName": name}).to_string();
        let deleted = gateway.call("DELETE", "/system/functions", body.as_bytes());
        must(deleted.status == 200, || {
            format!("delete {name}: {}", deleted.status)
        })?;
    }
    let by_shard: Vec<f64> = (0..2)
        .filter_map(|i| gateway.metric(&format!("ringway_requests_total{{shard=\"{i}\"}}")))
        .collect();
    must(by_shard.iter().all(|n| *n > 0.0), || {
        format!("requests by shard: {by_shard:?}")
    })?;
    must(bad.is_empty(), || {
        format!("{} of {calls}: {:?}", bad.len(), &bad[..bad.len().min(5)])
    })?;
    Ok(format!(
        "{ROUNDS} deploys, {calls} calls, 0 x 404; by shard {by_shard:?}"
    ))
}
