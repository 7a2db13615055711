//! The packs `node-agents` and `node-agents/upstream`, tested with manifests of the agents.
//!
//! Each file in `tests/data/node-agents` has the name of an agent. From the objects in the upstream
//! manifests, the file contains only the kinds, the namespaces, the names and the parts about host
//! paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use volcheck::finding::{RuleId, Severity};
use volcheck::lint::Outcome;
use volcheck::policy::Policy;

use crate::support::{lint, manifests, policy, root};

/// Returns the manifests by the name of the agent.
fn agents() -> BTreeMap<String, String> {
    let paths = manifests(&root().join("tests/data/node-agents"));
    let named = paths.iter().map(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        (name.to_owned(), fs::read_to_string(path).expect("a manifest"))
    });
    named.collect()
}

/// Returns the agents in the document of the pack.
fn pack() -> BTreeMap<String, Value> {
    let text = fs::read_to_string(root().join("policies/node-agents.yaml")).expect("the pack");
    let document: Value = serde_yaml::from_str(&text).expect("YAML");
    serde_json::from_value(document["agents"].clone()).expect("agents")
}

fn extending(pack: &str) -> Policy {
    policy(&format!("version: 1\nextends: [{pack}]\n"))
}

/// Returns the rules and messages of the findings that are at least warnings.
fn problems(outcome: &Outcome) -> Vec<String> {
    assert!(outcome.unchecked.is_empty());
    let findings = outcome.findings.iter().map(|located| &located.finding);
    let severe = findings.filter(|finding| finding.severity > Severity::Info);
    severe.map(|finding| format!("{}: {}", finding.rule, finding.message)).collect()
}

#[test]
fn every_agent_has_a_manifest() {
    let names: Vec<_> = agents().into_keys().collect();
    assert_eq!(names, pack().into_keys().collect::<Vec<_>>());
}

#[test]
fn upstream_manifests_have_no_errors_or_warnings() {
    let whole = extending("node-agents/upstream");
    let baseline = policy("version: 1\nprofile: baseline\nextends: [node-agents/upstream]\n");
    for (agent, text) in agents() {
        let part = extending(&format!("node-agents/upstream/{agent}"));
        for policy in [&whole, &baseline, &part] {
            assert_eq!(problems(&lint(policy, &agent, &text)), [""; 0], "{agent}");
        }
    }
}

#[test]
fn upstream_pack_lowers_remaining_findings_to_info() {
    let (narrow, upstream) = (extending("node-agents"), extending("node-agents/upstream"));
    let mut lowered = 0;
    for (agent, text) in agents() {
        let fingerprints = |policy: &Policy, severities: &[Severity]| -> BTreeSet<_> {
            let findings = lint(policy, &agent, &text).findings.into_iter().map(|located| located.finding);
            findings
                .filter(|finding| severities.contains(&finding.severity) && finding.family.is_none())
                .map(|finding| finding.fingerprint)
                .collect()
        };
        let all = [Severity::Info, Severity::Warning, Severity::Error];
        let reported = fingerprints(&narrow, &all);
        assert_eq!(reported, fingerprints(&upstream, &[Severity::Info]), "{agent}");
        lowered += fingerprints(&narrow, &all[1..]).len();
    }
    assert!(lowered > 200, "{lowered}");
}

#[test]
fn node_agents_pack_exempts_no_socket_or_root() {
    let forbidden = ["runtime-socket", "runtime-socket-parent", "host-root", "cloud-credentials", "*"];
    let forbidden = forbidden.into_iter().chain(["untyped-host-path"]).map(Value::from);
    let forbidden: Vec<_> = forbidden.collect();
    for (agent, entry) in pack() {
        for exemption in entry["exemptions"].as_array().expect("a list") {
            let rules = exemption["rules"].as_array().expect("a list");
            assert!(!rules.iter().any(|rule| forbidden.contains(rule)), "{agent}: {exemption}");
        }
    }
}

#[test]
fn manifests_use_every_upstream_exemption() {
    let upstream = policy("version: 1\nprofile: baseline\nextends: [node-agents/upstream]\n");
    let used: BTreeSet<_> =
        agents().iter().flat_map(|(agent, text)| lint(&upstream, agent, text).used_exemptions).collect();
    let reasons: BTreeSet<_> = used.iter().map(|id| upstream.exemption(*id).reason.clone()).collect();
    for (agent, entry) in pack() {
        for exemption in entry["upstream"].as_array().into_iter().flatten() {
            let reason = exemption["reason"].as_str().expect("a reason");
            assert!(reasons.contains(reason), "{agent}: {reason}");
        }
    }
}

#[test]
fn upstream_pack_does_not_apply_to_other_workloads() {
    let upstream = extending("node-agents/upstream");
    let untyped = RuleId::new("untyped-host-path");
    let renamed =
        |line: &str| match line.strip_prefix("metadata: {name: ").and_then(|rest| rest.split_once(',')) {
            Some((_, rest)) => format!("metadata: {{name: other,{rest}\n"),
            None => format!("{line}\n"),
        };
    for (agent, text) in agents().into_iter().filter(|(_, text)| !text.contains("kind: PersistentVolume")) {
        for changed in [text.replace("namespace: ", "namespace: not-"), text.lines().map(renamed).collect()] {
            let outcome = lint(&upstream, &agent, &changed);
            let findings = || outcome.findings.iter().map(|located| &located.finding);
            assert!(findings().all(|finding| finding.rule != untyped || finding.severity == Severity::Error));
            assert_ne!(problems(&outcome), [""; 0], "{agent}");
        }
    }
}
