use super::page::Page;
use super::{BaselineFacts, Context, ExemptionFacts, IgnoreFacts, TextFacts, Unchecked};
use crate::finding::{Family, Finding, RuleId, Severity};

/// A rule: data about it, and the function that checks a subject.
///
/// Rules are pure and total. They know neither text, YAML, HTTP, the clock nor the environment, and
/// they cannot fail: a rule reports nothing about what it does not understand.
#[derive(Debug)]
pub struct Rule {
    /// The id. It never changes, because policies and ignores name it.
    pub id: RuleId,
    /// The problem that it reports, in one clause.
    pub summary: &'static str,
    pub group: Group,
    /// The highest severity of its findings, unless a policy sets another one.
    pub severity: Severity,
    /// The version of volcheck that introduced it.
    pub since: &'static str,
    pub family: Option<Family>,
    pub fix: FixClass,
    pub options: &'static [RuleOption],
    /// The reason why only lint reports findings of this rule, such as that the API server rejects
    /// the object; `None` if the webhook reports them too.
    pub lint_only: Option<&'static str>,
    /// The source file, whose leading doc comment is the rule's page.
    pub source: &'static str,
    pub check: Check,
}

/// The function that checks a subject, by kind of subject.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// The volumes of a pod, or a PersistentVolume.
    Volumes(fn(&Context<'_>, &mut Vec<Finding>)),
    /// Input that could not be checked.
    Unchecked(fn(&Unchecked<'_>, &mut Vec<Finding>)),
    /// The text of a document.
    Text(fn(&TextFacts, &mut Vec<Finding>)),
    /// Ignores in comments and annotations.
    Ignores(fn(&IgnoreFacts, &mut Vec<Finding>)),
    /// An exemption in the policy.
    Exemption(fn(&ExemptionFacts<'_>, &mut Vec<Finding>)),
    /// The baseline.
    Baseline(fn(&BaselineFacts, &mut Vec<Finding>)),
}

impl Rule {
    /// Returns true if the rule reports input that could not be checked. The severity of such
    /// findings cannot be changed, and nothing suppresses them.
    pub fn reports_unchecked_input(&self) -> bool {
        matches!(self.check, Check::Unchecked(_))
    }

    /// Returns true if the rule checks the policy or the baseline rather than manifests.
    pub fn checks_config(&self) -> bool {
        matches!(self.check, Check::Exemption(_) | Check::Baseline(_))
    }

    /// Returns the rule's page: the doc comment at the top of its file.
    pub fn page(&self) -> Page {
        Page::from_source(self.id, self.source)
    }
}

/// A part of the rule catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    HostPaths,
    Sockets,
    EmptyDir,
    Mounts,
    Run,
}

impl Group {
    /// All groups, in the order of the catalog.
    pub const ALL: [Self; 5] = [Self::HostPaths, Self::Sockets, Self::EmptyDir, Self::Mounts, Self::Run];

    /// Returns the heading of the group.
    pub fn title(self) -> &'static str {
        match self {
            Self::HostPaths => "Host paths",
            Self::Sockets => "Sockets",
            Self::EmptyDir => "emptyDir",
            Self::Mounts => "Mounts and structure",
            Self::Run => "About the run itself",
        }
    }
}

/// The best fix that a rule offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixClass {
    None,
    /// Advice only.
    Hint,
    /// Edits that may change behavior.
    Unsafe,
    /// Edits that, at least in some cases, do not change behavior.
    Safe,
}

impl FixClass {
    /// Returns the word for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "–",
            Self::Hint => "hint",
            Self::Unsafe => "unsafe",
            Self::Safe => "safe",
        }
    }
}

/// An option of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleOption {
    /// The key in a policy.
    pub name: &'static str,
    /// The effect of the option, in one clause.
    pub summary: &'static str,
}
