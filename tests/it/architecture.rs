//! The architecture: allowed dependencies between modules, no import cycles between files, and one
//! module per responsibility.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use volcheck::rules::Registry;

use crate::support::{name, root};

/// The modules that each module may use; `*` means all. CONTRIBUTING.md has the same table.
const USES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("finding", &["model"]),
    ("rules", &["model", "finding"]),
    ("source", &["model", "finding"]),
    ("policy", &["model", "finding", "rules", "source"]),
    ("engine", &["model", "finding", "rules", "policy"]),
    ("input", &["model", "policy", "source"]),
    ("suppress", &["model", "finding", "rules", "policy", "source"]),
    ("lint", &["model", "finding", "rules", "policy", "engine", "source", "input", "suppress", "admission"]),
    ("report", &["model", "finding", "rules", "source", "lint"]),
    ("fix", &["model", "finding", "rules", "source", "input", "lint"]),
    ("exempt", &["model", "finding", "rules", "policy", "source", "input", "suppress", "lint", "fix"]),
    ("policy_test", &["model", "finding", "rules", "policy", "source", "input", "lint", "admission"]),
    ("admission", &["model", "finding", "rules", "policy", "engine"]),
    ("cluster", &[]),
    ("install", &["cluster"]),
    ("server", &["finding", "policy", "admission", "cluster"]),
    ("cli", &["*"]),
];

/// Modules whose files must not import one another in a cycle.
const ACYCLIC: &[&str] =
    &["engine", "exempt", "finding", "fix", "lint", "model", "policy", "rules", "source", "suppress"];

