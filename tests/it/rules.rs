//! The page, examples, fixtures and output of each rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use volcheck::finding::{Access, Edit, EditValue, Finding};
use volcheck::lint::{LocatedFinding, Outcome};
use volcheck::policy::Policy;
use volcheck::rules::{MatchKey, ObjectKinds, Registry, Rule};

use crate::support::{check_for_rule, golden, lint, manifests, name, root, selecting, text_of};

/// The headings of a rule page in order, and whether each is required.
const HEADINGS: &[(&str, bool)] = &[
    ("What it does", true),
    ("Why is this bad?", true),
    ("Example", true),
    ("Fix", false),
    ("Options", false),
    ("When to allow it", true),
    ("References", false),
];

fn rules() -> impl Iterator<Item = &'static Rule> {
    Registry::built_in().iter()
}

/// Returns the numbers of the lines that end in `# finding`, or in `# finding: ` and a list of
/// rules that contains `rule`. A line is returned once for each occurrence of `rule` in its list.
fn marked(text: &str, rule: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, mark)) = line.split_once("# finding") else { continue };
        let names = mark.trim_start_matches(':').split(',').map(str::trim);
        lines.extend(names.filter(|name| name.is_empty() || *name == rule).map(|_| index + 1));
    }
    lines
}

/// Returns all findings of an outcome, including those about input that could not be checked.
fn all(outcome: &Outcome) -> impl Iterator<Item = &LocatedFinding> {
    outcome.unchecked.iter().map(|unchecked| &unchecked.located).chain(&outcome.findings)
}

/// Returns the lines where `rule` reports a finding under `policy`.
fn found(policy: &Policy, name: &str, text: &str, rule: &str) -> Vec<usize> {
    let outcome = check_for_rule(policy, name, text, rule);
    let all = all(&outcome);
    let of_rule = all.filter(|located| located.finding.rule == rule);
    let mut lines: Vec<_> =
        of_rule.map(|located| located.location.primary.map_or(1, |span| span.start.line)).collect();
    lines.sort_unstable();
    lines
}

