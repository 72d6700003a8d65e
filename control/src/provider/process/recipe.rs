//! A deployment, parsed: how its processes are started. Pure but for a look at the image folder.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ringway_proxy::Settings;

use super::command_line::CommandLine;
use super::quantity;
use crate::policy::{self, Scale};
use crate::provider::Invalid;
use crate::queue::Queueing;
use crate::settings::duration;
use crate::spawner::Abilities;
use crate::wire::{Deployment, Resources};

/// How a function's processes are started. After [`Recipe::parse`] nothing can be malformed.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) mode: Mode,
    pub(super) command: CommandLine,
    /// Working directory: the image, when it is an absolute path.
    pub(super) folder: Option<PathBuf>,
    /// Variables of the process, besides those the provider sets.
    pub(super) variables: Vec<(String, String)>,
    /// How long a drained replica may take to finish its calls.
    pub(super) write_timeout: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) scale: Scale,
    /// Calls at once per replica that the table enforces; `None` leaves it to the watchdog.
    pub(super) inflight_per_replica: Option<u32>,
    /// What the annotations say.
    pub(super) settings: Settings,
    /// How queued calls of it are run.
    pub(super) queueing: Queueing,
    /// Whether it names secrets.
    pub(super) has_secrets: bool,
}

/// How requests reach the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A watchdog per replica, a process per request.
    Streaming(Streaming),
    /// One long-lived process per replica that speaks HTTP.
    Http {
        listen: Listen,
        /// Path that answers 200 when the replica is ready; `None`: it is ready when it accepts.
        ready_path: Option<String>,
    },
}

/// What a watchdog is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Streaming {
    pub(super) inflight_max: u32,
    pub(super) exec_timeout: Option<Duration>,
    pub(super) read_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) content_type: String,
}

/// Where a long-lived process listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    /// The loopback port in `PORT`.
    Port,
    /// The Unix socket in `RINGWAY_SOCKET`.
    Socket,
}

/// What a replica may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) memory_bytes: Option<u64>,
    pub(super) cpu_millis: Option<u32>,
    pub(super) read_only_root: bool,
}

impl Recipe {
    /// Checks every field that has an effect here, and those that would have one elsewhere.
    pub(super) fn parse(deployment: &Deployment, able: &Abilities) -> Result<Self, Invalid> {
        if deployment.env_process.trim().is_empty() {
            return Err(Invalid::new(
                "envProcess",
                "must hold the command line: the built-in provider runs processes, not images",
            ));
        }
        let command = CommandLine::parse(&deployment.env_process)
            .map_err(|e| Invalid::new("envProcess", e.to_string()))?;
        let mode = mode(deployment)?;
        let inflight_per_replica = match mode {
            Mode::Streaming(_) => None,
            Mode::Http { .. } => inflight(deployment)?,
        };
        amounts("requests", &deployment.requests)?;
        Ok(Self {
            mode,
            command,
            folder: folder(&deployment.image)?,
            variables: variables(deployment)?,
            write_timeout: bound(deployment, "write_timeout")?,
            limits: limits(deployment, able)?,
            scale: policy::scale(&deployment.labels)?,
            inflight_per_replica,
            settings: policy::settings(&deployment.annotations)?,
            queueing: Queueing::read(&deployment.annotations),
            has_secrets: !deployment.secrets.is_empty(),
        })
    }

    /// Settings of the function's row while it has `replicas`.
    pub(super) fn settings(&self, replicas: u32) -> Settings {
        let mut settings = self.settings.clone();
        let of_all = self
            .inflight_per_replica
            .map(|n| n.saturating_mul(replicas.max(1)));
        settings.inflight_max = settings.inflight_max.or(of_all);
        settings
    }
}

