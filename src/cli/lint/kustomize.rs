//! Which files are patches: what a kustomization names as one is part of an object.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::input::{Input, is_kustomization};
use crate::source::{self, File, decode};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Kustomization {
    patches: Vec<Patch>,
    patches_strategic_merge: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Patch {
    path: Option<String>,
}

/// The names of the inputs that a kustomization among them patches with.
pub(super) fn patches(inputs: &[Input]) -> HashSet<String> {
    let mut names = HashSet::new();
    for input in inputs.iter().filter(|input| is_kustomization(&input.name)) {
        // What can't be read or decoded here is reported where the file itself is linted.
        let Some(kustomization) = read(input) else { continue };
        let folder = Path::new(&input.name).parent().unwrap_or(Path::new(""));
        let named = kustomization.patches.into_iter().filter_map(|patch| patch.path);
        for path in named.chain(kustomization.patches_strategic_merge) {
            names.insert(normal(&folder.join(path)).to_string_lossy().into_owned());
        }
    }
    names
}

fn read(input: &Input) -> Option<Kustomization> {
    // A pipe can be read once only, and not here; what is rendered patches nothing.
    if !input.is_file() {
        return None;
    }
    let file = File::decode(input.name.as_str(), input.read().ok()?).ok()?;
    let tree = source::parse(file.text(), 0..file.text().len()).ok()??;
    decode(&tree, tree.root()).ok()
}

/// The path without `.` and `..`, as text.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    out
}
