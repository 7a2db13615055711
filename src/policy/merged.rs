//! Checked policies: one document, or several merged into one, with the origins of their values.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{AllowedEntry, Directory, Document, ExemptionEntry, Mode, RuleSetting, WorkloadMode};
use super::exemption::{Exemption, ExemptionLocation};
use super::level::Level;
use super::pattern::{Pattern, why_unreachable};
use super::profile::Profile;
use crate::finding::{Ignores, RuleId};
use crate::model::{
    CustomWorkload, FieldPath, KubernetesVersion, PathPattern, Quantity, did_you_mean, known_sources,
};
use crate::rules::{AllowedHostPath, Entry, ListedPath, Registry, Rule};
use crate::source::{File, Span, Tree, locate, locate_key};

/// A problem in a policy or a baseline, with its location.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The name of the file, as shown to the user.
    pub path: Arc<str>,
    /// The location in the text; `None` if it is unknown or the text could not be read.
    pub location: Option<(Arc<File>, Span)>,
    /// The problem, in one clause.
    pub message: String,
}

/// A value and its origin, such as a file, a file and line, a profile or a flag.
#[derive(Clone, Debug)]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) origin: String,
}

/// A checked policy document, or several documents combined by `merge`.
#[derive(Clone, Debug, Default)]
pub struct MergedPolicy {
    pub(super) profile: Option<Sourced<Profile>>,
    pub(super) levels: HashMap<RuleId, Sourced<Level>>,
    /// The values of the option `defaultSize`, by rule. A suggested fix sets this value as
    /// `sizeLimit`.
    pub(super) default_sizes: HashMap<RuleId, String>,
    pub(super) kubernetes_version: Option<KubernetesVersion>,
    pub(super) allowed_host_paths: Option<Vec<AllowedHostPath>>,
    pub(super) allowed_volume_types: Option<Vec<String>>,
    pub(super) requires_claim_class: Option<bool>,
    /// Entries in addition to the built-in catalog. If two entries have the same path, the first
    /// one takes precedence.
    pub(super) catalog: Vec<Entry>,
    pub(super) data_directories: Vec<ListedPath>,
    pub(super) scratch_directories: Vec<ListedPath>,
    /// The modes, by the text of their namespace patterns.
    pub(super) modes: BTreeMap<String, NamespaceMode>,
    pub(super) workload_mode: Option<WorkloadMode>,
    pub(super) ignores: Option<Ignores>,
    pub(super) exemptions: Vec<DeclaredExemption>,
    pub(super) workloads: Vec<CustomWorkload>,
    pub(super) heuristic: Option<bool>,
    pub(super) trusted_controllers: Vec<String>,
    /// Globs of paths to exclude, each with the directory that it is relative to.
    pub(super) exclude: Vec<(PathBuf, String)>,
    pub(super) namespace: Option<String>,
    pub(super) baseline: Option<PathBuf>,
    pub(super) file: Option<PathBuf>,
}

/// An exemption and the entry of the policy document that declares it.
#[derive(Clone, Debug)]
pub(super) struct DeclaredExemption {
    pub(super) entry: ExemptionEntry,
    pub(super) exemption: Exemption,
}

/// The mode of the namespaces that a pattern matches.
#[derive(Clone, Debug)]
pub(super) struct NamespaceMode {
    pub(super) pattern: Pattern,
    pub(super) mode: Mode,
}

/// The text of a policy document.
pub(super) struct Text<'t> {
    pub(super) name: Arc<str>,
    pub(super) file: &'t Arc<File>,
    pub(super) tree: &'t Tree<'t>,
}

impl Text<'_> {
    fn value_span(&self, path: &FieldPath) -> Span {
        locate(self.file, self.tree, self.tree.root(), path)
    }

    fn key_span(&self, path: &FieldPath) -> Span {
        locate_key(self.file, self.tree, self.tree.root(), path)
    }

    /// Creates a problem located at the value of `path`.
    pub(super) fn problem(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
        self.problem_at(self.value_span(path), message)
    }

    /// Creates a problem located at the last key of `path`.
    pub(super) fn problem_with_key(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
        self.problem_at(self.key_span(path), message)
    }

    fn problem_at(&self, span: Span, message: impl Into<String>) -> Problem {
        let location = Some((Arc::clone(self.file), span));
        Problem { path: Arc::clone(&self.name), location, message: message.into() }
    }
}

