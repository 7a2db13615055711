//! The engine: rules × object × policy → findings. Its door is [`judge`]; lint and admission enter by it.
//!
//! It knows neither text nor requests.

use std::sync::Arc;

use crate::finding::{Family, Finding};
use crate::model::{Body, Object};
use crate::policy::{Level, Policy};
use crate::rules::Context;

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
    if !findings.is_empty() {
        let id = Arc::new(object.id.clone());
        findings.iter_mut().for_each(|finding| finding.object = Some(Arc::clone(&id)));
    }
    findings
}

fn judge_part(cx: &Context<'_>, policy: &Policy, is_heuristic: bool, findings: &mut Vec<Finding>) {
    let start = findings.len();
    for rule in policy.rules() {
        let from = findings.len();
        rule.check(cx, findings);
        let meta = rule.meta();
        for finding in &mut findings[from..] {
            finding.family = meta.family;
            finding.is_heuristic = is_heuristic;
            if let Level::As(severity) = policy.level(meta.id) {
                finding.severity = severity;
            }
        }
    }
    keep_worst_of_families(findings, start);
}

/// Of each volume and family, keeps the worst finding; at a tie the one whose rule comes first.
///
/// Severities are the policy's by now: a rule that it weakens doesn't hide another that still denies.
fn keep_worst_of_families(findings: &mut Vec<Finding>, start: usize) {
    let key =
        |finding: &Finding| finding.family.map(|family: Family| (family, finding.fingerprint.volume.clone()));
    let mut position = 0_usize;
    let ranked: Vec<_> = findings[start..].iter().map(|finding| (key(finding), finding.severity)).collect();
    findings.retain(|_| {
        let at = position;
        position += 1;
        let Some(own) = at.checked_sub(start) else { return true };
        let (family, severity) = &ranked[own];
        let beats = |(other_at, (other_family, other)): (usize, &(_, _))| {
            other_family == family && (other > severity || (other == severity && other_at < own))
        };
        family.is_none() || !ranked.iter().enumerate().any(beats)
    });
}
