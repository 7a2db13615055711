//! Certificates from the user: `certs.mode=secret`, client certificates and `volcheck certs`.

use std::fs;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;

use crate::control_plane::{API_SERVER, CLIENT_CA, wait_for};
use crate::harness::{BAD, Completed, GOOD, Harness, NAMESPACE, harness, pod};
use crate::load::under_load;
use crate::self_signed::VALUES;

/// Generates a CA and a certificate with `volcheck certs`. Returns their directory.
pub fn generate_certs(harness: &Harness, name: &str) -> String {
    let directory = harness.control_plane.directory.join(name).display().to_string();
    harness.volcheck(&["certs", &directory]).ok();
    directory
}

/// Stores `tls.crt` and `tls.key` from this directory in the Secret `volcheck-tls`.
pub fn put_secret(harness: &Harness, directory: &str) {
    let secret = harness.kubectl(&[
        "create",
        "secret",
        "tls",
        "volcheck-tls",
        "-n",
        NAMESPACE,
        "--cert",
        &format!("{directory}/tls.crt"),
        "--key",
        &format!("{directory}/tls.key"),
        "--dry-run=client",
        "-o",
        "yaml",
    ]);
    harness.kubectl_with("admin", &["apply", "-f", "-"], &secret.ok()).ok();
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns chart values with the CA certificates from this file.
pub fn values(ca_bundle: &str) -> String {
    let indented = text(ca_bundle).replace('\n', "\n    ");
    format!(
        "certs:\n  mode: secret\n  caBundle: |\n    {indented}\nmode: deny\ndrainTimeoutSeconds: 6\nextraArgs: [--reload-interval=0.5]\n"
    )
}

#[test]
fn only_the_api_server_gets_a_response() {
    let harness = harness();
    let client_ca = harness.control_plane.directory.join(CLIENT_CA).display().to_string();
    let indented = text(&client_ca).replace('\n', "\n    ");
    let with_client =
        |name: &str| format!("{VALUES}clients:\n  names: [{name}]\n  caBundle: |\n    {indented}\n");
    harness.install(&with_client(API_SERVER));
    let dry_run = |manifest: &str| harness.dry_run("shop", manifest);
    dry_run(&pod("trial", GOOD)).ok();
    assert!(dry_run(&pod("trial", BAD)).failed().contains("[sensitive-host-path]"));
    // If another client name is required, the API server's certificate is rejected.
    harness.upgrade(&format!("{}installCheck: {{enabled: false}}\n", with_client("front-proxy")));
    let rejected =
        wait_for("a rejection", || Some(dry_run(&pod("trial", GOOD))).filter(|done| !done.is_success));
    assert!(rejected.failed().contains("failed calling webhook"));
    harness.uninstall();
}

/// Follows the steps in `certs/README.md` to switch to a certificate of another CA, under load.
#[test]
fn replacing_certificate_and_ca_causes_no_failed_requests() {
    let harness = harness();
    harness.uninstall();
    let [first, next] = ["first", "next"].map(|name| generate_certs(&harness, name));
    put_secret(&harness, &first);
    harness.install(&values(&format!("{first}/ca.crt")));
    let both = text(&format!("{first}/ca.crt")) + &text(&format!("{next}/ca.crt"));
    let both = harness.file("both.crt", &both).display().to_string();
    let reloads = || harness.metric("volcheck_certificate_reloads_total{result=\"success\"}");
    let failed_reloads = || harness.metric("volcheck_certificate_reloads_total{result=\"failure\"}");
    let (sent, failures) = under_load(&harness, |load| {
        load.wait_for_requests(200);
        harness.install(&values(&both));
        load.wait_for_requests(200);
        put_secret(&harness, &next);
        wait_for("the next certificate", || (reloads() >= 2.0).then_some(()));
        load.wait_for_requests(200);
        harness.install(&values(&format!("{next}/ca.crt")));
        load.wait_for_requests(500);
        // The server keeps its certificate if the new one does not match the key or cannot be
        // parsed.
        let secrets: Api<Secret> = Api::namespaced(harness.client(), NAMESPACE);
        for (count, cert) in [(2.0, text(&format!("{first}/tls.crt"))), (4.0, "garbage".to_owned())] {
            let patch = json!({"stringData": {"tls.crt": cert}});
            let patch = kube::api::Patch::Merge(&patch);
            harness.block(secrets.patch("volcheck-tls", &Default::default(), &patch)).expect("patched");
            wait_for("a failed reload of both replicas", || (failed_reloads() >= count).then_some(()));
            load.wait_for_requests(200);
        }
    });
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
}

#[test]
fn api_server_accepts_the_rendered_chart() {
    let harness = harness();
    let directory = generate_certs(&harness, "rendered");
    let ca = format!("certs.caBundle={directory}/ca.crt");
    let all: [&[&str]; 3] = [
        &["--set", "networkPolicy.enabled=true", "--set", "resourceQuota=true"],
        &["--set", "certs.mode=secret", "--set-file", &ca, "--set", "webhook.adviseKubeSystem=true"],
        &[
            "--set",
            "hostNetwork=true",
            "--set",
            "port=10443",
            "--set",
            "replicas=1",
            "--set",
            "policy.extends={node-agents}",
        ],
    ];
    let apply = ["apply", "-n", "strict", "--dry-run=server", "-f", "-"];
    let render = |values: &[&str]| {
        harness
            .helm(
                &[&["template", "other", "charts/volcheck", "-n", "strict", "--skip-tests"], values].concat(),
            )
            .ok()
    };
    for values in all {
        harness.kubectl_with("admin", &apply, &render(values)).ok();
    }
    // The Pods meet the Pod Security level `restricted`.
    let level = "pod-security.kubernetes.io/enforce=restricted";
    harness.kubectl(&["label", "namespace", "strict", level, "--overwrite"]).ok();
    let done = harness.kubectl_with("admin", &apply, &render(&[]));
    assert!(done.is_success && !done.stderr.contains("PodSecurity"), "{done:?}");
}

fn create(harness: &Harness, path: &str) -> Completed {
    harness.dry_run("shop", &pod("trial", path))
}

/// Checks whether a bad Pod is admitted, which means that the API server does not call the webhook.
pub fn is_admitted(harness: &Harness) -> bool {
    create(harness, BAD).is_success
}

/// Checks whether volcheck admits a good Pod and denies a bad one.
pub fn is_enforcing(harness: &Harness) -> bool {
    create(harness, GOOD).is_success
        && create(harness, BAD).stderr.contains("denied the request: volcheck: 1 problem")
}

#[test]
fn plain_manifest_installs_like_the_chart() {
    let harness = harness();
    harness.uninstall();
    let text =
        harness.volcheck(&["manifest", "--image", "registry.example/volcheck:0.1.0", "--mode", "deny"]).ok();
    harness.kubectl_with("admin", &["apply", "-f", "-"], &text).ok();
    wait_for("a denial", || is_enforcing(&harness).then_some(()));
    // Applying the manifest again does not remove the registered entries.
    harness.kubectl_with("admin", &["apply", "-f", "-"], &text).ok();
    assert!(is_enforcing(&harness));
    let (namespace, rest) = text.split_once("\n---\n").expect("two documents");
    assert!(namespace.contains("kind: Namespace"));
    harness.kubectl_with("admin", &["delete", "-f", "-"], rest).ok();
    wait_for("reviews to stop", || is_admitted(&harness).then_some(()));
}
