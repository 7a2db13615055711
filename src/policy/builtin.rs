//! The built-in documents of `policies/`: the catalogues, read once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::document::{CatalogueEntry, Directory, ExemptionEntry};
use super::exemption::Exemption;
use super::layer::Layer;
use crate::finding::Severity;
use crate::model::{CustomWorkload, CustomWorkloads, PathPattern};
use crate::rules::{Catalog, Entry, MountParent, NamedPath, Options};

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
    entries: Vec<CatalogueEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathDocument {
    entries: Vec<Directory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParentDocument {
    entries: Vec<ParentEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScratchDocument {
    container: Vec<Directory>,
    node: Vec<Directory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParentEntry {
    path: String,
    reason: String,
    severity: Severity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkloadDocument {
    workloads: Vec<CustomWorkload>,
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
        let parents: ParentDocument = built_in(document!("mount-parents"));
        let in_container = |entry| built_in_path(entry, PathPattern::in_container);
        let on_node = |entry| built_in_path(entry, PathPattern::new);
        Options {
            catalog: catalog(),
            data_directories: data.entries.into_iter().map(in_container).collect(),
            scratch_directories: scratch.container.into_iter().map(in_container).collect(),
            node_scratch_directories: scratch.node.into_iter().map(on_node).collect(),
            mount_parents: parents
                .entries
                .into_iter()
                .map(|entry| MountParent {
                    severity: entry.severity,
                    named: on_node(Directory { path: entry.path, reason: entry.reason }),
                })
                .collect(),
            allowed_host_paths: None,
            default_sizes: HashMap::new(),
        }
    });
    &OPTIONS
}

fn catalog() -> Catalog {
    let document: HostPathDocument = built_in(document!("host-paths"));
    Catalog::new(document.entries.into_iter().map(entry).collect())
}

fn entry(entry: CatalogueEntry) -> Entry {
    let path = entry.path.clone();
    entry.checked().unwrap_or_else(|error| panic!("host-paths: `{path}`: {error}"))
}

fn built_in_path(entry: Directory, parse: fn(&str) -> Option<PathPattern>) -> NamedPath {
    match parse(&entry.path) {
        Some(pattern) => named(entry, pattern),
        None => panic!("`{}` is not absolute, clean and free of aliases", entry.path),
    }
}

/// The directory of an entry whose path is `pattern`.
pub(super) fn named(entry: Directory, pattern: PathPattern) -> NamedPath {
    NamedPath { pattern, path: entry.path, reason: entry.reason }
}

/// The pack of exemptions for agents of the node; `node-agents/NAME` is that agent's part.
pub(super) const NODE_AGENTS: &str = "node-agents";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackDocument {
    agents: BTreeMap<String, Agent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    /// The manifests that show the need.
    #[serde(rename = "sources")]
    _sources: Vec<String>,
    exemptions: Vec<ExemptionEntry>,
}

fn agents() -> &'static BTreeMap<String, Agent> {
    static AGENTS: LazyLock<BTreeMap<String, Agent>> =
        LazyLock::new(|| built_in::<PackDocument>(document!("node-agents")).agents);
    &AGENTS
}

/// The names that `extends` knows.
pub(super) fn packs() -> impl Iterator<Item = &'static str> + Clone {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let part = |agent: &String| format!("{NODE_AGENTS}/{agent}");
        std::iter::once(NODE_AGENTS.to_owned()).chain(agents().keys().map(part)).collect()
    });
    NAMES.iter().map(String::as_str)
}

/// The pack `name`, or the part of one.
pub(super) fn pack(name: &str) -> Option<Layer> {
    let part = name.strip_prefix(NODE_AGENTS)?;
    let wanted = if part.is_empty() { None } else { Some(part.strip_prefix('/')?) };
    let chosen: Vec<_> =
        agents().iter().filter(|(agent, _)| wanted.is_none_or(|name| name == *agent)).collect();
    if chosen.is_empty() {
        return None;
    }
    let mut layer = Layer { name: name.into(), ..Layer::default() };
    for (agent, entries) in chosen.into_iter().map(|(name, agent)| (name, &agent.exemptions)) {
        for entry in entries {
            match Exemption::new(entry, None, format!("{NODE_AGENTS}/{agent}")) {
                Ok(exemption) => layer.exemptions.push(exemption),
                Err(mistakes) => panic!("{NODE_AGENTS}/{agent}: {mistakes:?}"),
            }
            layer.document.exemptions.push(entry.clone());
        }
    }
    Some(layer)
}

/// Where the pods of well-known custom kinds are.
pub fn workloads() -> &'static CustomWorkloads {
    static KINDS: LazyLock<CustomWorkloads> = LazyLock::new(|| {
        let document: WorkloadDocument = built_in(document!("workloads"));
        CustomWorkloads::new(document.workloads)
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