impl MergedPolicy {
    /// Checks a document and adds its problems to `problems`. Relative paths in the document are
    /// resolved against `directory`.
    pub(super) fn from_document(
        document: Document,
        text: &Text<'_>,
        directory: &Path,
        registry: Registry,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut checker = Checker { text, registry, problems };
        let (levels, default_sizes) = checker.rules(&document.rules);
        Self {
            profile: document.profile.map(|value| Sourced { value, origin: text.name.to_string() }),
            levels,
            default_sizes,
            allowed_host_paths: document
                .host_paths
                .allow_only
                .as_ref()
                .map(|entries| checker.allowed_host_paths(entries)),
            kubernetes_version: document.kubernetes_version,
            allowed_volume_types: checker.volume_types(document.volume_types.allow_only.clone()),
            requires_claim_class: document.claims.require_class,
            catalog: checker.catalog(&document),
            data_directories: checker.directories("dataDirectories", &document.data_directories),
            scratch_directories: checker.directories("scratchDirectories", &document.scratch_directories),
            modes: checker.modes(document.modes),
            workload_mode: document.workload_mode,
            ignores: document.ignores,
            exemptions: checker.exemptions(document.exemptions),
            workloads: document.workloads,
            heuristic: document.heuristic,
            trusted_controllers: document.trusted_controllers,
            exclude: checker.exclude(directory, &document.lint.exclude),
            namespace: document.lint.namespace,
            baseline: document.lint.baseline.map(|path| directory.join(path)),
            file: None,
        }
    }

    /// Merges `over` into this policy. The values and allow lists of `over` take precedence. All
    /// other lists are concatenated.
    pub(super) fn merge(&mut self, over: Self) {
        let below = std::mem::take(self);
        *self = Self {
            profile: over.profile.or(below.profile),
            levels: overlaid(below.levels, over.levels),
            default_sizes: overlaid(below.default_sizes, over.default_sizes),
            kubernetes_version: over.kubernetes_version.or(below.kubernetes_version),
            allowed_host_paths: over.allowed_host_paths.or(below.allowed_host_paths),
            allowed_volume_types: over.allowed_volume_types.or(below.allowed_volume_types),
            requires_claim_class: over.requires_claim_class.or(below.requires_claim_class),
            catalog: over.catalog.into_iter().chain(below.catalog).collect(),
            data_directories: overlaid(below.data_directories, over.data_directories),
            scratch_directories: overlaid(below.scratch_directories, over.scratch_directories),
            modes: overlaid(below.modes, over.modes),
            workload_mode: over.workload_mode.or(below.workload_mode),
            ignores: over.ignores.or(below.ignores),
            exemptions: overlaid(below.exemptions, over.exemptions),
            workloads: overlaid(below.workloads, over.workloads),
            heuristic: over.heuristic.or(below.heuristic),
            trusted_controllers: overlaid(below.trusted_controllers, over.trusted_controllers),
            exclude: overlaid(below.exclude, over.exclude),
            namespace: over.namespace.or(below.namespace),
            baseline: over.baseline.or(below.baseline),
            file: over.file.or(below.file),
        };
    }
}

/// Extends a collection. In a map, the values of `over` take precedence.
fn overlaid<C: IntoIterator + Extend<C::Item>>(mut below: C, over: C) -> C {
    below.extend(over);
    below
}

/// Describes why `entry` of the allow list has no effect if the list also contains `other`.
fn redundancy(entry: &AllowedHostPath, other: &AllowedHostPath) -> String {
    let (path, outer) = (&entry.path, &other.path);
    match (other.pattern == entry.pattern, entry.is_read_only) {
        (true, _) => format!("`{path}` is already in the list"),
        (false, true) => format!("`{path}` has no effect: `{outer}` already allows read-only mounts of it"),
        (false, false) => format!("`{path}` has no effect: `{outer}` already allows it"),
    }
}

