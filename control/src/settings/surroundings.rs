//! What the process finds around itself: the only reader of the environment and of the cores.

use std::env;
use std::io;
use std::path::PathBuf;
use std::thread;

/// Processor architecture, as `/system/info` names it.
pub const ARCHITECTURE: &str = env::consts::ARCH;

/// Facts about the place the gateway runs in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Cores this process may use, at least 1.
    pub cores: usize,
    /// `XDG_DATA_HOME`, when absolute (the specification says to ignore relative ones).
    pub xdg_data_home: Option<PathBuf>,
    /// Home folder.
    pub home: Option<PathBuf>,
    /// Search path given to functions.
    pub path: String,
    /// Folder for short-lived files.
    pub temp: PathBuf,
}

impl Surroundings {
    /// Looks around.
    #[must_use]
    pub fn observe() -> Self {
        let folder = |name| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|p| p.is_absolute())
        };
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            xdg_data_home: folder("XDG_DATA_HOME"),
            home: folder("HOME"),
            path: env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned()),
            temp: env::temp_dir(),
        }
    }
}

/// The words of the command line; bytes that are not text are replaced.
#[must_use]
pub fn arguments() -> Vec<String> {
    env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Where this binary lies.
///
/// # Errors
/// The kernel does not say.
pub fn own_binary() -> io::Result<PathBuf> {
    env::current_exe()
}

/// Every variable of this process whose name and value are text: what a watchdog was given.
#[must_use]
pub fn variables() -> Vec<(String, String)> {
    let all = env::vars_os();
    let texts = all.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    texts.collect()
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
