//! The documentation: the console session in `docs/webhook.md`, the recipe for live clusters in
//! `docs/recipes.md`, and the manifests that follow the recommendations in `docs/guidance.md`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::control_plane::wait_for;
use crate::harness::{Harness, harness, root};
use crate::self_signed::VALUES;
use crate::support::{self, golden};

/// Runs a kubectl command in the namespace `shop`. Returns the command and its output, as in a
/// terminal.
fn session(harness: &Harness, command: &str) -> String {
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let done = harness.kubectl(&[&arguments[..], &["-n", "shop"]].concat());
    format!("$ {command}\n{}{}", done.stderr, done.stdout)
}

/// Replaces the generated suffix of Pod names, which differs in each run.
fn with_fixed_suffix(text: &str) -> String {
    let pattern = regex::Regex::new(r"web-[0-9a-f]{8,10}-[0-9a-z]{5}").expect("a pattern");
    pattern.replace_all(text, "web-7d9c5f6b8d-x2x4q").into_owned()
}

#[test]
fn documented_console_session_is_current() {
    let harness = harness();
    harness.install(VALUES);
    let mut shown = String::new();
    for name in ["reader", "untyped", "writable", "socket", "web"] {
        shown += &session(&harness, &format!("kubectl apply -f examples/cluster/{name}.yaml"));
    }
    let get_event =
        "kubectl get events --field-selector=reason=FailedCreate -o jsonpath={.items[-1:].message}";
    let event =
        wait_for("the event", || Some(session(&harness, get_event)).filter(|text| text.contains("/web-")));
    shown += &format!("{}\n", with_fixed_suffix(&event));
    harness.kubectl(&["delete", "pod/reader", "deployment/web", "-n", "shop"]).ok();
    compare_with_page("docs/webhook.md", ["<!-- shown -->", "<!-- /shown -->"], &shown);
}

/// Checks that the console block between the markers of a page is `shown`.
fn compare_with_page(page: &str, [start, end]: [&str; 2], shown: &str) {
    let page = root().join(page);
    let text = fs::read_to_string(&page).expect("the page");
    let (start, end) = (format!("{start}\n```console\n"), format!("```\n{end}"));
    let (before, rest) = text.split_once(&start).expect("the start marker");
    let (_, after) = rest.split_once(&end).expect("the end marker");
    golden(&page, &format!("{before}{start}{shown}{end}{after}")).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn documented_check_of_a_live_cluster_is_current() {
    let harness = harness();
    // The Deployment exists before the webhook is installed.
    harness.uninstall();
    harness.install_program();
    harness.kubectl(&["apply", "-n", "shop", "-f", "examples/cluster/web.yaml"]).ok();
    let command = "kubectl get pods -n shop -o yaml | volcheck lint -";
    let shown = wait_for("the Pod", || {
        let done = harness.shell(command);
        Some(done).filter(|done| done.stdout.contains("Pod shop/web-"))
    });
    harness.kubectl(&["delete", "deployment/web", "-n", "shop"]).ok();
    assert!(!shown.is_success, "{}", shown.stdout);
    let shown = format!("$ {command}\n{}exit 1\n", with_fixed_suffix(&shown.stdout));
    compare_with_page("docs/recipes.md", ["<!-- cluster: generated -->", "<!-- cluster: end -->"], &shown);
}

/// Returns the rule and the message of each error that lint reports.
fn lint_errors(manifest: &str) -> Vec<(String, String)> {
    let policy = volcheck::policy::Policy::from_profile(
        volcheck::policy::Profile::Recommended,
        &volcheck::policy::Overrides::default(),
    );
    let outcome = support::lint(&policy.expect("a profile"), "pod.yaml", manifest);
    let findings = outcome.findings.into_iter().map(|located| located.finding);
    findings
        .filter(|finding| finding.severity == volcheck::finding::Severity::Error)
        .map(|finding| (format!("[{}] ", finding.rule), finding.message))
        .collect()
}

/// The manifests that follow the recommendations are admitted, and less safe variants are denied
/// with lint's messages.
#[test]
fn recommended_manifests_are_admitted_and_variants_denied() {
    let Some(shared) = std::env::var_os("VOLCHECK_SHARED") else {
        eprintln!("SKIPPED: VOLCHECK_SHARED is not set to the directory of the corpus with the manifests");
        return;
    };
    let harness = harness();
    harness.install(VALUES);
    let read = |name: &str| {
        let path = Path::new(&shared).join("seed").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (host_path, empty_dir) = (read("hostpath-pod.yaml"), read("emptydir-pod.yaml"));
    for manifest in [&host_path, &empty_dir] {
        harness.apply("shop", manifest).ok();
    }
    harness.kubectl(&["delete", "pod", "hostpath-example", "emptydir-example", "-n", "shop"]).ok();
    let unsafe_variants = [
        host_path.replace("      type: Directory\n", ""),
        host_path.replace("      readOnly: true\n", ""),
        host_path.replace("/var/log", "/var/run/docker.sock").replace("type: Directory", "type: Socket"),
    ];
    for manifest in unsafe_variants {
        assert_ne!(manifest, host_path);
        let (expected, error) = (lint_errors(&manifest), harness.apply("shop", &manifest).failed());
        assert!(!expected.is_empty() && error.contains("denied the request: volcheck: "), "{error}");
        assert!(
            expected.iter().all(|(rule, message)| error.contains(rule) && error.contains(message)),
            "{expected:#?}\n{error}"
        );
    }
    let stored = harness.kubectl(&["get", "pods", "-n", "shop", "-o", "json"]).ok();
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    let names: Vec<_> =
        stored["items"].as_array().expect("Pods").iter().map(|pod| &pod["metadata"]["name"]).collect();
    assert!(!names.iter().any(|name| *name == "hostpath-example"), "{names:?}");
}
