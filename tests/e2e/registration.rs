//! The registration of `certs.mode=self` under attack, and the check after the installation.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::control_plane::wait_for;
use crate::harness::{BAD, Completed, GOOD, Harness, NAMESPACE, harness, pod};
use crate::load::under_load;
use crate::self_signed::{VALUES, patch_registration, registration};
use crate::user_certs::{self, generate_certs, put_secret};

/// The name of the registration, and of the objects of the chart.
const NAME: &str = "volcheck";

/// A match condition that does not compile.
const BROKEN: &str = "webhook: {matchConditions: [{name: broken, expression: 'object.spec.('}]}\n";

/// A patch of the registration that removes all entries.
const REMOVE_ENTRIES: &str = r#"[{"op": "remove", "path": "/webhooks"}]"#;

/// Values with a long interval between reads, so that only the watch can notice a change in time.
fn slow_values() -> String {
    VALUES.replace("--reload-interval=0.5", "--reload-interval=60")
}

/// Installs two replicas that rarely read the registration again without a change.
fn harness_with_slow_replicas() -> MutexGuard<'static, Harness> {
    let harness = harness();
    harness.install(&slow_values());
    wait_for("exactly two replicas", || (harness.pod_ips().len() == 2).then_some(()));
    harness
}

fn entries(harness: &Harness) -> Value {
    serde_json::to_value(registration(harness).webhooks).expect("entries")
}

/// Returns the notes of the Events with this reason in volcheck's namespace.
fn event_notes(harness: &Harness, reason: &str) -> String {
    let selector = format!("--field-selector=reason={reason}");
    harness.kubectl(&["get", "events", "-n", NAMESPACE, &selector, "-o", "jsonpath={.items[*].message}"]).ok()
}

/// Returns the last log of a Pod of the Job that checks the installation.
fn check_log(harness: &Harness) -> String {
    harness.logs_of("volcheck-check-").pop().expect("a log")
}

fn upgrade(harness: &Harness, values: &str) -> Completed {
    let file = harness.file("upgrade.yaml", values).display().to_string();
    harness.helm(&["upgrade", "--install", NAME, "charts/volcheck", "-n", NAMESPACE, "-f", &file])
}

fn denies(harness: &Harness) -> bool {
    harness.dry_run("shop", &pod("trial", BAD)).stderr.contains("denied the request: volcheck: 1 problem")
}

