//! A recipe and a port become an order to the spawner. Pure.

use std::path::{Path, PathBuf};

use ringway_proxy::Address;

use super::recipe::{Listen, Mode, Recipe};
use crate::spawner::{Abilities, INSTANCE_VARIABLE, SECRETS_FOLDER, StartOrder};
use crate::watchdog::{Arguments, SMALL_PAGES};

/// Where a replica will listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// The loopback port.
    Port(u16),
    /// The Unix socket.
    Socket(PathBuf),
}

/// What every launch needs beside its recipe.
pub(super) struct Launch<'a> {
    pub(super) id: u64,
    pub(super) instance: &'a str,
    pub(super) log: &'a str,
    pub(super) path: &'a str,
    pub(super) home: &'a str,
    pub(super) able: &'a Abilities,
    /// The folder with the function's secrets.
    pub(super) secrets: &'a Path,
}

impl Spot {
    /// Whether a replica of this mode wants a port.
    pub(super) const fn wants_port(mode: &Mode) -> bool {
        matches!(
            mode,
            Mode::Http {
                listen: Listen::Port,
                ..
            }
        )
    }

    /// The address in the table.
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Port(port) => Address::Tcp(([127, 0, 0, 1], *port).into()),
            Self::Socket(path) => Address::Unix(path.clone()),
        }
    }

    pub(super) fn socket(&self) -> Option<&Path> {
        match self {
            Self::Port(_) => None,
            Self::Socket(path) => Some(path),
        }
    }
}

/// The order that starts a replica.
pub(super) fn order(recipe: &Recipe, spot: &Spot, launch: &Launch<'_>) -> StartOrder {
    let port = match spot {
        Spot::Port(port) => Some(*port),
        Spot::Socket(_) => None,
    };
    let command = recipe.command.words(port);
    let memory = recipe.limits.memory_bytes;
    let by_cgroup = memory.filter(|_| launch.able.memory_cgroup);
    let by_rlimit = memory.filter(|_| !launch.able.memory_cgroup);
    let (words, ourselves, data_bytes) = match (&recipe.mode, spot) {
        (Mode::Streaming(streaming), Spot::Socket(socket)) => {
            let arguments = Arguments {
                socket: socket.clone(),
                inflight_max: streaming.inflight_max,
                exec_timeout: streaming.exec_timeout,
                read_timeout: streaming.read_timeout,
                write_timeout: streaming.write_timeout,
                content_type: streaming.content_type.clone(),
                // For the processes it starts; the watchdog itself is not the function.
                data_bytes: by_rlimit,
                words: command,
            };
            (arguments.to_words(), true, None)
        }
        _ => (command, false, by_rlimit),
    };
    StartOrder {
        id: launch.id,
        words,
        ourselves,
        variables: variables(recipe, spot, launch),
        folder: recipe.folder.clone(),
        log: launch.log.to_owned(),
        instance: launch.instance.to_owned(),
        memory_bytes: by_cgroup,
        cpu_millis: recipe.limits.cpu_millis,
        data_bytes,
        read_only_root: recipe.limits.read_only_root,
        secrets: (recipe.has_secrets && launch.able.secrets_mount)
            .then(|| launch.secrets.to_owned()),
    }
}