fn mode(deployment: &Deployment) -> Result<Mode, Invalid> {
    let named = deployment.env_vars.get("mode").map_or("", String::as_str);
    match named {
        "" | "streaming" => Ok(Mode::Streaming(Streaming {
            inflight_max: inflight(deployment)?.unwrap_or(STREAMING_INFLIGHT_DEFAULT),
            exec_timeout: bound(deployment, "exec_timeout")?,
            read_timeout: bound(deployment, "read_timeout")?,
            write_timeout: bound(deployment, "write_timeout")?,
            content_type: content_type(deployment)?,
        })),
        "http" => {
            let upstream = deployment.env_vars.get("upstream_url");
            let socket = upstream.is_some_and(|url| url.starts_with("unix:"));
            Ok(Mode::Http {
                listen: if socket { Listen::Socket } else { Listen::Port },
                ready_path: ready_path(deployment)?,
            })
        }
        other => Err(Invalid::new(
            "envVars.mode",
            format!("{other:?}: must be streaming (the default) or http"),
        )),
    }
}

fn content_type(deployment: &Deployment) -> Result<String, Invalid> {
    let Some(value) = deployment
        .env_vars
        .get("content_type")
        .filter(|v| !v.is_empty())
    else {
        return Ok("application/octet-stream".to_owned());
    };
    if http::HeaderValue::from_str(value).is_err() {
        return Err(Invalid::new(
            "envVars.content_type",
            "must be a header value",
        ));
    }
    Ok(value.clone())
}

fn ready_path(deployment: &Deployment) -> Result<Option<String>, Invalid> {
    let Some(path) = deployment.annotations.get(READY_PATH) else {
        return Ok(None);
    };
    let plain = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    if !plain {
        let rule = format!("{path:?}: must be a path that begins with '/'");
        return Err(Invalid::new(format!("annotations.{READY_PATH}"), rule));
    }
    Ok(Some(path.clone()))
}

/// `max_inflight`; 0 is the default, as with of-watchdog.
fn inflight(deployment: &Deployment) -> Result<Option<u32>, Invalid> {
    let Some(value) = deployment
        .env_vars
        .get("max_inflight")
        .filter(|v| !v.is_empty())
    else {
        return Ok(None);
    };
    let count = policy::whole(value).filter(|n| *n <= INFLIGHT_MAX);
    let count = count.ok_or_else(|| {
        let rule = format!("{value:?}: must be a whole number from 0 to {INFLIGHT_MAX}");
        Invalid::new("envVars.max_inflight", rule)
    })?;
    Ok((count > 0).then_some(count))
}

/// A timeout variable of the watchdog; 0 and absent are unlimited.
fn bound(deployment: &Deployment, name: &str) -> Result<Option<Duration>, Invalid> {
    let Some(value) = deployment.env_vars.get(name).filter(|v| !v.is_empty()) else {
        return Ok(None);
    };
    let parsed = duration::parse(value)
        .map_err(|e| Invalid::new(format!("envVars.{name}"), format!("{value:?}: {e}")))?;
    Ok((!parsed.is_zero()).then_some(parsed))
}

fn folder(image: &str) -> Result<Option<PathBuf>, Invalid> {
    let path = PathBuf::from(image);
    if !path.is_absolute() {
        return Ok(None);
    }
    // Opening it is the only test of "readable" that asks the kernel.
    match fs::read_dir(&path) {
        Ok(_) => Ok(Some(path)),
        Err(error) => Err(Invalid::new(
            "image",
            format!("an absolute path must be a folder that can be read: {image:?}: {error}"),
        )),
    }
}

fn variables(deployment: &Deployment) -> Result<Vec<(String, String)>, Invalid> {
    for (name, value) in &deployment.env_vars {
        let field = || format!("envVars.{name}");
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Invalid::new(
                field(),
                "a name must not be empty nor hold '=' or NUL",
            ));
        }
        if value.contains('\0') {
            return Err(Invalid::new(field(), "must not hold NUL"));
        }
        if name.len() + value.len() + 2 > VARIABLE_BYTES_MAX {
            let rule = format!("the kernel takes at most {VARIABLE_BYTES_MAX} bytes per variable");
            return Err(Invalid::new(field(), rule));
        }
    }
    Ok(deployment.env_vars.clone().into_iter().collect())
}