/// A checker of the values in a document. It reports problems at the locations of the values or
/// their keys.
struct Checker<'c, 't> {
    text: &'c Text<'t>,
    registry: Registry,
    problems: &'c mut Vec<Problem>,
}

impl Checker<'_, '_> {
    fn report(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.problems.push(self.text.problem(path, message));
    }

    fn report_key(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.problems.push(self.text.problem_with_key(path, message));
    }

    fn path(
        &mut self,
        field: &FieldPath,
        path: &str,
        parse: fn(&str) -> Option<PathPattern>,
    ) -> Option<PathPattern> {
        let pattern = parse(path);
        if pattern.is_none() {
            self.report(&field.key("path"), format!("`{path}` never matches: {}", why_unreachable(path)));
        }
        pattern
    }

    fn allowed_host_paths(&mut self, entries: &[AllowedEntry]) -> Vec<AllowedHostPath> {
        let field = FieldPath::from_keys(&["hostPaths", "allowOnly"]);
        let (mut fields, mut allowed) = (Vec::new(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            let field = field.index(index);
            if let Some(pattern) = self.path(&field, &entry.path, PathPattern::new) {
                fields.push(field);
                allowed.push(AllowedHostPath {
                    path: entry.path.clone(),
                    pattern,
                    is_read_only: entry.read_only,
                });
            }
        }
        for (index, (field, entry)) in fields.iter().zip(&allowed).enumerate() {
            // Of entries for the same path, report all except the first one.
            let is_other = |at: usize, other: &AllowedHostPath| {
                at < index || (at > index && other.pattern != entry.pattern)
            };
            let others = allowed.iter().enumerate().filter(|(at, other)| is_other(*at, other));
            if let Some(other) = entry.redundant_with(others.map(|(_, other)| other)) {
                self.report(&field.key("path"), redundancy(entry, other));
            }
        }
        allowed
    }

    fn catalog(&mut self, document: &Document) -> Vec<Entry> {
        let field = FieldPath::from_keys(&["hostPaths", "catalog"]);
        let mut entries: Vec<Entry> = Vec::new();
        for (index, entry) in document.host_paths.catalog.iter().enumerate() {
            match entry.clone().into_entry() {
                Ok(entry) if entries.iter().any(|other| other.pattern == entry.pattern) => {
                    let message = format!("`{}` is already in the list", entry.path);
                    self.report(&field.index(index).key("path"), message);
                }
                Ok(entry) => entries.push(entry),
                Err(message) => self.report(&field.index(index), message),
            }
        }
        entries
    }

    fn directories(&mut self, key: &'static str, entries: &[Directory]) -> Vec<ListedPath> {
        let field = FieldPath::from_keys(&[key]);
        let mut directories = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let pattern = self.path(&field.index(index), &entry.path, PathPattern::in_container);
            directories.extend(pattern.map(|pattern| entry.clone().into_listed_path(pattern)));
        }
        directories
    }

    fn volume_types(&mut self, types: Option<Vec<String>>) -> Option<Vec<String>> {
        let field = FieldPath::from_keys(&["volumeTypes", "allowOnly"]);
        for (index, name) in types.iter().flatten().enumerate() {
            if !known_sources().any(|known| known == name) {
                let suggestion = did_you_mean(name, known_sources());
                self.report(&field.index(index), format!("unknown volume type `{name}`{suggestion}"));
            }
        }
        types
    }

    fn modes(&mut self, modes: BTreeMap<String, Mode>) -> BTreeMap<String, NamespaceMode> {
        let mut checked = BTreeMap::new();
        for (text, mode) in modes {
            match Pattern::new(&text) {
                Ok(pattern) => {
                    checked.insert(text, NamespaceMode { pattern, mode });
                }
                Err(message) => self.report_key(&FieldPath::from_keys(&["modes"]).key(text), message),
            }
        }
        checked
    }

