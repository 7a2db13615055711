//! Findings, with their severities, locations, fixes and suppressions.
//!
//! Most locations are field paths in the object of the finding. Other locations are ranges of the
//! text ([`Target::Mark`]), or are in other objects ([`Target::Elsewhere`]). This module depends
//! neither on the text of a manifest nor on report formats.

mod fingerprint;
mod fix;
mod near_exemption;
mod rule_id;
mod severity;
mod suppression;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::model::{FieldPath, HostPath, Mark, ObjectId, Workload};

pub use fingerprint::{Access, Fingerprint, digest};
pub use fix::{Edit, EditValue, Fix, Safety};
pub use near_exemption::NearExemption;
pub use rule_id::RuleId;
pub use severity::Severity;
pub use suppression::{Ignores, SuppressedBy, Suppression};

/// A group of rules about the same aspect of a volume. Per volume, only the most severe finding of
/// a family is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// The part of the node that the volume exposes.
    Path,
    /// The purpose of the volume.
    Usage,
}

/// The target of a label: a part of a field, a range of the text, or a location in another object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Target {
    /// The value; for a mapping or a sequence, its first entry.
    #[default]
    Value,
    /// The key.
    Key,
    /// A range of the text. The field path of the label is empty.
    Mark(Mark),
    /// A location in another object, as an index into the locations that `lint` collected.
    Elsewhere(usize),
}

/// A location, with a short text to show there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The object; `None` for the object of the finding.
    pub object: Option<Arc<ObjectId>>,
    /// The field path within the object.
    pub path: FieldPath,
    /// The part of the field, or a location without a field path.
    pub target: Target,
    /// A few words to show at the location; may be empty.
    pub text: Cow<'static, str>,
}

impl Label {
    /// Returns the range of the text if the target is a [`Target::Mark`], otherwise `None`.
    pub fn mark(&self) -> Option<Mark> {
        match self.target {
            Target::Mark(mark) => Some(mark),
            Target::Value | Target::Key | Target::Elsewhere(_) => None,
        }
    }
}

/// A problem that a rule reports.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that reports the finding.
    pub rule: RuleId,
    /// The severity under the policy.
    pub severity: Severity,
    /// The family of the rule; `None` if the rule has none.
    pub family: Option<Family>,
    /// The problem, as a clause without a period.
    pub message: String,
    /// The location to change. If a field is missing, this is the mapping that should contain the
    /// field.
    pub primary: Label,
    /// Other locations that are part of the problem.
    pub related: Vec<Label>,
    /// The consequence, in one sentence without a period; may be empty.
    pub why: Cow<'static, str>,
    /// The advice, as an imperative; may be empty.
    pub help: Cow<'static, str>,
    /// Edits that resolve the finding; `None` if no automatic fix exists.
    pub fix: Option<Fix>,
    /// The identity of the finding across versions of the object.
    pub fingerprint: Fingerprint,
    /// Whether the path in the fingerprint is an effective host path.
    pub has_host_path: bool,
    /// The mount that `help` advises to make read-only; `None` if the advice is different.
    pub read_only_advice: Option<FieldPath>,
    /// The object; `None` if the finding is not about an object.
    pub object: Option<Arc<ObjectId>>,
    /// The workload that controls the object; `None` if the object has no controller.
    pub controller: Option<Arc<Workload>>,
    /// Whether the pod of the finding was found by its structure or in a patch, and not in a field
    /// that the kind of the object defines.
    pub is_heuristic: bool,
    /// An exemption that applies except for one key; `None` if there is none.
    pub near_exemption: Option<Arc<NearExemption>>,
}

impl Finding {
    /// Creates a finding at the value of the field `path`.
    pub fn new(rule: RuleId, severity: Severity, path: FieldPath, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity,
            family: None,
            message: message.into(),
            primary: Label { object: None, path, target: Target::Value, text: Cow::Borrowed("") },
            related: Vec::new(),
            why: Cow::Borrowed(""),
            help: Cow::Borrowed(""),
            fix: None,
            fingerprint: Fingerprint::new(rule),
            has_host_path: false,
            read_only_advice: None,
            object: None,
            controller: None,
            is_heuristic: false,
            near_exemption: None,
        }
    }

    /// Creates a finding about a range of the text.
    pub fn at_mark(rule: RuleId, severity: Severity, mark: Mark, message: impl Into<String>) -> Self {
        let mut finding = Self::new(rule, severity, FieldPath::root(), message);
        finding.primary.target = Target::Mark(mark);
        finding
    }

    /// Sets the text to show at the primary location.
    #[must_use]
    pub fn label(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Moves the primary location from the value to the key.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.primary.target = Target::Key;
        self
    }

    /// Adds a related location in the same object.
    #[must_use]
    pub fn related(self, path: FieldPath, text: impl Into<Cow<'static, str>>) -> Self {
        self.add_related(Label { object: None, path, target: Target::Value, text: text.into() })
    }

    /// Adds a related range of the text.
    #[must_use]
    pub fn related_mark(self, mark: Mark, text: impl Into<Cow<'static, str>>) -> Self {
        let (path, target) = (FieldPath::root(), Target::Mark(mark));
        self.add_related(Label { object: None, path, target, text: text.into() })
    }

    /// Adds a related location in another object.
    #[must_use]
    pub fn related_elsewhere(self, label: &Label, text: impl Into<Cow<'static, str>>) -> Self {
        self.add_related(Label { text: text.into(), ..label.clone() })
    }

    fn add_related(mut self, label: Label) -> Self {
        self.related.push(label);
        self
    }

    /// Sets the consequence.
    #[must_use]
    pub fn why(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.why = text.into();
        self
    }

    /// Sets the advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.help = text.into();
        self
    }

    /// Declares that `help` advises to make the mount at `path` read-only.
    #[must_use]
    pub fn advises_read_only(mut self, path: FieldPath) -> Self {
        self.read_only_advice = Some(path);
        self
    }

    /// Sets the fix.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Sets the volume in the fingerprint.
    #[must_use]
    pub fn volume(mut self, name: &str) -> Self {
        self.fingerprint.volume = name.to_owned();
        self
    }

    /// Sets the container in the fingerprint.
    #[must_use]
    pub fn container(mut self, name: &str) -> Self {
        self.fingerprint.container = name.to_owned();
        self
    }

    /// Sets the path in the fingerprint to an effective host path.
    #[must_use]
    pub fn host_path(mut self, path: &HostPath) -> Self {
        self.has_host_path = true;
        self.path(path)
    }

    /// Sets the path in the fingerprint. This is usually the path in the container. If a host path
    /// is involved, use [`host_path`](Self::host_path) instead.
    #[must_use]
    pub fn path(mut self, path: impl fmt::Display) -> Self {
        self.fingerprint.path = path.to_string();
        self
    }

    /// Sets the access in the fingerprint.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.fingerprint.access = Some(access);
        self
    }
}
