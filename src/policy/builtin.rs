//! The built-in documents in `policies/`: catalogs, profiles and packs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::document::{CatalogEntry, Directory, Document, ExemptionEntry, Match, OneOrMany};
use super::exemption::Exemption;
use super::level::LevelSchedule;
use super::merged::{DeclaredExemption, MergedPolicy};
use super::profile::Profile;
use super::sourced::Sourced;
use crate::finding::{RuleId, Severity};
use crate::model::{CustomWorkload, CustomWorkloads, PathPattern};
use crate::rules::{
    Catalog, DataDirectory, Entry, ImageCatalog, ImageData, ListedPath, MountParent, Options, Registry,
};

/// Expands to the JSON that the build script generates from a document in `policies/`.
macro_rules! document {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json"))
    };
}

/// Decodes a built-in document.
///
/// # Panics
///
/// Panics if the document is invalid. The documents are part of the program, and the tests decode
/// all of them.
fn built_in<T: Deserialize<'static>>(text: &'static str) -> T {
    match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => panic!("invalid built-in document: {error}"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostPathDocument {
    entries: Vec<CatalogEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataDocument {
    entries: Vec<DataEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataEntry {
    path: String,
    reason: String,
    /// The locations of the data, relative to the path; by default, the path itself.
    data: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageDocument {
    images: Vec<ImageData>,
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

/// Returns the default options of the rules.
pub fn options() -> &'static Options {
    static OPTIONS: LazyLock<Options> = LazyLock::new(|| {
        let scratch: ScratchDocument = built_in(document!("scratch-directories"));
        let data: DataDocument = built_in(document!("data-directories"));
        let images: ImageDocument = built_in(document!("image-data"));
        let parents: ParentDocument = built_in(document!("mount-parents"));
        let in_container = |entry| built_in_path(entry, PathPattern::in_container);
        let on_node = |entry| built_in_path(entry, PathPattern::new);
        Options {
            catalog: catalog(),
            data_directories: data.entries.into_iter().map(data_directory).collect(),
            image_data: Arc::new(ImageCatalog::new(images.images)),
            scratch_directories: scratch.container.into_iter().map(in_container).collect(),
            node_scratch_directories: scratch.node.into_iter().map(on_node).collect(),
            mount_parents: parents
                .entries
                .into_iter()
                .map(|entry| MountParent {
                    severity: entry.severity,
                    directory: on_node(Directory { path: entry.path, reason: entry.reason }),
                })
                .collect(),
            ..Options::default()
        }
    });
    &OPTIONS
}

fn catalog() -> Catalog {
    let document: HostPathDocument = built_in(document!("host-paths"));
    Catalog::new(document.entries.into_iter().map(entry).collect())
}

fn entry(entry: CatalogEntry) -> Entry {
    let path = entry.path.clone();
    entry.into_entry().unwrap_or_else(|error| panic!("host-paths: `{path}`: {error}"))
}

fn built_in_path(entry: Directory, parse: fn(&str) -> Option<PathPattern>) -> ListedPath {
    match parse(&entry.path) {
        Some(pattern) => entry.into_listed_path(pattern),
        None => panic!("`{}` is not absolute, clean and free of aliases", entry.path),
    }
}

fn data_directory(entry: DataEntry) -> DataDirectory {
    let DataEntry { path, reason, data } = entry;
    let pattern = |location: String| {
        let path = if location == "." { path.clone() } else { format!("{path}/{location}") };
        PathPattern::in_container(&path).unwrap_or_else(|| panic!("`{path}` is not absolute and clean"))
    };
    let data = data.map(|locations| locations.into_iter().map(pattern).collect());
    let mut directory = DataDirectory::from(built_in_path(
        Directory { path: path.clone(), reason },
        PathPattern::in_container,
    ));
    if let Some(data) = data {
        directory.data = data;
    }
    directory
}

/// Returns the levels of a profile by rule, including the levels of the profiles that it is based
/// on. Omits rules for which these profiles set no level. The origin of a level is the profile that
/// sets it.
pub(super) fn profile_levels(
    profile: Profile,
    registry: Registry,
) -> HashMap<RuleId, Sourced<LevelSchedule>> {
    let document: Document = built_in(match profile {
        Profile::None => document!("none"),
        Profile::Recommended => document!("recommended"),
        Profile::Baseline => document!("baseline"),
        Profile::Restricted => document!("restricted"),
    });
    let base = document.profile.map(|base| profile_levels(base, registry));
    let mut levels = base.unwrap_or_default();
    for rule in registry.iter() {
        let setting = document.rules.get(rule.id.as_str()).or_else(|| document.rules.get("*"));
        if let Some(level) = setting.and_then(|setting| setting.severity) {
            let value = level.into();
            levels.insert(rule.id, Sourced { value, origin: format!("profile {profile}") });
        }
    }
    levels
}

/// The name of the pack of exemptions for node agents. `node-agents/NAME` is its part for one
/// agent.
pub(super) const NODE_AGENTS: &str = "node-agents";

/// The name of the pack that contains [`NODE_AGENTS`] and also lowers the remaining findings about
/// host paths in the upstream manifests of node agents to infos. `node-agents/upstream/NAME` is its
/// part for one agent.
const UPSTREAM: &str = "node-agents/upstream";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackDocument {
    /// The rules that report missing fields that most upstream manifests omit, such as `type`.
    omissions: OneOrMany,
    agents: BTreeMap<String, Agent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    /// The manifests that need the exemptions.
    #[serde(rename = "sources")]
    _sources: Vec<String>,
    exemptions: Vec<ExemptionEntry>,
    /// The exemptions of the pack `node-agents/upstream`.
    #[serde(default)]
    upstream: Vec<ExemptionEntry>,
}

impl Agent {
    /// Returns the exemptions that `node-agents/upstream` contains in addition to those of
    /// `node-agents`. All of them lower the severity to info:
    ///
    /// - the exemptions in `upstream`
    /// - for each entry that lists the rule `host-path`, an exemption from the rules in `omissions`
    ///   with the same scope, but for any access
    fn upstream_exemptions(&self, omissions: &OneOrMany) -> Vec<ExemptionEntry> {
        let all = self.exemptions.iter().chain(&self.upstream);
        let allowed = all.filter(|entry| entry.rules.0.iter().any(|rule| rule == "host-path"));
        let omitted = allowed.map(|entry| ExemptionEntry {
            rules: omissions.clone(),
            scope: Match { access: None, ..entry.scope.clone() },
            reason: "most upstream manifests omit this".to_owned(),
            ..entry.clone()
        });
        let entries = self.upstream.iter().cloned().chain(omitted);
        entries.map(|entry| ExemptionEntry { severity: Some(Severity::Info), ..entry }).collect()
    }
}

fn node_agents() -> &'static PackDocument {
    static PACK: LazyLock<PackDocument> = LazyLock::new(|| built_in(document!("node-agents")));
    &PACK
}

/// Returns the names of the packs and parts of packs that `extends` accepts.
pub(super) fn packs() -> impl Iterator<Item = &'static str> + Clone {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let with_parts = |pack: &str| {
            let part = |agent: &String| format!("{pack}/{agent}");
            std::iter::once(pack.to_owned()).chain(node_agents().agents.keys().map(part)).collect::<Vec<_>>()
        };
        [NODE_AGENTS, UPSTREAM].into_iter().flat_map(with_parts).collect()
    });
    NAMES.iter().map(String::as_str)
}