    fn exemptions(&mut self, entries: Vec<ExemptionEntry>) -> Vec<DeclaredExemption> {
        let field = FieldPath::from_keys(&["exemptions"]);
        let mut exemptions = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let field = field.index(index);
            let span = self.text.value_span(&field);
            let (path, file) = (Arc::clone(&self.text.name), Arc::clone(self.text.file));
            let origin = format!("{path}:{}", span.start.line);
            let location = Some(ExemptionLocation { path, file, span });
            match Exemption::new(&entry, origin, location, self.registry) {
                Ok(exemption) => exemptions.push(DeclaredExemption { entry, exemption }),
                Err(problems) => {
                    problems.iter().for_each(|(path, message)| self.report(&field.join(path), message));
                }
            }
        }
        exemptions
    }

    fn exclude(&mut self, directory: &Path, globs: &[String]) -> Vec<(PathBuf, String)> {
        let field = FieldPath::from_keys(&["lint", "exclude"]);
        let mut checked = Vec::new();
        for (index, glob) in globs.iter().enumerate() {
            match globset::Glob::new(glob) {
                Ok(_) => checked.push((directory.to_owned(), glob.clone())),
                Err(error) => self.report(&field.index(index), format!("invalid glob: {}", error.kind())),
            }
        }
        checked
    }

    /// Returns the levels and the default sizes that the document sets, by rule.
    fn rules(
        &mut self,
        settings: &BTreeMap<String, RuleSetting>,
    ) -> (HashMap<RuleId, Sourced<Level>>, HashMap<RuleId, String>) {
        let (mut levels, mut sizes) = (HashMap::new(), HashMap::new());
        // `*` sorts before every id, so the levels of single rules are set later and override the
        // level that `*` sets.
        for (id, setting) in settings {
            let field = FieldPath::from_keys(&["rules"]).key(id.to_owned());
            let rule = match self.registry.require(id) {
                Ok(rule) => Some(rule),
                Err(_) if id == "*" => None,
                Err(unknown) => {
                    self.report_key(&field, unknown.to_string());
                    continue;
                }
            };
            self.options(id, rule, setting, &mut sizes);
            let Some(level) = setting.level else { continue };
            if rule.is_some_and(Rule::reports_unchecked_input) {
                let message = format!(
                    "cannot change the severity of `{id}`: it reports input that could not be checked"
                );
                self.report(&field, message);
                continue;
            }
            let origin = format!("{}:{}", self.text.name, self.text.key_span(&field).start.line);
            let sourced = || Sourced { value: level, origin: origin.clone() };
            match rule {
                Some(rule) => levels.extend([(rule.id, sourced())]),
                None => {
                    let all = self.registry.iter().filter(|rule| !rule.reports_unchecked_input());
                    levels.extend(all.map(|rule| (rule.id, sourced())));
                }
            }
        }
        (levels, sizes)
    }

    fn options(
        &mut self,
        id: &str,
        rule: Option<&'static Rule>,
        setting: &RuleSetting,
        sizes: &mut HashMap<RuleId, String>,
    ) {
        let options = rule.into_iter().flat_map(|rule| rule.options).filter(|option| !option.is_policy_key);
        let known: Vec<&str> = options.map(|option| option.name).collect();
        for (name, value) in &setting.options {
            let field = FieldPath::from_keys(&["rules"]).key(id.to_owned()).key("options").key(name.clone());
            match rule.filter(|_| known.contains(&name.as_str())) {
                Some(rule) if Quantity::parse(value).is_some_and(|size| size.is_positive()) => {
                    sizes.insert(rule.id, value.clone());
                }
                Some(_) => {
                    self.report(&field, format!("invalid size `{value}`, expected a quantity such as `1Gi`"));
                }
                None if known.is_empty() => {
                    self.report_key(&field, format!("unknown option `{name}`: `{id}` has no options"));
                }
                None => {
                    let suggestion = did_you_mean(name, known.iter().copied());
                    self.report_key(&field, format!("unknown option `{name}` of `{id}`{suggestion}"));
                }
            }
        }
    }
}
