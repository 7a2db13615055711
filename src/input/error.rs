//! Errors while finding and reading inputs.

use std::io;
use std::process::ExitStatus;

/// An input that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {kind}")]
pub struct InputError {
    /// The name for display.
    pub name: String,
    pub kind: InputErrorKind,
}

/// The reason for an [`InputError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputErrorKind {
    /// The path does not exist.
    #[error("no such file or directory")]
    NotFound,
    /// The process has no permission to read the path.
    #[error("permission denied")]
    PermissionDenied,
    /// The path is a directory, but a file is required.
    #[error("a directory, not a file")]
    Directory,
    /// The path is a socket.
    #[error("a socket, not a file")]
    Socket,
    /// The path is a device.
    #[error("a device, not a file")]
    Device,
    /// An entry of a directory is a pipe, a socket or a device.
    #[error("neither a file nor a directory")]
    NotRegular,
    /// A symbolic link points to itself, possibly through other links.
    #[error("a symbolic link that points to itself")]
    LinkLoop,
    /// No file matches a glob.
    #[error("no file matches the glob")]
    NoMatch,
    /// A glob has invalid syntax.
    #[error("{0}")]
    InvalidGlob(String),
    /// helm is not installed.
    #[error("`helm` not found in PATH")]
    HelmNotFound,
    /// Neither kustomize nor kubectl is installed.
    #[error("neither `kustomize` nor `kubectl` found in PATH")]
    KustomizeNotFound,
    /// A program that renders manifests could not be started.
    #[error("failed to run `{program}`: {reason}")]
    RendererNotStarted { program: String, reason: Box<Self> },
    /// A program that renders manifests failed. `values` names the values files, and `reason` is
    /// the program's error message; both include their separators.
    #[error("`{program}` failed{values} ({status}){reason}")]
    RendererFailed { program: String, values: String, status: ExitStatus, reason: String },
    /// A program that renders manifests did not end in time, and was killed.
    #[error("`{program}` did not end within {seconds} s (`--render-timeout`)")]
    RendererTimedOut { program: String, seconds: u64 },
    /// The dependencies of this chart are not in its directory `charts`.
    #[error("dependencies of the chart are missing: run `helm dependency build {0}`")]
    MissingDependencies(String),
    /// A values file does not exist.
    #[error("values file `{0}` not found")]
    ValuesNotFound(String),
    /// The policy declares a chart in a directory that contains none.
    #[error("`lint.charts` declares a chart here, but there is no `Chart.yaml`")]
    NoChart,
    /// Another error, such as one of the operating system.
    #[error("{0}")]
    Other(String),
    /// A bug in volcheck.
    #[error("internal error, please report it")]
    Internal,
}

/// The error number for a symbolic link that points to itself.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

impl From<&io::Error> for InputErrorKind {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::IsADirectory => Self::Directory,
            _ if cfg!(unix) && error.raw_os_error() == Some(ELOOP) => Self::LinkLoop,
            _ => {
                let text = error.to_string();
                let without_code = text.split(" (os error ").next().unwrap_or_default();
                Self::Other(without_code.to_owned())
            }
        }
    }
}

impl From<io::Error> for InputErrorKind {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}
