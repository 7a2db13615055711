//! Ignores and the baseline: what silences a finding in a manifest, and what is to be said of that itself.
//!
//! They act on the engine's result, in lint alone: the webhook never sees a comment, and believes no annotation.
//! What the policy exempts is the engine's matter.

mod annotation;
mod baseline;
mod comment;

use std::ops::Range;

use crate::finding::{Finding, Severity, SuppressedBy, Suppression};
use crate::model::{FieldPath, did_you_mean, printable};
use crate::policy::{Ignores, Policy};
use crate::rules;

pub use annotation::annotations;
pub use baseline::{Baseline, BaselineError};
pub use comment::{comments, file_comments};

/// A comment or an annotation that silences findings.
#[derive(Clone, Debug)]
pub struct Ignore {
    /// The rules that it names, and where each stands in the text.
    pub rules: Vec<(&'static str, Range<usize>)>,
    /// What it covers.
    pub scope: Scope,
    /// Why; empty where it doesn't say.
    pub reason: String,
    /// Whether it is a comment or an annotation.
    pub by: SuppressedBy,
    /// Where it stands in the text.
    pub place: Range<usize>,
}

/// What an ignore covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole file.
    File,
    /// What has its primary place in these bytes of the text.
    Bytes(Range<usize>),
    /// What is in this part of an object, about this volume and this container, where they are named.
    Part {
        /// The part; the object itself where it is the root.
        path: FieldPath,
        /// The volume.
        volume: Option<String>,
        /// The container.
        container: Option<String>,
    },
}

impl Scope {
    /// Whether it covers a finding whose primary place is at the byte `at`.
    pub fn covers(&self, finding: &Finding, at: Option<usize>) -> bool {
        let is = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|wanted| wanted == own);
        match self {
            Self::File => true,
            Self::Bytes(range) => at.is_some_and(|at| range.contains(&at)),
            Self::Part { path, volume, container } => {
                finding.primary.path.starts_with(path)
                    && is(volume, &finding.fingerprint.volume)
                    && is(container, &finding.fingerprint.container)
            }
        }
    }
}

/// Something that is wrong with an ignore, and where.
pub type Mistake = (Finding, Range<usize>);

/// What silences `finding`, at the byte `at`, among `ignores`; each that would is marked in `used`, by its place
/// in the list and that of the rule in it.
pub fn silence(
    finding: &Finding,
    at: Option<usize>,
    ignores: &[Ignore],
    policy: &Policy,
    used: &mut Vec<(usize, usize)>,
) -> Option<Suppression> {
    let is_bound = match policy.ignores {
        Ignores::All => false,
        Ignores::Warnings => finding.severity == Severity::Error,
        Ignores::None => true,
    };
    if is_bound || rules::cannot_be_excused(finding.rule) {
        return None;
    }
    let mut found = None;
    for (index, ignore) in ignores.iter().enumerate() {
        let Some(rule) = ignore.rules.iter().position(|(id, _)| *id == finding.rule) else { continue };
        if ignore.scope.covers(finding, at) {
            used.push((index, rule));
            found.get_or_insert_with(|| Suppression { by: ignore.by, reason: ignore.reason.clone() });
        }
    }
    found
}

/// What is to be said of ignores that silenced nothing, by what was `used` of them.
pub fn unused<'i>(
    ignores: &'i [Ignore],
    policy: &'i Policy,
    used: &'i [(usize, usize)],
) -> impl Iterator<Item = Mistake> + 'i {
    let all = ignores.iter().enumerate().flat_map(|(index, ignore)| {
        ignore.rules.iter().enumerate().map(move |(at, (id, place))| (index, at, ignore, *id, place.clone()))
    });
    // What isn't looked for can't be found: a run of a few rules says nothing of the others.
    let idle = all.filter(move |(index, at, _, id, _)| {
        !used.contains(&(*index, *at)) && policy.level(id) != crate::policy::Level::Off
    });
    idle.map(|(_, _, ignore, id, place)| {
        let noun = ignore.by.noun();
        let message = format!("this {noun} silences nothing: there is no such finding of `{id}`");
        let why = match policy.ignores {
            Ignores::All => "what it was for is gone, or elsewhere; it would hide what comes later",
            Ignores::Warnings => {
                "the policy lets comments and annotations silence no errors (`ignores: warnings`)"
            }
            Ignores::None => "the policy lets comments and annotations silence nothing (`ignores: none`)",
        };
        let finding = Finding::new("unused-ignore", Severity::Warning, FieldPath::root(), message);
        (finding.why(why).help("remove it, or put it where the finding is"), place)
    })
}

/// An ignore that can't be read, and so silences nothing.
fn malformed(message: impl Into<String>, place: Range<usize>) -> Mistake {
    let finding = Finding::new("malformed-ignore", Severity::Warning, FieldPath::root(), message);
    let finding = finding.why("it silences nothing as it is written").help(
        "write `# volcheck: ignore[RULE] -- reason`, or the annotation `ignore.volcheck.io/RULE: \"reason\"`",
    );
    (finding, place)
}

/// The rule that an ignore names; what is wrong with the name goes to `mistakes`.
fn named(word: &str, place: &Range<usize>, mistakes: &mut Vec<Mistake>) -> Option<&'static str> {
    let Some(rule) = rules::find(word) else {
        let near = match rules::similar(word) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        let message = format!("no rule is called `{}`{near}", printable(word));
        let finding = Finding::new("unknown-rule-in-ignore", Severity::Warning, FieldPath::root(), message);
        let finding = finding.why("it silences nothing").help("`volcheck rules` lists all rules");
        mistakes.push((finding, place.clone()));
        return None;
    };
    if rules::cannot_be_excused(rule.meta().id) {
        let message = format!("`{word}` can't be ignored: nothing is known about what wasn't judged");
        mistakes.push(malformed(message, place.clone()));
        return None;
    }
    Some(rule.meta().id)
}

/// An ignore that says no reason.
fn without_reason(noun: &str, place: Range<usize>) -> Mistake {
    let message = format!("this {noun} gives no reason");
    let finding = Finding::new("ignore-without-reason", Severity::Warning, FieldPath::root(), message);
    (finding.why("nobody will know when it can go").help("say why: `… -- reason`"), place)
}

/// What stands behind an unknown key of an annotation's narrowing.
fn narrowing_keys(word: &str) -> String {
    did_you_mean(word, ["volume", "container"].into_iter())
}
