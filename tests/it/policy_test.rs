//! `volcheck policy test` runs the cases of a policy test.

use std::fs;
use std::path::Path;

use crate::support::{root, temp_dir, volcheck_in};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  \
                   volumes: [{name: v, hostPath: {path: /root}}]\n";

/// Runs a test whose cases are `cases`, with the manifest `pod.yaml`.
fn run(cases: &str) -> (i32, String) {
    run_file(&format!("version: 1\ntoday: 2026-12-01\ncases:\n{cases}"))
}

fn run_file(text: &str) -> (i32, String) {
    let directory = temp_dir(&[
        ("test.yaml", text),
        ("pod.yaml", POD),
        ("volcheck.yaml", "version: 1\n"),
        (".git/HEAD", ""),
    ]);
    volcheck_in(directory.path(), &["policy", "test", "test.yaml"])
}

#[test]
fn example_passes() {
    let (code, text) = volcheck_in(root(), &["policy", "test", "examples/policy-test/volcheck-test.yaml"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("5 cases passed.\n"), "{text}");
    assert!(text.starts_with("ok    examples/policy-test/volcheck-test.yaml: the log agent may"), "{text}");
}

#[test]
fn documented_test_is_the_example() {
    let page = fs::read_to_string(root().join("docs/policy.md")).expect("the page");
    let example = fs::read_to_string(root().join("examples/policy-test/volcheck-test.yaml")).expect("a file");
    let documented = page.split("```yaml,test\n").nth(1).and_then(|rest| rest.split("```").next());
    let documented = documented.expect("an example");
    assert!(example.contains(documented.split_once("cases:\n").expect("cases").1), "{documented}");
}

#[test]
fn failures_show_the_differences() {
    let (code, text) = run(
        "- name: wrong\n  manifest: pod.yaml\n  findings:\n  - {rule: untyped-host-path, severity: \
                            warning}\n  - {rule: runtime-socket, severity: error, path: /run/x.sock}\n  verdict: allow\n\
                            - {name: right, manifest: pod.yaml, verdict: deny}\n",
    );
    assert_eq!(code, 1, "{text}");
    for line in [
        "FAIL  test.yaml: wrong\n",
        "      - warning untyped-host-path\n",
        "      - error runtime-socket, path /run/x.sock\n",
        "      + error untyped-host-path, field spec.volumes[0].hostPath, path /root: host path `/root` has no type\n",
        "      verdict: expected allow, found deny (Pod p: ",
        "ok    test.yaml: right\n1 of 2 cases failed.\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn other_findings_fail_unless_allowed() {
    let case = |other: &str| {
        run(&format!(
            "- name: a\n  manifest: pod.yaml\n  findings: [{{rule: untyped-host-path, severity: error}}]\n{other}"
        ))
    };
    assert_eq!(case("").0, 1);
    let (code, text) = case("  allowOtherFindings: true\n");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_finding_is_expected_as_often_as_it_is_listed() {
    let twice = "- name: a\n  manifest: pod.yaml\n  allowOtherFindings: true\n  findings: [{rule: untyped-host-path, \
                 severity: error}, {rule: untyped-host-path, severity: error, path: /root}]\n";
    let (code, text) = run(twice);
    assert_eq!(code, 1, "{text}");
    assert_eq!(text.matches("- error untyped-host-path").count(), 1, "{text}");
}

#[test]
fn each_expectation_is_matched_by_its_own_finding() {
    let pod = POD.replace("volumes: [", "volumes: [{name: w, hostPath: {path: /root}}, ");
    let expected = |fields: &[&str]| {
        let findings: Vec<_> =
            fields.iter().map(|own| format!("{{rule: untyped-host-path, severity: error, {own}}}")).collect();
        let findings = findings.join(", ");
        let test = format!(
            "version: 1\ncases:\n- name: a\n  manifest: pod.yaml\n  allowOtherFindings: true\n  findings: [{findings}]\n"
        );
        let directory = temp_dir(&[("test.yaml", &test), ("pod.yaml", &pod)]);
        volcheck_in(directory.path(), &["policy", "test", "--no-policy", "test.yaml"])
    };
    let (path, field) = ("path: /root", "field: \"spec.volumes[0].hostPath\"");
    for fields in [[path, field], [field, path], ["path: /root", "path: /root"]] {
        let (code, text) = expected(&fields);
        assert_eq!(code, 0, "{fields:?}: {text}");
    }
    assert_eq!(expected(&[field, field]).0, 1);
    assert_eq!(expected(&[path, path, path]).0, 1);
}

#[test]
fn manifests_can_be_in_utf_16() {
    let test = "version: 1\ncases:\n- {name: a, manifest: pod.yaml, verdict: deny}\n";
    let directory = temp_dir(&[("test.yaml", test)]);
    let bytes: Vec<u8> = format!("\u{feff}{POD}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(directory.path().join("pod.yaml"), bytes).expect("written");
    let (code, text) = volcheck_in(directory.path(), &["policy", "test", "--no-policy", "test.yaml"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn verdicts_depend_on_the_user_and_the_controller() {
    let owner =
        "ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: agent, uid: u, controller: true}]";
    let pod = POD.replace("{name: p}", &format!("{{name: agent-x7k2p, namespace: logging, {owner}}}"));
    let policy = "version: 1\nexemptions:\n- rules: \"*\"\n  match: {namespace: logging, kind: DaemonSet, name: agent}\n  \
                  reason: r\n- rules: \"*\"\n  match: {namespace: logging, kind: Pod, group: sre}\n  reason: r\n";
    let test = "version: 1\npolicy: policies/volcheck.yaml\ncases:\n\
                - {name: user, manifest: pod.yaml, verdict: deny}\n\
                - {name: controller, manifest: pod.yaml, verdict: allow, user: \
                \"system:serviceaccount:kube-system:daemon-set-controller\"}\n\
                - {name: group, manifest: pod.yaml, verdict: allow, user: alice, groups: [sre]}\n";
    let files = [("t/test.yaml", test), ("t/pod.yaml", &pod), ("t/policies/volcheck.yaml", policy)];
    let directory = temp_dir(&files);
    let (code, text) = volcheck_in(directory.path(), &["policy", "test", "t/test.yaml"]);
    assert_eq!(code, 0, "{text}");
    // The flag replaces the policy of the test.
    let arguments = ["policy", "test", "--no-policy", "t/test.yaml"];
    let (code, text) = volcheck_in(directory.path(), &arguments);
    assert!(code == 1 && text.contains("2 of 3 cases failed"), "{text}");
}

#[test]
fn the_strictest_verdict_of_a_list_counts() {
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: m}}}}\n- {}",
        POD.trim_end().replace('\n', "\n  ")
    );
    let inline = list.replace('\n', "\n    ");
    let (code, text) = run(&format!("- name: a\n  verdict: deny\n  inline: |\n    {inline}\n"));
    assert_eq!(code, 0, "{text}");
}

#[test]
fn manifests_without_objects_fail() {
    let (code, text) = run("- {name: a, inline: \"x: 1\", findings: []}\n");
    assert!(code == 1 && text.contains("inline.yaml contains no Kubernetes objects"), "{text}");
    let (code, text) = run("- {name: a, inline: \"kind: [\", verdict: allow}\n");
    assert!(code == 1 && text.contains("verdict: "), "{text}");
}

#[test]
fn invalid_tests_are_refused_with_their_location() {
    let case = "- {name: a, manifest: pod.yaml, ";
    for (cases, line, problem) in [
        ("- {name: a, manifest: pod.yaml}\n".to_owned(), 4, "no expectation"),
        (format!("{case}finding: []}}\n"), 4, "unknown key `finding`"),
        ("- {name: a, findings: []}\n".to_owned(), 4, "no manifest"),
        (
            "- name: a\n  findings: []\n  manifest: nosuch.yaml\n".to_owned(),
            6,
            "nosuch.yaml could not be read",
        ),
        (
            "- name: a\n  manifest: pod.yaml\n  findings:\n  - {rule: untyped-hostpath, severity: error}\n"
                .to_owned(),
            7,
            "unknown rule `untyped-hostpath`",
        ),
        (format!("{case}findings: [{{rule: unused-volume}}]}}\n"), 4, "severity"),
        (
            format!("{case}findings: [{{rule: unused-volume, severity: info}}]}}\n"),
            4,
            "findings below `warning` are not compared",
        ),
        (format!("{case}verdict: maybe}}\n"), 4, "maybe"),
        (format!("{case}verdict: deny, today: tomorrow}}\n"), 4, "invalid date `tomorrow`"),
        (format!("{case}findings: [], user: alice}}\n"), 4, "no effect without `verdict`"),
        (format!("{case}verdict: deny, minSeverity: info}}\n"), 4, "no effect without `findings`"),
        (format!("{case}inline: \"\", verdict: deny}}\n"), 4, "set either `manifest` or `inline`"),
        (format!("{case}verdict: deny}}\n{case}verdict: deny}}\n"), 5, "duplicate name `a`"),
        ("- {name: '', manifest: pod.yaml, verdict: deny}\n".to_owned(), 4, "empty name"),
        ("  []\n".to_owned(), 4, "no cases"),
    ] {
        let (code, text) = run(&cases);
        assert_eq!(code, 2, "{cases}: {text}");
        assert!(text.contains(problem) && text.contains(&format!("test.yaml:{line}:")), "{cases}: {text}");
        assert!(text.contains("The policy test has 1 error; nothing was checked."), "{text}");
    }
    assert!(run_file("version: 2\ncases: []\n").1.contains("unsupported version 2"));
    assert!(run_file("cases: []\n").1.contains("version"));
    assert!(run_file("").1.contains("empty policy test"));
    let (code, text) = volcheck_in(root(), &["policy", "test", "nosuch.yaml"]);
    assert!(code == 2 && text.contains("could not be read"), "{text}");
}

#[test]
fn schema_accepts_the_example_and_rejects_missing_expectations() {
    let schema = serde_json::from_str(&volcheck::policy_test::schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let is_valid = |text: &str| {
        let tree = volcheck::source::parse(text, 0..text.len()).expect("YAML").expect("a document");
        let value: serde_json::Value = volcheck::source::decode(&tree, tree.root()).expect("JSON");
        validator.is_valid(&value)
    };
    let example = Path::new("examples/policy-test/volcheck-test.yaml");
    assert!(is_valid(&fs::read_to_string(root().join(example)).expect("the example")));
    assert!(!is_valid("version: 1\ncases: [{name: a, manifest: m}]\n"));
    assert!(!is_valid("version: 1\ncases: [{name: a, verdict: deny}]\n"));
}
