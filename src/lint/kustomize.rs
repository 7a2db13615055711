//! Finds the files that kustomizations use as patches, which contain only parts of objects. Also
//! finds the files that rendered objects come from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::input::normalized;
use crate::source::{self, File, decode};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Kustomization {
    patches: Vec<Patch>,
    patches_json6902: Vec<Patch>,
    patches_strategic_merge: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Patch {
    path: Option<String>,
}

/// Returns the paths of the files that a kustomization uses as patches, with `.` and `..` as
/// written. Returns no paths if the kustomization cannot be decoded.
pub(super) fn patches(name: &str, bytes: Vec<u8>) -> Vec<PathBuf> {
    let Some(kustomization) = parse(name, bytes) else { return Vec::new() };
    let patches_with_paths = kustomization.patches.into_iter().chain(kustomization.patches_json6902);
    let paths = patches_with_paths.filter_map(|patch| patch.path);
    let paths = paths.chain(kustomization.patches_strategic_merge);
    paths.map(|path| join(name, &path)).collect()
}

/// Resolves `path` relative to the directory of the kustomization file `name`.
pub(super) fn resolve(name: &str, path: &str) -> PathBuf {
    normalized(&join(name, path))
}

fn join(name: &str, path: &str) -> PathBuf {
    Path::new(name).parent().unwrap_or(Path::new("")).join(path)
}

/// Returns the path of the file that a rendered document comes from, relative to the kustomization.
/// For a generated document, returns the path of the file that configures the generator. kustomize
/// adds the path as an annotation if the kustomization sets `buildMetadata: [originAnnotations]`.
/// Returns `None` if there is no such annotation, or if the file is in a remote repository.
pub(super) fn origin(text: &str) -> Option<&str> {
    let (_, origin) = text.split_once("    config.kubernetes.io/origin: |\n")?;
    let lines = origin.lines().take_while(|line| line.starts_with("      ")).map(str::trim_start);
    let mut path = None;
    for line in lines {
        match line.split_once(": ") {
            Some(("path" | "configuredIn", value)) => path = Some(value),
            Some(("repo", _)) => return None,
            _ => {}
        }
    }
    path
}

/// Parses a kustomization file. Returns `None` if it cannot be decoded.
fn parse(name: &str, bytes: Vec<u8>) -> Option<Kustomization> {
    let file = File::decode(name, bytes).ok()?;
    let tree = source::parse(file.text(), 0..file.text().len()).ok()??;
    decode(&tree, tree.root()).ok()
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn reads_origin_annotations() {
        let text = |origin: &str| {
            format!("metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n{origin}  name: a\n")
        };
        assert_eq!(origin(&text("      path: ../base/a.yaml\n")), Some("../base/a.yaml"));
        assert_eq!(origin(&text("      path: a.yaml\n      repo: https://example.com/a\n")), None);
        let generated =
            "      configuredIn: ../base/kustomization.yaml\n      configuredBy:\n        kind: A\n";
        assert_eq!(origin(&text(generated)), Some("../base/kustomization.yaml"));
        assert_eq!(origin("metadata:\n  name: a\n"), None);
    }
}
