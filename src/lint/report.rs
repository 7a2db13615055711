//! The report of a run, independent of the report format.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ConfigFile, LocatedFinding, Location};
use crate::finding::{Finding, Severity, SuppressedBy};
use crate::model::{FieldPath, ObjectId};
use crate::policy::{Overrides, Policy, Problem, Profile};
use crate::rules::Registry;

/// The numbers of files, objects and other documents in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Files read. Text that was rendered from several files counts as these files.
    pub files: usize,
    /// Kubernetes objects in the files.
    pub objects: usize,
    /// PersistentVolumes, claims, StorageClasses, and objects with volumes or claim templates.
    pub objects_with_volumes: usize,
    /// Lists without objects, such as kubectl prints if it finds none.
    #[serde(skip)]
    pub empty_lists: usize,
    /// Documents that are not Kubernetes objects.
    pub other_documents: usize,
    /// Kustomizations that were not rendered.
    pub kustomizations: usize,
    /// Charts that were not rendered.
    pub charts: usize,
    /// The numbers of other inputs that were not rendered, by noun, such as `HelmRelease`.
    pub unrendered: BTreeMap<String, usize>,
    /// Fields that may contain a host path, but were not checked.
    pub unknown_host_paths: usize,
}

/// A field that may contain a host path, but was not checked, for example because its meaning is
/// unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownHostPath {
    /// The path of the manifest, as shown in reports.
    pub path: Arc<str>,
    /// The line of the field, from 1.
    pub line: usize,
    pub object: ObjectId,
    pub field: FieldPath,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.objects += other.objects;
        self.objects_with_volumes += other.objects_with_volumes;
        self.empty_lists += other.empty_lists;
        self.other_documents += other.other_documents;
        self.kustomizations += other.kustomizations;
        self.charts += other.charts;
        self.unknown_host_paths += other.unknown_host_paths;
        for (noun, count) in &other.unrendered {
            *self.unrendered.entry(noun.clone()).or_default() += count;
        }
    }

    pub(super) fn add_unrendered(&mut self, noun: &str) {
        *self.unrendered.entry(noun.to_owned()).or_default() += 1;
    }
}

/// The findings and counts of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The rules of the policy.
    pub rules: Registry,
    pub counts: Counts,
    /// Findings that are not suppressed, in order.
    pub findings: Vec<LocatedFinding>,
    /// Input that could not be checked, in order.
    pub errors: Vec<LocatedFinding>,
    /// Suppressed findings, in order.
    pub suppressed: Vec<LocatedFinding>,
    /// Fields that may contain a host path, but were not checked, in order.
    pub unknown_host_paths: Vec<UnknownHostPath>,
    /// The commit given by `--changed-since`, and the number of findings and errors outside the
    /// changes since that commit.
    pub outside: Option<(String, usize)>,
    /// The invalid configuration file that prevented the run; `None` if manifests were checked.
    pub invalid_config: Option<ConfigFile>,
    /// Whether the policy enables rules other than those that report unchecked input.
    pub has_rules: bool,
    /// Whether the run fails because it found no Kubernetes objects.
    pub lacks_objects: bool,
}

impl Report {
    /// Creates an empty report of a run with `policy`.
    pub fn new(policy: &Policy) -> Self {
        Self {
            rules: policy.rules(),
            counts: Counts::default(),
            findings: Vec::new(),
            errors: Vec::new(),
            suppressed: Vec::new(),
            unknown_host_paths: Vec::new(),
            outside: None,
            invalid_config: None,
            has_rules: policy.enabled_rules().any(|(rule, _)| !rule.reports_unchecked_input()),
            lacks_objects: false,
        }
    }

    /// Creates the report of a run that checked nothing because of these problems in a
    /// configuration file.
    pub fn of_invalid_config(config: ConfigFile, problems: Vec<Problem>) -> Self {
        let located = |Problem { path, location, message }| {
            let finding = Finding::new(config.id(), Severity::Error, FieldPath::root(), message);
            let (file, primary) = location.unzip();
            LocatedFinding::new(finding, Location { file, primary, ..Location::of_file(&path) })
        };
        let errors = problems.into_iter().map(located).collect();
        let policy = Policy::from_profile(Profile::default(), &Overrides::default());
        let policy = policy.expect("the built-in profiles are valid");
        Self { invalid_config: Some(config), errors, ..Self::new(&policy) }
    }

    /// Returns the number of inputs with errors.
    pub fn inputs_with_errors(&self) -> usize {
        self.errors.iter().flat_map(LocatedFinding::files).collect::<BTreeSet<_>>().len()
    }

    /// Checks whether the input contains no Kubernetes objects, not even an empty list of them.
    pub fn has_no_objects(&self) -> bool {
        self.counts.objects == 0 && self.counts.empty_lists == 0
    }

    /// Returns the number of findings with this severity that are not suppressed.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|located| located.finding.severity == severity).count()
    }

    /// Returns the number of suppressed errors that the webhook reports. The webhook applies
    /// exemptions, but neither ignores nor the baseline.
    pub fn denied_in_cluster(&self) -> usize {
        let is_denied = |located: &&LocatedFinding| {
            let rule = self.rules.find(located.finding.rule.as_str());
            located.finding.severity == Severity::Error
                && located.suppressed.as_ref().is_some_and(|own| own.by != SuppressedBy::Exemption)
                && rule.is_some_and(|rule| rule.lint_only.is_none())
        };
        self.suppressed.iter().filter(is_denied).count()
    }

    /// Returns the input that could not be checked, followed by the findings that are not
    /// suppressed and have at least this severity.
    pub fn unsuppressed(&self, min_severity: Severity) -> Vec<&LocatedFinding> {
        let findings = self.findings.iter().filter(|located| located.finding.severity >= min_severity);
        self.errors.iter().chain(findings).collect()
    }

    /// Sorts findings, suppressed findings, errors and unknown host paths.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by(LocatedFinding::order);
        self.suppressed.sort_by(LocatedFinding::order);
        self.errors.sort_by(LocatedFinding::order);
        self.unknown_host_paths.sort();
    }
}
