//! Tests with a corpus of manifests that is not part of the repository. The environment variable
//! `VOLCHECK_SHARED` must be set to its directory.
#![allow(unreachable_pub, dead_code, reason = "a test program has no public API")]

mod adopting;
mod corpus;
#[path = "../it/one_verdict.rs"]
mod one_verdict;
mod oracle;
#[path = "../properties/mod.rs"]
mod properties;
#[path = "../it/support.rs"]
mod support;

use std::path::PathBuf;

/// Returns the directory of the corpus.
pub fn shared() -> PathBuf {
    let directory = std::env::var_os("VOLCHECK_SHARED")
        .expect("VOLCHECK_SHARED must be set to the directory of the corpus");
    let directory = PathBuf::from(directory);
    let directory = if directory.is_relative() { support::root().join(directory) } else { directory };
    assert!(
        directory.join("corpus/manifests").is_dir(),
        "{} does not contain the corpus",
        directory.display()
    );
    directory
}

/// Returns the manifests of the corpus as pairs of the path in the corpus and the full path.
pub fn manifests() -> Vec<(String, PathBuf)> {
    let root = shared().join("corpus/manifests");
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
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
