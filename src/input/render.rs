//! Renders charts and kustomizations with the user's installation of helm, kustomize or kubectl.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, iter};

use serde_yaml::Value;

use super::{Changes, Input, InputErrorKind, InputSource};

/// The file names that kustomize accepts.
const KUSTOMIZATION_FILES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A chart or a kustomization to render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// A chart, rendered by helm.
    Chart {
        /// A directory, an archive, or any other reference that helm accepts.
        chart: String,
        /// The values files.
        values: Vec<PathBuf>,
        /// The namespace of the release.
        namespace: String,
        /// The Kubernetes version to render for; `None` for the default of helm.
        kube_version: Option<String>,
    },
    /// A directory with a kustomization, rendered by kustomize or kubectl.
    Kustomization(String),
}

/// Checks whether a path has the file name of a kustomization.
pub fn is_kustomization(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| KUSTOMIZATION_FILES.iter().any(|known| file == *known))
}

/// Returns the kustomization file in a directory as an input, or `None` if there is no such file.
pub fn kustomization_in(directory: &Path) -> Option<Input> {
    let mut files = KUSTOMIZATION_FILES.iter().map(|name| directory.join(name));
    let path = files.find(|path| path.is_file())?;
    Some(Input { name: path.to_string_lossy().into_owned(), source: InputSource::File(path) })
}

impl Rendering {
    /// Returns the name for reports: the chart, the kustomization file or, if there is no such
    /// file, the directory of the kustomization.
    pub fn name(&self) -> String {
        match self {
            Self::Chart { chart, .. } => chart.clone(),
            Self::Kustomization(directory) => {
                let mut files = KUSTOMIZATION_FILES.iter().map(|name| Path::new(directory).join(name));
                let file = files.find(|file| file.is_file());
                file.map_or_else(|| directory.clone(), |file| file.to_string_lossy().into_owned())
            }
        }
    }

    /// Checks whether a file that the rendering reads may have changed. Returns true for charts
    /// that are not in a local file or directory.
    pub fn may_have_changed(&self, changes: &Changes) -> bool {
        match self {
            Self::Chart { chart, values, .. } => {
                let files = iter::once(Path::new(chart)).chain(values.iter().map(PathBuf::as_path));
                files.into_iter().any(|path| !path.exists() || changes.touches_below(path))
            }
            Self::Kustomization(directory) => {
                kustomization_references(Path::new(directory)).iter().any(|path| changes.touches_below(path))
            }
        }
    }

    /// Returns up to `max_bytes` of the rendered manifests. The messages of the programs go to the
    /// standard error of volcheck.
    pub(super) fn render(&self, max_bytes: u64) -> Result<Vec<u8>, InputErrorKind> {
        match self {
            Self::Chart { chart, values, namespace, kube_version } => {
                let mut helm = Command::new("helm");
                // Like `helm install`, includes the objects in `crds`, which can be of any kind.
                helm.args(["template", "--include-crds", "--namespace", namespace]);
                for file in values {
                    helm.arg("--values").arg(file);
                }
                if let Some(version) = kube_version {
                    helm.args(["--kube-version", version]);
                }
                // `--` keeps a chart such as `-a` from being read as a flag.
                run(helm.args(["--", chart]), max_bytes)?.ok_or(InputErrorKind::HelmNotFound)
            }
            Self::Kustomization(directory) => {
                let mut kustomize = Command::new("kustomize");
                if let Some(rendered) = run(kustomize.args(["build", "--", directory]), max_bytes)? {
                    return Ok(rendered);
                }
                let mut kubectl = Command::new("kubectl");
                run(kubectl.args(["kustomize", "--", directory]), max_bytes)?
                    .ok_or(InputErrorKind::KustomizeNotFound)
            }
        }
    }
}

/// Returns the real paths of a directory with a kustomization, and of the files and directories to
/// which the kustomization refers, directly or through other kustomizations.
pub fn kustomization_references(directory: &Path) -> BTreeSet<PathBuf> {
    let mut known = BTreeSet::new();
    add_references(directory, &mut known);
    known
}

/// Adds a directory to `known`, and the files and directories to which its kustomization refers.
fn add_references(directory: &Path, known: &mut BTreeSet<PathBuf>) {
    let Ok(directory) = fs::canonicalize(directory) else { return };
    if !known.insert(directory.clone()) {
        return;
    }
    let Some(Input { source: InputSource::File(file), .. }) = kustomization_in(&directory) else { return };
    let Ok(text) = fs::read_to_string(file) else { return };
    let Ok(kustomization) = serde_yaml::from_str(&text) else { return };
    let mut strings = Vec::new();
    add_strings(&kustomization, &mut strings);
    for string in strings {
        // An item of `files` in a generator can be `KEY=PATH`.
        for path in [string, string.split_once('=').map_or("", |(_, path)| path)] {
            let path = directory.join(path);
            if path.is_dir() {
                add_references(&path, known);
            } else if path.is_file() {
                known.insert(path);
            }
        }
    }
}

fn add_strings<'v>(value: &'v Value, strings: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => strings.push(text),
        Value::Sequence(items) => items.iter().for_each(|item| add_strings(item, strings)),
        Value::Mapping(entries) => entries.values().for_each(|value| add_strings(value, strings)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {}
    }
}

/// Runs a program and returns up to `max_bytes` of its standard output. Returns `None` if the
/// program is not installed, and an error if it fails.
fn run(command: &mut Command, max_bytes: u64) -> Result<Option<Vec<u8>>, InputErrorKind> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(InputErrorKind::RendererNotStarted { program, reason: Box::new(error.into()) });
        }
    };
    let mut bytes = Vec::new();
    let read = match child.stdout.take() {
        // Closing the pipe afterwards terminates a program that would keep printing.
        Some(stdout) => stdout.take(max_bytes).read_to_end(&mut bytes),
        None => Ok(0),
    };
    let status = child.wait()?;
    read?;
    // If the output reaches `max_bytes`, the closed pipe may have caused the failure.
    if !status.success() && (bytes.len() as u64) < max_bytes {
        return Err(InputErrorKind::RendererFailed { program, status });
    }
    Ok(Some(bytes))
}