/// Returns the problems with the fixtures of a rule under a policy.
fn fixture_problems(rule: &Rule, policy: &Policy) -> Vec<String> {
    let directory = root().join("tests/fixtures").join(rule.id.as_str());
    let mut problems = Vec::new();
    for kind in ["bad", "good"] {
        let paths = manifests(&directory.join(kind));
        if paths.is_empty() {
            problems.push(format!("{}: no {kind} fixture", rule.id.as_str()));
        }
        for path in paths {
            let text = fs::read_to_string(&path).expect("fixture");
            let expected = marked(&text, rule.id.as_str());
            if kind == "bad" && expected.is_empty() {
                problems.push(format!(
                    "{}: no line is marked `# finding: {}`",
                    name(&path),
                    rule.id.as_str()
                ));
            }
            let actual = found(policy, &name(&path), &text, rule.id.as_str());
            if actual != expected {
                problems.push(format!("{}: marked {expected:?}, found {actual:?}", name(&path)));
            }
        }
    }
    problems
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn fixtures_have_the_marked_findings() {
    report(rules().flat_map(|rule| fixture_problems(rule, &selecting(&[rule.id.as_str()]))).collect());
}

#[test]
fn fixtures_fail_if_their_rule_is_disabled() {
    for rule in rules().filter(|rule| !rule.reports_unchecked_input()) {
        let others: Vec<_> = rules().map(|other| other.id.as_str()).filter(|id| rule.id != *id).collect();
        let problems = fixture_problems(rule, &selecting(&others));
        assert!(!problems.is_empty(), "{}: no fixture fails if the rule is disabled", rule.id.as_str());
    }
}

#[test]
fn output_matches_golden_files() {
    let mut problems = Vec::new();
    for rule in rules() {
        let directory = root().join("tests/fixtures").join(rule.id.as_str());
        let mut out = String::new();
        for path in manifests(&directory.join("bad")) {
            let text = fs::read_to_string(&path).expect("fixture");
            out.push_str(&text_of(check_for_rule(
                &selecting(&[rule.id.as_str()]),
                &name(&path),
                &text,
                rule.id.as_str(),
            )));
            out.push('\n');
        }
        problems.extend(golden(&directory.join("output.txt"), &out).err());
    }
    report(problems);
}

#[test]
fn pages_have_the_required_headings_and_examples() {
    let mut problems = Vec::new();
    for rule in rules() {
        let page = rule.page();
        let headings: Vec<_> = page.markdown.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let known: Vec<_> =
            HEADINGS.iter().map(|(title, _)| *title).filter(|title| headings.contains(title)).collect();
        if headings != known {
            problems.push(format!("{}: headings {headings:?}, expected {known:?}", rule.id.as_str()));
        }
        for (title, _) in HEADINGS.iter().filter(|(_, is_required)| *is_required) {
            if page.section(title).is_none_or(str::is_empty) {
                problems.push(format!("{}: empty section `{title}`", rule.id.as_str()));
            }
        }
        let marks: BTreeSet<_> = page.examples().iter().map(|(mark, _)| *mark).collect();
        if marks != BTreeSet::from(["bad", "good"]) {
            problems.push(format!("{}: examples are marked {marks:?}, not bad and good", rule.id.as_str()));
        }
        for (mark, text) in page.examples() {
            let policy = selecting(&[rule.id.as_str()]);
            let lines = found(&policy, "example.yaml", text, rule.id.as_str());
            let errors = check_for_rule(&policy, "example.yaml", text, rule.id.as_str()).unchecked;
            if !rule.reports_unchecked_input() && !errors.is_empty() {
                problems.push(format!(
                    "{}: an example could not be checked: {}",
                    rule.id.as_str(),
                    errors[0].located.finding.message
                ));
            }
            let expected = marked(text, rule.id.as_str());
            let is_as_marked = match mark {
                "bad" if expected.is_empty() => lines.len() == 1,
                "bad" => lines.len() == 1 && lines == expected,
                _ => lines.is_empty(),
            };
            if !is_as_marked {
                problems.push(format!(
                    "{}: the {mark} example has findings in lines {lines:?}:\n{text}",
                    rule.id.as_str()
                ));
            }
        }
    }
    report(problems);
}

#[test]
fn messages_have_a_common_style() {
    let mut problems = Vec::new();
    for rule in rules() {
        for path in manifests(&root().join("tests/fixtures").join(rule.id.as_str()).join("bad")) {
            let text = fs::read_to_string(&path).expect("fixture");
            let outcome =
                check_for_rule(&selecting(&[rule.id.as_str()]), &name(&path), &text, rule.id.as_str());
            for located in all(&outcome) {
                let finding = &located.finding;
                let texts = [&*finding.message, &finding.why, &finding.help, &finding.primary.text];
                for text in texts.into_iter().chain(finding.related.iter().map(|label| &*label.text)) {
                    let is_lower_case = text.chars().next().is_none_or(|first| !first.is_uppercase());
                    let starts_with_field =
                        ["hostPath", "emptyDir"].iter().any(|word| text.starts_with(word));
                    if !(is_lower_case || starts_with_field) || text.ends_with('.') || text.contains("please")
                    {
                        problems.push(format!("{}: {text}", rule.id.as_str()));
                    }
                }
                if finding.message.chars().count() > 130 {
                    problems.push(format!("{}: too long: {}", rule.id.as_str(), finding.message));
                }
                if finding.severity > rule.severity {
                    problems.push(format!("{}: a finding is more severe than its rule", rule.id.as_str()));
                }
                if finding.help.is_empty() && finding.why.is_empty() {
                    problems.push(format!("{}: neither help nor why: {}", rule.id.as_str(), finding.message));
                }
            }
        }
    }
    report(problems);
}

/// Returns the access in the fingerprint of each finding in the bad fixtures of a rule.
fn accesses(rule: &str) -> Vec<Option<Access>> {
    let paths = manifests(&root().join("tests/fixtures").join(rule).join("bad"));
    let findings = paths.iter().flat_map(|path| {
        let text = fs::read_to_string(path).expect("fixture");
        lint(&selecting(&[rule]), &name(path), &text).findings
    });
    findings.map(|located| located.finding.fingerprint.access).collect()
}

#[test]
fn host_access_findings_record_the_access() {
    let rules =
        ["host-mount-propagation", "ineffective-read-only", "node-creating-host-path", "sensitive-host-path"];
    for rule in rules {
        assert!(accesses(rule).iter().all(Option::is_some), "{rule}");
    }
    // If there are several mounts, write access takes precedence.
    let creating = accesses("node-creating-host-path");
    assert!(creating.contains(&Some(Access::Read)) && creating.contains(&Some(Access::Write)));
}

/// Returns the findings of the rule in its fixtures.
fn fixture_findings(rule: &Rule) -> Vec<Finding> {
    let fixtures = root().join("tests/fixtures").join(rule.id.as_str());
    let paths = ["bad", "good"].into_iter().flat_map(|part| manifests(&fixtures.join(part)));
    let findings = paths.flat_map(|path| {
        let text = fs::read_to_string(&path).expect("fixture");
        lint(&selecting(&[rule.id.as_str()]), &name(&path), &text).findings
    });
    findings.map(|located| located.finding).collect()
}

/// Returns the keys for which findings have a value. A path that is only a field or a key does not
/// count, because no exemption can match it.
fn used_keys(findings: &[Finding]) -> BTreeSet<String> {
    let accesses: BTreeSet<_> = findings.iter().filter_map(|finding| finding.fingerprint.access).collect();
    let access = match accesses.contains(&Access::Read) {
        true => MatchKey::Access,
        false => MatchKey::WriteAccess,
    };
    let prints = || findings.iter().map(|finding| &finding.fingerprint);
    let keys = [
        (MatchKey::Volume, prints().any(|print| !print.volume.is_empty())),
        (MatchKey::Container, prints().any(|print| !print.container.is_empty())),
        (MatchKey::Path, prints().any(|print| print.path.contains(['/', '\\']))),
        (access, !accesses.is_empty()),
    ];
    keys.into_iter().filter(|(_, has_value)| *has_value).map(|(key, _)| format!("{key:?}")).collect()
}

#[test]
fn match_keys_are_those_of_the_findings() {
    let exemptable = rules().filter(|rule| rule.is_exemptable());
    let problems = exemptable.filter_map(|rule| {
        let declared: BTreeSet<_> = rule.match_keys.iter().map(|key| format!("{key:?}")).collect();
        let used = used_keys(&fixture_findings(rule));
        (declared != used)
            .then(|| format!("{}: `match_keys` has {declared:?}, findings have {used:?}", rule.id))
    });
    report(problems.collect());
}

#[test]
fn object_kinds_are_those_of_the_findings() {
    let exemptable = rules().filter(|rule| rule.is_exemptable());
    let problems = exemptable.filter_map(|rule| {
        let findings = fixture_findings(rule);
        let objects = findings.iter().filter_map(|finding| finding.object.as_ref());
        let found: BTreeSet<_> = objects.map(|object| object.kind == "PersistentVolume").collect();
        let is_possible = |is_volume: bool| match rule.objects {
            ObjectKinds::Any => true,
            ObjectKinds::PersistentVolume => is_volume,
            ObjectKinds::ExceptPersistentVolume => !is_volume,
        };
        let expected: BTreeSet<_> =
            [false, true].into_iter().filter(|is_volume| is_possible(*is_volume)).collect();
        (!found.is_empty() && found != expected)
            .then(|| format!("{}: `objects` is {:?}", rule.id, rule.objects))
    });
    report(problems.collect());
}

/// Returns a Pod that mounts a host path, optionally with a type.
fn pod_with(path: &str, host_path_type: Option<&str>, is_read_only: bool) -> String {
    let mut source = json!({"path": path});
    if let Some(host_path_type) = host_path_type {
        source["type"] = host_path_type.into();
    }
    let mount = json!({"name": "v", "mountPath": "/m", "readOnly": is_read_only});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "x", "volumeMounts": [mount]}],
        "volumes": [{"name": "v", "hostPath": source}],
    }})
    .to_string()
}

