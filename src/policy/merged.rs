//! Checked policies: one document, or several merged into one, with the origins of their values.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chart::ChartSettings;
use super::document::{AllowedEntry, Directory, Document, ExemptionEntry, Mode, OverrideEntry, WorkloadMode};
use super::exclude::ExcludePattern;
use super::exemption::{Exemption, ExemptionLocation, parse_date};
use super::level::{Level, LevelSchedule};
use super::pattern::{Pattern, why_unreachable};
use super::profile::Profile;
use super::scope::Scope;
use super::setting::RuleSetting;
use super::severity_override::{DeclaredOverride, SeverityOverride};
use super::sourced::Sourced;
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

/// A checked policy document, or several documents combined by `merge`.
#[derive(Clone, Debug, Default)]
pub struct MergedPolicy {
    pub(super) profile: Option<Sourced<Profile>>,
    pub(super) levels: HashMap<RuleId, Sourced<LevelSchedule>>,
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
    /// Later entries take precedence.
    pub(super) overrides: Vec<DeclaredOverride>,
    pub(super) workloads: Vec<CustomWorkload>,
    pub(super) heuristic: Option<bool>,
    pub(super) trusted_controllers: Vec<String>,
    pub(super) exclude: Vec<ExcludePattern>,
    pub(super) namespace: Option<String>,
    pub(super) baseline: Option<PathBuf>,
    pub(super) renders: Option<bool>,
    /// The settings of charts, with resolved paths.
    pub(super) charts: Vec<ChartSettings>,
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

/// The text of a configuration file, for the locations of problems.
#[derive(Debug)]
pub struct Text<'t> {
    /// The name of the file, as shown to the user.
    pub name: Arc<str>,
    pub file: &'t Arc<File>,
    pub tree: &'t Tree<'t>,
}

impl Text<'_> {
    fn value_span(&self, path: &FieldPath) -> Span {
        locate(self.file, self.tree, self.tree.root(), path)
    }

    fn key_span(&self, path: &FieldPath) -> Span {
        locate_key(self.file, self.tree, self.tree.root(), path)
    }

    /// Creates a problem located at the value of `path`.
    pub fn problem(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
        self.problem_at(self.value_span(path), message)
    }

    /// Creates a problem located at the last key of `path`.
    pub fn problem_with_key(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
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
            overrides: checker.overrides(document.overrides),
            workloads: document.workloads,
            heuristic: document.heuristic,
            trusted_controllers: document.trusted_controllers,
            exclude: checker.exclude(directory, &document.lint.exclude),
            namespace: document.lint.namespace,
            baseline: document.lint.baseline.map(|path| directory.join(path)),
            renders: document.lint.render,
            charts: document.lint.charts.into_iter().map(|chart| chart.resolved(directory)).collect(),
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
            overrides: overlaid(below.overrides, over.overrides),
            workloads: overlaid(below.workloads, over.workloads),
            heuristic: over.heuristic.or(below.heuristic),
            trusted_controllers: overlaid(below.trusted_controllers, over.trusted_controllers),
            exclude: overlaid(below.exclude, over.exclude),
            namespace: over.namespace.or(below.namespace),
            baseline: over.baseline.or(below.baseline),
            renders: over.renders.or(below.renders),
            charts: overlaid(below.charts, over.charts),
            file: over.file.or(below.file),
        };
    }
}

/// Extends a collection. In a map, the values of `over` take precedence.
fn overlaid<C: IntoIterator + Extend<C::Item>>(mut below: C, over: C) -> C {
    below.extend(over);
    below
}

