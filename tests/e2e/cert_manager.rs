//! `certs.mode=cert-manager`, with cert-manager's own controllers and CA injector.

use std::process::Child;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::control_plane::{programs, start, wait_for};
use crate::harness::{BAD, Harness, NAMESPACE, harness, pod};
use crate::load::{under_good_load, under_load};
use crate::self_signed::{self, registration};
use crate::user_certs::{generate_certs, put_secret, values};

const VALUES: &str =
    "certs: {mode: cert-manager}\nmode: deny\ndrainTimeoutSeconds: 6\nextraArgs: [--reload-interval=0.5]\n";

/// A running cert-manager, killed when dropped.
struct CertManager(Child);

impl CertManager {
    fn start(harness: &Harness) -> Self {
        let crds = programs("VOLCHECK_CERT_MANAGER").join("crds").display().to_string();
        harness.kubectl(&["apply", "--server-side", "-f", &crds]).ok();
        harness.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &crds]).ok();
        let program = programs("VOLCHECK_CERT_MANAGER").join("cert-manager");
        Self(start(&harness.control_plane.directory, &program, &["admin.conf"]))
    }
}

impl Drop for CertManager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn certificates_are_served_trusted_and_renewed() {
    let harness = harness();
    harness.uninstall();
    let _running = CertManager::start(&harness);
    harness.install(VALUES);
    let secrets: Api<Secret> = Api::namespaced(harness.client(), NAMESPACE);
    let file = |name: &str| {
        harness.block(secrets.get("volcheck-tls")).expect("the Secret").data.expect("data")[name].clone()
    };
    let trusted_cas = || {
        let entries = registration(&harness).webhooks.expect("entries");
        entries.into_iter().map(|entry| entry.client_config.ca_bundle).collect::<Vec<_>>()
    };
    let (cert, ca) = (file("tls.crt"), file("ca.crt"));
    assert_eq!(trusted_cas(), vec![Some(ca.clone()); 4]);
    let reloads = || harness.metric("volcheck_certificate_reloads_total{result=\"success\"}");
    let (sent, failures) = under_load(&harness, |load| {
        load.wait_for_requests(200);
        let before = reloads();
        // cert-manager issues a new certificate if the requested names change.
        let patch = r#"{"spec": {"dnsNames": ["volcheck.volcheck.svc", "volcheck.volcheck"]}}"#;
        harness
            .kubectl(&["patch", "certificate", "volcheck", "-n", NAMESPACE, "--type=merge", "-p", patch])
            .ok();
        wait_for("a new certificate", || (file("tls.crt") != cert).then_some(()));
        wait_for("a reload by both replicas", || (reloads() >= before + 2.0).then_some(()));
        load.wait_for_requests(200);
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    assert_eq!((file("ca.crt"), trusted_cas()), (ca.clone(), vec![Some(ca); 4]));
    harness.uninstall();
}

/// Follows the steps in `docs/cluster.md`. No request fails, and volcheck enforces the policy after
/// each change.
#[test]
fn certs_mode_can_be_changed_without_failed_requests() {
    let harness = harness();
    harness.uninstall();
    let _running = CertManager::start(&harness);
    let directory = generate_certs(&harness, "changing");
    put_secret(&harness, &directory);
    let secret = values(&format!("{directory}/ca.crt"));
    let self_signed = self_signed::VALUES;
    harness.install(self_signed);
    let (sent, failures) = under_good_load(&harness, |_| {
        for next in [&*secret, self_signed, VALUES, self_signed] {
            harness.kubectl(&["delete", "validatingwebhookconfiguration", "volcheck"]).ok();
            harness.upgrade(&format!("{next}webhook: {{failurePolicy: Ignore}}\n"));
            wait_for("a denial", || (!harness.dry_run("shop", &pod("trial", BAD)).is_success).then_some(()));
            harness.upgrade(next);
            wait_for("the failure policy `Fail`", || {
                let entry = registration(&harness).webhooks?.into_iter().next()?;
                (entry.failure_policy.as_deref() == Some("Fail")).then_some(())
            });
        }
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    harness.uninstall();
}