/// Returns the Rust files in a directory and its subdirectories, sorted by path.
pub fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the code of a file without comments and unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the identifiers that directly follow each occurrence of `prefix`.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let names = text
        .match_indices(prefix)
        .map(|(at, _)| text[at + prefix.len()..].chars().take_while(is_name).collect::<String>());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_use_only_allowed_modules() {
    let mut problems = Vec::new();
    for (module, allowed) in USES {
        for path in sources(&root().join("src").join(module)) {
            let code = code(&path);
            assert!(
                !code.contains("use crate::{"),
                "{}: write one `use crate::module` per module",
                name(&path)
            );
            for used in names_after(&code, "crate::") {
                let is_allowed =
                    used == *module || allowed.contains(&used.as_str()) || allowed.contains(&"*");
                if !is_allowed {
                    problems.push(format!("{} uses {used}", name(&path)));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn dependency_table_lists_every_module() {
    let declared = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    let modules: BTreeSet<_> =
        declared.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, USES.iter().map(|(module, _)| *module).collect());
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    for (module, allowed) in USES {
        let uses = match *allowed {
            [] => "–".to_owned(),
            ["*"] => "everything".to_owned(),
            modules => modules.iter().map(|module| format!("`{module}`")).collect::<Vec<_>>().join(", "),
        };
        let row = contributing.lines().find(|line| line.starts_with(&format!("| `src/{module}/` |")));
        let row = row.unwrap_or_else(|| panic!("CONTRIBUTING.md does not list {module}"));
        assert!(row.ends_with(&format!("| {uses} |")), "CONTRIBUTING.md: {module} may use {uses}");
    }
}

/// Returns the import graph of a module: each file with the files of the same module that it
/// imports. Imports of items that `mod.rs` re-exports count as imports of the file that defines
/// them.
fn imports(module: &str) -> BTreeMap<String, BTreeSet<String>> {
    let directory = root().join("src").join(module);
    let stem = |path: &Path| path.file_stem().expect("a stem").to_string_lossy().into_owned();
    let files: Vec<_> = sources(&directory).into_iter().filter(|path| stem(path) != "mod").collect();
    let known: BTreeSet<String> = files.iter().map(|path| stem(path)).collect();
    let mut defined: BTreeMap<String, String> = BTreeMap::new();
    for path in &files {
        let code = code(path);
        for keyword in ["struct ", "enum ", "trait ", "fn ", "const ", "static ", "type "] {
            for line in code.lines().filter(|line| line.starts_with("pub")) {
                defined.extend(names_after(line, keyword).into_iter().map(|item| (item, stem(path))));
            }
        }
    }
    let mut imports = BTreeMap::new();
    for path in &files {
        let code = code(path);
        let mut used = BTreeSet::new();
        let statements = code.split(';').map(|statement| statement.trim_start());
        let is_import = |statement: &&str| {
            statement.starts_with("use super::") || statement.starts_with(&format!("use crate::{module}::"))
        };
        for statement in statements.filter(is_import) {
            for item in statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let target =
                    if known.contains(item) { Some(item.to_owned()) } else { defined.get(item).cloned() };
                used.extend(target.filter(|target| *target != stem(path)));
            }
        }
        imports.insert(stem(path), used);
    }
    imports
}

#[test]
fn files_have_no_import_cycles() {
    let mut problems = Vec::new();
    for module in ACYCLIC {
        let mut left = imports(module);
        // Remove files without imports until no files or only cycles remain.
        loop {
            let free: Vec<String> =
                left.iter().filter(|(_, used)| used.is_empty()).map(|(file, _)| file.clone()).collect();
            if free.is_empty() {
                break;
            }
            left.retain(|file, _| !free.contains(file));
            left.values_mut().for_each(|used| used.retain(|file| !free.contains(file)));
        }
        if !left.is_empty() {
            problems.push(format!("{module}: {left:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Returns the source files that contain one of the texts, except those in `owners`.
fn files_with(texts: &[&str], owners: &[&str]) -> Vec<String> {
    let files = sources(&root().join("src")).into_iter();
    let with = files.filter(|path| texts.iter().any(|text| code(path).contains(text)));
    let names = with.map(|path| name(&path));
    names.filter(|name| !owners.iter().any(|owner| name.starts_with(&format!("src/{owner}")))).collect()
}

#[test]
fn only_engine_applies_levels_exemptions_and_families() {
    let calls = [
        ".find_exemption(",
        ".overridden_level(",
        ".severity = ",
        "Level::As(",
        ".family = ",
        "FAMILY_ORDER",
    ];
    // The policy declares levels and finds exemptions, and `volcheck rules` prints levels.
    let others = files_with(&calls, &["engine/", "policy/", "rules/", "cli/rules.rs"]);
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn only_policy_creates_the_registry() {
    let others = files_with(&["Registry::built_in()"], &["policy/"]);
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn only_outer_modules_access_files_environment_and_clock() {
    let system = [" fs::", "(fs::", "std::fs", "env::var", "env::args", "env::current_dir", ".canonicalize("];
    let outer = [
        "main.rs",
        "cli/",
        "fix/file.rs",
        "input/",
        "install/values.rs",
        "lint/run.rs",
        "policy/load.rs",
        "server/",
    ];
    let others = files_with(&system, &outer);
    assert!(others.is_empty(), "{others:?}");
    let clock = ["Timestamp::now", "Instant::now", "SystemTime::now"];
    let others = files_with(&clock, &["cli/", "server/", "cluster/", "policy/mod.rs"]);
    assert!(others.is_empty(), "{others:?}");
    // The only use in `policy` is the function `today`, for `cli` and `server`.
    let policy = code(&root().join("src/policy/mod.rs"));
    assert_eq!(policy.matches("Timestamp::now").count(), 1);
}

#[test]
fn rules_are_pure() {
    for path in sources(&root().join("src/rules")) {
        let code = code(&path);
        for forbidden in ["std::fs", "std::env", "std::time", "std::io", "std::process", "println!"] {
            assert!(!code.contains(forbidden), "{} uses {forbidden}", name(&path));
        }
    }
}

#[test]
fn every_rule_has_a_file_named_after_it() {
    let mut ids = BTreeSet::new();
    for rule in Registry::built_in().iter() {
        assert!(ids.insert(rule.id.to_string()), "{} is listed twice", rule.id);
        assert!(rule.source.starts_with("//! "), "{} has no page", rule.id);
        let file = root().join("src/rules").join(format!("{}.rs", rule.id.as_str().replace('-', "_")));
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some(rule.source), "{}", rule.id);
    }
    let support = ["mod", "page", "registry", "rule", "security", "subject"];
    let files: BTreeSet<_> = fs::read_dir(root().join("src/rules"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().expect("a stem").to_string_lossy().into_owned())
        .filter(|stem| !support.contains(&stem.as_str()))
        .map(|stem| stem.replace('_', "-"))
        .collect();
    assert_eq!(files, ids);
}

#[test]
fn files_have_at_most_560_lines() {
    for path in sources(&root().join("src")) {
        let lines = fs::read_to_string(&path).expect("a source file").lines().count();
        assert!(lines <= 560, "{} has {lines} lines", name(&path));
    }
}

#[test]
fn command_line_has_at_most_1700_lines_without_the_declarations_of_arguments() {
    let lines = |path: &PathBuf| fs::read_to_string(path).expect("a source file").lines().count();
    let arguments = root().join("src/cli/args");
    let files = sources(&root().join("src/cli")).into_iter().filter(|path| !path.starts_with(&arguments));
    let total: usize = files.map(|path| lines(&path)).sum();
    assert!(total <= 1_700, "src/cli has {total} lines");
}
