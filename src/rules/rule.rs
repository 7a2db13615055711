use super::page::Page;
use super::{BaselineFacts, Context, ExemptionFacts, IgnoreFacts, TextFacts, Unchecked};
use crate::finding::{Family, Finding, RuleId, Severity};

/// A rule: its metadata, and the function that checks a subject.
///
/// Rules are pure functions of a subject and the rule options. They have no access to the text of
/// manifests, the network, the clock or the environment. They cannot fail: a rule ignores input
/// that it does not understand.
#[derive(Debug)]
pub struct Rule {
    /// The id. It never changes, because policies and ignores refer to it.
    pub id: RuleId,
    /// The problem that the rule reports, as a clause.
    pub summary: &'static str,
    pub group: Group,
    /// The highest severity of the rule's findings, unless a policy sets another one.
    pub severity: Severity,
    /// The version of volcheck that introduced the rule.
    pub since: &'static str,
    pub family: Option<Family>,
    pub fix: FixClass,
    pub options: &'static [RuleOption],
    /// The keys of an exemption's `match` for which a finding of the rule can have a value. A
    /// single finding may lack some of these values. For example, a finding about an unmounted
    /// volume has no container.
    pub match_keys: &'static [MatchKey],
    pub objects: ObjectKinds,
    /// The reason why the webhook never denies an object because of the rule. For example, the API
    /// server rejects the object first. `None` if the webhook can deny an object because of the
    /// rule.
    pub lint_only: Option<&'static str>,
    /// The text of the rule's source file. Its leading doc comment is the rule's page.
    pub source: &'static str,
    pub check: Check,
}

/// The function that checks a subject, by kind of subject.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// A pod with its volumes, a PersistentVolume or a PersistentVolumeClaim.
    Volumes(fn(&Context<'_>, &mut Vec<Finding>)),
    /// The volumes of a pod. The findings also depend on the claims and PersistentVolumes in other
    /// objects.
    Claims(fn(&Context<'_>, &mut Vec<Finding>)),
    /// Input that could not be checked.
    Unchecked(fn(&Unchecked<'_>, &mut Vec<Finding>)),
    /// Facts about the text of a document, such as duplicate keys.
    Text(fn(&TextFacts, &mut Vec<Finding>)),
    /// Ignores in comments and annotations.
    Ignores(fn(&IgnoreFacts, &mut Vec<Finding>)),
    /// An exemption in the policy.
    Exemption(fn(&ExemptionFacts<'_>, &mut Vec<Finding>)),
    /// The baseline.
    Baseline(fn(&BaselineFacts, &mut Vec<Finding>)),
}

impl Rule {
    /// Checks whether the rule reports unchecked input. A policy cannot change the severity of such
    /// findings, and nothing suppresses them.
    pub fn reports_unchecked_input(&self) -> bool {
        matches!(self.check, Check::Unchecked(_))
    }

    /// Checks whether the rule's findings depend on several objects, which may be in different
    /// files.
    pub fn needs_other_objects(&self) -> bool {
        matches!(self.check, Check::Claims(_))
    }

    /// Returns true if the rule checks the policy or the baseline rather than manifests.
    pub fn checks_config(&self) -> bool {
        matches!(self.check, Check::Exemption(_) | Check::Baseline(_))
    }

    /// Checks whether exemptions can apply to the rule's findings. Exemptions apply only to
    /// findings about objects.
    pub fn is_exemptable(&self) -> bool {
        matches!(self.check, Check::Volumes(_) | Check::Claims(_) | Check::Text(_))
    }

    /// Returns the rule's page: the doc comment at the top of its file.
    pub fn page(&self) -> Page {
        Page::from_source(self.id, self.source)
    }
}

/// A group of rules in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    HostPaths,
    Sockets,
    EmptyDir,
    Mounts,
    Claims,
    VolumeTypes,
    Run,
}

impl Group {
    /// All groups, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::HostPaths,
        Self::Sockets,
        Self::EmptyDir,
        Self::Mounts,
        Self::Claims,
        Self::VolumeTypes,
        Self::Run,
    ];

    /// Returns the heading of the group.
    pub fn title(self) -> &'static str {
        match self {
            Self::HostPaths => "Host paths",
            Self::Sockets => "Sockets",
            Self::EmptyDir => "emptyDir",
            Self::Mounts => "Mounts and structure",
            Self::Claims => "PersistentVolumes and claims",
            Self::VolumeTypes => "Other volume types",
            Self::Run => "Input and suppressions",
        }
    }
}

/// The safest fix that a rule offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixClass {
    None,
    /// Advice only.
    Hint,
    /// Edits that may change behavior.
    Unsafe,
    /// Edits that do not change behavior. Other fixes of the rule may be unsafe.
    Safe,
}

impl FixClass {
    /// Returns the name used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "–",
            Self::Hint => "hint",
            Self::Unsafe => "unsafe",
            Self::Safe => "safe",
        }
    }

    /// Returns the meaning of the class, as a phrase.
    pub fn description(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hint => "only advice",
            Self::Unsafe => "unsafe: it can change the behavior of a working object",
            Self::Safe => "safe: it cannot change the behavior of a working object",
        }
    }
}

/// An option of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleOption {
    /// The policy key.
    pub name: &'static str,
    /// The effect of the option, as a clause.
    pub summary: &'static str,
    /// Whether the key is at the top of the policy. If not, it is in `options` of the rule.
    pub is_policy_key: bool,
}

impl RuleOption {
    /// Returns an option that is set by a key at the top of the policy, such as `hostPaths.allowOnly`.
    pub const fn policy_key(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, is_policy_key: true }
    }
}

/// The kinds of objects that the findings of a rule are about. An exemption for other kinds never
/// matches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKinds {
    Any,
    PersistentVolume,
    ExceptPersistentVolume,
}

/// A key of an exemption's `match` that is compared with a part of a finding's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKey {
    Volume,
    Container,
    Path,
    Access,
    /// The key `access` of a rule whose findings are all about write access.
    WriteAccess,
}

impl MatchKey {
    /// All keys, for a rule whose findings may be about read or write access.
    pub const ALL: [Self; 4] = [Self::Volume, Self::Container, Self::Path, Self::Access];

    /// Returns the policy key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Container => "container",
            Self::Path => "path",
            Self::Access | Self::WriteAccess => "access",
        }
    }
}
