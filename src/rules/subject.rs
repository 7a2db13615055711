//! The subjects that rules check, as plain data. Locations in a text are opaque [`Mark`]s, so that
//! rules need no text.

use std::path::Path;

use crate::finding::{Ignores, RuleId, SuppressedBy};
use crate::model::{FieldError, FieldPath, Mark, Object};

/// A subject of the rules.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An object: each of its pods, or the PersistentVolume that it is.
    Object(&'a Object<'a>),
    /// Input that could not be checked.
    Unchecked(&'a Unchecked<'a>),
    /// The text of a document, and the object in it that the facts are about.
    Text(&'a TextFacts, Option<&'a Object<'a>>),
    /// The ignores of a file.
    Ignores(&'a IgnoreFacts),
    /// An exemption in the policy.
    Exemption(&'a ExemptionFacts<'a>),
    /// The baseline.
    Baseline(&'a BaselineFacts),
}

/// Input that could not be checked, and why.
#[derive(Clone, Debug)]
pub enum Unchecked<'a> {
    /// A file could not be read.
    Unreadable { error: &'a str },
    /// A file is not text.
    NotText { message: &'a str, help: &'static str },
    /// kubectl rejects the line that separates two documents.
    InvalidSeparator(Mark),
    /// The template of a chart, which is YAML only once it is rendered.
    RawTemplate { action: Mark, others: Option<OtherTemplates<'a>> },
    /// The document is not valid YAML.
    InvalidYaml { error: &'a str, location: Mark, is_tab: bool },
    /// A field of an object could not be decoded.
    InvalidField { error: &'a FieldError, kind: Option<&'a str> },
    /// The field `path` should contain a patch of a pod spec as text, but does not.
    InvalidPatch { path: &'a FieldPath, error: &'a str, kind: &'a str },
}

/// The raw templates of a chart besides the first one, which is reported for all of them.
#[derive(Clone, Copy, Debug)]
pub struct OtherTemplates<'a> {
    pub chart: &'a Path,
    pub count: usize,
}

/// Facts about the text of a document that the object decoded from it no longer shows.
#[derive(Clone, Debug, Default)]
pub struct TextFacts {
    pub duplicate_keys: Vec<DuplicateKey>,
    pub merge_overrides: Vec<MergeOverride>,
    /// The first text after the end of the document, which kubectl ignores.
    pub dropped_text: Option<Mark>,
}

impl TextFacts {
    pub fn is_empty(&self) -> bool {
        self.duplicate_keys.is_empty() && self.merge_overrides.is_empty() && self.dropped_text.is_none()
    }
}

/// A key that a mapping has twice; the last one counts.
#[derive(Clone, Debug)]
pub struct DuplicateKey {
    pub key: String,
    /// Whether both have the same value.
    pub has_same_value: bool,
    pub kept: Mark,
    pub dropped: Mark,
}

/// A key that a later merge key (`<<`) of the same mapping overrides.
#[derive(Clone, Debug)]
pub struct MergeOverride {
    pub key: String,
    pub dropped: Mark,
    pub kept: Mark,
}

/// Facts about the ignores of a file.
#[derive(Clone, Debug, Default)]
pub struct IgnoreFacts {
    pub problems: Vec<IgnoreProblem>,
    pub unused: Vec<UnusedIgnore>,
    /// The severities that the policy lets ignores suppress.
    pub limit: Ignores,
}

impl IgnoreFacts {
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.unused.is_empty()
    }
}

/// A problem with an ignore.
#[derive(Clone, Debug)]
pub struct IgnoreProblem {
    pub kind: IgnoreProblemKind,
    pub mark: Mark,
}

#[derive(Clone, Debug)]
pub enum IgnoreProblemKind {
    /// The ignore names a rule that does not exist.
    UnknownRule { name: String, similar: Option<&'static str> },
    /// The ignore gives no reason.
    NoReason(SuppressedBy),
    /// The ignore is malformed and suppresses nothing.
    Malformed(MalformedIgnore),
}

/// Why an ignore is malformed.
#[derive(Clone, Debug)]
pub enum MalformedIgnore {
    /// `ignore-file` after the start of the first document.
    MisplacedIgnoreFile,
    /// The text after `volcheck:` is neither `ignore` nor `ignore-file`.
    UnknownDirective,
    /// There is no value that the comment could apply to.
    NoTarget,
    /// `ignore` without a list of rules.
    NoRules,
    /// An empty item in the list of rules.
    EmptyRule,
    /// Text after the list of rules that does not start with `--`.
    NoDashes,
    /// The rule reports input that could not be checked, which nothing suppresses.
    NotIgnorable(RuleId),
    /// An annotation whose value has a word other than `volume=NAME` or `container=NAME`.
    UnknownWord(String),
    /// An annotation whose value has another key than `volume` and `container`.
    UnknownKey { key: String, suggestion: String },
    /// An annotation that gives a key twice, or without a value.
    RepeatedOrEmptyKey(String),
}

/// An ignore that suppresses nothing.
#[derive(Clone, Debug)]
pub struct UnusedIgnore {
    pub rule: RuleId,
    pub by: SuppressedBy,
    pub mark: Mark,
}

/// Facts about an exemption in the policy.
#[derive(Clone, Copy, Debug)]
pub struct ExemptionFacts<'a> {
    pub reason: &'a str,
    /// The last day on which the exemption was active, if that is over.
    pub expired: Option<jiff::civil::Date>,
    /// Whether it exempts nothing in a run that covers everything that the policy is for.
    pub is_unused: bool,
}

/// Entries of the baseline that match no finding.
#[derive(Clone, Debug, Default)]
pub struct BaselineFacts {
    /// The number of such findings.
    pub stale: usize,
    /// Descriptions of the first entries.
    pub examples: Vec<String>,
}
