//! Suppressions: comments, annotations, the baseline and exemptions.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use proptest::prelude::*;
use volcheck::policy::Policy;

use crate::support::{lint, policy, temp_dir, volcheck_in};

/// Returns the rule and the line of each finding under a policy.
fn found(policy: &Policy, text: &str) -> Vec<(&'static str, usize)> {
    let outcome = lint(policy, "m.yaml", text);
    assert!(outcome.unchecked.is_empty(), "{text}");
    let line =
        |located: &volcheck::lint::LocatedFinding| located.location.primary.map_or(0, |span| span.start.line);
    let mut found: Vec<_> =
        outcome.findings.iter().map(|located| (located.finding.rule.as_str(), line(located))).collect();
    found.sort_by_key(|(rule, line)| (*line, *rule));
    found
}

/// Returns a Pod with two sensitive volumes, after applying `edit` to each line.
fn pod(edit: impl Fn(&str) -> String) -> String {
    let lines = [
        "apiVersion: v1",
        "kind: Pod",
        "metadata: {name: p}",
        "spec:",
        "  containers:",
        "  - name: c",
        "    image: i",
        "    volumeMounts:",
        "    - {name: a, mountPath: /a, readOnly: true}",
        "    - {name: b, mountPath: /b, readOnly: true}",
        "  volumes:",
        "  - name: a",
        "    hostPath:",
        "      path: /etc/kubernetes",
        "      type: Directory",
        "  - name: b",
        "    hostPath: {path: /root, type: Directory}",
    ];
    lines.map(edit).join("\n") + "\n"
}

const IGNORE: &str = "# volcheck: ignore[sensitive-host-path] -- why";

fn sensitive() -> Policy {
    policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error, unused-ignore: warning, malformed-ignore: warning, unknown-rule-in-ignore: warning}\n",
    )
}

#[test]
fn comment_applies_to_node_on_or_below_its_line() {
    let policy = sensitive();
    let (a, b) = (("sensitive-host-path", 14), ("sensitive-host-path", 17));
    let same_line = |wanted: &str| {
        found(
            &policy,
            &pod(|line| match line {
                line if line == wanted => format!("{line} {IGNORE}"),
                line => line.to_owned(),
            }),
        )
    };
    assert_eq!(found(&policy, &pod(str::to_owned)), [a, b]);
    // A comment on the list item, on the parent key of the path, or on the path itself.
    assert_eq!(same_line("  - name: a"), [b]);
    assert_eq!(same_line("    hostPath:"), [b]);
    assert_eq!(same_line("      path: /etc/kubernetes"), [b]);
    // A comment on a flow mapping.
    assert_eq!(same_line("    hostPath: {path: /root, type: Directory}"), [a]);
    // A comment on the key of all volumes, or on the spec.
    assert_eq!(same_line("  volumes:"), []);
    assert_eq!(same_line("spec:"), []);
    // A comment on a key that does not contain the path.
    assert_eq!(same_line("      type: Directory"), [("sensitive-host-path", 14), ("unused-ignore", 15), b]);
    assert_eq!(same_line("    image: i"), [("unused-ignore", 7), a, b]);
    let above = |wanted: &str| -> Vec<&'static str> {
        let text = pod(|line| match line {
            line if line == wanted => format!("# another comment\n  {IGNORE}\n# and one more\n\n{line}"),
            line => line.to_owned(),
        });
        found(&policy, &text).into_iter().map(|(rule, _)| rule).collect()
    };
    assert_eq!(above("  - name: a"), ["sensitive-host-path"]);
    assert_eq!(above("      path: /etc/kubernetes"), ["sensitive-host-path"]);
    assert_eq!(above("spec:"), [""; 0]);
    assert_eq!(above("kind: Pod"), ["unused-ignore", "sensitive-host-path", "sensitive-host-path"]);
}

