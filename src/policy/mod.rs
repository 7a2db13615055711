//! Policies: the enabled rules, their levels and options, and the exemptions.
//!
//! A policy has three forms. A document is the content of a policy file. A [`MergedPolicy`] is one
//! checked document or several merged ones, with the origins of their values. A [`Policy`] is the
//! resolved form that the engine uses.
//!
//! Flags override the policy file. The policy file overrides the packs and files that it extends,
//! and these override the profile. This module does not inspect objects.

mod builtin;
mod document;
mod exemption;
mod level;
mod load;
mod merged;
mod pattern;
mod profile;
mod properties;
mod show;
mod starter;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::finding::{Finding, Ignores, NearExemption, RuleId};
use crate::model::{CustomWorkloads, KubernetesVersion, Object};
use crate::rules::{Catalog, DataDirectory, Options, Registry, Rule, UnknownRule};
use merged::{NamespaceMode, Sourced};

pub use builtin::{is_skipped_kind, options, workloads};
pub use document::{Mode, WorkloadMode, schema};
pub use exemption::{Exemption, ExemptionId, ExemptionLocation, Requester};
pub use jiff::civil::Date;
pub use level::Level;
pub use load::{FILE_NAME, discover, problems};
pub use merged::{MergedPolicy, Problem};
pub use profile::Profile;
pub use properties::properties;
pub use starter::starter;

/// Returns the current date in UTC. The engine has no clock, so its callers pass the date.
pub fn today() -> Date {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date()
}

/// A resolved policy.
#[derive(Clone, Debug)]
pub struct Policy {
    registry: Registry,
    /// The profile that the levels are based on.
    pub profile: Profile,
    levels: HashMap<RuleId, Level>,
    /// The enabled rules, in the order of the registry.
    enabled: Vec<(&'static Rule, Level)>,
    /// The options of the rules.
    pub options: Options,
    pub custom_workloads: CustomWorkloads,
    /// Whether lint detects pod specs and volumes by their structure, in objects of unknown kinds
    /// and in fields that `custom_workloads` does not list.
    pub heuristic: bool,
    /// The namespace to assume for objects that do not specify one.
    pub namespace: String,
    exemptions: Vec<Exemption>,
    exemptions_by_rule: HashMap<RuleId, Vec<ExemptionId>>,
    /// The findings that comments and annotations can suppress.
    pub ignores: Ignores,
    /// How mode `deny` applies to workloads and PersistentVolumeClaims.
    pub workload_mode: WorkloadMode,
    modes: Vec<(String, NamespaceMode)>,
    /// Users whose owner references admission trusts, in addition to the Kubernetes controllers.
    pub trusted_controllers: Vec<String>,
    /// Globs of paths to exclude, each with the directory that it is relative to.
    pub exclude: Vec<(PathBuf, String)>,
    /// The path of the baseline; `None` if the policy names no baseline.
    pub baseline: Option<PathBuf>,
    /// The path of the policy file; `None` if no file was loaded.
    pub file: Option<PathBuf>,
}

/// Command-line flags that override parts of a policy.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The profile, instead of the one in the policy files.
    pub profile: Option<Profile>,
    /// The only rules to enable; `None` to enable the rules of the policy. A selected rule that the
    /// policy disables gets its default level. The rules that report unchecked input are always
    /// enabled.
    pub select: Option<Vec<String>>,
    /// Rules to disable. They take precedence over `select`.
    pub ignore: Vec<String>,
    /// The namespace to assume for objects that do not specify one.
    pub namespace: Option<String>,
    /// The version of Kubernetes that runs the objects.
    pub kubernetes_version: Option<KubernetesVersion>,
}

/// The reason why a policy cannot be loaded.
#[derive(Debug)]
pub enum PolicyError {
    /// A flag names a rule that does not exist.
    UnknownRule(UnknownRule),
    /// Problems in the policy files.
    Problems(Vec<Problem>),
}