fn limits(deployment: &Deployment, able: &Abilities) -> Result<Limits, Invalid> {
    let (memory_bytes, cpu_millis) = amounts("limits", &deployment.limits)?;
    let gpus = [
        ("nvidia.com/gpu", &deployment.limits.nvidia_gpu),
        ("amd.com/gpu", &deployment.limits.amd_gpu),
        ("intel.com/gpu", &deployment.limits.intel_gpu),
    ];
    if let Some((kind, _)) = gpus.iter().find(|(_, amount)| !amount.is_empty()) {
        let rule = "the built-in provider does not assign devices";
        return Err(Invalid::new(format!("limits.{kind}"), rule));
    }
    if cpu_millis.is_some() && !able.cpu_limit {
        let rule = "cannot be kept here: no cgroup with the cpu controller is writable";
        return Err(Invalid::new("limits.cpu", rule));
    }
    if deployment.read_only_root_filesystem && !able.read_only_root {
        let rule = "cannot be kept here: mount namespaces are not allowed";
        return Err(Invalid::new("readOnlyRootFilesystem", rule));
    }
    Ok(Limits {
        memory_bytes,
        cpu_millis,
        read_only_root: deployment.read_only_root_filesystem,
    })
}

/// Memory and cpu of one resources object.
fn amounts(parent: &str, given: &Resources) -> Result<(Option<u64>, Option<u32>), Invalid> {
    let invalid = |field: &str, value: &str, rule: &str| {
        Invalid::new(format!("{parent}.{field}"), format!("{value:?} {rule}"))
    };
    let mut memory = None;
    if !given.memory.is_empty() {
        let bytes = quantity::bytes(&given.memory);
        let bytes = bytes.map_err(|e| invalid("memory", &given.memory, &e.to_string()))?;
        if bytes < MEMORY_BYTES_MIN {
            let rule = "is less than 1Mi (mind that m means thousandths)";
            return Err(invalid("memory", &given.memory, rule));
        }
        memory = Some(bytes);
    }
    let mut cpu = None;
    if !given.cpu.is_empty() {
        let millis = quantity::millis(&given.cpu);
        let millis = millis.map_err(|e| invalid("cpu", &given.cpu, &e.to_string()))?;
        if millis == 0 {
            return Err(invalid("cpu", &given.cpu, "must be above 0"));
        }
        cpu = Some(millis);
    }
    Ok((memory, cpu))
}

/// Processes at once per watchdog when `max_inflight` is not set.
const STREAMING_INFLIGHT_DEFAULT: u32 = 100;
/// More calls at once than one replica can have processes or descriptors for.
const INFLIGHT_MAX: u32 = 10_000;
/// `MAX_ARG_STRLEN` of execve(2): 32 pages.
const VARIABLE_BYTES_MAX: usize = 128 * 1024;
/// Below this nothing starts, so it must be a mistake (`128m` is an eighth of a byte).
const MEMORY_BYTES_MIN: u64 = 1024 * 1024;
const READY_PATH: &str = "com.openfaas.ready.http.path";

#[cfg(test)]
mod tests {
    use super::*;

    fn cat() -> Deployment {
        Deployment {
            service: "a".into(),
            env_process: "cat".into(),
            ..Deployment::default()
        }
    }

    fn able() -> Abilities {
        Abilities {
            cpu_limit: true,
            read_only_root: true,
            ..Abilities::default()
        }
    }

    fn refused(change: impl Fn(&mut Deployment)) -> String {
        let mut deployment = cat();
        change(&mut deployment);
        Recipe::parse(&deployment, &able()).unwrap_err().to_string()
    }

    fn variable(name: &str, value: &str) -> impl Fn(&mut Deployment) {
        move |d| {
            d.env_vars.insert(name.to_owned(), value.to_owned());
        }
    }

    #[test]
    fn defaults_are_those_of_the_streaming_mode() {
        let recipe = Recipe::parse(&cat(), &able()).unwrap();
        let Mode::Streaming(streaming) = recipe.mode else {
            panic!("not streaming");
        };
        assert_eq!(streaming.inflight_max, 100);
        assert_eq!(streaming.exec_timeout, None);
        assert_eq!(streaming.content_type, "application/octet-stream");
        assert_eq!(recipe.scale, Scale { min: 1, max: None });
    }