#[test]
fn ignores_markers_inside_scalars() {
    let policy = sensitive();
    for line in ["  - name: \"a # volcheck: ignore[sensitive-host-path] -- x\"", "  - name: a#volcheck:x"] {
        let text = pod(
            |line_of_pod| if line_of_pod == "  - name: a" { line.to_owned() } else { line_of_pod.to_owned() },
        );
        assert!(!found(&policy, &text).iter().any(|(rule, _)| rule.ends_with("-ignore")), "{line}");
    }
    let block = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    args:\n    - |\n      # volcheck: ignore[host-root] -- a script's\n    image: i\n";
    assert_eq!(found(&policy, block), []);
}

#[test]
fn ignore_file_works_only_before_the_first_document() {
    let policy = sensitive();
    let two = format!("{}---\n{}", pod(str::to_owned), pod(str::to_owned));
    let head = "# volcheck: ignore-file[sensitive-host-path] -- why\n";
    assert_eq!(found(&policy, &format!("{head}{two}")), []);
    assert_eq!(found(&policy, &format!("\u{FEFF}# first\n{head}---\n{two}")), []);
    assert_eq!(found(&policy, &format!("{}---\n{head}{}", pod(str::to_owned), pod(str::to_owned))).len(), 5);
    let unused = found(&policy, &format!("{head}apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n"));
    assert_eq!(unused, [("unused-ignore", 1)]);
}

#[test]
fn annotations_cover_their_object_or_pod_template() {
    let policy = sensitive();
    let deployment = |object: &str, template: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, annotations: {{{object}}}}}\nspec:\n  template:\n    metadata: {{annotations: {{{template}}}}}\n    spec:\n      containers:\n      - name: c\n        volumeMounts:\n        - {{name: a, mountPath: /a}}\n      - name: e\n        volumeMounts:\n        - {{name: b, mountPath: /b}}\n      volumes:\n      - {{name: a, hostPath: {{path: /etc/kubernetes}}}}\n      - {{name: b, hostPath: {{path: /root}}}}\n"
        )
    };
    let lines = |object: &str, template: &str| -> Vec<usize> {
        found(&policy, &deployment(object, template)).into_iter().map(|(_, line)| line).collect()
    };
    assert_eq!(lines("", ""), [16, 17]);
    assert_eq!(lines("ignore.volcheck.io/sensitive-host-path: why", ""), [0; 0]);
    assert_eq!(lines("", "ignore.volcheck.io/sensitive-host-path: why"), [0; 0]);
    assert_eq!(lines("ignore.volcheck.io/sensitive-host-path: \"volume=a -- why\"", ""), [17]);
    assert_eq!(lines("ignore.volcheck.io/sensitive-host-path: \"volume=a --why\"", ""), [17]);
    assert_eq!(lines("ignore.volcheck.io/sensitive-host-path: \"see RFC--12\"", ""), [0; 0]);
    // The finding is about the volume, not about a container.
    assert_eq!(lines("ignore.volcheck.io/sensitive-host-path: \"container=e -- why\"", ""), [3, 16, 17]);
    let writable = crate::support::policy("version: 1\nrules: {\"*\": off, writable-host-path: error}\n");
    let text = deployment("ignore.volcheck.io/writable-host-path: \"container=e -- why\"", "");
    assert_eq!(found(&writable, &text), [("writable-host-path", 11)]);
    assert_eq!(
        lines("ignore.volcheck.io/sensitive-host-path: \"volume=a container=e -- why\"", ""),
        [3, 16, 17]
    );
    assert_eq!(lines("ignore.volcheck.io/sensitive-host-path: \"volum=a -- why\"", ""), [3, 16, 17]);
}

#[test]
fn policy_limits_which_findings_can_be_ignored() {
    let text = pod(|line| if line == "spec:" { format!("{line} {IGNORE}") } else { line.to_owned() });
    let with = |ignores: &str, severity: &str| -> usize {
        let rules = format!("rules: {{\"*\": off, sensitive-host-path: {severity}}}");
        found(&policy(&format!("version: 1\nignores: {ignores}\n{rules}\n")), &text).len()
    };
    assert_eq!((with("all", "error"), with("all", "warning")), (0, 0));
    assert_eq!((with("warnings", "error"), with("warnings", "warning")), (2, 0));
    assert_eq!((with("none", "error"), with("none", "warning")), (2, 2));
}