impl MergedPolicy {
    /// Returns the policy of a built-in profile, changed by `overrides`.
    pub fn from_profile(profile: Profile, overrides: &Overrides) -> Result<Self, UnknownRule> {
        let profile = Some(Sourced { value: profile, origin: "default".to_owned() });
        Self { profile, ..Self::default() }.with_profile_and_flags(overrides)
    }

    /// Loads the policy in the file `path`, changed by `overrides`.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, PolicyError> {
        let mut merged = load::load(path, Registry::built_in()).map_err(PolicyError::Problems)?;
        merged.file = Some(path.to_owned());
        merged.with_profile_and_flags(overrides).map_err(PolicyError::UnknownRule)
    }

    /// Adds the levels of the profile and applies the flags. The documents override the profile,
    /// and the flags override both. Flags do not disable the rules that report unchecked input.
    /// Returns an error if a flag names an unknown rule.
    fn with_profile_and_flags(mut self, overrides: &Overrides) -> Result<Self, UnknownRule> {
        if let Some(value) = overrides.profile {
            self.profile = Some(Sourced { value, origin: "--profile".to_owned() });
        }
        let profile = self
            .profile
            .get_or_insert_with(|| Sourced { value: Profile::default(), origin: "default".to_owned() });
        let registry = Registry::built_in();
        let mut levels = builtin::profile_levels(profile.value, registry);
        // Enable the rule that applies `volumeTypes.allowOnly`. Otherwise, the list would have no
        // effect if the profile disables the rule. The profile `none` enables no rule, not even
        // this one.
        if self.allowed_volume_types.is_some() && profile.value != Profile::None {
            let enabled = Sourced { value: Level::Default, origin: "volumeTypes.allowOnly".to_owned() };
            levels.insert(RuleId::new("unlisted-volume-type"), enabled);
        }
        levels.extend(std::mem::take(&mut self.levels));
        self.levels = levels;
        self.namespace = overrides.namespace.clone().or(self.namespace);
        self.kubernetes_version = overrides.kubernetes_version.or(self.kubernetes_version);
        if let Some(select) = &overrides.select {
            let selected: Result<Vec<_>, _> = select.iter().map(|id| registry.require(id)).collect();
            let selected: Vec<RuleId> = selected?.iter().map(|rule| rule.id).collect();
            for rule in registry.iter().filter(|rule| !rule.reports_unchecked_input()) {
                match (selected.contains(&rule.id), self.level(rule.id)) {
                    (false, _) => self.set_level(rule.id, Level::Off, "--select"),
                    (true, Level::Off) => self.set_level(rule.id, Level::Default, "--select"),
                    (true, _) => {}
                }
            }
        }
        for id in &overrides.ignore {
            let rule = registry.require(id)?;
            if !rule.reports_unchecked_input() {
                self.set_level(rule.id, Level::Off, "--ignore");
            }
        }
        Ok(self)
    }

    fn set_level(&mut self, rule: RuleId, value: Level, origin: &str) {
        self.levels.insert(rule, Sourced { value, origin: origin.to_owned() });
    }

    /// Returns the level of a rule, which is [`Level::Default`] if nothing sets it.
    fn level(&self, rule: RuleId) -> Level {
        self.levels.get(&rule).map_or(Level::Default, |level| level.value)
    }

    /// Returns the origin of a rule's level: a file and line, a profile, a flag, the policy key
    /// `volumeTypes.allowOnly`, or `default`.
    fn origin(&self, rule: RuleId) -> &str {
        self.levels.get(&rule).map_or("default", |level| &level.origin)
    }

    /// Converts the policy to the form that the engine uses.
    pub fn resolve(self) -> Policy {
        let registry = Registry::built_in();
        let levels: HashMap<_, _> = self.levels.iter().map(|(rule, level)| (*rule, level.value)).collect();
        let level = |rule: &Rule| levels.get(&rule.id).copied().unwrap_or(Level::Default);
        let enabled = registry.iter().map(|rule| (rule, level(rule)));
        let enabled = enabled.filter(|(_, level)| *level != Level::Off).collect();
        let mut options = options().clone();
        options.default_sizes = self.default_sizes;
        options.allowed_host_paths = self.allowed_host_paths;
        options.allowed_volume_types = self.allowed_volume_types;
        options.requires_claim_class = self.requires_claim_class.unwrap_or_default();
        options.kubernetes_version = self.kubernetes_version.unwrap_or_default();
        if !self.catalog.is_empty() {
            let entries = self.catalog.into_iter().chain(options.catalog.entries().iter().cloned());
            options.catalog = Catalog::new(entries.collect());
        }
        options.data_directories.extend(self.data_directories.into_iter().map(DataDirectory::from));
        options.scratch_directories.extend(self.scratch_directories);
        let mut custom_workloads = workloads().clone();
        custom_workloads.extend(self.workloads);
        let exemptions: Vec<_> = self.exemptions.into_iter().map(|declared| declared.exemption).collect();
        let mut exemptions_by_rule: HashMap<RuleId, Vec<ExemptionId>> = HashMap::new();
        for (index, exemption) in exemptions.iter().enumerate() {
            for rule in registry.iter().filter(|rule| exemption.covers_rule(rule.id)) {
                exemptions_by_rule.entry(rule.id).or_default().push(ExemptionId(index));
            }
        }
        Policy {
            registry,
            profile: self.profile.map(|profile| profile.value).unwrap_or_default(),
            levels,
            enabled,
            options,
            custom_workloads,
            heuristic: self.heuristic.unwrap_or(true),
            namespace: self.namespace.unwrap_or_else(|| "default".to_owned()),
            exemptions,
            exemptions_by_rule,
            ignores: self.ignores.unwrap_or_default(),
            workload_mode: self.workload_mode.unwrap_or_default(),
            modes: self.modes.into_iter().collect(),
            trusted_controllers: self.trusted_controllers,
            exclude: self.exclude,
            baseline: self.baseline,
            file: self.file,
        }
    }
}

