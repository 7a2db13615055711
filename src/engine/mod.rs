//! The engine: rules × object × policy → findings. Its door is [`judge`]; lint and admission enter by it.
//!
//! It knows neither text nor requests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::finding::Finding;
use crate::model::{Body, Object};
use crate::policy::{Level, Policy};
use crate::rules::{Context, FAMILY_ORDER};

/// The findings of `object` under `policy`, in the order of the rules.
pub fn judge(object: &Object<'_>, policy: &Policy) -> Vec<Finding> {
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
    keep_worst_of_families(&mut findings);
    if object.pods().len() > 1 {
        drop_repeats(&mut findings);
    }
    if !findings.is_empty() {
        let id = Arc::new(object.id.clone());
        findings.iter_mut().for_each(|finding| finding.object = Some(Arc::clone(&id)));
    }
    findings
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

/// Of each volume and family, keeps the worst finding; at a tie the one whose rule comes first in its family,
/// and of one rule's findings the first.
///
/// A family's findings have the place of their volume, which several pods of an object may share. Severities are
/// the policy's by now: a rule that it weakens doesn't hide another that still denies.
fn keep_worst_of_families(findings: &mut Vec<Finding>) {
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
    findings.retain(|finding| {
        let at = at.next();
        finding.family.is_none() || at.is_some_and(|at| kept.contains(&at))
    });
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
