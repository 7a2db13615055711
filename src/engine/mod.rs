//! The engine checks a subject, such as an object, with the rules of a policy. Both lint and
//! admission call [`judge`].
//!
//! Only this module applies the levels and exemptions of the policy, and the
//! [families](crate::finding::Family) of the rules. It does not depend on manifest text or
//! admission requests. It does not read the clock: callers pass the date.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::finding::{Finding, Severity};
use crate::model::{Body, Object};
use crate::policy::{Date, ExemptionId, Level, Policy, Requester};
use crate::rules::{Check, Context, FAMILY_ORDER, Rule, Subject};

/// The findings about a subject.
#[derive(Debug, Default)]
pub struct CheckResult {
    /// The findings to report. They are sorted by pod and then by rule, in the order in which the
    /// rules run.
    pub findings: Vec<Finding>,
    /// The findings that the policy exempts, each with the id of its exemption.
    pub exempted: Vec<(Finding, ExemptionId)>,
    /// The exemptions that lowered the severity of a finding, once for each lowered finding.
    pub lowered_by: Vec<ExemptionId>,
    /// The findings that are not reported, because a finding of the same family about the same
    /// volume takes precedence.
    pub superseded: Vec<Finding>,
}

/// Checks `subject` with the rules of `policy`. An exemption whose last day is before `today` does
/// not apply.
///
/// Exemptions for users do not apply, because the user is unknown.
pub fn judge(subject: Subject<'_>, policy: &Policy, today: Date) -> CheckResult {
    check_request(subject, policy, today, None)
}

/// Checks `subject` like [`judge`], and also applies the exemptions for `requester`, the user who
/// sent the object to the API server.
pub fn check_request(
    subject: Subject<'_>,
    policy: &Policy,
    today: Date,
    requester: Option<&Requester<'_>>,
) -> CheckResult {
    let object = match subject {
        Subject::Object(object) | Subject::Claims(object, _) => Some(object),
        Subject::Text(_, object) => object,
        Subject::Unchecked(_) | Subject::Ignores(_) | Subject::Exemption(_) | Subject::Baseline(_) => None,
    };
    let mut findings = run_rules(subject, &Levels { policy, today, object });
    if findings.is_empty() {
        return CheckResult::default();
    }
    let Exempted { findings: mut exempted, lowered_by } = match object {
        Some(object) => exempt(&mut findings, object, policy, today, requester),
        None => Exempted::default(),
    };
    let superseded = keep_most_severe_of_families(&mut findings);
    if let Some(object) = object {
        if object.pods().len() > 1 {
            remove_duplicates(&mut findings);
        }
        let id = Arc::new(object.id.clone());
        let controller = object.controller().cloned().map(Arc::new);
        for finding in findings.iter_mut().chain(exempted.iter_mut().map(|(finding, _)| finding)) {
            finding.object = Some(Arc::clone(&id));
            finding.controller.clone_from(&controller);
        }
    }
    CheckResult { findings, exempted, lowered_by, superseded }
}