impl Policy {
    /// Returns the policy of a built-in profile, changed by `overrides`.
    pub fn from_profile(profile: Profile, overrides: &Overrides) -> Result<Self, UnknownRule> {
        Ok(MergedPolicy::from_profile(profile, overrides)?.resolve())
    }

    /// Returns the policy of the default profile and the pack `name`, changed by `overrides`. If
    /// there is no such pack, returns the policy of the profile alone.
    pub fn from_pack(name: &str, overrides: &Overrides) -> Result<Self, UnknownRule> {
        let pack = builtin::pack(name, Registry::built_in()).unwrap_or_default();
        Ok(pack.with_profile_and_flags(overrides)?.resolve())
    }

    /// Loads the policy in the file `path`, changed by `overrides`.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, PolicyError> {
        Ok(MergedPolicy::load(path, overrides)?.resolve())
    }

    /// Returns the directory of the policy file, or `None` if there is no file.
    pub fn directory(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.parent().unwrap_or(Path::new("")))
    }

    /// Returns the registry of all rules, enabled or not.
    pub fn rules(&self) -> Registry {
        self.registry
    }

    /// Returns the enabled rules and their levels, in the order of the registry.
    pub fn enabled_rules(&self) -> impl Iterator<Item = (&'static Rule, Level)> {
        self.enabled.iter().copied()
    }

    /// Returns the level of a rule, which is [`Level::Default`] if nothing sets it. Only the engine
    /// applies levels to findings.
    pub fn level(&self, rule: RuleId) -> Level {
        self.levels.get(&rule).copied().unwrap_or(Level::Default)
    }

    pub fn is_enabled(&self, rule: RuleId) -> bool {
        self.level(rule) != Level::Off
    }

    pub fn exemptions(&self) -> impl ExactSizeIterator<Item = (ExemptionId, &Exemption)> {
        self.exemptions.iter().enumerate().map(|(index, exemption)| (ExemptionId(index), exemption))
    }

    pub fn exemption(&self, id: ExemptionId) -> &Exemption {
        &self.exemptions[id.0]
    }

    /// Returns the admission mode of a namespace. An exact name takes precedence, then the longest
    /// matching pattern. For an object without a namespace, `namespace` is empty, and only the
    /// pattern `*` applies. Returns `deny` if nothing matches.
    pub fn mode(&self, namespace: &str) -> Mode {
        let matching = self.modes.iter().filter(|(text, mode)| match namespace {
            "" => text == "*",
            _ => mode.pattern.matches(namespace),
        });
        let best = matching.max_by_key(|(text, _)| (text == namespace, text.len()));
        best.map_or(Mode::default(), |(_, mode)| mode.mode)
    }

    /// Checks whether owner references that the user writes are trusted. They are if the user is a
    /// Kubernetes controller or one of `trusted_controllers`.
    pub fn trusts_controller(&self, user: &str) -> bool {
        exemption::is_kubernetes_controller(user)
            || self.trusted_controllers.iter().any(|known| known == user)
    }

    /// Returns the keys of `modes` with mode `deny` that have no effect, because no other key
    /// matches them and `deny` is the default.
    pub fn redundant_deny_modes(&self) -> impl Iterator<Item = &str> {
        let has_broader =
            |text: &str| self.modes.iter().any(|(other, mode)| other != text && mode.pattern.matches(text));
        let denying = self.modes.iter().filter(|(_, mode)| mode.mode == Mode::Deny);
        denying.map(|(text, _)| text.as_str()).filter(move |text| *text != "*" && !has_broader(text))
    }

    /// Checks whether the key `modes` contains this namespace by its exact name.
    pub fn names_namespace(&self, namespace: &str) -> bool {
        self.modes.iter().any(|(text, _)| text == namespace)
    }

    /// Returns the active exemption for a finding about `object`. `requester` is the user who sent
    /// the object to the API server, or `None` to skip exemptions for users. The first exemption
    /// that suppresses the finding takes precedence, then the first one that lowers it to the
    /// lowest severity. Returns `None` if no exemption applies. Only the engine calls this.
    pub(crate) fn find_exemption(
        &self,
        finding: &Finding,
        object: &Object<'_>,
        requester: Option<&Requester<'_>>,
        today: Date,
    ) -> Option<ExemptionId> {
        let candidates = self.exemptions_by_rule.get(&finding.rule)?;
        let applies = |candidate: &ExemptionId| {
            let exemption = self.exemption(*candidate);
            exemption.is_active_on(today)
                && exemption.severity.is_none_or(|severity| severity < finding.severity)
                && exemption.matches(finding, &object.id, &object.workload)
                && exemption.matches_requester(requester)
        };
        let applying = candidates.iter().copied().filter(applies);
        applying.min_by_key(|candidate| self.exemption(*candidate).severity)
    }

    /// Returns the first exemption that would apply to a finding about `object` except for one key,
    /// if this key is probably a mistake. Returns `None` if there is none. Only the engine calls
    /// this, for findings to which no exemption applies.
    pub(crate) fn near_exemption(
        &self,
        finding: &Finding,
        object: &Object<'_>,
        requester: Option<&Requester<'_>>,
        today: Date,
    ) -> Option<Arc<NearExemption>> {
        let candidates = self.exemptions_by_rule.get(&finding.rule)?;
        candidates.iter().find_map(|candidate| {
            let exemption = self.exemption(*candidate);
            let is_candidate = exemption.matches_requester(requester)
                && exemption.severity.is_none_or(|severity| severity < finding.severity);
            let near = is_candidate.then(|| exemption.near(finding, &object.id, &object.workload, today));
            near.flatten().map(Arc::clone)
        })
    }
}