fn unchangeable_severity(id: &str) -> String {
    format!("cannot change the severity of `{id}`: it reports input that could not be checked")
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

    fn overrides(&mut self, entries: Vec<OverrideEntry>) -> Vec<DeclaredOverride> {
        let field = FieldPath::from_keys(&["overrides"]);
        let mut overrides = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let field = field.index(index);
            let origin = format!("{}:{}", self.text.name, self.text.value_span(&field).start.line);
            let (mut rules, mut levels, mut others) = (Vec::new(), BTreeMap::new(), None);
            if entry.rules.is_empty() {
                self.report(&field.key("rules"), "no rule given");
            }
            for (id, setting) in &entry.rules {
                let field = field.key("rules").key(id.to_owned());
                if let Some(rule) = self.overridden_rule(&field, id) {
                    rules.extend(rule);
                    let Some(level) = self.overriding_level(&field, setting) else { continue };
                    match rule {
                        Some(rule) => drop(levels.insert(rule.id, level)),
                        None => others = Some(level),
                    }
                }
            }
            let mut problems = Vec::new();
            let scope = Scope::new(&entry.scope, &rules, entry.rules.contains_key("*"), &mut problems);
            let users = [("user", &entry.scope.user), ("group", &entry.scope.group)];
            for (key, _) in users.into_iter().filter(|(_, patterns)| patterns.is_some()) {
                let message =
                    format!("overrides do not support `{key}`: `volcheck lint` does not know the user");
                problems.push((FieldPath::from_keys(&["match", key]), message));
            }
            problems.iter().for_each(|(path, message)| self.report(&field.join(path), message));
            let compiled = SeverityOverride { scope, levels, others };
            overrides.push(DeclaredOverride { entry, compiled, origin });
        }
        overrides
    }

    /// Returns the rule named `id` in an override, or `Some(None)` for `*`. If the rule does not
    /// exist or cannot be overridden, reports this at the key `field` and returns `None`.
    fn overridden_rule(&mut self, field: &FieldPath, id: &str) -> Option<Option<&'static Rule>> {
        let message = match self.registry.require(id) {
            Err(_) if id == "*" => return Some(None),
            Ok(rule) if rule.is_exemptable() => return Some(Some(rule)),
            Ok(rule) if rule.reports_unchecked_input() => unchangeable_severity(id),
            Ok(_) => format!(
                "`{id}` cannot be overridden: its findings are not about an object; change its severity with the top-level key `rules`"
            ),
            Err(unknown) => unknown.to_string(),
        };
        self.report_key(field, message);
        None
    }

    /// Returns the level that an override sets. If it is missing or invalid, reports this and
    /// returns `None`.
    fn overriding_level(
        &mut self,
        field: &FieldPath,
        setting: &RuleSetting,
    ) -> Option<Sourced<LevelSchedule>> {
        if !setting.options.is_empty() {
            let message = "options cannot be overridden: set them with the top-level key `rules`";
            self.report_key(&field.key("options"), message);
        }
        if [setting.severity, setting.then].contains(&Some(Level::Off)) {
            let message = "an override cannot disable a rule: use an exemption, which gives a reason";
            self.report(field, message);
            return None;
        }
        if setting.severity.is_none() && setting.until.is_none() && setting.then.is_none() {
            self.report(field, "missing key `severity`");
        }
        self.level(field, setting)
    }

    /// Returns the level that a setting declares, with its origin. Returns `None` if it declares no
    /// level, or if `until` or `then` is invalid, which is reported.
    fn level(&mut self, field: &FieldPath, setting: &RuleSetting) -> Option<Sourced<LevelSchedule>> {
        let origin = format!("{}:{}", self.text.name, self.text.key_span(field).start.line);
        let value = match (setting.severity, &setting.until, setting.then) {
            (level, None, None) => level?.into(),
            (Some(level), Some(until), Some(then)) => {
                if then == level {
                    self.report(&field.key("then"), "`then` must differ from `severity`");
                }
                let last_day = parse_date(until);
                let last_day = last_day.map_err(|message| self.report(&field.key("until"), message)).ok()?;
                LevelSchedule { level, change: Some((last_day, then)) }
            }
            (_, until, then) => {
                let key = if until.is_some() { "until" } else { "then" };
                let message = match (until, then) {
                    (Some(_), Some(_)) => "missing key `severity`: the severity up to this day",
                    (Some(_), None) => "missing key `then`: the severity after this day",
                    (None, _) => "missing key `until`: the last day of `severity`",
                };
                self.report_key(&field.key(key), message);
                return None;
            }
        };
        Some(Sourced { value, origin })
    }

    fn exclude(&mut self, directory: &Path, patterns: &[String]) -> Vec<ExcludePattern> {
        let field = FieldPath::from_keys(&["lint", "exclude"]);
        let mut checked = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let field = field.clone().index(index);
            let origin = format!("{}:{}", self.text.name, self.text.value_span(&field).start.line);
            match ExcludePattern::new(directory, pattern, origin) {
                Ok(pattern) => checked.push(pattern),
                Err(message) => self.report(&field, format!("invalid pattern: {message}")),
            }
        }
        checked
    }

    /// Returns the levels and the default sizes that the document sets, by rule.
    fn rules(
        &mut self,
        settings: &BTreeMap<String, RuleSetting>,
    ) -> (HashMap<RuleId, Sourced<LevelSchedule>>, HashMap<RuleId, String>) {
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
            let Some(level) = self.level(&field, setting) else { continue };
            match rule {
                Some(rule) if rule.reports_unchecked_input() => {
                    self.report(&field, unchangeable_severity(id));
                }
                Some(rule) => drop(levels.insert(rule.id, level)),
                None => {
                    let all = self.registry.iter().filter(|rule| !rule.reports_unchecked_input());
                    levels.extend(all.map(|rule| (rule.id, level.clone())));
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