#[test]
fn unused_ignores_state_the_true_reason() {
    let covering = pod(|line| if line == "spec:" { format!("{line} {IGNORE}") } else { line.to_owned() });
    let elsewhere =
        pod(|line| if line == "kind: Pod" { format!("{line} {IGNORE}") } else { line.to_owned() });
    let reason = |ignores: &str, severity: &str, text: &str| {
        let rules = format!("{{\"*\": off, sensitive-host-path: {severity}, unused-ignore: warning}}");
        let policy = policy(&format!("version: 1\nignores: {ignores}\nrules: {rules}\n"));
        let outcome = lint(&policy, "m.yaml", text);
        let mut findings = outcome.findings.iter().map(|located| &located.finding);
        let unused = findings.find(|finding| finding.rule == "unused-ignore")?;
        Some((unused.why.to_string(), unused.help.to_string()))
    };
    let expected = |why: &str, help: &str| {
        Some((why.to_owned(), format!("remove `sensitive-host-path` from the comment{help}")))
    };
    let exempt = "; to accept the finding, exempt it in the policy";
    let fixed = "the finding is fixed or elsewhere, and the ignore can hide later findings";
    let forbidden = "the policy does not allow ignores (`ignores: none`)";
    let error = "the finding is an error, and the policy allows ignores only for warnings and infos (`ignores: warnings`)";
    for (ignores, severity, text, reported) in [
        ("all", "error", &covering, None),
        ("warnings", "warning", &covering, None),
        ("warnings", "error", &covering, expected(error, exempt)),
        ("none", "warning", &covering, expected(forbidden, exempt)),
        ("all", "error", &elsewhere, expected(fixed, ", or move it to the finding")),
        ("warnings", "error", &elsewhere, expected(fixed, ", or move it to the finding")),
        ("none", "error", &elsewhere, expected(fixed, "")),
    ] {
        assert_eq!(reason(ignores, severity, text), reported, "{ignores} {severity}");
    }
}

#[test]
fn suppressed_findings_are_counted_and_shown_on_request() {
    let text = pod(|line| if line == "  - name: a" { format!("{line} {IGNORE}") } else { line.to_owned() });
    let directory = temp_dir(&[("pod.yaml", &text)]);
    let run = |arguments: &[&str]| {
        volcheck_in(directory.path(), &[&["lint", "--select", "sensitive-host-path"], arguments].concat())
    };
    let (code, out) = run(&[]);
    assert_eq!(code, 1);
    assert!(out.ends_with("Found 1 problem (1 error) in 1 of 1 file; 1 suppressed, including 1 error that the webhook does not suppress.\n"), "{out}");
    let (_, out) = run(&["--show-suppressed"]);
    assert!(out.contains("   = suppressed: by a comment: why\n"), "{out}");
    let (_, out) = run(&["--no-ignores"]);
    assert!(out.contains("Found 2 problems (2 errors)"), "{out}");
    let (_, out) = run(&["--format", "json", "--show-suppressed"]);
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["findings"][0]["suppressed"], serde_json::json!({"by": "comment", "reason": "why"}));
    assert_eq!(report["summary"]["suppressed"], 1);
    assert_eq!(report["summary"]["denied_in_cluster"], 1);
}