/// Returns the findings of the enabled rules about the subject, with the severities that the policy
/// sets. A finding about a pod in Helm values is at most a warning. Unchecked input is reported
/// regardless of the policy.
fn run_rules(subject: Subject<'_>, levels: &Levels<'_>) -> Vec<Finding> {
    let policy = levels.policy;
    let mut findings = Vec::new();
    match subject {
        Subject::Object(object) | Subject::Claims(object, _) => match &object.body {
            Body::Pods(pods) => {
                let volumes = match subject {
                    Subject::Claims(_, volumes) => volumes,
                    _ => &[],
                };
                for (index, pod) in pods.iter().enumerate() {
                    let mut cx = Context::for_pod(object, pod, &policy.options);
                    cx.claimed_volumes = volumes.iter().filter(|volume| volume.pod == index).collect();
                    let from = findings.len();
                    check_volumes(&cx, levels, &mut findings);
                    let supports_fixes = pod.has_only_kubernetes_volumes();
                    for finding in &mut findings[from..] {
                        finding.is_heuristic = pod.is_heuristic;
                        finding.fix.take_if(|_| !supports_fixes);
                        if pod.is_from_values {
                            finding.severity = finding.severity.min(Severity::Warning);
                        }
                    }
                }
            }
            Body::PersistentVolume(spec) => {
                let cx = Context::for_persistent_volume(object, spec, &policy.options);
                check_volumes(&cx, levels, &mut findings);
            }
            Body::Claim(spec) => {
                let cx = Context::for_claim(object, spec, &policy.options);
                check_volumes(&cx, levels, &mut findings);
            }
            Body::StorageClass(_) | Body::Other => {}
        },
        // Report unchecked input regardless of the policy, because it may contain any volume.
        Subject::Unchecked(unchecked) => {
            for rule in policy.rules().iter() {
                if let Check::Unchecked(check) = rule.check {
                    check(unchecked, &mut findings);
                }
            }
        }
        Subject::Text(facts, _) => levels.for_each_rule(&mut findings, |rule, out| {
            if let Check::Text(check) = rule.check {
                check(facts, out);
            }
        }),
        Subject::Ignores(facts) => levels.for_each_rule(&mut findings, |rule, out| {
            if let Check::Ignores(check) = rule.check {
                check(facts, out);
            }
        }),
        Subject::Exemption(facts) => levels.for_each_rule(&mut findings, |rule, out| {
            if let Check::Exemption(check) = rule.check {
                check(facts, out);
            }
        }),
        Subject::Baseline(facts) => levels.for_each_rule(&mut findings, |rule, out| {
            if let Check::Baseline(check) = rule.check {
                check(facts, out);
            }
        }),
    }
    findings
}

fn check_volumes(cx: &Context<'_>, levels: &Levels<'_>, findings: &mut Vec<Finding>) {
    levels.for_each_rule(findings, |rule, out| {
        if let Check::Volumes(check) | Check::Claims(check) = rule.check {
            check(cx, out);
        }
    });
}

/// The levels of the rules in a check.
struct Levels<'p> {
    policy: &'p Policy,
    today: Date,
    /// The object to which overrides may apply.
    object: Option<&'p Object<'p>>,
}

impl Levels<'_> {
    /// Runs `check` for each enabled rule, and applies the rule's level and family to its findings.
    fn for_each_rule(&self, findings: &mut Vec<Finding>, check: impl Fn(&Rule, &mut Vec<Finding>)) {
        for (rule, level) in self.policy.enabled_rules(self.today) {
            let from = findings.len();
            check(rule, findings);
            let is_disabled = |finding: &mut Finding| {
                finding.family = rule.family;
                let level = match self.object {
                    Some(object) => self.policy.overridden_level(finding, object, level, self.today),
                    None => level,
                };
                if let Level::As(severity) = level {
                    finding.severity = severity;
                }
                level == Level::Off
            };
            findings.extract_if(from.., is_disabled).for_each(drop);
        }
    }
}

/// The effect of the policy's exemptions.
#[derive(Default)]
struct Exempted {
    /// The exempted findings.
    findings: Vec<(Finding, ExemptionId)>,
    /// The exemptions that lowered the severity of a finding.
    lowered_by: Vec<ExemptionId>,
}

/// Removes the findings that the policy exempts, and returns them. If an exemption sets a severity,
/// the finding is kept with this lower severity.
///
/// Must be called before families are applied. Otherwise, a finding that is exempted or lowered
/// afterwards could supersede another finding.
fn exempt(
    findings: &mut Vec<Finding>,
    object: &Object<'_>,
    policy: &Policy,
    today: Date,
    requester: Option<&Requester<'_>>,
) -> Exempted {
    let mut exempted = Exempted::default();
    for mut finding in std::mem::take(findings) {
        let exemption = policy.find_exemption(&finding, object, requester, today);
        match exemption.map(|id| (id, policy.exemption(id).severity)) {
            Some((id, None)) => exempted.findings.push((finding, id)),
            Some((id, Some(severity))) => {
                finding.severity = severity;
                exempted.lowered_by.push(id);
                findings.push(finding);
            }
            None => {
                finding.near_exemption = policy.near_exemption(&finding, object, requester, today);
                findings.push(finding);
            }
        }
    }
    exempted
}

