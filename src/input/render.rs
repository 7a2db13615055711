//! Renders charts and kustomizations with the user's installation of helm, kustomize or kubectl.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, iter};

use ignore::{DirEntry, WalkBuilder};
use serde_yaml::Value;

use super::exclude::{normalized, real_path};
use super::process::{self, Output};
use super::{ANY_TEMPLATE, Changes, Input, InputErrorKind, InputSource};
use crate::model::printable;

/// The file names that kustomize accepts.
const KUSTOMIZATION_FILES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A chart or a kustomization to render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendering {
    pub source: RenderSource,
    /// How long the program that renders it may run.
    pub timeout: Duration,
}

/// The source of rendered manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderSource {
    /// A chart, rendered by helm.
    Chart(ChartSource),
    /// A directory with a kustomization, rendered by kustomize or kubectl.
    Kustomization(String),
}

/// A chart and the arguments of helm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChartSource {
    /// A directory, an archive, or any other reference that helm accepts.
    pub chart: String,
    /// The values files.
    pub values: Vec<PathBuf>,
    /// Single values, such as `image.tag=1`. They take precedence over the values files.
    pub set: Vec<String>,
    /// The name of the release; `None` for the default of helm.
    pub release_name: Option<String>,
    /// The namespace of the release.
    pub namespace: String,
    /// The Kubernetes version to render for; `None` for the default of helm.
    pub kube_version: Option<String>,
    /// The API versions that the cluster has in addition to the default ones.
    pub api_versions: Vec<String>,
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
        match &self.source {
            RenderSource::Chart(source) => source.chart.clone(),
            RenderSource::Kustomization(directory) => {
                let mut files = KUSTOMIZATION_FILES.iter().map(|name| Path::new(directory).join(name));
                let file = files.find(|file| file.is_file());
                file.map_or_else(|| directory.clone(), |file| file.to_string_lossy().into_owned())
            }
        }
    }

    /// Returns the path of the chart, or of the directory of the kustomization.
    pub fn path(&self) -> &Path {
        match &self.source {
            RenderSource::Chart(ChartSource { chart, .. }) => Path::new(chart),
            RenderSource::Kustomization(directory) => Path::new(directory),
        }
    }

    /// Returns the path of an imaginary template of the chart, or of an imaginary file next to the
    /// kustomization.
    pub(super) fn any_file(&self) -> PathBuf {
        match &self.source {
            RenderSource::Chart(ChartSource { chart, .. }) => Path::new(chart).join(ANY_TEMPLATE),
            RenderSource::Kustomization(directory) => Path::new(directory).join("*.yaml"),
        }
    }

    /// Checks whether a file that the rendering reads may have changed. Returns true for charts
    /// that are not in a local file or directory.
    pub fn may_have_changed(&self, changes: &Changes) -> bool {
        match &self.source {
            RenderSource::Chart(ChartSource { chart, values, .. }) => {
                let files = iter::once(Path::new(chart)).chain(values.iter().map(PathBuf::as_path));
                files.into_iter().any(|path| !path.exists() || changes.touches_below(path))
                    || links_in(Path::new(chart)).any(|link| changes.touches_below(&link))
            }
            RenderSource::Kustomization(directory) => {
                let mut known = references(Path::new(directory));
                // The directory may be a symbolic link, which can change, too.
                known.insert(PathBuf::from(directory));
                known.iter().any(|path| changes.touches_below(path))
            }
        }
    }

    /// Returns up to `max_bytes` of the rendered manifests. Prints the messages of the program to
    /// standard error.
    pub(super) fn render(&self, max_bytes: u64) -> Result<Vec<u8>, InputErrorKind> {
        match &self.source {
            RenderSource::Chart(source) => {
                if let Some(missing) = source.values.iter().find(|file| is_missing(file)) {
                    return Err(InputErrorKind::ValuesNotFound(missing.display().to_string()));
                }
                self.run(&mut source.command(), max_bytes)?.ok_or(InputErrorKind::HelmNotFound)
            }
            RenderSource::Kustomization(directory) => {
                let mut kustomize = Command::new("kustomize");
                if let Some(rendered) = self.run(kustomize.args(["build", "--", directory]), max_bytes)? {
                    return Ok(rendered);
                }
                let mut kubectl = Command::new("kubectl");
                self.run(kubectl.args(["kustomize", "--", directory]), max_bytes)?
                    .ok_or(InputErrorKind::KustomizeNotFound)
            }
        }
    }

    /// Runs a program and returns up to `max_bytes` of its standard output. Returns `None` if the
    /// program is not installed, and an error if it fails.
    fn run(&self, command: &mut Command, max_bytes: u64) -> Result<Option<Vec<u8>>, InputErrorKind> {
        let Some(Output { bytes, messages, status }) = process::run(command, max_bytes, self.timeout)? else {
            return Ok(None);
        };
        print_messages(&self.name(), &messages);
        // If the output reaches `max_bytes`, the closed pipe may have caused the failure.
        if status.success() || bytes.len() as u64 >= max_bytes {
            return Ok(Some(bytes));
        }
        let values = match &self.source {
            RenderSource::Chart(ChartSource { chart, .. }) if messages.contains(MISSING_DEPENDENCIES) => {
                return Err(InputErrorKind::MissingDependencies(chart.clone()));
            }
            RenderSource::Chart(ChartSource { values, .. }) => values.as_slice(),
            RenderSource::Kustomization(_) => &[],
        };
        let values: Vec<_> = values.iter().map(|file| format!("`{}`", file.display())).collect();
        Err(InputErrorKind::RendererFailed {
            program: command.get_program().to_string_lossy().into_owned(),
            values: if values.is_empty() { String::new() } else { format!(" with {}", values.join(", ")) },
            status,
            reason: failure_reason(&messages).map_or_else(String::new, |reason| format!(": {reason}")),
        })
    }
}

