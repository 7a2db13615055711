//! What charts and kustomizations render to: by the user's own programs, which volcheck runs and doesn't hold.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The names that kustomize looks for.
const KUSTOMIZATIONS: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Something to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// A chart, by helm.
    Chart {
        /// A folder, an archive, or whatever else helm takes for one.
        chart: String,
        /// Files of values.
        values: Vec<PathBuf>,
        /// The namespace of the release.
        namespace: String,
        /// The version of Kubernetes that it is for; by default helm's own.
        kube_version: Option<String>,
    },
    /// A folder with a kustomization, by kustomize or kubectl.
    Kustomization(String),
}

/// Whether a file of this name is a kustomization, whatever stands in it.
pub fn is_kustomization(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| KUSTOMIZATIONS.iter().any(|known| file == *known))
}

impl Rendering {
    /// What it is called in a report: the file that it comes from, as far as that is known.
    pub fn name(&self) -> String {
        match self {
            Self::Chart { chart, .. } => chart.clone(),
            Self::Kustomization(folder) => {
                let file = |name: &&str| Path::new(folder).join(name);
                let file = KUSTOMIZATIONS.iter().map(file).find(|file| file.is_file());
                file.map_or_else(|| folder.clone(), |file| file.to_string_lossy().into_owned())
            }
        }
    }

    /// Its text, no more than `most` bytes; or why there is none. What the program says, it says to standard error.
    pub(super) fn run(&self, most: u64) -> Result<Vec<u8>, String> {
        match self {
            Self::Chart { chart, values, namespace, kube_version } => {
                let mut helm = Command::new("helm");
                helm.args(["template", "--namespace", namespace]);
                values.iter().for_each(|file| {
                    helm.arg("--values").arg(file);
                });
                if let Some(version) = kube_version {
                    helm.args(["--kube-version", version]);
                }
                // A name such as `-a` is no flag.
                output(helm.args(["--", chart]), most)?
                    .ok_or_else(|| "there is no `helm` on the PATH to render it".to_owned())
            }
            Self::Kustomization(folder) => {
                let rendered = match output(Command::new("kustomize").args(["build", "--", folder]), most)? {
                    None => output(Command::new("kubectl").args(["kustomize", "--", folder]), most)?,
                    rendered => rendered,
                };
                rendered.ok_or_else(|| {
                    "there is neither `kustomize` nor `kubectl` on the PATH to render it".to_owned()
                })
            }
        }
    }
}

/// What a program prints; none where there is no such program.
fn output(command: &mut Command, most: u64) -> Result<Option<Vec<u8>>, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("`{program}` can't be run: {}", super::reason(&error))),
    };
    let mut bytes = Vec::new();
    let read = match child.stdout.take() {
        // The pipe is closed behind it, so that a program without an end ends.
        Some(out) => out.take(most).read_to_end(&mut bytes).map_err(|error| super::reason(&error)),
        None => Ok(0),
    };
    let status = child.wait().map_err(|error| super::reason(&error))?;
    read?;
    // One that still prints when enough is read is stopped by that.
    if !status.success() && (bytes.len() as u64) < most {
        return Err(format!("`{program}` failed, {status}; its own words are above"));
    }
    Ok(Some(bytes))
}
