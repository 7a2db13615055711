//! The policy: which rules count, how much, what they know, and what is excused.
//!
//! It reads policy files and the built-in documents of `policies/`, and makes one [`Policy`] of them and of
//! the flags: profile ← packs and files ← the file itself ← flags. It never looks at an object.

mod builtin;
mod document;
mod exemption;
mod flat;
mod layer;
mod load;
mod profile;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::finding::{Finding, Severity};
use crate::model::{CustomWorkloads, ObjectId, Workload};
use crate::rules::{self, Catalog, Options, Rule};
use document::Document;
use layer::{Layer, NamespaceMode};

pub use builtin::{holds_no_volume, options, workloads};
pub use document::{Ignores, Mode, WorkloadMode, schema};
pub use exemption::{Exemption, ExemptionPlace};
pub use jiff::civil::Date;
pub use layer::Problem;
pub use load::{FILE_NAME, discover};
pub use profile::Profile;

/// Today, in UTC: for whoever asks the engine, which has no clock.
pub fn today() -> Date {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date()
}

/// How much a rule counts in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Not at all.
    Off,
    /// Each finding as the rule says.
    Default,
    /// Each finding as much as this.
    As(Severity),
}

/// A policy, resolved: nothing is left to look up.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The profile that everything else builds on.
    pub profile: Profile,
    /// Who says so.
    profile_origin: String,
    levels: HashMap<&'static str, Level>,
    /// Who says how much a rule counts: a file and its line, a profile, or a flag.
    origins: HashMap<&'static str, String>,
    /// The rules that count, as places in the list of rules.
    active: Vec<(usize, Level)>,
    /// What the rules know beside the object.
    pub options: Options,
    /// Where the pods of custom kinds are.
    pub custom_workloads: CustomWorkloads,
    /// Whether kinds that are not known are read by their structure.
    pub heuristic: bool,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// What is excused.
    pub exemptions: Vec<Exemption>,
    /// The exemptions that may answer a rule.
    by_rule: HashMap<&'static str, Vec<usize>>,
    /// What comments and annotations may silence.
    pub ignores: Ignores,
    /// What admission does with workloads.
    pub workload_mode: WorkloadMode,
    modes: Vec<NamespaceMode>,
    /// Users whose owner references admission believes.
    pub controllers: Vec<String>,
    /// What isn't read: globs, each with the folder that it is relative to.
    pub exclude: Vec<(PathBuf, String)>,
    /// The baseline's file.
    pub baseline: Option<PathBuf>,
    /// The policy's file.
    pub file: Option<PathBuf>,
    /// What the documents say, as it is written, but for rules and what lint alone knows.
    written: Document,
}

/// What the command line changes of a policy.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The profile, whatever the files say.
    pub profile: Option<Profile>,
    /// These rules alone, whatever the profile; none for what the profile says.
    pub select: Option<Vec<String>>,
    /// Not these rules.
    pub ignore: Vec<String>,
    /// The namespace of objects that name none.
    pub namespace: Option<String>,
}

/// A rule that doesn't exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRule(pub String);

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown rule `{}`", crate::model::printable(&self.0))?;
        match rules::similar(&self.0) {
            Some(known) => write!(f, "; did you mean `{known}`?"),
            None => f.write_str("; `volcheck rules` lists them all"),
        }
    }
}

impl std::error::Error for UnknownRule {}

/// Why there is no policy.
#[derive(Debug)]
pub enum PolicyError {
    /// A flag names a rule that doesn't exist.
    Rule(UnknownRule),
    /// Its files can't be read, or say what makes no sense.
    Files(Vec<Problem>),
}

impl Policy {
    /// The policy of a built-in profile, changed by `overrides`.
    pub fn of_profile(profile: Profile, overrides: &Overrides) -> Result<Self, UnknownRule> {
        let layer = Layer { profile: Some(profile), ..Layer::default() };
        Self::resolve(vec![layer], overrides)
    }