/// The whole environment; a later entry wins over an earlier one of the same name.
fn variables(recipe: &Recipe, spot: &Spot, launch: &Launch<'_>) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut variables = vec![pair("PATH", launch.path), pair("HOME", launch.home)];
    variables.extend(recipe.variables.iter().cloned());
    variables.push(pair(INSTANCE_VARIABLE, launch.instance));
    if recipe.has_secrets {
        let folder = if launch.able.secrets_mount {
            Path::new(SECRETS_FOLDER)
        } else {
            launch.secrets
        };
        variables.push(pair("OPENFAAS_SECRETS", &folder.to_string_lossy()));
    }
    match (&recipe.mode, spot) {
        (Mode::Http { .. }, Spot::Port(port)) => {
            let port = port.to_string();
            variables.extend([pair("PORT", &port), pair("port", &port)]);
        }
        (Mode::Http { .. }, Spot::Socket(path)) => {
            variables.push(pair("RINGWAY_SOCKET", &path.to_string_lossy()));
        }
        (Mode::Streaming(_), _) => variables.push(pair(SMALL_PAGES.0, SMALL_PAGES.1)),
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Deployment;

    fn launched(change: impl Fn(&mut Deployment), spot: &Spot, memory_cgroup: bool) -> StartOrder {
        let mut deployment = Deployment {
            env_process: "serve -p $PORT".into(),
            ..Deployment::default()
        };
        deployment.limits.memory = "1Mi".into();
        change(&mut deployment);
        let able = Abilities {
            memory_cgroup,
            ..Abilities::default()
        };
        let recipe = Recipe::parse(&deployment, &able).unwrap();
        let launch = Launch {
            id: 1,
            instance: "a-1",
            log: "a.ns",
            path: "/bin",
            home: "/home/x",
            able: &able,
            secrets: Path::new("/r/secrets/a.ns"),
        };
        order(&recipe, spot, &launch)
    }

    fn variable<'a>(order: &'a StartOrder, name: &str) -> Option<&'a str> {
        let found = order.variables.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn http(deployment: &mut Deployment) {
        deployment.env_vars.insert("mode".into(), "http".into());
        deployment.env_vars.insert("PATH".into(), "/own".into());
        deployment.env_vars.insert("PORT".into(), "80".into());
    }

    #[test]
    fn a_function_that_serves_gets_its_port() {
        let order = launched(http, &Spot::Port(20_001), false);
        assert_eq!(order.words, ["serve", "-p", "20001"]);
        assert!(!order.ourselves);
        assert_eq!(variable(&order, "PORT"), Some("20001"));
        assert_eq!(variable(&order, "port"), Some("20001"));
        assert_eq!(variable(&order, "PATH"), Some("/own"));
        assert_eq!(variable(&order, "HOME"), Some("/home/x"));
        assert_eq!(variable(&order, "RINGWAY_INSTANCE"), Some("a-1"));
        assert_eq!(
            (order.memory_bytes, order.data_bytes),
            (None, Some(1 << 20))
        );
    }

    #[test]
    fn secrets_are_a_mount_where_that_is_allowed_and_a_variable_everywhere() {
        let mut deployment = Deployment {
            env_process: "cat".into(),
            secrets: vec!["s".into()],
            ..Deployment::default()
        };
        let ordered = |deployment: &Deployment, secrets_mount| {
            let able = Abilities {
                secrets_mount,
                ..Abilities::default()
            };
            let recipe = Recipe::parse(deployment, &able).unwrap();
            let launch = Launch {
                id: 1,
                instance: "a-1",
                log: "a.ns",
                path: "/bin",
                home: "/",
                able: &able,
                secrets: Path::new("/r/secrets/a.ns"),
            };
            order(&recipe, &Spot::Socket("/r/1.sock".into()), &launch)
        };
        let mounted = ordered(&deployment, true);
        assert_eq!(
            mounted.secrets.as_deref(),
            Some(Path::new("/r/secrets/a.ns"))
        );
        assert_eq!(
            variable(&mounted, "OPENFAAS_SECRETS"),
            Some("/var/openfaas/secrets")
        );
        let named = ordered(&deployment, false);
        assert_eq!(named.secrets, None);
        assert_eq!(
            variable(&named, "OPENFAAS_SECRETS"),
            Some("/r/secrets/a.ns")
        );
        deployment.secrets.clear();
        let none = ordered(&deployment, true);
        assert_eq!(
            (none.secrets.as_deref(), variable(&none, "OPENFAAS_SECRETS")),
            (None, None)
        );
    }

    #[test]
    fn a_function_on_a_socket_gets_its_path() {
        let order = launched(http, &Spot::Socket("/r/1.sock".into()), true);
        assert_eq!(variable(&order, "RINGWAY_SOCKET"), Some("/r/1.sock"));
        assert_eq!(
            (order.memory_bytes, order.data_bytes),
            (Some(1 << 20), None)
        );
    }

    #[test]
    fn a_streaming_function_gets_a_watchdog() {
        let order = launched(|_| {}, &Spot::Socket("/r/1.sock".into()), false);
        assert!(order.ourselves);
        let arguments = Arguments::parse(&order.words[2..]).unwrap();
        assert_eq!(arguments.words, ["serve", "-p", "$PORT"]);
        assert_eq!(arguments.data_bytes, Some(1 << 20));
        assert_eq!((order.memory_bytes, order.data_bytes), (None, None));
        assert_eq!(variable(&order, "PORT"), None);
    }
}
