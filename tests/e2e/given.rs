//! With a certificate in a Secret, and the registration by the chart.

use std::fs;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;

use crate::control_plane::{API_SERVER, CLIENTS, STATIC, until};
use crate::issued::VALUES;
use crate::load::under_load;
use crate::world::{BAD, Done, GOOD, NAMESPACE, World, pod, world};

/// A certificate and its authority's, in a folder of that name.
pub fn certs(world: &World, name: &str) -> String {
    let folder = world.plane.folder.join(name).display().to_string();
    world.volcheck(&["certs", &folder]).ok();
    folder
}

/// Puts a certificate and a key into the Secret.
pub fn give(world: &World, cert: &str, key: &str) {
    let secret = world.kubectl(&[
        "create",
        "secret",
        "tls",
        "volcheck-tls",
        "-n",
        NAMESPACE,
        "--cert",
        cert,
        "--key",
        key,
        "--dry-run=client",
        "-o",
        "yaml",
    ]);
    world.kubectl_with("admin", &["apply", "-f", "-"], &secret.ok()).ok();
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The chart with the authority's certificates of this file.
pub fn values(authority: &str) -> String {
    let indented = text(authority).replace('\n', "\n    ");
    format!(
        "certs:\n  mode: secret\n  caBundle: |\n    {indented}\nmode: deny\ndrainTimeoutSeconds: 6\nextraArgs: [--reload-interval=0.5]\n"
    )
}

/// The API server shows who it is, and volcheck answers nobody else.
#[test]
fn volcheck_answers_the_api_server_alone() {
    let world = world();
    let indented = text(&world.plane.folder.join(CLIENTS).display().to_string()).replace('\n', "\n    ");
    let clients =
        |name: &str| format!("{VALUES}clients:\n  names: [{name}]\n  caBundle: |\n    {indented}\n");
    world.install(&clients(API_SERVER));
    let trial = |manifest: &str| world.try_out("shop", manifest);
    trial(&pod("trial", GOOD)).ok();
    assert!(trial(&pod("trial", BAD)).failed().contains("[sensitive-host-path]"));
    // With another name, the API server is somebody else.
    world.upgrade(&clients("front-proxy"));
    let refused = until("a refusal", || Some(trial(&pod("trial", GOOD))).filter(|done| !done.is_success));
    assert!(refused.failed().contains("failed calling webhook"));
    world.uninstall();
}

/// As `certs/README.md` has it: another certificate, by another authority, under load.
#[test]
fn another_certificate_and_another_authority_fail_no_request() {
    let world = world();
    world.uninstall();
    let [first, next] = ["first", "next"].map(|name| certs(&world, name));
    let give_pair = |folder: &str| give(&world, &format!("{folder}/tls.crt"), &format!("{folder}/tls.key"));
    give_pair(&first);
    world.install(&values(&format!("{first}/ca.crt")));
    let both = world.file("both.crt", &(text(&format!("{first}/ca.crt")) + &text(&format!("{next}/ca.crt"))));
    let reloads = || world.metric("volcheck_certificate_reloads_total{result=\"success\"}");
    let failed = || world.metric("volcheck_certificate_reloads_total{result=\"failure\"}");
    let (asked, failures) = under_load(&world, |load| {
        load.wait_for(200);
        world.install(&values(&both.display().to_string()));
        load.wait_for(200);
        give_pair(&next);
        until("the next certificate", || (reloads() >= 2.0).then_some(()));
        load.wait_for(200);
        world.install(&values(&format!("{next}/ca.crt")));
        load.wait_for(500);
        // A key that isn't the certificate's, and no certificate at all: the last good one is served.
        let secrets: Api<Secret> = Api::namespaced(world.client(), NAMESPACE);
        for (turn, cert) in [text(&format!("{first}/tls.crt")), "garbage".to_owned()].into_iter().enumerate()
        {
            let patch = json!({"stringData": {"tls.crt": cert}});
            let patch = kube::api::Patch::Merge(&patch);
            world.block(secrets.patch("volcheck-tls", &Default::default(), &patch)).expect("patched");
            let count = 2.0 * (turn as f64 + 1.0);
            until("the refusal", || (failed() >= count).then_some(()));
            load.wait_for(200);
        }
    });
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
    assert!(world.logs().contains("failed to reload certificate, keeping the last valid one"));
}

/// Everything of the chart is what the API server takes, in all its ways.
#[test]
fn the_api_server_takes_all_that_the_chart_renders() {
    let world = world();
    let folder = certs(&world, "rendered");
    let ca = format!("certs.caBundle={folder}/ca.crt");
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
    for values in all {
        let rendered =
            world.helm(&[&["template", "other", "charts/volcheck", "-n", "strict"], values].concat()).ok();
        world
            .kubectl_with("admin", &["apply", "-n", "strict", "--dry-run=server", "-f", "-"], &rendered)
            .ok();
    }
    // In a namespace at the level `restricted` of Pod Security, its Pods come up without a warning.
    world
        .kubectl(&[
            "label",
            "namespace",
            "strict",
            "pod-security.kubernetes.io/enforce=restricted",
            "--overwrite",
        ])
        .ok();
    let rendered = world.helm(&["template", "other", "charts/volcheck", "-n", "strict"]).ok();
    let done =
        world.kubectl_with("admin", &["apply", "-n", "strict", "--dry-run=server", "-f", "-"], &rendered);
    assert!(done.is_success && !done.stderr.contains("PodSecurity"), "{done:?}");
}

/// A registration that lies in a file of the API server's own (Kubernetes 1.37): nobody can delete it by the API.
#[test]
fn a_registration_in_a_file_can_t_be_deleted() {
    let world = world();
    world.uninstall();
    let folder = certs(&world, "fixed");
    give(&world, &format!("{folder}/tls.crt"), &format!("{folder}/tls.key"));
    let authority = format!("{folder}/ca.crt");
    world.install(&values(&authority));
    world.kubectl(&["delete", "validatingwebhookconfiguration", "volcheck"]).ok();
    until("that nobody asks", || is_admitted(&world).then_some(()));

    // The API server looks for the name in the file of its host.
    let address = world
        .kubectl(&["get", "service", "volcheck", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"])
        .ok();
    let hosts = world.file("hosts", &format!("127.0.0.1 localhost\n{address} volcheck.volcheck.svc\n"));
    let mounted = std::process::Command::new("mount").arg("--bind").arg(&hosts).arg("/etc/hosts").status();
    assert!(mounted.expect("mount").success());
    let text = world
        .volcheck(&["manifest", "--static", "https://volcheck.volcheck.svc", "--ca-bundle", &authority])
        .ok();
    let file = world.plane.folder.join(STATIC).join("volcheck.yaml");
    let new = file.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::rename(new, &file).expect("put");
    until("that the API server asks", || is_judged(&world).then_some(()));
    let list = world.kubectl(&["get", "validatingwebhookconfigurations", "-o", "name"]).ok();
    assert_eq!(list, "");
    fs::remove_file(file).expect("removed");
    until("that nobody asks", || is_admitted(&world).then_some(()));
    world.uninstall();
}

fn create(world: &World, path: &str) -> Done {
    world.try_out("shop", &pod("fixed", path))
}

fn is_admitted(world: &World) -> bool {
    create(world, BAD).is_success
}

/// Whether volcheck itself says what comes in and what doesn't.
fn is_judged(world: &World) -> bool {
    create(world, GOOD).is_success
        && create(world, BAD).stderr.contains("denied the request: volcheck: 1 problem")
}

/// `volcheck manifest` installs what the chart does.
#[test]
fn without_helm_the_plain_manifest_does_the_same() {
    let world = world();
    world.uninstall();
    let text =
        world.volcheck(&["manifest", "--image", "registry.example/volcheck:0.1.0", "--mode", "deny"]).ok();
    world.kubectl_with("admin", &["apply", "-f", "-"], &text).ok();
    until("that it denies", || is_judged(&world).then_some(()));
    // The same again takes nothing away.
    world.kubectl_with("admin", &["apply", "-f", "-"], &text).ok();
    assert!(is_judged(&world));
    let (namespace, rest) = text.split_once("\n---\n").expect("two documents");
    assert!(namespace.contains("kind: Namespace"));
    world.kubectl_with("admin", &["delete", "-f", "-"], rest).ok();
    until("that nobody asks", || is_admitted(&world).then_some(()));
}