#[test]
fn baseline_suppresses_known_findings_only() {
    let directory = temp_dir(&[("a/pod.yaml", &pod(str::to_owned)), ("volcheck.yaml", "version: 1\n")]);
    let run = |arguments: &[&str]| volcheck_in(directory.path(), arguments);
    assert_eq!(run(&["lint"]).0, 1);
    let (code, out) = run(&["baseline"]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("Wrote .volcheck-baseline.json with ") && out.contains("To use the baseline, "),
        "{out}"
    );
    let with = ["lint", "--baseline", ".volcheck-baseline.json", "--min-severity", "info"];
    let (code, out) = run(&with);
    assert_eq!((code, out.starts_with("No problems")), (0, true), "{out}");
    // The baseline matches the object on other lines of another file.
    fs::create_dir(directory.path().join("b")).expect("a directory");
    fs::rename(directory.path().join("a/pod.yaml"), directory.path().join("b/p.yaml")).expect("moved");
    let moved = format!("# another line\n{}", pod(str::to_owned));
    fs::write(directory.path().join("b/p.yaml"), moved).expect("written");
    assert_eq!(run(&with).0, 0);
    // A copy of the object raises the count of each finding, and another path is a new finding.
    fs::write(directory.path().join("b/q.yaml"), pod(str::to_owned)).expect("written");
    assert_eq!(run(&with).0, 1);
    fs::remove_file(directory.path().join("b/q.yaml")).expect("removed");
    let worse = pod(|line| line.replace("/root", "/var/run/docker.sock"));
    fs::write(directory.path().join("b/p.yaml"), worse).expect("written");
    let (code, out) = run(&[&with[..], &["--format", "concise"]].concat());
    assert_eq!(code, 1);
    let rules: BTreeSet<_> = out.lines().filter_map(|line| line.split(['[', ']']).nth(1)).collect();
    assert!(rules.contains("runtime-socket") && rules.contains("stale-baseline"), "{out}");
    assert!(!rules.contains("sensitive-host-path"), "{out}");
    // `volcheck baseline` adds entries to an existing baseline only with `--force`.
    let (code, out) = run(&["baseline"]);
    assert_eq!((code, out.contains(" missing from ")), (2, true), "{out}");
    assert_eq!(run(&["baseline", "--prune"]).0, 0);
    assert_eq!(run(&with).0, 1);
    assert_eq!(run(&["baseline", "--force"]).0, 0);
    assert_eq!(run(&with).0, 0);
}

#[test]
fn rejects_invalid_baselines() {
    let entry = "{\"rule\": \"r\", \"group\": \"\", \"kind\": \"Pod\", \"namespace\": \"\", \"name\": \"p\", \"fingerprint\": \"0\", \"file\": \"p.yaml\", \"count\": 1, \"message\": \"m\"}";
    for (text, message) in [
        ("", "the baseline is empty; to write a new one, run `volcheck baseline`\n"),
        ("{\"version\": 2, \"entries\": [", "not valid JSON: expected a JSON value\n --> b.json:1:27\n"),
        (
            "{\"version\": 3, \"entries\": []}",
            "unsupported version 3, expected 2: delete the baseline, and run `volcheck baseline`",
        ),
        ("{\"version\": 2, \"entries\": [{}]}", "`entries[0]`: missing key `rule`\n --> b.json:1:28\n"),
        ("{\"version\": 2, \"entrys\": []}", "unknown key `entrys`; did you mean `entries`?"),
        (&format!("{{\"version\": 2, \"entries\": [{entry}, {entry}]}}"), "duplicate entry: r in Pod p: m"),
        (
            &format!("{{\"version\": 2, \"entries\": [{}]}}", entry.replace("1,", "0,")),
            "entry with `count` 0: r in Pod p: m",
        ),
        ("version: 1", "not valid JSON: expected a JSON value\n --> b.json:1:1\n"),
        (
            "{\"version\": \"2\", \"entries\": []}",
            "`version`: expected an integer, found the string \"2\"\n --> b.json:1:13\n",
        ),
        ("[]", "expected a mapping, found a list"),
        ("{\"version\": 2, \"entries\": []} {}", "unexpected text after the baseline\n --> b.json:1:31\n"),
    ] {
        let directory = temp_dir(&[("b.json", text), ("pod.yaml", &pod(str::to_owned))]);
        let (code, out) = volcheck_in(directory.path(), &["lint", "--baseline", "b.json"]);
        assert_eq!(code, 2, "{text}");
        assert!(out.starts_with(&format!("error[invalid-baseline]: {message}")), "{out}");
        assert!(out.ends_with("The baseline has 1 error; nothing was checked.\n"), "{out}");
        assert!(!out.contains("sensitive-host-path"), "{out}");
    }
    let directory = temp_dir(&[("pod.yaml", &pod(str::to_owned))]);
    assert_eq!(volcheck_in(directory.path(), &["lint", "--baseline", "nosuch.json"]).0, 2);
    assert_eq!(volcheck_in(directory.path(), &["baseline", "--prune"]).0, 2);
    let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["baseline", "--baseline", "nosuch/b.json"])
        .current_dir(directory.path())
        .output()
        .expect("volcheck");
    assert_eq!(output.status.code(), Some(2));
}