/// Returns the pack or the part of a pack with this name, or `None` if no pack or part has it.
pub(super) fn pack(name: &str, registry: Registry) -> Option<MergedPolicy> {
    let (part, is_upstream) = match name.strip_prefix(UPSTREAM) {
        Some(part) => (part, true),
        None => (name.strip_prefix(NODE_AGENTS)?, false),
    };
    let wanted = if part.is_empty() { None } else { Some(part.strip_prefix('/')?) };
    let PackDocument { omissions, agents } = node_agents();
    let mut chosen = agents.iter().filter(|(agent, _)| wanted.is_none_or(|name| name == *agent)).peekable();
    chosen.peek()?;
    let mut exemptions = Vec::new();
    for (name, agent) in chosen {
        let entries = agent.exemptions.iter().cloned();
        exemptions.extend(entries.map(|entry| declared(entry, format!("{NODE_AGENTS}/{name}"), registry)));
        if is_upstream {
            let entries = agent.upstream_exemptions(omissions).into_iter();
            exemptions.extend(entries.map(|entry| declared(entry, format!("{UPSTREAM}/{name}"), registry)));
        }
    }
    Some(MergedPolicy { exemptions, ..MergedPolicy::default() })
}

/// Compiles an exemption of a pack.
///
/// # Panics
///
/// Panics if the exemption is invalid. The tests compile all of them.
fn declared(entry: ExemptionEntry, origin: String, registry: Registry) -> DeclaredExemption {
    match Exemption::new(&entry, origin.clone(), None, registry) {
        Ok(exemption) => DeclaredExemption { entry, exemption },
        Err(problems) => panic!("{origin}: {problems:?}"),
    }
}

/// Returns the well-known custom workloads.
pub fn workloads() -> &'static CustomWorkloads {
    static WORKLOADS: LazyLock<CustomWorkloads> = LazyLock::new(|| {
        let document: WorkloadDocument = built_in(document!("workloads"));
        CustomWorkloads::new(document.workloads)
    });
    &WORKLOADS
}

/// Checks whether volcheck skips objects of a kind. Such objects contain no volumes. The strings of
/// ConfigMaps and Secrets are still searched for manifests.
pub fn is_skipped_kind(api_version: &str, kind: &str) -> bool {
    static KINDS: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| {
        let document: SkippedDocument = built_in(document!("skipped-kinds"));
        let pairs =
            |group: SkippedGroup<'static>| group.kinds.into_iter().map(move |kind| (kind, group.group));
        document.kinds.into_iter().flat_map(pairs).collect()
    });
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS.contains(&(kind, group)) || KINDS.contains(&("*", group))
}
