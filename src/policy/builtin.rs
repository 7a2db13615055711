//! The built-in documents of `policies/`: the catalogues, read once.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::finding::Severity;
use crate::model::{CustomKind, CustomKinds, PathPattern};
use crate::rules::{Catalog, Entry, EntryClass, HostPathType, MountParent, NamedPath, Options};

/// A document of `policies/`, as the build script left it.
macro_rules! document {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json"))
    };
}
pub(super) use document;

/// The document `text` of the program, as a `T`.
///
/// # Panics
///
/// Where it isn't what it should be: it is part of the program, and every test reads it.
pub(super) fn built_in<T: Deserialize<'static>>(text: &'static str) -> T {
    match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => panic!("a built-in document isn't what it should be: {error}"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostPathDocument {
    entries: Vec<HostPathEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostPathEntry {
    path: String,
    class: String,
    reason: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    severity: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathDocument {
    entries: Vec<PathEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScratchDocument {
    container: Vec<PathEntry>,
    node: Vec<PathEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathEntry {
    path: String,
    reason: String,
    severity: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkloadDocument {
    workloads: Vec<CustomKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkippedDocument {
    #[serde(borrow)]
    kinds: Vec<SkippedGroup<'static>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkippedGroup<'a> {
    group: &'a str,
    kinds: Vec<&'a str>,
}

/// The options that hold where a policy says nothing else.
pub fn options() -> &'static Options {
    static OPTIONS: LazyLock<Options> = LazyLock::new(|| {
        let scratch: ScratchDocument = built_in(document!("scratch-directories"));
        let data: PathDocument = built_in(document!("data-directories"));
        let parents: PathDocument = built_in(document!("mount-parents"));
        let in_container = |entry| named(entry, PathPattern::of_container);
        let on_node = |entry| named(entry, PathPattern::new);
        Options {
            catalog: catalog(),
            data_directories: data.entries.into_iter().map(in_container).collect(),
            scratch_directories: scratch.container.into_iter().map(in_container).collect(),
            node_scratch_directories: scratch.node.into_iter().map(on_node).collect(),
            mount_parents: parents
                .entries
                .into_iter()
                .map(|entry| MountParent {
                    severity: severity(&entry.path, entry.severity.as_deref()).unwrap_or(Severity::Info),
                    named: on_node(entry),
                })
                .collect(),
            allowed_host_paths: None,
            default_size_limit: "1Gi".to_owned(),
        }
    });
    &OPTIONS
}

fn catalog() -> Catalog {
    let document: HostPathDocument = built_in(document!("host-paths"));
    Catalog::new(document.entries.into_iter().map(entry).collect())
}

fn entry(entry: HostPathEntry) -> Entry {
    let class = match entry.class.as_str() {
        "socket" => EntryClass::Socket,
        "never" => EntryClass::Never,
        "credentials" => EntryClass::Credentials,
        "agent-socket" => EntryClass::AgentSocket,
        "read" => EntryClass::Read,
        "harmless" => EntryClass::Harmless,
        other => panic!("host-paths: `{}` has the unknown class `{other}`", entry.path),
    };
    let kind = entry.kind.map(|word| {
        let kind = HostPathType::ALL.into_iter().find(|kind| kind.word() == word);
        kind.unwrap_or_else(|| panic!("host-paths: `{}` has the unknown type `{word}`", entry.path))
    });
    Entry {
        pattern: pattern(&entry.path, PathPattern::new),
        class,
        reason: entry.reason,
        kind,
        severity: severity(&entry.path, entry.severity.as_deref()),
        path: entry.path,
    }
}

fn named(entry: PathEntry, parse: fn(&str) -> Option<PathPattern>) -> NamedPath {
    NamedPath { pattern: pattern(&entry.path, parse), path: entry.path, reason: entry.reason }
}

fn pattern(path: &str, parse: fn(&str) -> Option<PathPattern>) -> PathPattern {
    parse(path).unwrap_or_else(|| panic!("`{path}` is not absolute, clean and free of aliases"))
}

fn severity(path: &str, word: Option<&str>) -> Option<Severity> {
    word.map(|word| word.parse().unwrap_or_else(|error| panic!("`{path}`: {error}")))
}

/// Where the pods of well-known custom kinds are.
pub fn workloads() -> &'static CustomKinds {
    static KINDS: LazyLock<CustomKinds> = LazyLock::new(|| {
        let document: WorkloadDocument = built_in(document!("workloads"));
        CustomKinds::new(document.workloads)
    });
    &KINDS
}

/// Whether a kind surely holds nothing that volcheck judges.
pub fn holds_no_volume(api_version: &str, kind: &str) -> bool {
    static KINDS: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| {
        let document: SkippedDocument = built_in(document!("skipped-kinds"));
        let pairs =
            |group: SkippedGroup<'static>| group.kinds.into_iter().map(move |kind| (kind, group.group));
        document.kinds.into_iter().flat_map(pairs).collect()
    });
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS.contains(&(kind, group))
}
