//! `certs.mode=cert-manager`, with cert-manager's own controllers and CA injector.

use std::process::Child;

use k8s_openapi::ByteString;
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

/// Installs the chart as `docs/cluster.md` recommends, renews the certificate, and deletes its
/// Secret. No request fails.
#[test]
fn installation_renewal_and_deleted_secret_cause_no_failed_requests() {
    let harness = harness();
    harness.uninstall();
    let _running = CertManager::start(&harness);
    let secrets: Api<Secret> = Api::namespaced(harness.client(), NAMESPACE);
    let file = |name: &str| {
        let secret = harness.block(secrets.get_opt("volcheck-tls")).expect("a response");
        secret.and_then(|secret| secret.data?.remove(name))
    };
    let trusted_cas = || {
        let entries = registration(&harness).webhooks.expect("entries");
        entries.into_iter().map(|entry| entry.client_config.ca_bundle).collect::<Vec<_>>()
    };
    let reloads = || harness.metric("volcheck_certificate_reloads_total{result=\"success\"}");

    let (sent, failures) = under_good_load(&harness, |load| {
        load.wait_for_requests(100);
        harness.install(&format!("{VALUES}webhook: {{failurePolicy: Ignore}}\n"));
        harness.upgrade(VALUES);
        load.wait_for_requests(200);
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    let ca = file("ca.crt");
    assert!(ca.is_some());
    assert_eq!(trusted_cas(), vec![ca.clone(); 4]);

    let (sent, failures) = under_load(&harness, |load| {
        load.wait_for_requests(200);
        let wait_for_reissue = |before: Option<ByteString>, reloads_before: f64| {
            wait_for("a new certificate", || file("tls.crt").filter(|new| Some(new) != before.as_ref()));
            wait_for("a reload by both replicas", || (reloads() >= reloads_before + 2.0).then_some(()));
            load.wait_for_requests(200);
        };
        // The condition with which `cmctl renew` triggers a renewal.
        let (cert, before) = (file("tls.crt"), reloads());
        let patch = r#"[{"op": "add", "path": "/status/conditions/-", "value": {
            "type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }}]"#;
        harness
            .kubectl(&[
                "patch",
                "certificate",
                "volcheck",
                "-n",
                NAMESPACE,
                "--subresource=status",
                "--type=json",
                "-p",
                patch,
            ])
            .ok();
        wait_for_reissue(cert, before);
        // volcheck keeps serving the certificate of the deleted Secret until there is a new one.
        let (cert, before) = (file("tls.crt"), reloads());
        harness.kubectl(&["delete", "secret", "volcheck-tls", "-n", NAMESPACE]).ok();
        wait_for_reissue(cert, before);
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
    assert_eq!((file("ca.crt"), trusted_cas()), (ca.clone(), vec![ca.clone(); 4]));

    // The CA injector restores the CA if another client removes it.
    let patch = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
    harness
        .kubectl(&["patch", "validatingwebhookconfiguration", "volcheck", "--type=json", "-p", patch])
        .ok();
    wait_for("the CA", || (trusted_cas() == vec![ca.clone(); 4]).then_some(()));
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
