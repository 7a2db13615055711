//! The subjects that rules check, as plain data. Text locations are opaque [`Mark`]s, so that rules
//! do not depend on the text.

use std::path::Path;
use std::sync::Arc;

use crate::finding::{Ignores, Label, RuleId, SuppressedBy};
use crate::model::{AccessModes, FieldError, FieldPath, Mark, MissingField, MisspelledKey, Object};

/// A subject that rules check.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An object. The rules check its pods, or the object itself if it is a PersistentVolume or a
    /// PersistentVolumeClaim.
    Object(&'a Object<'a>),
    /// An object, and the volumes of its pods that come from claims.
    Claims(&'a Object<'a>, &'a [ClaimedVolume]),
    /// Input that could not be checked.
    Unchecked(&'a Unchecked<'a>),
    /// Facts about the text of a document, and the object that they concern, if it was decoded.
    Text(&'a TextFacts, Option<&'a Object<'a>>),
    /// The ignores of a file.
    Ignores(&'a IgnoreFacts),
    /// An exemption in the policy.
    Exemption(&'a ExemptionFacts<'a>),
    /// The baseline.
    Baseline(&'a BaselineFacts),
}

/// Input that could not be checked, by reason.
#[derive(Clone, Debug)]
pub enum Unchecked<'a> {
    /// A file that could not be read.
    Unreadable { error: &'a str },
    /// A file that is not text.
    NotText { message: &'a str, help: &'static str },
    /// A document separator that kubectl rejects.
    InvalidSeparator(Mark),
    /// A raw template, which is YAML only after rendering. `is_chart` is true for a template that
    /// may belong to a Helm chart, and false for one with the actions `{%…%}` or `<%…%>`.
    RawTemplate { action: Mark, is_chart: bool, others: Option<OtherTemplates<'a>> },
    /// A document that is not valid YAML.
    InvalidYaml { error: &'a str, location: Mark, is_tab: bool },
    /// A field that could not be decoded. `kind` is the kind of the object with the field.
    /// `is_embedded` is true if this object is in a string or in another object.
    InvalidField { error: &'a FieldError, kind: Option<&'a str>, is_embedded: bool },
    /// A placeholder in a field that is not a string.
    Placeholder { path: &'a FieldPath, text: &'a str, kind: &'a str },
    /// A ytt template, which is valid YAML before rendering, but with other values.
    YttTemplate(Mark),
    /// A document that kubectl rejects although it contains objects.
    NotObject(NotObject),
    /// A document that looks like an object, but may be something else.
    Lookalike(&'a Lookalike),
    /// An object whose type the API server does not have, and the type that is probably intended.
    UnknownType { api_version: &'a str, kind: &'a str, intended: (&'static str, &'static str) },
    /// An object that lacks a field on the path to its pod spec.
    MissingField { missing: &'a MissingField, kind: &'a str },
    /// A key that is probably a misspelling of a field.
    MisspelledKey { key: &'a MisspelledKey, kind: &'a str },
    /// A string that should contain a manifest, a patch or Helm values, but is not valid YAML.
    InvalidText { error: &'a str, location: Mark },
    /// A manifest that is nested in too many objects or strings.
    DeepManifest(Mark),
    /// A field, `path`, that should contain a patch of a pod spec as a string, but does not.
    InvalidPatch { path: &'a FieldPath, error: &'a str, kind: &'a str },
}

/// A mapping that looks like an object: how it spells `apiVersion` and `kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookalike {
    pub api_version: TypeKey,
    pub kind: TypeKey,
}

/// The spelling of the key `apiVersion` or `kind` in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKey {
    Correct,
    Missing,
    Misspelled(String),
}

/// The reason why kubectl rejects a document with objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotObject {
    /// The document is a list.
    List,
    /// The document is a mapping whose values are objects.
    MappingOfObjects,
    /// An item of a `List` is not a mapping.
    Item,
    /// The object has no `apiVersion` or no `kind`.
    NoType(Lookalike),
}

/// The raw templates of a chart, except for the first one. Only the first one is reported.
#[derive(Clone, Copy, Debug)]
pub struct OtherTemplates<'a> {
    pub chart: &'a Path,
    pub count: usize,
}

/// Facts about the text of a document that are lost when an object is decoded.
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

/// A key that occurs twice in a mapping. The later occurrence takes effect.
#[derive(Clone, Debug)]
pub struct DuplicateKey {
    pub key: String,
    /// Whether both occurrences have the same value.
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
    /// The findings that ignores can suppress under the policy.
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
    /// The ignore has no reason.
    NoReason(SuppressedBy),
    /// The ignore is malformed, or names a rule that cannot be ignored.
    Malformed(MalformedIgnore),
}

/// The reason why an ignore is malformed.
#[derive(Clone, Debug)]
pub enum MalformedIgnore {
    /// `ignore-file` after the start of the first document.
    MisplacedIgnoreFile,
    /// The text after `volcheck:` is neither `ignore` nor `ignore-file`.
    UnknownDirective,
    /// A comment that applies to no value.
    NoTarget,
    /// `ignore` without a list of rules.
    NoRules,
    /// An empty item in the list of rules.
    EmptyRule,
    /// Text after the list of rules that does not start with `--`.
    NoDashes,
    /// The id of a rule that reports unchecked input. Its findings cannot be suppressed.
    NotIgnorable(RuleId),
    /// An annotation value that contains a word other than `volume=NAME` or `container=NAME`.
    UnknownWord(String),
    /// An annotation value with a key other than `volume` and `container`.
    UnknownKey { key: String, suggestion: String },
    /// An annotation value that contains a key twice or without a value.
    RepeatedOrEmptyKey(String),
}

/// An ignore that suppresses nothing.
#[derive(Clone, Debug)]
pub struct UnusedIgnore {
    pub rule: RuleId,
    pub by: SuppressedBy,
    pub mark: Mark,
    /// Whether the ignore covers a finding that the policy does not allow it to suppress.
    pub is_forbidden: bool,
}

/// A volume of a pod that comes from a claim.
#[derive(Clone, Debug)]
pub struct ClaimedVolume {
    /// The index of the pod in the object.
    pub pod: usize,
    /// The name of the volume in the pod.
    pub volume: String,
    /// The path of the field with the name or the template of the claim.
    pub field: FieldPath,
    /// The claims with the name in the volume's `claimName`. Several claims may have this name, for
    /// example one for each cluster. Empty if no such claim is known, or if the volume has a claim
    /// template.
    pub claims: Vec<NamedClaim>,
    /// The reason why several Pods of the workload can use the claim at once; `None` if no reason
    /// is known.
    pub sharing: Option<Sharing>,
    /// Whether the volume may have to be attached to a node. False if PersistentVolumes are known
    /// that the claim can be bound to, and none of them has an attachable type. For example, `nfs`
    /// is not attachable. If no such PersistentVolume is known, the provisioner of the claim's
    /// storage class decides.
    pub is_attachable: bool,
    /// The PersistentVolumes that expose files of the node and that the claim can be bound to, most
    /// harmful first. If there are many, only some are listed.
    pub candidates: Vec<Candidate>,
    /// The names of the PersistentVolumes that the claim can be bound to. PersistentVolumes that
    /// expose files of the node come first. If there are many, only some are listed.
    pub names: Vec<String>,
    /// The number of all PersistentVolumes that the claim can be bound to.
    pub count: usize,
}

/// A claim that a volume of a pod refers to.
#[derive(Clone, Debug)]
pub struct NamedClaim {
    pub name: String,
    pub modes: AccessModes,
    /// Whether the volume mode is `Block`.
    pub is_block: bool,
    /// The location of the claim.
    pub label: Label,
}

/// The reason why several Pods of a workload can use the same claim at once.
#[derive(Clone, Debug)]
pub enum Sharing {
    /// The workload has several Pods. `field` is the path of their number.
    Replicas { field: FieldPath, count: u64 },
    /// A DaemonSet has a Pod on each node.
    EachNode,
    /// During an update, the Deployment has an additional Pod. `field` is the path of the strategy;
    /// `None` if it is absent.
    Surge { field: Option<FieldPath> },
}

/// A PersistentVolume that a claim can be bound to.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub volume: Arc<NodeVolume>,
    /// The name of the claim; for a claim template, the name of the template.
    pub claim: String,
    /// The location of the claim; `None` if it is in the object of the pod or in no manifest.
    pub claim_label: Option<Label>,
    /// Another claim that can be bound to the PersistentVolume. It is set only if other claims can
    /// take all candidates. `None` if the claim is certainly bound to one of its candidates.
    pub rival: Option<RivalClaim>,
}

/// A claim that competes with another claim.
#[derive(Clone, Debug)]
pub struct RivalClaim {
    pub namespace: String,
    /// The name of the claim; for a generic ephemeral volume of a workload, a pattern.
    pub name: String,
    /// The location of the claim.
    pub label: Label,
}

/// A PersistentVolume with a path on the node.
#[derive(Clone, Debug)]
pub struct NodeVolume {
    pub name: String,
    /// The key of the source: `hostPath` or `local`.
    pub source: &'static str,
    /// The path as written in the manifest.
    pub path: String,
    /// `hostPath.type` as written; `None` if absent.
    pub host_path_type: Option<String>,
    pub is_block: bool,
    /// Whether a provisioner created the volume.
    pub is_provisioned: bool,
    /// The location of the path.
    pub label: Label,
}

/// Facts about an exemption in the policy.
#[derive(Clone, Copy, Debug)]
pub struct ExemptionFacts<'a> {
    pub reason: &'a str,
    /// The last day of the exemption; `None` if the exemption has not expired.
    pub expired: Option<jiff::civil::Date>,
    /// Whether the exemption is active but matches no finding in a run that checks the whole
    /// directory of the policy.
    pub is_unused: bool,
}

/// Facts about the stale entries of the baseline, which match no finding.
#[derive(Clone, Debug, Default)]
pub struct BaselineFacts {
    /// The number of stale entries.
    pub stale: usize,
    /// Descriptions of the first stale entries.
    pub examples: Vec<String>,
    /// Whether a new finding differs from a stale entry only in the name of the object.
    pub has_renamed_objects: bool,
}