    #[test]
    fn http_mode_counts_calls_in_the_table() {
        let mut deployment = cat();
        variable("mode", "http")(&mut deployment);
        variable("max_inflight", "5")(&mut deployment);
        let recipe = Recipe::parse(&deployment, &able()).unwrap();
        assert_eq!(
            recipe.mode,
            Mode::Http {
                listen: Listen::Port,
                ready_path: None
            }
        );
        assert_eq!(recipe.settings(3).inflight_max, Some(15));
        assert_eq!(recipe.settings(0).inflight_max, Some(5));
        variable("upstream_url", "unix:/x")(&mut deployment);
        deployment
            .annotations
            .insert("com.ringway.max-inflight".into(), "7".into());
        let recipe = Recipe::parse(&deployment, &able()).unwrap();
        assert_eq!(
            recipe.mode,
            Mode::Http {
                listen: Listen::Socket,
                ready_path: None
            }
        );
        assert_eq!(recipe.settings(3).inflight_max, Some(7));
    }

    #[test]
    fn every_refusal_names_its_field() {
        assert!(refused(|d| d.env_process.clear()).starts_with("envProcess: "));
        assert!(refused(|d| d.env_process = "a 'b".into()).starts_with("envProcess: "));
        assert!(refused(variable("mode", "serializing")).starts_with("envVars.mode: "));
        assert!(refused(variable("max_inflight", "-1")).starts_with("envVars.max_inflight: "));
        assert!(refused(variable("exec_timeout", "x")).starts_with("envVars.exec_timeout: "));
        assert!(refused(variable("content_type", "a\nb")).starts_with("envVars.content_type: "));
        assert!(refused(variable("a=b", "x")).starts_with("envVars.a=b: "));
        assert!(refused(variable("a", "x\0")).starts_with("envVars.a: "));
        assert!(refused(variable("a", &"x".repeat(131_072))).starts_with("envVars.a: "));
        assert!(refused(|d| d.image = "/no/such/folder".into()).starts_with("image: "));
        assert!(refused(|d| d.image = "/etc/hostname".into()).starts_with("image: "));
        assert!(refused(|d| d.limits.memory = "lots".into()).starts_with("limits.memory: "));
        assert!(refused(|d| d.limits.memory = "128m".into()).starts_with("limits.memory: "));
        assert!(refused(|d| d.limits.cpu = "0".into()).starts_with("limits.cpu: "));
        assert!(refused(|d| d.requests.cpu = "x".into()).starts_with("requests.cpu: "));
        assert!(refused(|d| d.limits.amd_gpu = "1".into()).starts_with("limits.amd.com/gpu: "));
        assert!(
            refused(|d| {
                d.env_vars.insert("mode".into(), "http".into());
                d.annotations.insert(READY_PATH.into(), "ready".into());
            })
            .starts_with("annotations.com.openfaas.ready.http.path: ")
        );
    }

    #[test]
    fn what_cannot_be_kept_here_is_refused() {
        let mut deployment = cat();
        deployment.limits.cpu = "0.5".into();
        assert!(Recipe::parse(&deployment, &able()).is_ok());
        let error = Recipe::parse(&deployment, &Abilities::default()).unwrap_err();
        assert_eq!(error.field, "limits.cpu");
        let deployment = Deployment {
            read_only_root_filesystem: true,
            ..cat()
        };
        assert!(Recipe::parse(&deployment, &able()).is_ok());
        let error = Recipe::parse(&deployment, &Abilities::default()).unwrap_err();
        assert_eq!(error.field, "readOnlyRootFilesystem");
    }

    #[test]
    fn the_image_is_a_folder_or_a_label() {
        let mut deployment = Deployment {
            image: "ghcr.io/x/y:1".into(),
            ..cat()
        };
        assert_eq!(Recipe::parse(&deployment, &able()).unwrap().folder, None);
        deployment.image = "/tmp".into();
        let recipe = Recipe::parse(&deployment, &able()).unwrap();
        assert_eq!(recipe.folder, Some(PathBuf::from("/tmp")));
    }
}