#[test]
fn inferred_type_causes_no_other_finding() {
    let rows = [
        ("/run/agent", "DirectoryOrCreate"),
        ("/run", "Directory"),
        ("/run/agent.lock", "FileOrCreate"),
        ("/run/agent.conf", "File"),
        ("/run/agent.sock", "Socket"),
        ("/run/containerd", "Directory"),
        ("/var/lib/agent/", "DirectoryOrCreate"),
        ("/var/lib/kubelet/plugins/csi.example.com", "DirectoryOrCreate"),
        ("/var/lib/kubelet/plugins_registry", "Directory"),
        ("/etc/cni/net.d", "DirectoryOrCreate"),
        ("/etc/agent", "Directory"),
        ("/usr/bin/agent", "File"),
        ("/opt", "Directory"),
        ("/dev/kvm", "CharDevice"),
        ("/var/lib/agent/state.db", "File"),
        (r"C:\data\agent.log", "File"),
    ];
    let others = ["mismatched-host-path-type", "node-creating-host-path", "untyped-host-path"];
    for (path, expected) in rows {
        for is_read_only in [false, true] {
            let outcome =
                lint(&selecting(&["untyped-host-path"]), "p.json", &pod_with(path, None, is_read_only));
            let fix = outcome.findings[0].finding.fix.as_ref().expect("a fix");
            let [Edit::Set(_, EditValue::Str(inferred))] = &*fix.edits else { panic!("{path}: {fix:?}") };
            let expected = if is_read_only { expected.trim_end_matches("OrCreate") } else { expected };
            assert_eq!(inferred, expected, "{path}");
            let fixed = lint(&selecting(&others), "p.json", &pod_with(path, Some(inferred), is_read_only));
            assert!(fixed.findings.is_empty(), "{path}: {}", fixed.findings[0].finding.message);
        }
    }
}

