//! `certs.mode=self`, the chart's default: volcheck issues its certificate and registers its
//! webhooks itself.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::Patch;
use serde_json::{Value, json};

use crate::control_plane::wait_for;
use crate::harness::{BAD, GOOD, Harness, NAMESPACE, harness, pod};
use crate::load::{under_good_load, under_load};

/// The values that most tests install.
pub const VALUES: &str = "\
certs: {mode: self}
mode: deny
drainTimeoutSeconds: 6
policy:
  modes: {relaxed: warn, quiet: audit, unchecked: \"off\"}
extraArgs: [--registration-delay=2, --reload-interval=0.5]
";

pub fn registration(harness: &Harness) -> ValidatingWebhookConfiguration {
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(harness.client());
    harness.block(registrations.get("volcheck")).expect("the registration")
}

/// Returns how often volcheck has read the registration, according to the audit log.
fn registration_reads(harness: &Harness) -> usize {
    let is_read = |line: &Value| {
        line["verb"] == "get"
            && line["objectRef"]["resource"] == "validatingwebhookconfigurations"
            && line["user"]["username"] == "system:serviceaccount:volcheck:volcheck"
    };
    let text = harness.control_plane.audit_log();
    // The last line may be incomplete.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(is_read).count()
}

fn generation(harness: &Harness) -> i64 {
    registration(harness).metadata.generation.expect("a generation")
}

pub fn patch_registration(harness: &Harness, patch: &str) {
    let patch = ["patch", "validatingwebhookconfiguration", "volcheck", "--type=json", "-p", patch];
    harness.kubectl(&patch).ok();
}

/// volcheck registers its webhooks only once it is reachable, because the failure policy `Fail`
/// would reject requests until then. Afterwards, Helm and volcheck do not revert each other's
/// changes, and volcheck reverts changes by other clients.
#[test]
fn installation_causes_no_failed_requests_or_drift() {
    let harness = harness();
    harness.uninstall();
    let (sent, failures) = under_good_load(&harness, |load| {
        load.wait_for_requests(100);
        harness.install(VALUES);
        load.wait_for_requests(500);
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    let registered = registration(&harness);
    let entries = registered.webhooks.expect("entries");
    assert_eq!(entries.len(), 4);
    assert!(entries.iter().all(|entry| entry.client_config.ca_bundle.is_some()));

    // In an upgrade with the same values, neither Helm nor volcheck changes the registration.
    let before = generation(&harness);
    let file = harness.file("values.yaml", VALUES).display().to_string();
    let upgrade = ["upgrade", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file, "--wait"];
    harness.helm(&upgrade).ok();
    // At least two of four reads by two replicas are by the same replica, which has therefore acted
    // on the first of them.
    let enough = registration_reads(&harness) + 4;
    wait_for("reads of the registration", || (registration_reads(&harness) >= enough).then_some(()));
    assert_eq!(generation(&harness), before);

    // Changed values are applied to the registration.
    harness.helm(&[&upgrade[..], &["--set", "webhook.timeoutSeconds=7"]].concat()).ok();
    let timeout = || registration(&harness).webhooks.and_then(|entries| entries[0].timeout_seconds);
    wait_for("the changed timeout", || (timeout() == Some(7)).then_some(()));
    harness.helm(&upgrade).ok();
    wait_for("the original timeout", || (timeout() == Some(5)).then_some(()));

    // volcheck reverts changes by other clients: a changed field, an added field and an added
    // entry.
    patch_registration(
        &harness,
        r#"[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#,
    );
    let failure_policy =
        || registration(&harness).webhooks.and_then(|entries| entries[0].failure_policy.clone());
    wait_for("the failure policy `Fail`", || (failure_policy().as_deref() == Some("Fail")).then_some(()));
    patch_registration(
        &harness,
        r#"[
            {"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"never": "there"}}},
            {"op": "copy", "from": "/webhooks/0", "path": "/webhooks/-"},
            {"op": "replace", "path": "/webhooks/4/name", "value": "other.volcheck.io"}
        ]"#,
    );
    wait_for("the original entries", || {
        (registration(&harness).webhooks.as_ref() == Some(&entries)).then_some(())
    });
}

#[test]
fn ca_rotation_causes_no_failed_requests() {
    let harness = harness();
    // The CA of an earlier test would be valid for a year.
    harness.uninstall();
    // The CA is valid for 52 seconds, so the next one is generated after 35.
    let arguments = "[--registration-delay=2, --reload-interval=0.5, --ca-days=0.0006, \
                     --certificate-days=0.0003, --ca-overlap=6]";
    harness.install(&VALUES.replace("[--registration-delay=2, --reload-interval=0.5]", arguments));
    let secrets: Api<Secret> = Api::namespaced(harness.client(), NAMESPACE);
    let current_ca = || {
        let secret = harness.block(secrets.get("volcheck-ca")).expect("the Secret");
        secret.data.expect("data")["ca.crt"].0.clone()
    };
    let mut max_trusted = 0;
    let (sent, failures) = under_load(&harness, |load| {
        let mut cas = vec![current_ca()];
        wait_for("two more CAs", || {
            let ca = current_ca();
            if cas.last() != Some(&ca) {
                cas.push(ca);
            }
            let entries = registration(&harness).webhooks.expect("entries");
            let bundle = entries[0].client_config.ca_bundle.clone().expect("a bundle").0;
            let trusted = String::from_utf8(bundle).expect("PEM").matches("BEGIN CERTIFICATE").count();
            max_trusted = max_trusted.max(trusted);
            (cas.len() == 3).then_some(())
        });
        load.wait_for_requests(500);
    });
    assert!(max_trusted >= 2, "the old and the new CA were never trusted at the same time");
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    let reloads = harness.metric("volcheck_certificate_reloads_total{result=\"success\"}");
    assert!(reloads >= 3.0, "{reloads} certificates for three CAs");
    // Other tests need a longer-lived CA.
    harness.uninstall();
}

#[test]
fn rollout_causes_no_failed_requests() {
    let harness = harness();
    harness.install(VALUES);
    let (sent, failures) = under_load(&harness, |load| {
        load.wait_for_requests(2_000);
        roll_out(&harness);
        load.wait_for_requests(10_000_usize.saturating_sub(load.sent()));
    });
    assert!(sent >= 10_000);
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
}

/// The negative control for `rollout_causes_no_failed_requests`: the load detects failed requests.
#[test]
fn stopping_all_pods_causes_failed_requests() {
    let harness = harness();
    harness.install(VALUES);
    let scale = |replicas: &str| {
        harness.kubectl(&["scale", "deployment/volcheck", "-n", NAMESPACE, replicas]).ok();
    };
    let (sent, failures) = under_load(&harness, |load| {
        load.wait_for_requests(500);
        scale("--replicas=0");
        wait_for("a failed request", || load.has_failed().then_some(()));
    });
    assert!(!failures.is_empty(), "none of {sent} requests failed");
    scale("--replicas=2");
    harness.wait_for_review();
}

fn roll_out(harness: &Harness) {
    harness.kubectl(&["rollout", "restart", "deployment/volcheck", "-n", NAMESPACE]).ok();
    let status = ["rollout", "status", "deployment/volcheck", "-n", NAMESPACE, "--timeout=120s"];
    harness.kubectl(&status).ok();
    wait_for("the old Pods to stop", || (harness.pod_names().len() == 2).then_some(()));
}

#[test]
fn helm_test_checks_the_installed_policy() {
    let harness = harness();
    harness.install(VALUES);
    let test = || harness.helm(&["test", "volcheck", "-n", NAMESPACE, "--timeout", "60s"]);
    assert!(test().ok().contains("Phase:          Succeeded"));
    let maps: Api<ConfigMap> = Api::namespaced(harness.client(), NAMESPACE);
    let put = |policy: &str| {
        let patch = json!({"data": {"volcheck.yaml": policy}});
        harness.block(maps.patch("volcheck", &Default::default(), &Patch::Merge(&patch))).expect("patched");
    };
    let map = harness.block(maps.get("volcheck")).expect("the ConfigMap");
    let valid = map.data.expect("data")["volcheck.yaml"].clone();
    put("version: 1\nrules: {no-such-rule: error}\n");
    test().failed();
    let log = harness.log_of("volcheck-test");
    assert!(log.contains("no-such-rule"), "{log}");
    // The server keeps the last valid policy.
    assert!(harness.dry_run("shop", &pod("trial", BAD)).failed().contains("[sensitive-host-path]"));
    put(&valid);
    test().ok();
}

#[test]
fn uninstalling_removes_all_objects() {
    let harness = harness();
    harness.install(VALUES);
    harness.uninstall();
    let kinds = "validatingwebhookconfigurations,clusterroles,clusterrolebindings";
    let left = harness.kubectl(&["get", kinds, "-l", "app.kubernetes.io/name=volcheck", "-o", "name"]).ok();
    assert_eq!(left, "");
    let kinds = "deployments,replicasets,pods,secrets,configmaps,services,roles,rolebindings";
    let get = ["get", kinds, "-n", NAMESPACE, "-l", "app.kubernetes.io/name=volcheck", "-o", "name"];
    wait_for("the deletion of all objects", || harness.kubectl(&get).ok().is_empty().then_some(()));
    for path in [GOOD, BAD] {
        harness.dry_run("shop", &pod("after", path)).ok();
    }
}
