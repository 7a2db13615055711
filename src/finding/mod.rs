//! What rules report: findings, their severity, their places and their fixes.
//!
//! A place is a field path: nothing here knows text, bytes or output.

mod fingerprint;
mod fix;
mod suppression;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{FieldPath, ObjectId};

pub use fingerprint::{Access, Fingerprint, digest};
pub use fix::{Edit, EditValue, Fix, Safety};
pub use suppression::{SuppressedBy, Suppression};

/// How bad a finding is, which is all that decides what follows from it: an error denies and fails a lint
/// run, a warning warns, an info is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not what is wanted.
    Warning,
    /// Not safe, or refused by Kubernetes.
    Error,
}

impl Severity {
    /// Its word, as in output and policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|severity| severity.word() == text)
            .ok_or_else(|| format!("`{text}` is none of error, warning, info"))
    }
}

/// A group of rules that speak of the same: of one volume, only the worst of them is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// What of the node is reached.
    Path,
    /// What it is used for.
    Usage,
}

/// What part of a field a label points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Part {
    /// Its value; of a mapping or a list, the first entry.
    #[default]
    Value,
    /// Its key.
    Key,
}

/// A place, and what to say there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place within the object.
    pub path: FieldPath,
    /// What part of it.
    pub part: Part,
    /// A few words; may be empty.
    pub text: Cow<'static, str>,
}

/// Something that a rule has found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The family that its rule belongs to.
    pub family: Option<Family>,
    /// What is wrong, in one sentence without its full stop.
    pub message: String,
    /// Where the remedy goes.
    pub primary: Label,
    /// What else has to do with it.
    pub related: Vec<Label>,
    /// What can come of it.
    pub why: Cow<'static, str>,
    /// What to do.
    pub help: Cow<'static, str>,
    /// An edit that does it.
    pub fix: Option<Fix>,
    /// What makes it the same finding in another version of the object.
    pub fingerprint: Fingerprint,
    /// The object; none for a finding about the run.
    pub object: Option<Arc<ObjectId>>,
    /// Whether the object's kind isn't known, so that its meaning was guessed.
    pub is_heuristic: bool,
}

impl Finding {
    /// A finding of `rule` at `place`.
    pub fn new(rule: &'static str, severity: Severity, place: FieldPath, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity,
            family: None,
            message: message.into(),
            primary: Label { path: place, part: Part::Value, text: Cow::Borrowed("") },
            related: Vec::new(),
            why: Cow::Borrowed(""),
            help: Cow::Borrowed(""),
            fix: None,
            fingerprint: Fingerprint { rule, ..Fingerprint::default() },
            object: None,
            is_heuristic: false,
        }
    }

    /// What to say at the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Points at the key of the primary place instead of its value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.primary.part = Part::Key;
        self
    }

    /// Another place, and what to say there.
    #[must_use]
    pub fn related(mut self, path: FieldPath, text: impl Into<Cow<'static, str>>) -> Self {
        self.related.push(Label { path, part: Part::Value, text: text.into() });
        self
    }

    /// What can come of it.
    #[must_use]
    pub fn why(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.why = text.into();
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.help = text.into();
        self
    }

    /// An edit that does it.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// The volume that it is about.
    #[must_use]
    pub fn volume(mut self, name: &str) -> Self {
        self.fingerprint.volume = name.to_owned();
        self
    }

    /// The container that it is about.
    #[must_use]
    pub fn container(mut self, name: &str) -> Self {
        self.fingerprint.container = name.to_owned();
        self
    }

    /// The path that it is about: of the node, effective; of a container, where no path of the node matters.
    #[must_use]
    pub fn path(mut self, path: impl fmt::Display) -> Self {
        self.fingerprint.path = path.to_string();
        self
    }

    /// What the container may do there.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.fingerprint.access = Some(access);
        self
    }
}