/// Generates volumes: the index of the path, whether container `d` mounts it, and whether the
/// mounts are read-only.
fn volumes() -> impl Strategy<Value = Vec<(usize, bool, bool)>> {
    prop::collection::vec((0..6usize, any::<bool>(), any::<bool>()), 1..6)
}

const PATHS: [&str; 6] = ["/etc", "/root", "/var/run/docker.sock", "/", "/srv/data", "/var/lib/kubelet"];

fn generated(volumes: &[(usize, bool, bool)]) -> String {
    let mut text =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns}\nspec:\n  volumes:\n".to_owned();
    for (index, (path, ..)) in volumes.iter().enumerate() {
        text += &format!("  - {{name: v{index}, hostPath: {{path: {}}}}}\n", PATHS[*path]);
    }
    text += "  containers:\n";
    for container in ["c", "d"] {
        text += &format!("  - name: {container}\n    image: i\n    volumeMounts:\n");
        for (index, (_, in_d, read_only)) in volumes.iter().enumerate() {
            if container == "c" || *in_d {
                text += &format!("    - {{name: v{index}, mountPath: /m{index}, readOnly: {read_only}}}\n");
            }
        }
    }
    text
}

/// Returns the volume and an identifying description of each finding.
fn described_findings(policy: &Policy, text: &str) -> BTreeSet<(String, String)> {
    let outcome = lint(policy, "p.yaml", text);
    let describe = |located: volcheck::lint::LocatedFinding| {
        (
            located.finding.fingerprint.volume.clone(),
            format!("{:?} {}", located.finding.fingerprint, located.finding.message),
        )
    };
    outcome.findings.into_iter().map(describe).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn exempting_one_volume_keeps_findings_of_others(volumes in volumes(), chosen in 0..6usize) {
        let text = generated(&volumes);
        let chosen = format!("v{}", chosen % volumes.len());
        let plain = described_findings(&policy("version: 1\nprofile: baseline\n"), &text);
        let exempt = policy(&format!(
            "version: 1\nprofile: baseline\nexemptions: [{{rules: \"*\", match: {{namespace: ns, volume: {chosen}}}, reason: r}}]\n"
        ));
        let left = described_findings(&exempt, &text);
        prop_assert!(left.iter().all(|(volume, _)| *volume != chosen));
        let of_others: BTreeSet<_> = plain.into_iter().filter(|(volume, _)| *volume != chosen).collect();
        prop_assert_eq!(left, of_others);
    }

    #[test]
    fn exempting_one_rule_keeps_findings_of_others(volumes in volumes(), rule in 0..4usize) {
        let rule = ["writable-host-path", "sensitive-host-path", "untyped-host-path", "runtime-socket"][rule];
        let text = generated(&volumes);
        let all = policy("version: 1\n");
        let exempt = policy(&format!(
            "version: 1\nexemptions: [{{rules: [{rule}], match: {{namespace: \"*\"}}, reason: r}}]\n"
        ));
        let (plain, left) = (described_findings(&all, &text), described_findings(&exempt, &text));
        let is_of_rule = |description: &str| description.contains(&format!("rule: \"{rule}\""));
        prop_assert!(left.iter().all(|(_, description)| !is_of_rule(description)));
        for (volume, description) in plain.iter().filter(|(_, description)| !is_of_rule(description)) {
            prop_assert!(left.contains(&(volume.clone(), description.clone())), "{} is missing", description);
        }
    }
}
