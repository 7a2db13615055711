//! Valid policies that probably do not have the intended effect, and the policy of `volcheck init`.

use std::fs;

use volcheck::lint::policy_warnings;

use crate::support::{TODAY, policy, root, temp_dir, volcheck_in};

/// Returns the warnings about a policy, without the directory of the policy file.
fn warnings(text: &str) -> Vec<String> {
    let shortened = |warning: String| match warning.split_once("volcheck.yaml:") {
        Some((_, rest)) => rest.to_owned(),
        None => warning,
    };
    policy_warnings(&policy(&format!("version: 1\n{text}\n")), TODAY).into_iter().map(shortened).collect()
}

#[test]
fn warns_about_allowed_paths_that_other_rules_report() {
    let allow = |entry: &str, rest: &str| warnings(&format!("hostPaths: {{allowOnly: [{entry}]}}\n{rest}"));
    let message = |path: &str, rules: &str, mounts: &str| {
        vec![format!(
            "`hostPaths.allowOnly` permits `{path}`, but exempts nothing: {rules} {mounts} of it; to accept them, add an exemption"
        )]
    };
    let both = "`sensitive-host-path` and `writable-host-path` still report";
    let writable = "writable mounts";
    assert_eq!(allow("{path: /var/log}", ""), message("/var/log", both, writable));
    assert_eq!(
        allow("{path: /srv/a*}", ""),
        message("/srv/a*", "`writable-host-path` still reports", writable)
    );
    assert_eq!(
        allow("{path: /etc/kubernetes, readOnly: true}", ""),
        message("/etc/kubernetes", "`sensitive-host-path` still reports", "mounts")
    );
    assert_eq!(allow("{path: /var/log, readOnly: true}", ""), [""; 0]);
    let exempt = |rules: &str, path: &str| {
        format!("exemptions: [{{rules: {rules}, match: {{namespace: logging, path: {path}}}, reason: r}}]")
    };
    let rules = "[sensitive-host-path, writable-host-path]";
    assert_eq!(allow("{path: /var/log}", &exempt(rules, "/var/log/**")), [""; 0]);
    assert_eq!(allow("{path: /var/log}", &exempt(rules, "/var/lib/**")), message("/var/log", both, writable));
    assert_eq!(
        allow("{path: /var/log}", &exempt("writable-host-path", "/var/log")),
        message("/var/log", "`sensitive-host-path` still reports", writable)
    );
    assert_eq!(
        allow("{path: /var/log}", "rules: {sensitive-host-path: info, writable-host-path: off}"),
        [""; 0]
    );
}

#[test]
fn warns_about_settings_without_effect() {
    for (text, warning) in [
        (
            "rules: {unlisted-host-path: off}\nhostPaths: {allowOnly: []}",
            "`hostPaths.allowOnly` forbids nothing, because the rule `unlisted-host-path` is off",
        ),
        (
            "profile: none\nvolumeTypes: {allowOnly: [secret]}",
            "`volumeTypes.allowOnly` forbids nothing, because the rule `unlisted-volume-type` is off",
        ),
        (
            "modes: {shop: deny}",
            "`modes`: `shop: deny` has no effect, because `deny` is the default for all namespaces; to set another default, add the key `\"*\"`",
        ),
        (
            "exemptions: [{rules: host-path, match: {namespace: a}, reason: r}]",
            "2: exempts nothing, because its rules are off",
        ),
        (
            "exemptions: [{rules: \"*\", match: {namespace: \"*\"}, reason: r}]",
            "2: exempts all findings about all namespaces",
        ),
    ] {
        assert_eq!(warnings(text), [warning], "{text}");
    }
    for text in [
        "hostPaths: {allowOnly: []}",
        "volumeTypes: {allowOnly: []}",
        "modes: {kube-system: warn}",
        "modes: {shop: deny, \"*\": warn}",
        "modes: {\"team-*\": warn, team-a: deny}",
        "modes: {\"*\": deny}",
        "exemptions: [{rules: host-path, match: {namespace: a}, reason: r}]\nprofile: baseline",
        "exemptions: [{rules: \"*\", match: {namespace: \"*\", path: /srv/**}, reason: r}]",
        "exemptions: [{rules: \"*\", match: {namespace: legacy}, reason: r}]",
        "extends: [node-agents]\nrules: {\"*\": off}",
    ] {
        assert_eq!(warnings(text), [""; 0], "{text}");
    }
}

#[test]
fn policy_check_prints_warnings_and_succeeds() {
    let directory = temp_dir(&[("volcheck.yaml", "version: 1\nmodes: {shop: deny}\n")]);
    let (code, text) = volcheck_in(directory.path(), &["policy", "check"]);
    assert!(code == 0 && text.starts_with("warning: `modes`: "), "{text}");
    assert!(text.contains("\nvolcheck.yaml is valid: "), "{text}");
}

#[test]
fn examples_of_a_new_policy_are_valid() {
    let directory = temp_dir(&[]);
    assert_eq!(volcheck_in(directory.path(), &["init"]).0, 0);
    let path = directory.path().join("volcheck.yaml");
    let text = fs::read_to_string(&path).expect("a policy");
    let mut is_example = false;
    let uncommented = |line: &str| {
        let is_key = line.starts_with("# ") && line.ends_with(':') && !line[2..].contains(' ');
        is_example = is_key || (is_example && line.starts_with("#   "));
        format!("{}\n", if is_example { &line[2..] } else { line })
    };
    let text: String = text.lines().map(uncommented).collect();
    for key in ["rules", "hostPaths", "exemptions"] {
        assert!(text.contains(&format!("\n{key}:\n")), "{text}");
    }
    fs::write(&path, &text).expect("written");
    let (code, output) = volcheck_in(directory.path(), &["policy", "check"]);
    assert!(code == 0 && !output.contains("warning"), "{output}\n{text}");
}

#[test]
fn the_documented_policy_causes_no_warnings() {
    let page = fs::read_to_string(root().join("docs/policy.md")).expect("the page");
    let text = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a policy");
    let text = text.replace("  - ../platform/volcheck.yaml ", "  # ");
    let directory = temp_dir(&[("volcheck.yaml", &text)]);
    let (code, output) = volcheck_in(directory.path(), &["policy", "check"]);
    assert!(code == 0 && !output.contains("warning"), "{output}");
}
