//! Linting: checks the text of manifests and returns findings with their locations. The counterpart
//! for requests to the webhook is `admission`.
//!
//! [`check`] checks one manifest. It does not read the clock or the command line. It accesses other
//! files only to find the source files of rendered documents. [`run`] checks many inputs in
//! parallel.

mod alignment;
mod as_admission;
mod bindings;
mod changed;
mod chart_values;
mod check;
mod checker;
mod claim_facts;
mod config;
mod coverage;
mod duplicates;
mod embedded;
mod helm_template;
mod inventory;
mod kustomize;
mod located;
mod not_object;
mod objects;
mod patch;
mod policy_warnings;
mod renderings;
mod report;
mod run;
mod strings;
mod suppression;
mod template;
mod template_location;
mod text_facts;
mod verdict;
mod word;

use crate::input::Excludes;
use crate::policy::{Date, Policy};

pub use crate::admission::Effect;
pub use as_admission::ReviewedObject;
pub use changed::keep_changed;
pub use chart_values::ValueLocation;
pub use check::check;
pub use claim_facts::BindingFacts;
pub use config::{ConfigFile, parse_baseline};
pub use coverage::Coverage;
pub use inventory::{VolumeOrigin, VolumeRow};
pub use located::{LocatedFinding, Location, OtherFile, RelatedLocation, TemplateLocation};
pub use policy_warnings::policy_warnings;
pub use renderings::{RenderFlags, add_named, render_searched};
pub use report::{Counts, Report, UnknownHostPath};
pub use run::{Run, RunOptions, covers, run, unused_excludes};
pub use verdict::{ObjectVerdict, Review};

/// A manifest to check.
#[derive(Clone, Debug)]
pub struct Manifest<'m> {
    /// The name, as shown in reports.
    pub name: &'m str,
    pub bytes: Vec<u8>,
    pub role: Role,
}

/// The source or use of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A file.
    File,
    /// A file that a kustomization uses as a patch.
    Patch,
    /// Standard input, unless `--stdin-filename` names a file. If standard input is the output of
    /// Helm, comments name the template of each document.
    Stream,
    /// The output of rendering a chart.
    Chart { directory: String, values: Vec<std::path::PathBuf> },
    /// The output of rendering a kustomization.
    Kustomization,
}

/// The options for checking manifests.
#[derive(Clone, Copy, Debug)]
pub struct Options<'p> {
    pub policy: &'p Policy,
    /// The current date. It determines which exemptions are active.
    pub today: Date,
    /// Whether comments and annotations can suppress findings.
    pub with_ignores: bool,
    /// Whether to also parse documents that cannot contain a volume, so that their syntax errors
    /// are reported.
    pub parse_all: bool,
    /// Whether to report only what the webhook would report, with the verdicts of the webhook.
    pub as_admission: bool,
    /// Whether to list the volumes in [`Outcome::volumes`].
    pub with_volumes: bool,
    /// The files whose rendered documents are not checked; `None` to check all documents.
    pub excludes: Option<&'p Excludes>,
}

/// The result of checking a manifest.
#[derive(Debug, Default)]
pub struct Outcome {
    pub counts: Counts,
    /// The paths of the files: that of the input or, in rendered text, those of the files it was
    /// rendered from.
    pub files: std::collections::BTreeSet<std::sync::Arc<str>>,
    /// Findings to report.
    pub findings: Vec<LocatedFinding>,
    /// Findings that an exemption or an ignore suppresses.
    pub suppressed: Vec<LocatedFinding>,
    /// Exemptions that matched a finding.
    pub used_exemptions: std::collections::BTreeSet<crate::policy::ExemptionId>,
    /// Input that could not be checked.
    pub unchecked: Vec<UncheckedInput>,
    /// Fields that may contain a host path, but were not checked, for example because their meaning
    /// is unknown.
    pub unknown_host_paths: Vec<UnknownHostPath>,
    /// Namespaces with the label for mode `deny`. Empty unless the verdicts of the webhook are
    /// determined.
    pub strict_namespaces: std::collections::BTreeSet<String>,
    /// The volumes, if the options ask for them.
    pub volumes: Vec<VolumeRow>,
    /// Facts about claims, PersistentVolumes and storage classes.
    pub bindings: BindingFacts,
}

/// Input that could not be checked.
#[derive(Debug)]
pub struct UncheckedInput {
    pub located: LocatedFinding,
    /// Whether the input is an unrendered template, such as a template of a chart.
    pub is_raw_template: bool,
}

impl Outcome {
    /// Adds the result of another document or manifest.
    pub fn merge(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.files.extend(other.files);
        append(&mut self.findings, other.findings);
        append(&mut self.suppressed, other.suppressed);
        self.used_exemptions.extend(other.used_exemptions);
        self.strict_namespaces.extend(other.strict_namespaces);
        append(&mut self.unchecked, other.unchecked);
        append(&mut self.unknown_host_paths, other.unknown_host_paths);
        append(&mut self.volumes, other.volumes);
        self.bindings.merge(other.bindings);
    }
}

/// Appends `others` to `items`. If `items` is empty, replaces it with `others`, so that the
/// findings of a large file are not copied.
fn append<T>(items: &mut Vec<T>, mut others: Vec<T>) {
    if items.is_empty() {
        *items = others;
    } else {
        items.append(&mut others);
    }
}
