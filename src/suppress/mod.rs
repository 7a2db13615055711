//! Suppression of findings in lint, by ignores and the baseline. The webhook does not use this
//! module, because it receives no comments and does not trust annotations. Exemptions are part of
//! the policy, and the engine applies them.

mod annotation;
mod baseline;
mod comment;

use std::ops::Range;

use crate::finding::{Finding, RuleId, Severity, SuppressedBy, Suppression};
use crate::model::{FieldPath, Mark};
use crate::policy::{Date, Policy};
use crate::rules::{IgnoreProblem, IgnoreProblemKind, MalformedIgnore, Registry, Rule, UnusedIgnore};

pub use annotation::annotations;
pub use baseline::{Baseline, BaselineError, Covered, Entry};
pub use comment::{comments, file_comments, head_len};

/// A comment or an annotation that suppresses findings.
#[derive(Clone, Debug)]
pub struct Ignore {
    /// The ignored rules, each with the location of its name.
    pub rules: Vec<(RuleId, Mark)>,
    pub scope: Scope,
    /// The reason; empty if none is given.
    pub reason: String,
    pub by: SuppressedBy,
}

/// The findings that an ignore covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All findings in documents that were rendered from this template; `None` for all findings in
    /// the file.
    File(Option<String>),
    /// Findings whose primary location starts in this byte range of the text.
    Bytes(Range<usize>),
    /// Findings in an object or a part of it, limited to `volume` and `container` if they are set.
    Object {
        /// The byte range of the object.
        object: Range<usize>,
        /// The field path of the part; the root path for the whole object.
        path: FieldPath,
        volume: Option<String>,
        container: Option<String>,
    },
}

/// The place of a finding in a file.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The template that the document was rendered from; `None` if it is unknown.
    pub template: Option<&'p str>,
    /// The offset at which the primary location starts; `None` if the finding is about the whole
    /// file.
    pub start: Option<usize>,
    /// The byte range of the object; `None` if the finding is not about an object.
    pub object: Option<&'p Range<usize>>,
}

impl Scope {
    fn covers(&self, finding: &Finding, place: &Place<'_>) -> bool {
        let matches = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|name| name == own);
        match self {
            Self::File(template) => template.is_none() || template.as_deref() == place.template,
            Self::Bytes(range) => place.start.is_some_and(|start| range.contains(&start)),
            Self::Object { object, path, volume, container } => {
                place.object == Some(object)
                    && finding.primary.path.starts_with(path)
                    && matches(volume, &finding.fingerprint.volume)
                    && matches(container, &finding.fingerprint.container)
            }
        }
    }
}

/// The use of a rule in an ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// The ignore covers no finding of the rule.
    Unused,
    /// The ignore covers a finding of the rule, but the policy does not allow it to suppress it.
    Forbidden,
    /// The ignore suppresses a finding of the rule.
    Used,
}

/// The ignores of one form in a file: annotations, `ignore` comments or `ignore-file` comments. The
/// set also contains the problems in the ignores, and whether they were used.
#[derive(Debug, Default)]
pub struct IgnoreSet {
    ignores: Vec<Ignore>,
    /// For each rule of each ignore, its use.
    used: Vec<Vec<Use>>,
    problems: Vec<IgnoreProblem>,
}

impl IgnoreSet {
    fn add(&mut self, ignore: Ignore) {
        self.used.push(vec![Use::Unused; ignore.rules.len()]);
        self.ignores.push(ignore);
    }

    fn report(&mut self, kind: IgnoreProblemKind, range: Range<usize>) {
        self.problems.push(IgnoreProblem { kind, mark: range.into() });
    }

    fn report_malformed(&mut self, malformed: MalformedIgnore, range: Range<usize>) {
        self.report(IgnoreProblemKind::Malformed(malformed), range);
    }

    /// Returns the rule named `name`. If the rule does not exist or cannot be ignored, reports this
    /// at `range` and returns `None`.
    fn rule(&mut self, name: &str, range: Range<usize>, registry: Registry) -> Option<RuleId> {
        match registry.require(name) {
            Ok(rule) if rule.reports_unchecked_input() => {
                self.report_malformed(MalformedIgnore::NotIgnorable(rule.id), range);
                None
            }
            Ok(rule) => Some(rule.id),
            Err(unknown) => {
                let (name, similar) = (unknown.name, unknown.similar);
                self.report(IgnoreProblemKind::UnknownRule { name, similar }, range);
                None
            }
        }
    }

    /// Adds the ignores of another part of the file.
    pub fn extend(&mut self, other: Self) {
        self.ignores.extend(other.ignores);
        self.used.extend(other.used);
        self.problems.extend(other.problems);
    }

    pub fn is_empty(&self) -> bool {
        self.ignores.is_empty() && self.problems.is_empty()
    }

    pub fn ignores(&self) -> &[Ignore] {
        &self.ignores
    }

    /// Removes and returns the problems.
    pub fn take_problems(&mut self) -> Vec<IgnoreProblem> {
        std::mem::take(&mut self.problems)
    }

    /// Returns the suppression of a finding by the first ignore that covers it. Returns `None` if
    /// no ignore does, or if the policy does not allow it. Records the use of all ignores that
    /// cover the finding. `candidates` are the indexes of the ignores to consider.
    pub fn suppress(
        &mut self,
        finding: &Finding,
        place: &Place<'_>,
        candidates: impl IntoIterator<Item = usize>,
        policy: &Policy,
    ) -> Option<Suppression> {
        let is_ignorable = is_ignorable(finding, policy);
        let mut suppression = None;
        for index in candidates {
            let ignore = &self.ignores[index];
            let Some(rule) = ignore.rules.iter().position(|(id, _)| *id == finding.rule) else { continue };
            if ignore.scope.covers(finding, place) {
                let used = &mut self.used[index][rule];
                *used = (*used).max(if is_ignorable { Use::Used } else { Use::Forbidden });
                suppression
                    .get_or_insert_with(|| Suppression { by: ignore.by, reason: ignore.reason.clone() });
            }
        }
        suppression.filter(|_| is_ignorable)
    }

    /// Returns the ignores that suppressed no finding, one for each rule in them. Omits rules that
    /// are disabled. Also omits rules whose findings depend on other objects, because the run might
    /// not include these objects.
    pub fn unused(&self, policy: &Policy, today: Date) -> Vec<UnusedIgnore> {
        let needs_other_objects =
            |id: RuleId| policy.rules().find(id.as_str()).is_some_and(Rule::needs_other_objects);
        let rules = self.ignores.iter().zip(&self.used).flat_map(|(ignore, used)| {
            ignore.rules.iter().zip(used).map(move |((rule, mark), used)| (ignore.by, *rule, *mark, *used))
        });
        rules
            .filter(|(_, rule, _, used)| {
                *used != Use::Used && policy.is_enabled(*rule, today) && !needs_other_objects(*rule)
            })
            .map(|(by, rule, mark, used)| UnusedIgnore {
                rule,
                by,
                mark,
                is_forbidden: used == Use::Forbidden,
            })
            .collect()
    }
}

/// Checks whether the policy allows ignores to suppress the finding.
pub fn is_ignorable(finding: &Finding, policy: &Policy) -> bool {
    use crate::finding::Ignores;
    match policy.ignores {
        Ignores::All => true,
        Ignores::Warnings => finding.severity < Severity::Error,
        Ignores::None => false,
    }
}
