//! Fixes: edits of manifests that resolve findings.
//!
//! [`Plan`] contains the fixes of a run. [`fix_file`] applies the fixes of the findings in a file,
//! and keeps only those whose result it has parsed and checked.

mod attempt;
mod counts;
mod file;
mod plan;
mod verify;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use attempt::{Attempt, Known};

use crate::finding::{Finding, RuleId, Safety};
use crate::lint::{LocatedFinding, Outcome};
use crate::source::File;
use crate::source::edit::EditError;

pub use file::{FileEdit, directory_of, resolved, write_atomically};
pub use plan::{FixedFile, Plan, Request};

/// The fixes to apply.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Whether to apply unsafe fixes, too.
    pub with_unsafe: bool,
    /// The rules whose findings to fix; empty for all rules.
    pub rules: Vec<RuleId>,
}

impl Selection {
    /// Checks whether a finding has a fix that is selected.
    pub fn includes(&self, finding: &Finding) -> bool {
        self.includes_rule(finding) && self.allows(finding)
    }

    /// Checks whether the rule of a finding is selected.
    fn includes_rule(&self, finding: &Finding) -> bool {
        self.rules.is_empty() || self.rules.contains(&finding.rule)
    }

    /// Checks whether a finding has a fix that is safe enough.
    fn allows(&self, finding: &Finding) -> bool {
        finding.fix.as_ref().is_some_and(|fix| self.with_unsafe || fix.safety == Safety::Safe)
    }
}

/// The reason why a fix is not applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The edits of the text cannot be determined.
    Edit(EditError),
    /// The result would not be as expected: it is not valid, or other fields differ.
    UnexpectedResult,
    /// The finding would still be reported.
    Ineffective,
    /// The result would cause a finding of this rule.
    Causes(RuleId),
    /// The fix conflicts with other fixes.
    Conflict,
    /// The file cannot be written, for this reason.
    File(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(error) => error.fmt(f),
            Self::UnexpectedResult => f.write_str("the result would differ in other fields"),
            Self::Ineffective => f.write_str("the finding would still be reported"),
            Self::Causes(rule) => write!(f, "the result would cause a finding of `{rule}`"),
            Self::Conflict => f.write_str("it conflicts with other fixes"),
            Self::File(reason) => f.write_str(reason),
        }
    }
}

/// The result of fixing a file.
#[derive(Debug)]
pub struct FileFixes {
    /// The file with the fixes.
    pub file: Arc<File>,
    /// The findings that the fixes resolve.
    pub fixed: Vec<LocatedFinding>,
    /// The findings whose fixes are not applied, each with the reason.
    pub refused: Vec<(LocatedFinding, Refusal)>,
}

/// A file to fix.
pub struct Task<'t> {
    pub file: &'t Arc<File>,
    /// All findings in the file, including suppressed ones.
    pub known: &'t [&'t LocatedFinding],
    /// The number of findings about parts of the file that cannot be checked.
    pub unchecked: usize,
    pub selection: &'t Selection,
    /// Checks another version of the file.
    pub check: &'t (dyn Fn(&Arc<File>) -> Outcome + Sync),
}

/// The maximum number of times that the fixes of a rule are tried again.
const MAX_TRIES: usize = 2;

/// Applies the fixes of `wanted`, which are findings in the file of `task`. Some of them may have
/// no fix before others are fixed. A fix that reveals or causes other findings is applied together
/// with the fixes of these findings.
pub fn fix_file(task: &Task<'_>, wanted: Vec<LocatedFinding>) -> FileFixes {
    let (wanted, later): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|located| task.selection.includes(&located.finding));
    let known = Known::new(task.known, &later);
    let mut refused = Vec::new();
    let mut selected = Vec::new();
    for located in wanted {
        match &located.text_edits {
            Some(Err(error)) => refused.push((located.clone(), Refusal::Edit(*error))),
            Some(Ok(_)) => selected.push(located),
            None => {}
        }
    }
    let mut dropped = Vec::new();
    let mut attempt = loop {
        let attempt = Attempt::new(task, &known, &selected);
        if attempt.offenders.is_empty() {
            break attempt;
        }
        dropped.extend(extract(&mut selected, &attempt.offenders));
    };
    // Of several fixes for a volume, only one may be the cause of a problem, so apply those of each
    // rule again.
    let mut by_rule: BTreeMap<RuleId, Vec<(LocatedFinding, Refusal)>> = BTreeMap::new();
    for (located, reason) in dropped {
        by_rule.entry(located.finding.rule).or_default().push((located, reason));
    }
    let is_single = by_rule.len() == 1;
    for mut found in by_rule.into_values() {
        for _ in 0..if is_single { 0 } else { MAX_TRIES } {
            let own = found.iter().map(|(located, _)| located.clone());
            let trial: Vec<_> = selected.iter().cloned().chain(own).collect();
            let next = Attempt::new(task, &known, &trial);
            if next.offenders.is_empty() {
                (selected, attempt) = (trial, next);
                found.clear();
                break;
            }
            let offenders: HashMap<usize, &Refusal> =
                next.offenders.iter().map(|(index, reason)| (*index, reason)).collect();
            let first = selected.len();
            let mut index = first;
            let is_kept = |(located, _): &(LocatedFinding, Refusal)| {
                index += 1;
                let offender = offenders.get(&(index - 1));
                refused.extend(offender.map(|reason| (located.clone(), (*reason).clone())));
                offender.is_none()
            };
            found.retain(is_kept);
            if found.is_empty() || next.offenders.iter().any(|(index, _)| *index < first) {
                break;
            }
        }
        refused.append(&mut found);
    }
    refused.sort_by(|(a, _), (b, _)| a.order(b));
    FileFixes { file: attempt.file, fixed: selected, refused }
}

/// Removes the findings with these indices, and returns them with their reasons.
fn extract(
    findings: &mut Vec<LocatedFinding>,
    offenders: &[(usize, Refusal)],
) -> Vec<(LocatedFinding, Refusal)> {
    let removed =
        offenders.iter().map(|(index, reason)| (findings[*index].clone(), reason.clone())).collect();
    let indices: HashSet<usize> = offenders.iter().map(|(index, _)| *index).collect();
    let mut index = 0;
    findings.retain(|_| {
        index += 1;
        !indices.contains(&(index - 1))
    });
    removed
}
