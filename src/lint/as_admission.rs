//! `--as-admission`: the effects that findings have when the objects are sent to the webhook.

use std::collections::{BTreeMap, BTreeSet};

use super::{LocatedFinding, ObjectVerdict, Report, Review};
use crate::finding::{RuleId, Severity};
use crate::model::ObjectId;
use crate::policy::Policy;
use crate::rules::Rule;

/// An object and the verdict on it.
#[derive(Clone, Debug)]
pub struct ReviewedObject<'r> {
    pub id: &'r ObjectId,
    pub verdict: ObjectVerdict,
    /// The first of the findings that are the reason for the verdict.
    pub first: &'r LocatedFinding,
    /// The rules of these findings, in order and without duplicates.
    pub rules: Vec<RuleId>,
}

/// Determines the effect of each finding in the report. Removes the findings that the webhook does
/// not report, and counts them. Keeps the findings about the policy and about unchecked input.
/// `strict_namespaces` contains the namespaces with the label for mode `deny`.
pub(super) fn review(report: &mut Report, strict_namespaces: &BTreeSet<String>, policy: &Policy) {
    let before = report.findings.len();
    report.findings.retain_mut(|LocatedFinding { finding, review, .. }| {
        let rule = policy.rules().find(finding.rule.as_str());
        if rule.is_some_and(|rule| rule.checks_config() || rule.reports_unchecked_input()) {
            return true;
        }
        let is_shared = |rule: &Rule| rule.lint_only.is_none();
        let (Some(review), Some(id)) = (review, &finding.object) else { return false };
        let is_strict = strict_namespaces.contains(&id.namespace);
        review.set_effects(finding, &id.namespace, is_strict, policy);
        rule.is_some_and(is_shared) && !finding.is_heuristic
    });
    report.omitted_findings = Some(before - report.findings.len());
}

impl Report {
    /// Returns the objects with findings of at least this severity, in order, and the verdicts on
    /// them. Returns an empty list unless the run determines the verdicts of the webhook.
    pub fn reviewed_objects(&self, min_severity: Severity) -> Vec<ReviewedObject<'_>> {
        let mut objects: BTreeMap<_, ReviewedObject<'_>> = BTreeMap::new();
        for located in self.findings.iter().filter(|located| located.finding.severity >= min_severity) {
            let (Some(review), Some(id)) = (&located.review, &located.finding.object) else { continue };
            let start = located.object.as_ref().map(|object| object.start);
            let verdict = review.verdict();
            let new = || ReviewedObject { id, verdict, first: located, rules: Vec::new() };
            let object = objects.entry((&located.location.path, start, id)).or_insert_with(new);
            if verdict < object.verdict {
                *object = new();
            }
            if verdict == object.verdict && !object.rules.contains(&located.finding.rule) {
                object.rules.push(located.finding.rule);
            }
        }
        objects.into_values().collect()
    }

    /// Checks whether the webhook would deny an object, or a Pod that a controller creates for it.
    pub fn has_denials(&self) -> bool {
        let reviews = self.findings.iter().filter_map(|located| located.review.as_ref());
        reviews.map(Review::verdict).any(|verdict| verdict <= ObjectVerdict::PodsDenied)
    }
}
