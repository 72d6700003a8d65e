//! The command line: which command, and which settings were typed.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::demo;
use crate::serve;
use crate::settings::{Given, Key, Settings, Surroundings, WorkerSettings, arguments, reference};
use crate::spawner::{self, INSTANCE_VARIABLE, Place};
use crate::watchdog;

/// Runs the command that was typed.
#[must_use]
pub fn run() -> ExitCode {
    let words = arguments();
    match words.get(1).map(String::as_str) {
        // Started by this program only, and many times: no parser in between.
        Some("watchdog") => internal(watchdog::Arguments::parse(&words[2..]), watchdog::run),
        Some("spawner") => {
            serve::start_log("warn");
            internal(Place::parse(&words[2..]), |place| spawner::run(&place))
        }
        Some("demo-function") => demo::function(),
        _ => typed(),
    }
}

fn typed() -> ExitCode {
    // Huge pages, of which a gateway touches little and pays all. The allocator asks for none;
    // this is for systems that give them unasked. A kernel without the switch does without.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let matches = command().get_matches();
    let (name, matches) = matches.subcommand().unwrap_or(("serve", &matches));
    let given = |key: Key| given(matches, key);
    let around = Surroundings::observe();
    match name {
        "demo" => demo::run(given, around),
        "reference" => print_reference(),
        "queue-worker" => match WorkerSettings::resolve(given) {
            Ok(mut settings) => {
                settings.warnings.extend(unknown(std::env::vars_os()));
                serve::run_queue_worker(settings)
            }
            Err(error) => fail(&error),
        },
        _ => match Settings::resolve(given, around) {
            Ok(mut settings) => {
                settings.warnings.extend(unknown(std::env::vars_os()));
                serve::run(settings)
            }
            Err(error) => fail(&error),
        },
    }
}

#[expect(clippy::print_stdout, reason = "this text is what the command is for")]
fn print_reference() -> ExitCode {
    print!("{}", reference());
    ExitCode::SUCCESS
}

/// Tells why the program does not start.
pub(crate) fn fail(error: &dyn std::error::Error) -> ExitCode {
    // There is nowhere to report a closed standard error to.
    let _ = writeln!(io::stderr(), "ringway: {error}");
    ExitCode::FAILURE
}

/// The settings as typed: the flag, else the variable.
fn given(matches: &ArgMatches, key: Key) -> Option<Given> {
    let shape = key.shape();
    // An error is a flag that this command does not have.
    let text = matches.try_get_one::<String>(shape.flag).ok()??.clone();
    let name = match matches.value_source(shape.flag)? {
        ValueSource::CommandLine => format!("--{}", shape.flag),
        _ => shape.variable.to_owned(),
    };
    Some(Given { name, text })
}

/// A line for each variable that looks like a setting and is none: a slip of the pen.
fn unknown(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let names = variables.filter_map(|(name, _)| name.into_string().ok());
    let is_known = |name: &str| {
        Key::ALL.iter().any(|key| key.shape().variable == name) || OF_FUNCTIONS.contains(&name)
    };
    let unknown = names.filter(|name| name.starts_with("RINGWAY_") && !is_known(name));
    unknown
        .map(|name| format!("{name} is set, and there is no such setting"))
        .collect()
}

/// What functions are told: a gateway may be one's child.
const OF_FUNCTIONS: [&str; 2] = [INSTANCE_VARIABLE, "RINGWAY_SOCKET"];

fn command() -> Command {
    let settings = || Key::ALL.into_iter().map(argument);
    Command::new("ringway")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An OpenFaaS-compatible gateway, with a provider built in")
        .after_help(
            "Every setting is a flag or an environment variable; the flag wins. Durations are \
             whole seconds or Go durations such as 1m30s. Other OpenFaaS variables are ignored.",
        )
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .args(settings())
        .subcommand(
            Command::new("serve")
                .about("Serves; the default without a command")
                .args(settings()),
        )
        .subcommand(
            Command::new("queue-worker")
                .about("Runs asynchronous calls that gateways queue in NATS")
                .args(
                    Key::ALL
                        .into_iter()
                        .filter(|k| WorkerSettings::takes(*k))
                        .map(argument),
                ),
        )
        .subcommand(
            Command::new("reference").about("Prints the reference of all settings, as Markdown"),
        )
        .subcommand(
            Command::new("demo")
                .about("Serves on loopback from a temporary folder, with three functions")
                .args(
                    Key::ALL
                        .into_iter()
                        .filter(|k| demo::takes(*k))
                        .map(argument),
                ),
        )
}

fn argument(key: Key) -> Arg {
    let shape = key.shape();
    let argument = Arg::new(shape.flag)
        .long(shape.flag)
        .env(shape.variable)
        .hide_env_values(true)
        .value_name(shape.value)
        .help(shape.help);
    if key.is_switch() {
        argument
            .num_args(0..=1)
            .default_missing_value("true")
            .require_equals(true)
    } else {
        argument
    }
}

fn internal<T>(parsed: Option<T>, run: impl FnOnce(T) -> ExitCode) -> ExitCode {
    if let Some(parsed) = parsed {
        return run(parsed);
    }
    let _ = writeln!(
        io::stderr(),
        "ringway: this command is for ringway's own use"
    );
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_flag_with_its_variable() {
        let help = command().render_long_help().to_string();
        for key in Key::ALL {
            let shape = key.shape();
            assert!(
                help.contains(&format!("--{}", shape.flag)),
                "{}",
                shape.flag
            );
            assert!(
                help.contains(&format!("[env: {}]", shape.variable)),
                "{}",
                shape.variable
            );
        }
        assert!(!help.contains("watchdog") && !help.contains("spawner"));
    }

    #[test]
    fn flags_are_named_as_flags() {
        let matches = command().get_matches_from(["ringway", "--shards", "2", "--insecure"]);
        let shards = given(&matches, Key::Shards).unwrap();
        assert_eq!(
            (shards.name.as_str(), shards.text.as_str()),
            ("--shards", "2")
        );
        assert_eq!(given(&matches, Key::Insecure).unwrap().text, "true");
        let matches = command().get_matches_from(["ringway", "serve", "--insecure=false"]);
        let (name, serve) = matches.subcommand().unwrap();
        assert_eq!(name, "serve");
        assert_eq!(given(serve, Key::Insecure).unwrap().text, "false");
    }

    #[test]
    fn variables_that_look_like_settings_and_are_none_are_told() {
        let names = ["RINGWAY_LISTEN", "RINGWAY_LISTN", "RINGWAY_SOCKET", "PATH"];
        let given = names.map(|name| (name.into(), "x".into()));
        let told = unknown(given.into_iter());
        assert_eq!(told, ["RINGWAY_LISTN is set, and there is no such setting"]);
    }
}