impl ChartSource {
    /// Returns the command that renders the chart.
    fn command(&self) -> Command {
        let mut helm = Command::new("helm");
        // Like `helm install`, includes the objects in `crds`, which can be of any kind.
        helm.args(["template", "--include-crds", "--namespace", &self.namespace]);
        for file in &self.values {
            helm.arg("--values").arg(file);
        }
        for value in &self.set {
            helm.args(["--set", value]);
        }
        if let Some(version) = &self.kube_version {
            helm.args(["--kube-version", version]);
        }
        for version in &self.api_versions {
            helm.args(["--api-versions", version]);
        }
        // `--` keeps a chart such as `-a` from being read as a flag.
        helm.arg("--").args(&self.release_name).arg(&self.chart);
        helm
    }
}

/// The part of helm's error messages about dependencies that are not in the directory `charts`.
const MISSING_DEPENDENCIES: &str = "missing in charts/ directory";

/// Checks whether a values file is missing. Returns false for URLs.
fn is_missing(file: &Path) -> bool {
    !file.to_string_lossy().contains("://") && !file.exists()
}

/// Returns the last error in the messages of a program or, if there is none, the last line, without
/// the time and the process ID that kubectl writes before it.
fn failure_reason(messages: &str) -> Option<&str> {
    let mut lines = messages.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next()?;
    let text = match last.strip_prefix('E') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => last.split_once("] "),
        _ => None,
    };
    lines.find_map(|line| line.strip_prefix("Error: ")).or(text.map(|(_, text)| text)).or(Some(last))
}

/// Prints the messages of a program to standard error. Each line starts with the name of the
/// rendering, because several programs run at the same time.
fn print_messages(name: &str, messages: &str) {
    let lines = messages.lines().filter(|line| !line.trim().is_empty());
    let text: String = lines.map(|line| format!("{}: {}\n", printable(name), printable(line))).collect();
    // Nothing can be done if standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Returns the directory of a kustomization, and the files and directories to which it refers,
/// directly or through other kustomizations. Their paths are canonical. If a reference contains
/// symbolic links, its path with these links is also returned.
pub fn references(directory: &Path) -> BTreeSet<PathBuf> {
    let mut known = BTreeSet::new();
    add_references(directory, &mut known);
    known
}

/// Returns the symbolic links in a directory and its subdirectories.
fn links_in(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let walk = WalkBuilder::new(directory).standard_filters(false).follow_links(true).build();
    let entries = walk.filter_map(Result::ok).filter(DirEntry::path_is_symlink);
    entries.map(DirEntry::into_path)
}

/// The fields of a kustomization that can refer to directories.
const DIRECTORY_FIELDS: [&str; 7] =
    ["bases", "components", "generators", "helmGlobals", "resources", "transformers", "validators"];

/// Adds a directory to `known`, and the files and directories to which its kustomization refers.
fn add_references(directory: &Path, known: &mut BTreeSet<PathBuf>) {
    let Ok(directory) = fs::canonicalize(directory) else { return };
    if !known.insert(directory.clone()) {
        return;
    }
    let Some(Input { source: InputSource::File(file), .. }) = kustomization_in(&directory) else { return };
    let Ok(text) = fs::read_to_string(file) else { return };
    let Ok(kustomization) = serde_yaml::from_str::<BTreeMap<String, Value>>(&text) else { return };
    for (field, value) in &kustomization {
        let mut strings = Vec::new();
        add_strings(value, &mut strings);
        // An item of `files` in a generator can be `KEY=PATH`.
        let parts =
            strings.into_iter().flat_map(|text| [Some(text), text.split_once('=').map(|(_, path)| path)]);
        for path in parts.flatten().map(|path| normalized(&directory.join(path))) {
            let Some(real) = real_path(&path) else { continue };
            if real.is_dir() {
                // In other fields, a string that is the name of a directory has another meaning.
                if !DIRECTORY_FIELDS.contains(&field.as_str()) {
                    continue;
                }
                add_references(&real, known);
            }
            // The path may contain symbolic links, which can change, too.
            known.extend([path, real]);
        }
    }
}

/// Adds the strings in a value to `strings`.
fn add_strings<'v>(value: &'v Value, strings: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => strings.push(text),
        Value::Sequence(items) => items.iter().for_each(|item| add_strings(item, strings)),
        Value::Mapping(entries) => entries.values().for_each(|value| add_strings(value, strings)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::failure_reason;

    #[test]
    fn finds_the_reason_of_a_failure() {
        for (messages, expected) in [
            ("WARNING: a\nError: b\n\nUse --debug\n", Some("b")),
            ("a\nb\n", Some("b")),
            ("E1201 04:01:32.851624   30261 run.go:72] \"command failed\"\n", Some("\"command failed\"")),
            ("Ending] now\n", Some("Ending] now")),
            ("\n", None),
        ] {
            assert_eq!(failure_reason(messages), expected);
        }
    }
}
