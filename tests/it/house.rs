//! The house: which module may use which, and that nothing has two names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use volcheck::rules;

use crate::support::{name, root};

/// Which modules each module may use; `*` is all.
const USES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("finding", &["model"]),
    ("rules", &["model", "finding"]),
    ("source", &["model", "finding"]),
    ("policy", &["finding", "rules", "model", "source"]),
    ("engine", &["model", "finding", "rules", "policy"]),
    ("input", &["source", "model"]),
    ("suppress", &["finding", "source", "model", "policy", "rules"]),
    ("report", &["finding", "source", "rules", "model"]),
    ("admission", &["model", "engine", "finding", "policy"]),
    ("cluster", &[]),
    ("server", &["admission", "cluster", "finding", "policy"]),
    ("cli", &["*"]),
];

/// The Rust files of a folder and all in it.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The modules that a text names after `crate::`.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let names = code.match_indices("crate::").map(|(at, found)| {
        let rest = &code[at + found.len()..];
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_use_only_what_they_may() {
    let mut problems = Vec::new();
    for (module, allowed) in USES {
        for path in sources(&root().join("src").join(module)) {
            let text = fs::read_to_string(&path).expect("source");
            assert!(!text.contains("use crate::{"), "{}: one `use crate::module` each", name(&path));
            for used in used(&text) {
                if used != *module && !allowed.contains(&used.as_str()) && !allowed.contains(&"*") {
                    problems.push(format!("{} uses {used}", name(&path)));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let declared = fs::read_to_string(root().join("src/lib.rs")).expect("source");
    let modules: BTreeSet<_> =
        declared.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, USES.iter().map(|(module, _)| *module).collect());
}

#[test]
fn rules_are_pure() {
    for path in sources(&root().join("src/rules")) {
        let text = fs::read_to_string(&path).expect("source");
        for forbidden in ["std::fs", "std::env", "std::time", "std::io", "std::process", "println!"] {
            assert!(!text.contains(forbidden), "{} knows {forbidden}", name(&path));
        }
    }
}

#[test]
fn a_rule_is_named_like_its_file() {
    let mut ids = BTreeSet::new();
    for (rule, (_, module)) in rules::ALL.iter().zip(rules::MODULES) {
        let id = rule.meta().id;
        assert_eq!(id, module.replace('_', "-"));
        assert!(ids.insert(id), "{id} stands twice in the list");
        assert!(rule.meta().source.starts_with("//! "), "{id} has no page");
    }
    let support = ["catalog", "context", "empty-dirs", "lists", "meta", "mod", "types", "words"];
    let files: BTreeSet<_> = sources(&root().join("src/rules"))
        .iter()
        .map(|path| path.file_stem().expect("stem").to_string_lossy().replace('_', "-"))
        .filter(|stem| !support.contains(&stem.as_str()))
        .collect();
    assert_eq!(files, ids.into_iter().map(str::to_owned).collect());
}

#[test]
fn files_can_be_read_in_one_sitting() {
    for path in sources(&root().join("src")) {
        let lines = fs::read_to_string(&path).expect("source").lines().count();
        assert!(lines <= 650, "{} has {lines} lines", name(&path));
    }
}
