//! What happens to the functions, at least once a second.

use std::time::{Duration, Instant};

use ringway_tests::{Deployment, Random, request};
use serde_json::json;

use crate::ask::{Ask, Ending, Error, Function};
use crate::caller::{connect, settle};
use crate::stage::Stage;

/// Deploys what there is at first; ready when it returns.
pub(crate) fn set(stage: &Stage<'_>) {
    let gateway = stage.gateway;
    for (function, replicas) in [
        (Function::Steady, 2),
        (Function::Rolling, 2),
        (Function::Elastic, 1),
        (Function::Mortal, 2),
        (Function::Faulty, 2),
        (Function::Passing, 1),
    ] {
        let deployment = version(stage, function, 0).replicas(replicas);
        gateway.deploy_ready(&deployment, u64::from(replicas));
    }
    let each = Deployment::streaming(Function::Each.name(), "cat");
    gateway.deploy_ready(&each, 1);
    gateway.deploy_ready(&Deployment::vice(PROBE), 1);
}

/// Takes away whatever is there.
pub(crate) fn strike(stage: &Stage<'_>) -> Result<(), String> {
    let list = request(stage.gateway.address, "GET", "/system/functions", &[], b"");
    let list = list.map_err(|e| e.to_string())?;
    let list: serde_json::Value = serde_json::from_slice(&list.body).map_err(|e| e.to_string())?;
    for name in list.as_array().into_iter().flatten() {
        delete(stage, name["name"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// Moves them until the stage is over.
pub(crate) fn play(stage: &Stage<'_>, seed: u64) {
    let mut mover = Mover {
        stage,
        random: Random::new(seed),
        version: 0,
        passing: true,
        killed: Instant::now(),
    };
    while !stage.is_over() {
        let began = Instant::now();
        mover.act();
        let pause = Duration::from_millis(200 + mover.random.below(600) as u64);
        std::thread::sleep(pause.saturating_sub(began.elapsed()));
    }
}

struct Mover<'a> {
    stage: &'a Stage<'a>,
    random: Random,
    version: u32,
    /// Whether the function of this name is there.
    passing: bool,
    killed: Instant,
}

impl Mover<'_> {
    fn act(&mut self) {
        if self.killed.elapsed() > KILL_EVERY {
            self.killed = Instant::now();
            self.kill();
        }
        let (kind, done) = match self.random.below(4) {
            0 => ("updates", self.update()),
            1 => ("scalings", self.scale()),
            2 if self.passing => ("deletions", self.pass()),
            2 => ("deployments", self.pass()),
            _ => ("deployments before calls", self.deploy_and_call()),
        };
        self.stage.books().change(kind, done);
    }

    /// The update of a function with callers: replicas are replaced one after the other.
    fn update(&mut self) -> Result<(), String> {
        self.version += 1;
        let next = version(self.stage, Function::Rolling, self.version).replicas(2);
        change(self.stage, "PUT", "/system/functions", &next.json())
    }

    /// To zero every other time; its callers bring it back.
    fn scale(&mut self) -> Result<(), String> {
        let replicas = self.random.below(2) * (1 + self.random.below(3));
        let name = Function::Elastic.name();
        let body = json!({"serviceName": name, "replicas": replicas}).to_string();
        let target = format!("/system/scale-function/{name}");
        change(self.stage, "POST", &target, &body)
    }

    fn pass(&mut self) -> Result<(), String> {
        self.passing = !self.passing;
        if self.passing {
            deploy(self.stage, Function::Passing)
        } else {
            delete(self.stage, Function::Passing.name())
        }
    }

    /// A function that is called on both shards when its deployment is accepted, then deleted.
    fn deploy_and_call(&mut self) -> Result<(), String> {
        deploy(self.stage, Function::Fresh)?;
        for _ in 0..3 {
            let ask = Ask::draw(&mut self.random, self.stage.id(), Function::Fresh);
            self.call("after deployment", &ask);
        }
        let deleted = delete(self.stage, Function::Fresh.name());
        self.stage.books().change("deletions after calls", deleted);
        Ok(())
    }

    /// The end of a replica while it has calls.
    fn kill(&mut self) {
        let mut ask = Ask::draw(&mut self.random, self.stage.id(), Function::Mortal);
        // A GET might be repeated, and end the other replica too.
        (ask.post, ask.fault) = (true, "exit");
        self.call("replica's end", &ask);
    }

    fn call(&self, kind: &'static str, ask: &Ask) {
        let began = Instant::now();
        let ending = match connect(self.stage.gateway.address) {
            Ok(mut client) => {
                let _ = client.send(&ask.bytes(false));
                settle(ask, began, || client.reply(ask.method())).0
            }
            Err(_) => Ending::Error(Error::Refused),
        };
        self.stage.books().call(kind, ask, ending);
    }
}

fn version(stage: &Stage<'_>, function: Function, version: u32) -> Deployment {
    Deployment::vice(function.name())
        .env("VICE_TALLY", stage.tally)
        .env("VICE_ID", &version.to_string())
}

fn deploy(stage: &Stage<'_>, function: Function) -> Result<(), String> {
    let body = version(stage, function, 0).json();
    change(stage, "POST", "/system/functions", &body)
}

fn delete(stage: &Stage<'_>, name: &str) -> Result<(), String> {
    let body = json!({"functionName": name}).to_string();
    change(stage, "DELETE", "/system/functions", &body)
}

fn change(stage: &Stage<'_>, method: &str, target: &str, body: &str) -> Result<(), String> {
    let reply = request(stage.gateway.address, method, target, &[], body.as_bytes());
    match reply.map_err(|e| format!("{method} {target}: {e}"))? {
        reply if matches!(reply.status, 200 | 202) => Ok(()),
        reply => Err(format!(
            "{method} {target} {body}: {} {}",
            reply.status,
            reply.text()
        )),
    }
}

/// The function whose calls are timed.
pub(crate) const PROBE: &str = "probe";
/// Longer than the provider's memory of a crash, so that it starts the next one at once.
const KILL_EVERY: Duration = Duration::from_secs(11);
