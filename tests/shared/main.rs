//! Tests over a corpus that lies beside the project: `VOLCHECK_SHARED` names its folder, and nothing here
//! passes without it.
#![allow(unreachable_pub, dead_code, reason = "the modules of a test program are its own")]

mod adopting;
mod cases;
mod corpus;
#[path = "../it/one_verdict.rs"]
mod one_verdict;
mod oracle;
#[path = "../properties/mod.rs"]
mod properties;
#[path = "../it/support.rs"]
mod support;

use std::path::PathBuf;

/// The folder of the corpus.
pub fn shared() -> PathBuf {
    let folder = std::env::var_os("VOLCHECK_SHARED").expect("VOLCHECK_SHARED names the folder of the corpus");
    let folder = PathBuf::from(folder);
    let folder = if folder.is_relative() { support::root().join(folder) } else { folder };
    assert!(folder.join("corpus/manifests").is_dir(), "{} holds no corpus", folder.display());
    folder
}

/// Every manifest of the corpus: its name in it, and its path.
pub fn manifests() -> Vec<(String, PathBuf)> {
    let root = shared().join("corpus/manifests");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json") {
                let name = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
                found.push((name, path));
            }
        }
    }
    found.sort();
    assert!(found.len() > 700, "only {} manifests", found.len());
    found
}