#[test]
fn foreign_changes_are_reverted_within_a_second() {
    let harness = harness_with_slow_replicas();
    let expected = entries(&harness);
    let repairs = || harness.metric("volcheck_registration_repairs_total");
    let before = repairs();
    let directory = generate_certs(&harness, "foreign");
    let foreign = ByteString(std::fs::read(format!("{directory}/ca.crt")).expect("a CA"));
    let patches = [
        json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]),
        json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": foreign}]),
        json!([{"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"a": "b"}}}]),
        json!([{"op": "remove", "path": "/webhooks/1"}]),
        json!([{"op": "replace", "path": "/webhooks", "value": []}]),
        json!([{"op": "remove", "path": "/webhooks"}]),
        json!([{"op": "copy", "from": "/webhooks/0", "path": "/webhooks/-"},
               {"op": "replace", "path": "/webhooks/4/name", "value": "other.volcheck.io"}]),
    ];
    for patch in patches {
        let patch = patch.to_string();
        patch_registration(&harness, &patch);
        let start = Instant::now();
        wait_for("the original entries", || (entries(&harness) == expected).then_some(()));
        assert!(start.elapsed() < Duration::from_secs(1), "{patch}: {:?}", start.elapsed());
    }
    assert_eq!(repairs() - before, 7.0);
    assert_eq!(harness.metric("volcheck_webhook_registered"), 2.0);

    let notes = wait_for("an Event", || {
        Some(event_notes(&harness, "RegistrationRepaired")).filter(|notes| !notes.is_empty())
    });
    assert!(notes.contains("`volcheck` by field manager `kubectl-patch`"), "{notes}");
    let logs = harness.logs_of("volcheck-").concat();
    assert!(logs.contains("reverted a change of the registration by another client"), "{logs}");

    // An annotation, as earlier versions of the chart used it, has no effect. Nor do changes by
    // others prevent the next upgrade.
    let annotation = "volcheck.io/entries=[]";
    harness.kubectl(&["annotate", "validatingwebhookconfiguration", NAME, annotation, "--overwrite"]).ok();
    patch_registration(&harness, r#"[{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 1}]"#);
    upgrade(&harness, &format!("{}webhook: {{timeoutSeconds: 7}}\n", slow_values())).ok();
    assert!(entries(&harness)[0]["timeoutSeconds"] == 7);
    harness.kubectl(&["annotate", "validatingwebhookconfiguration", NAME, "volcheck.io/entries-"]).ok();
    harness.forget();
}

/// The registration follows an upgrade and a rollback with other entries at once, and no request
/// fails.
#[test]
fn rollback_restores_the_entries_without_failed_requests() {
    let harness = harness();
    harness.install(&slow_values());
    let original = entries(&harness);
    let (sent, failures) = under_load(&harness, |load| {
        load.wait_for_requests(200);
        let repairs = harness.metric("volcheck_registration_repairs_total");
        upgrade(
            &harness,
            &format!("{}webhook: {{timeoutSeconds: 9}}\npodLabels: {{revision: next}}\n", slow_values()),
        )
        .ok();
        assert_eq!(entries(&harness)[0]["timeoutSeconds"], 9);
        harness.helm(&["rollback", NAME, "-n", NAMESPACE, "--wait", "--timeout", "120s"]).ok();
        assert_eq!(entries(&harness), original);
        // Replicas of both revisions have run at the same time. None has reverted a change of
        // another.
        assert!(harness.metric("volcheck_registration_repairs_total") <= repairs);
        load.wait_for_requests(200);
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    harness.forget();
}

#[test]
fn refused_entries_leave_the_last_valid_ones() {
    let harness = harness_with_slow_replicas();
    let valid = entries(&harness);
    let logged = || {
        let logs = harness.logs_of("volcheck-").concat();
        logs.matches("invalid webhooks, keeping the last valid ones").count()
    };
    let before = logged();
    let error = upgrade(&harness, &format!("{}{BROKEN}", slow_values())).failed();
    assert!(error.contains("post-upgrade hooks failed"), "{error}");
    let log = check_log(&harness);
    assert!(log.contains("the API server refuses the webhooks: ") && log.contains("object.spec.("), "{log}");

    wait_for("both replicas to notice", || {
        (harness.metric("volcheck_registration_valid") == 0.0).then_some(())
    });
    assert_eq!(entries(&harness), valid);
    assert_eq!(harness.metric("volcheck_webhook_registered"), 2.0);
    let notes = wait_for("an Event", || {
        Some(event_notes(&harness, "RegistrationRefused")).filter(|notes| !notes.is_empty())
    });
    assert!(notes.contains("object.spec.(") && !notes.contains('\n'), "{notes}");
    assert_eq!(logged() - before, 2, "each replica logs the refusal once");
    assert!(denies(&harness));
    // The last valid entries are protected, too.
    patch_registration(&harness, REMOVE_ENTRIES);
    wait_for("the last valid entries", || (entries(&harness) == valid).then_some(()));

    upgrade(&harness, &slow_values()).ok();
    wait_for("valid entries", || (harness.metric("volcheck_registration_valid") == 2.0).then_some(()));
    assert_eq!(entries(&harness), valid);
    harness.forget();
}

#[test]
fn installation_with_refused_entries_fails() {
    let harness = harness();
    harness.uninstall();
    let error = upgrade(&harness, &format!("{VALUES}{BROKEN}")).failed();
    assert!(error.contains("failed post-install: resource Job/volcheck/volcheck-check"), "{error}");
    let log = check_log(&harness);
    assert!(log.contains("the API server refuses the webhooks: "), "{log}");
    assert_eq!(entries(&harness), Value::Null);
    // The permissions of the Job are gone, although it failed.
    let get = ["get", "clusterroles,clusterrolebindings", "-o", "name"];
    assert!(!harness.kubectl(&get).ok().contains("volcheck-check"));
    assert_eq!(harness.kubectl(&["get", "roles,rolebindings", "-n", "default", "-o", "name"]).ok(), "");
    harness.kubectl(&["delete", "job", "volcheck-check", "-n", NAMESPACE]).ok();
    harness.uninstall();
}

/// `helm install` and `helm upgrade` return when the API server denies what volcheck denies, even
/// without `--wait`, in each mode and with each source of certificates.
#[test]
fn installation_returns_when_the_webhook_is_effective() {
    let harness = harness();
    let directory = generate_certs(&harness, "effective");
    let secret = user_certs::values(&format!("{directory}/ca.crt"));
    for values in [VALUES, &secret] {
        harness.uninstall();
        put_secret(&harness, &directory);
        upgrade(&harness, values).ok();
        assert!(denies(&harness), "after the installation");
        harness.uninstall();
        for mode in ["warn", "audit", "\"off\""] {
            let values = values.replace("mode: deny", &format!("mode: {mode}"));
            upgrade(&harness, &values).ok();
            let done = harness.dry_run("shop", &pod("trial", BAD));
            assert!(
                done.is_success && (mode != "warn" || done.stderr.contains("volcheck: ")),
                "{mode}: {done:?}"
            );
        }
    }
    let left = harness.kubectl(&["get", "jobs,serviceaccounts", "-n", NAMESPACE, "-o", "name"]).ok();
    assert!(!left.contains("volcheck-check"), "{left}");
    harness.uninstall();
}

#[test]
fn helm_test_fails_without_denials() {
    let harness = harness();
    harness.install(VALUES);
    let test = || harness.helm(&["test", NAME, "-n", NAMESPACE, "--timeout", "90s"]);
    test().ok();
    harness.kubectl(&["delete", "validatingwebhookconfiguration", NAME]).ok();
    test().failed();
    let log = harness.log_of("volcheck-test-webhook");
    assert!(log.contains("ValidatingWebhookConfiguration `volcheck` does not exist"), "{log}");
    upgrade(&harness, VALUES).ok();
    test().ok();

    // A registration without effect, which volcheck does not manage.
    harness.uninstall();
    let directory = generate_certs(&harness, "without-effect");
    put_secret(&harness, &directory);
    harness.install(&user_certs::values(&format!("{directory}/ca.crt")));
    test().ok();
    patch_registration(&harness, REMOVE_ENTRIES);
    test().failed();
    let log = harness.log_of("volcheck-test-webhook");
    assert!(log.contains("the API server admits the probing Pod"), "{log}");
    harness.uninstall();
}

/// A probing Pod is denied only in a dry run, so the annotation has no effect on real Pods.
#[test]
fn probe_annotation_has_an_effect_only_in_dry_runs() {
    let harness = harness();
    harness.install(VALUES);
    let annotated = |name: &str, path: &str| {
        pod(name, path).replacen("{name: ", "{annotations: {volcheck.io/probe: x}, name: ", 1)
    };
    let good = annotated("probing", GOOD);
    let error = harness.dry_run("unchecked", &good).failed();
    assert!(error.contains("volcheck: probe `x`: the mode for namespace `unchecked` is `off`"), "{error}");
    harness.apply("shop", &good).ok();
    let error = harness.apply("shop", &annotated("probing-bad", BAD)).failed();
    assert!(error.contains("volcheck: 1 problem"), "{error}");
    harness.kubectl(&["delete", "pod", "probing", "-n", "shop"]).ok();
}