#[test]
fn every_fixture_directory_belongs_to_a_rule() {
    let known: BTreeSet<_> = rules().map(|rule| rule.id.as_str().to_owned()).collect();
    let directories = fs::read_dir(root().join("tests/fixtures")).expect("fixtures");
    let found: BTreeSet<_> =
        directories.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(found, known);
}

/// Removes the effect of a policy key on the rules.
type Reset = fn(&mut volcheck::rules::Options);

/// A finding of a rule in its fixtures depends on a policy key if it changes without the key's
/// values.
#[test]
fn rules_list_the_policy_keys_that_concern_them() {
    let keys: [(&str, Reset); 4] = [
        ("hostPaths.catalog", |options| options.catalog = Default::default()),
        ("dataDirectories", |options| options.data_directories = Default::default()),
        ("scratchDirectories", |options| options.scratch_directories = Default::default()),
        ("kubernetesVersion", |options| options.kubernetes_version = "1.20".parse().expect("a version")),
    ];
    let found = |policy: &Policy, path: &Path| {
        let text = fs::read_to_string(path).expect("a fixture");
        let findings = lint(policy, &name(path), &text).findings.into_iter();
        let parts = |LocatedFinding { finding, .. }: LocatedFinding| {
            (finding.primary.path.to_string(), finding.severity, finding.message)
        };
        findings.map(parts).collect::<Vec<_>>()
    };
    let mut wrong = Vec::new();
    for rule in Registry::built_in().iter() {
        let fixtures = root().join("tests/fixtures").join(rule.id.as_str());
        let paths: Vec<_> = ["bad", "good"].iter().flat_map(|kind| manifests(&fixtures.join(kind))).collect();
        let policy = selecting(&[rule.id.as_str()]);
        for (key, reset) in keys {
            let mut changed = policy.clone();
            reset(&mut changed.options);
            let is_concerned = paths.iter().any(|path| found(&policy, path) != found(&changed, path));
            let is_listed = rule.options.iter().any(|option| option.name == key);
            if is_concerned != is_listed {
                wrong.push(format!("{}: {key}: {is_concerned}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