/// Removes duplicate findings. If several pods of an object share a field, the rules report the
/// field once for each pod.
fn remove_duplicates(findings: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    findings.retain(|finding| {
        seen.insert((finding.rule, finding.primary.path.clone(), finding.fingerprint.clone()))
    });
}

/// Keeps only the most severe finding per volume and family. Removes and returns the others.
/// Findings without a family are kept. If severities are equal, the order in [`FAMILY_ORDER`]
/// decides, then the order of the findings.
///
/// Findings of a family are about the same volume if they have the same primary location. Levels
/// must already be applied. Otherwise, a finding whose rule the policy downgrades could supersede a
/// finding that is still an error.
pub(crate) fn keep_most_severe_of_families(findings: &mut Vec<Finding>) -> Vec<Finding> {
    let mut best = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        let Some(family) = finding.family else { continue };
        let known = best.entry((family, &finding.primary.path)).or_insert(index);
        if precedence(finding) < precedence(&findings[*known]) {
            *known = index;
        }
    }
    let kept: HashSet<usize> = best.into_values().collect();
    let mut index = 0..;
    let is_superseded = |finding: &mut Finding| {
        let index = index.next();
        finding.family.is_some() && index.is_some_and(|index| !kept.contains(&index))
    };
    findings.extract_if(.., is_superseded).collect()
}

/// Returns a sort key. In a family, the finding with the smallest key is kept.
fn precedence(finding: &Finding) -> impl Ord {
    let position = FAMILY_ORDER.iter().position(|rule| *rule == finding.rule);
    (Reverse(finding.severity), position.unwrap_or(FAMILY_ORDER.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::RuleId;
    use crate::model::FieldPath;
    use crate::rules::Registry;

    fn kept(findings: &[(&'static str, Severity, &str)]) -> Vec<&'static str> {
        let finding = |(rule, severity, volume): &(&'static str, Severity, &str)| {
            let path = FieldPath::root().key(volume.to_string());
            let mut finding = Finding::new(RuleId::new(rule), *severity, path, "");
            finding.family = Registry::built_in().find(rule).and_then(|rule| rule.family);
            finding
        };
        let mut findings: Vec<_> = findings.iter().map(finding).collect();
        keep_most_severe_of_families(&mut findings);
        findings.iter().map(|finding| finding.rule.as_str()).collect()
    }

    #[test]
    fn reports_fields_shared_by_pods_once() {
        let rule = RuleId::new("untyped-host-path");
        let finding = |index| Finding::new(rule, Severity::Error, FieldPath::root().index(index), "");
        let mut findings = vec![finding(0), finding(1), finding(0)];
        remove_duplicates(&mut findings);
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn keeps_the_most_severe_finding() {
        let found = [("unknown-socket", Severity::Warning, "a"), ("host-path", Severity::Error, "a")];
        assert_eq!(kept(&found), ["host-path"]);
    }

    #[test]
    fn family_order_breaks_ties() {
        let rules = ["host-path", "host-root", "runtime-socket-parent"];
        let found = rules.map(|rule| (rule, Severity::Error, "a"));
        assert_eq!(kept(&found), ["runtime-socket-parent"]);
    }

    #[test]
    fn downgraded_findings_do_not_supersede_errors() {
        let found = [("runtime-socket", Severity::Info, "a"), ("sensitive-host-path", Severity::Error, "a")];
        assert_eq!(kept(&found), ["sensitive-host-path"]);
    }

    #[test]
    fn keeps_findings_of_other_volumes_and_families() {
        let found = [
            ("host-root", Severity::Error, "a"),
            ("host-root", Severity::Error, "b"),
            ("scratch-host-path", Severity::Error, "a"),
            ("writable-host-path", Severity::Info, "a"),
        ];
        assert_eq!(kept(&found).len(), found.len());
    }

    #[test]
    fn family_order_lists_every_family_rule() {
        let registry = Registry::built_in();
        let family = |id: &RuleId| registry.find(id.as_str()).and_then(|rule| rule.family);
        assert!(FAMILY_ORDER.iter().all(|id| family(id).is_some()));
        let mut rules = registry.iter().filter(|rule| rule.family.is_some());
        assert!(rules.all(|rule| FAMILY_ORDER.contains(&rule.id)));
        let order: Vec<_> = FAMILY_ORDER.iter().filter_map(family).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}