    /// The default profile with the pack `name`, changed by `overrides`.
    pub fn of_pack(name: &str, overrides: &Overrides) -> Result<Self, UnknownRule> {
        Self::resolve(builtin::pack(name).into_iter().collect(), overrides)
    }

    /// The policy in the file `path`, changed by `overrides`.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, PolicyError> {
        let layers = load::load(path).map_err(PolicyError::Files)?;
        let mut policy = Self::resolve(layers, overrides).map_err(PolicyError::Rule)?;
        policy.file = Some(path.to_owned());
        Ok(policy)
    }

    /// The folder that the policy is for; none without a file.
    pub fn folder(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.parent().unwrap_or(Path::new("")))
    }

    /// Puts the layers over one another, the last on top.
    fn resolve(layers: Vec<Layer>, overrides: &Overrides) -> Result<Self, UnknownRule> {
        let written = layers.iter().rev().find_map(|layer| Some((layer.profile?, &layer.name)));
        let (profile, profile_origin) = match (overrides.profile, written) {
            (Some(profile), _) => (profile, "--profile".to_owned()),
            (None, Some((profile, name))) => (profile, name.to_string()),
            (None, None) => (Profile::default(), "default".to_owned()),
        };
        let settings = profile.settings();
        let levels = settings.iter().map(|(id, (level, _))| (*id, *level)).collect();
        let origins = settings.iter().map(|(id, (_, by))| (*id, format!("profile {by}"))).collect();
        let mut policy = Self {
            profile,
            profile_origin,
            levels,
            origins,
            active: Vec::new(),
            options: options().clone(),
            custom_workloads: workloads().clone(),
            heuristic: true,
            namespace: "default".to_owned(),
            exemptions: Vec::new(),
            by_rule: HashMap::new(),
            ignores: Ignores::default(),
            workload_mode: WorkloadMode::default(),
            modes: Vec::new(),
            controllers: Vec::new(),
            exclude: Vec::new(),
            baseline: None,
            file: None,
            written: Document::default(),
        };
        layers.into_iter().for_each(|layer| policy.put(layer));
        if let Some(namespace) = &overrides.namespace {
            policy.namespace.clone_from(namespace);
        }
        policy.select(overrides)?;
        let level = |rule: &&dyn Rule| policy.level(rule.meta().id);
        let active = rules::ALL.iter().map(level).enumerate().filter(|(_, level)| *level != Level::Off);
        policy.active = active.collect();
        for (index, exemption) in policy.exemptions.iter().enumerate() {
            for rule in rules::ALL.iter().filter(|rule| exemption.names_rule(rule.meta().id)) {
                policy.by_rule.entry(rule.meta().id).or_default().push(index);
            }
        }
        Ok(policy)
    }

    /// Puts one layer on top.
    fn put(&mut self, layer: Layer) {
        // All rules first: what is said of one of them counts, wherever it stands.
        let (all, single): (Vec<_>, Vec<_>) = layer.levels.into_iter().partition(|(id, ..)| id == "*");
        for (name, level, line) in all.into_iter().chain(single) {
            let fits = |id: &&str| name == **id || (name == "*" && !rules::cannot_be_excused(id));
            for rule in rules::ALL.iter().map(|rule| rule.meta().id).filter(fits) {
                self.levels.insert(rule, level);
                self.origins.insert(rule, format!("{}:{line}", layer.name));
            }
        }
        let Document { host_paths, data_directories, scratch_directories, modes, exemptions, .. } =
            layer.document;
        let written = &mut self.written;
        written.host_paths.allow = host_paths.allow.or(written.host_paths.allow.take());
        written.host_paths.catalogue.splice(0..0, host_paths.catalogue);
        written.data_directories.extend(data_directories);
        written.scratch_directories.extend(scratch_directories);
        written.modes.extend(modes);
        written.exemptions.extend(exemptions);
        written.workloads.extend(layer.workloads.iter().cloned());
        self.options.default_sizes.extend(layer.default_sizes);
        if let Some(allow) = layer.allow {
            self.options.allowed_host_paths = Some(allow);
        }
        if !layer.catalogue.is_empty() {
            // Of two entries for one path, the first counts.
            let entries = layer.catalogue.into_iter().chain(self.options.catalog.entries().iter().cloned());
            self.options.catalog = Catalog::new(entries.collect());
        }
        self.options.data_directories.extend(layer.data_directories);
        self.options.scratch_directories.extend(layer.scratch_directories);
        for mode in layer.modes {
            self.modes.retain(|known| known.text != mode.text);
            self.modes.push(mode);
        }
        self.exemptions.extend(layer.exemptions);
        self.custom_workloads.extend(layer.workloads);
        self.controllers.extend(layer.controllers);
        self.heuristic = layer.heuristic.unwrap_or(self.heuristic);
        self.ignores = layer.ignores.unwrap_or(self.ignores);
        self.workload_mode = layer.workload_mode.unwrap_or(self.workload_mode);
        self.namespace = layer.namespace.unwrap_or_else(|| self.namespace.clone());
        self.baseline = layer.baseline.or(self.baseline.take());
        self.exclude.extend(layer.exclude.into_iter().map(|glob| (layer.folder.clone(), glob)));
    }

    /// Leaves the rules that the command line selects, less those that it ignores.
    fn select(&mut self, overrides: &Overrides) -> Result<(), UnknownRule> {
        let known =
            |id: &String| rules::find(id).map(|rule| rule.meta().id).ok_or_else(|| UnknownRule(id.clone()));
        if let Some(select) = &overrides.select {
            let selected = select.iter().map(known).collect::<Result<Vec<_>, _>>()?;
            for rule in rules::ALL {
                let id = rule.meta().id;
                match (selected.contains(&id), self.level(id)) {
                    (false, _) => self.set(id, Level::Off, "--select"),
                    (true, Level::Off) => self.set(id, Level::Default, "--select"),
                    (true, _) => {}
                }
            }
        }
        for id in &overrides.ignore {
            self.set(known(id)?, Level::Off, "--ignore");
        }
        Ok(())
    }

    fn set(&mut self, id: &'static str, level: Level, origin: &str) {
        self.levels.insert(id, level);
        self.origins.insert(id, origin.to_owned());
    }

    /// How much a rule counts.
    pub fn level(&self, id: &str) -> Level {
        self.levels.get(id).copied().unwrap_or(Level::Default)
    }

    /// The finding as the policy has it; none where that turns its rule off.
    pub fn leveled(&self, mut finding: Finding) -> Option<Finding> {
        match self.level(finding.rule) {
            Level::Off => return None,
            Level::Default => {}
            Level::As(severity) => finding.severity = severity,
        }
        Some(finding)
    }

    /// Who says how much a rule counts.
    pub fn origin(&self, id: &str) -> &str {
        self.origins.get(id).map_or("default", String::as_str)
    }

    /// The rules that count, and how much, in the order of the catalogue.
    pub fn rules(&self) -> impl Iterator<Item = (&'static dyn Rule, Level)> {
        self.active.iter().map(|(at, level)| (rules::ALL[*at], *level))
    }

    /// What admission does in a namespace: its exact name decides, else the longest glob that fits.
    pub fn mode(&self, namespace: &str) -> Mode {
        let fitting = self.modes.iter().filter(|mode| mode.pattern.fits(namespace));
        let nearest = fitting.max_by_key(|mode| (mode.text == namespace, mode.text.len()));
        nearest.map_or(Mode::default(), |mode| mode.mode)
    }

    /// The exemption that excuses a finding about the object `id`, which counts as `workload` where that is
    /// believed; its place in the list.
    pub fn exemption(
        &self,
        finding: &Finding,
        id: &ObjectId,
        workload: &Workload,
        today: Date,
    ) -> Option<usize> {
        let candidates = self.by_rule.get(finding.rule)?;
        candidates.iter().copied().find(|index| {
            let exemption = &self.exemptions[*index];
            exemption.holds_on(today) && exemption.excuses(finding, id, workload)
        })
    }
}
