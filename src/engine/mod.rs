//! The engine: rules × object × policy → findings. Its door is [`judge`]; lint and admission enter by it.
//!
//! It knows neither text nor requests, and no clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::finding::Finding;
use crate::model::{Body, Object};
use crate::policy::{Date, Level, Policy};
use crate::rules::{Context, FAMILY_ORDER};

/// What was found in an object.
#[derive(Debug, Default)]
pub struct Judged {
    /// What counts, in the order of the rules.
    pub findings: Vec<Finding>,
    /// What the policy excuses, each with the place of its exemption in the policy's list.
    pub exempted: Vec<(Finding, usize)>,
    /// What isn't said, because a worse finding of its family is.
    pub hidden: Vec<Finding>,
}

/// Judges `object` under `policy`; `today` is for what expires.
pub fn judge(object: &Object<'_>, policy: &Policy, today: Date) -> Judged {
    let mut findings = Vec::new();
    match &object.body {
        Body::Pods(pods) => {
            for pod in pods {
                let cx = Context::of_pod(object, pod, &policy.options);
                judge_part(&cx, policy, pod.is_heuristic, &mut findings);
            }
        }
        Body::PersistentVolume(spec) => {
            let cx = Context::of_persistent_volume(object, spec, &policy.options);
            judge_part(&cx, policy, false, &mut findings);
        }
        Body::Claim(_) | Body::StorageClass(_) | Body::Other => {}
    }
    let mut exempted = excuse(&mut findings, object, policy, today);
    let hidden = keep_worst_of_families(&mut findings);
    if object.pods().len() > 1 {
        drop_repeats(&mut findings);
    }
    if !findings.is_empty() || !exempted.is_empty() {
        let id = Arc::new(object.id.clone());
        let all = findings.iter_mut().chain(exempted.iter_mut().map(|(finding, _)| finding));
        all.for_each(|finding| finding.object = Some(Arc::clone(&id)));
    }
    Judged { findings, exempted, hidden }
}

/// Takes out what the policy excuses. Before the families: what is excused hides no other finding.
fn excuse(
    findings: &mut Vec<Finding>,
    object: &Object<'_>,
    policy: &Policy,
    today: Date,
) -> Vec<(Finding, usize)> {
    let exemption = |finding: &Finding| policy.exemption(finding, &object.id, &object.workload, today);
    if !findings.iter().any(|finding| exemption(finding).is_some()) {
        return Vec::new();
    }
    let mut exempted = Vec::new();
    for finding in std::mem::take(findings) {
        match exemption(&finding) {
            Some(by) => exempted.push((finding, by)),
            None => findings.push(finding),
        }
    }
    exempted
}

fn judge_part(cx: &Context<'_>, policy: &Policy, is_heuristic: bool, findings: &mut Vec<Finding>) {
    for (rule, level) in policy.rules() {
        let from = findings.len();
        rule.check(cx, findings);
        let meta = rule.meta();
        for finding in &mut findings[from..] {
            finding.family = meta.family;
            finding.is_heuristic = is_heuristic;
            if let Level::As(severity) = level {
                finding.severity = severity;
            }
        }
    }
}

/// What several pods of an object share, each of them reports: once is enough.
fn drop_repeats(findings: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    findings.retain(|finding| {
        seen.insert((finding.rule, finding.primary.path.clone(), finding.fingerprint.clone()))
    });
}

/// Of each volume and family, keeps the worst finding, and gives the others; at a tie it keeps the one whose rule
/// comes first in its family, and of one rule's findings the first.
///
/// A family's findings have the place of their volume, which several pods of an object may share. Severities are
/// the policy's by now: a rule that it weakens doesn't hide another that still denies.
pub(crate) fn keep_worst_of_families(findings: &mut Vec<Finding>) -> Vec<Finding> {
    let mut worst = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        let Some(family) = finding.family else { continue };
        let known = worst.entry((family, &finding.primary.path)).or_insert(at);
        if rank(finding) < rank(&findings[*known]) {
            *known = at;
        }
    }
    let kept: HashSet<usize> = worst.into_values().collect();
    let mut at = 0..;
    let is_hidden = |finding: &mut Finding| {
        let at = at.next();
        finding.family.is_some() && at.is_some_and(|at| !kept.contains(&at))
    };
    findings.extract_if(.., is_hidden).collect()
}

/// Where a finding stands in its family; the worst first.
fn rank(finding: &Finding) -> impl Ord {
    let position = FAMILY_ORDER.iter().position(|rule| *rule == finding.rule);
    (Reverse(finding.severity), position.unwrap_or(FAMILY_ORDER.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::model::FieldPath;
    use crate::rules;

    fn kept(findings: &[(&'static str, Severity, &str)]) -> Vec<&'static str> {
        let finding = |(rule, severity, volume): &(&'static str, Severity, &str)| {
            let mut finding = Finding::new(rule, *severity, FieldPath::root().key(volume.to_string()), "");
            finding.family = rules::find(rule).and_then(|rule| rule.meta().family);
            finding
        };
        let mut findings: Vec<_> = findings.iter().map(finding).collect();
        keep_worst_of_families(&mut findings);
        findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn what_pods_share_is_said_once() {
        let at =
            |index| Finding::new("untyped-host-path", Severity::Error, FieldPath::root().index(index), "");
        let mut findings = vec![at(0), at(1), at(0)];
        drop_repeats(&mut findings);
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn the_highest_severity_wins() {
        let found = [("unknown-socket", Severity::Warning, "a"), ("host-path", Severity::Error, "a")];
        assert_eq!(kept(&found), ["host-path"]);
    }

    #[test]
    fn at_a_tie_the_order_of_the_family_decides() {
        let rules = ["host-path", "host-root", "runtime-socket-parent"];
        let found = rules.map(|rule| (rule, Severity::Error, "a"));
        assert_eq!(kept(&found), ["runtime-socket-parent"]);
    }

    #[test]
    fn a_weakened_rule_does_not_hide_one_that_still_denies() {
        let found = [("runtime-socket", Severity::Info, "a"), ("sensitive-host-path", Severity::Error, "a")];
        assert_eq!(kept(&found), ["sensitive-host-path"]);
    }

    #[test]
    fn volumes_families_and_rules_without_one_stand_for_themselves() {
        let found = [
            ("host-root", Severity::Error, "a"),
            ("host-root", Severity::Error, "b"),
            ("scratch-host-path", Severity::Error, "a"),
            ("writable-host-path", Severity::Info, "a"),
        ];
        assert_eq!(kept(&found).len(), found.len());
    }

    #[test]
    fn every_rule_of_a_family_has_its_place_in_the_order() {
        let with_family = |id: &&str| rules::find(id).is_some_and(|rule| rule.meta().family.is_some());
        assert!(FAMILY_ORDER.iter().all(with_family));
        let families = rules::ALL.iter().filter(|rule| rule.meta().family.is_some());
        assert!(families.clone().all(|rule| FAMILY_ORDER.contains(&rule.meta().id)));
        let order: Vec<_> = FAMILY_ORDER.iter().filter_map(|id| rules::find(id)?.meta().family).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}
