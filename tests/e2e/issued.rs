//! With a certificate and a registration of volcheck's own, as the chart has it by itself.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::Patch;
use serde_json::{Value, json};

use crate::control_plane::until;
use crate::load::{under_good_load, under_load};
use crate::world::{BAD, GOOD, NAMESPACE, World, pod, world};

/// What is installed by most tests.
pub const VALUES: &str = "\
certs: {mode: self}
mode: deny
drainTimeoutSeconds: 6
policy:
  modes: {relaxed: warn, quiet: audit, blind: \"off\"}
extraArgs: [--registration-delay=2, --reload-interval=0.5]
";

pub fn registration(world: &World) -> ValidatingWebhookConfiguration {
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(world.client());
    world.block(hooks.get("volcheck")).expect("the registration")
}

/// How often volcheck has looked at the registration.
fn looks(world: &World) -> usize {
    let is_one = |line: &Value| {
        line["verb"] == "get"
            && line["objectRef"]["resource"] == "validatingwebhookconfigurations"
            && line["user"]["username"] == "system:serviceaccount:volcheck:volcheck"
    };
    let text = world.plane.audit();
    // The last line may not be there as a whole.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(is_one).count()
}

fn generation(world: &World) -> i64 {
    registration(world).metadata.generation.expect("a generation")
}

/// The registration with Fail comes when volcheck can be reached, so that no Pod is refused for want of an answer; and
/// helm and volcheck don't undo each other's work.
#[test]
fn an_installation_leaves_no_window_and_no_drift() {
    let world = world();
    world.uninstall();
    let (asked, failures) = under_good_load(&world, |load| {
        load.wait_for(100);
        world.install(VALUES);
        load.wait_for(500);
    });
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
    let registered = registration(&world);
    let entries = registered.webhooks.expect("entries");
    assert_eq!(entries.len(), 4);
    assert!(entries.iter().all(|entry| entry.client_config.ca_bundle.is_some()));

    // The same again changes nothing, neither by helm nor by volcheck.
    let before = generation(&world);
    let file = world.file("values.yaml", VALUES).display().to_string();
    let upgrade = ["upgrade", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file, "--wait"];
    world.helm(&upgrade).ok();
    // One of the two replicas has looked twice then, and has done by now what it would do after the first.
    let enough = looks(&world) + 4;
    until("volcheck's looks", || (looks(&world) >= enough).then_some(()));
    assert_eq!(generation(&world), before);

    // Other values are registered, and what somebody else changes is put right.
    world.helm(&[&upgrade[..], &["--set", "webhook.timeoutSeconds=7"]].concat()).ok();
    let timeout = |world: &World| registration(world).webhooks.and_then(|entries| entries[0].timeout_seconds);
    until("the other time", || (timeout(&world) == Some(7)).then_some(()));
    world.helm(&upgrade).ok();
    until("the time of before", || (timeout(&world) == Some(5)).then_some(()));
    let patch = r#"[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#;
    world.kubectl(&["patch", "validatingwebhookconfiguration", "volcheck", "--type=json", "-p", patch]).ok();
    let policy =
        |world: &World| registration(world).webhooks.and_then(|entries| entries[0].failure_policy.clone());
    until("Fail again", || (policy(&world).as_deref() == Some("Fail")).then_some(()));
    let patch = r#"[
        {"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"never": "there"}}},
        {"op": "copy", "from": "/webhooks/0", "path": "/webhooks/-"},
        {"op": "replace", "path": "/webhooks/4/name", "value": "other.volcheck.io"}
    ]"#;
    world.kubectl(&["patch", "validatingwebhookconfiguration", "volcheck", "--type=json", "-p", patch]).ok();
    until("nothing added", || (registration(&world).webhooks.as_ref() == Some(&entries)).then_some(()));
}

#[test]
fn an_authority_is_followed_by_another_and_no_request_fails() {
    let world = world();
    // The authority that is there would hold for a year.
    world.uninstall();
    // 52 seconds, so that the next one comes after 35.
    let short = "[--registration-delay=2, --reload-interval=0.5, --ca-days=0.0006, --certificate-days=0.0003, --ca-overlap=6]";
    world.install(&VALUES.replace("[--registration-delay=2, --reload-interval=0.5]", short));
    let secrets: Api<Secret> = Api::namespaced(world.client(), NAMESPACE);
    let authority = || {
        let secret = world.block(secrets.get("volcheck-ca")).expect("the Secret");
        secret.data.expect("data")["ca.crt"].0.clone()
    };
    let mut most = 0;
    let (asked, failures) = under_load(&world, |load| {
        let first = authority();
        let mut seen = vec![first];
        until("two more authorities", || {
            let now = authority();
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            let entries = registration(&world).webhooks.expect("entries");
            let bundle = entries[0].client_config.ca_bundle.clone().expect("a bundle").0;
            most = most.max(String::from_utf8(bundle).expect("PEM").matches("BEGIN CERTIFICATE").count());
            (seen.len() == 3).then_some(())
        });
        load.wait_for(500);
    });
    assert!(most >= 2, "the old and the new one were trusted at the same time");
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
    assert!(world.logs().contains("certificate issued"));
    // Nobody else wants one that is so short-lived.
    world.uninstall();
}

#[test]
fn a_roll_out_under_load_fails_no_request() {
    let world = world();
    world.install(VALUES);
    let (asked, failures) = under_load(&world, |load| {
        load.wait_for(2_000);
        roll_out(&world);
        load.wait_for(10_000_usize.saturating_sub(load.asked()));
    });
    assert!(asked >= 10_000);
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
}

/// The negative control: the test above finds what it looks for.
#[test]
fn without_draining_a_roll_out_fails_requests() {
    let world = world();
    world.install(&VALUES.replace("--reload-interval=0.5", "--reload-interval=0.5, --drain-timeout=0.001"));
    let (asked, failures) = under_load(&world, |load| {
        // Whether a request meets a Pod that has just gone is chance; of some roll-outs one does.
        for _ in 0..10 {
            load.wait_for(500);
            roll_out(&world);
            if load.has_failed() {
                break;
            }
        }
    });
    assert!(!failures.is_empty(), "none of {asked}");
}

fn roll_out(world: &World) {
    world.kubectl(&["rollout", "restart", "deployment/volcheck", "-n", NAMESPACE]).ok();
    world.kubectl(&["rollout", "status", "deployment/volcheck", "-n", NAMESPACE, "--timeout=120s"]).ok();
    let pods = || world.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "name"]).ok();
    until("the old Pods' end", || (pods().lines().count() == 2).then_some(()));
}

/// `helm test` says whether the policy that is there now can be read.
#[test]
fn the_chart_s_test_reads_the_policy_that_is_installed() {
    let world = world();
    world.install(VALUES);
    let test = || world.helm(&["test", "volcheck", "-n", NAMESPACE, "--timeout", "60s"]);
    assert!(test().ok().contains("Phase:          Succeeded"));
    let maps: Api<ConfigMap> = Api::namespaced(world.client(), NAMESPACE);
    let put = |policy: &str| {
        let patch = json!({"data": {"volcheck.yaml": policy}});
        world.block(maps.patch("volcheck", &Default::default(), &Patch::Merge(&patch))).expect("patched");
    };
    let good =
        world.block(maps.get("volcheck")).expect("the policy").data.expect("data")["volcheck.yaml"].clone();
    put("version: 1\nrules: {no-such-rule: error}\n");
    test().failed();
    let log = world.log_of("volcheck-test");
    assert!(log.contains("no-such-rule"), "{log}");
    // What serves goes on with the last good one.
    assert!(world.try_out("shop", &pod("trial", BAD)).failed().contains("[sensitive-host-path]"));
    put(&good);
    test().ok();
}

#[test]
fn what_is_uninstalled_leaves_nothing() {
    let world = world();
    world.install(VALUES);
    world.uninstall();
    let kinds = "validatingwebhookconfigurations,clusterroles,clusterrolebindings";
    let left = world.kubectl(&["get", kinds, "-l", "app.kubernetes.io/name=volcheck", "-o", "name"]).ok();
    assert_eq!(left, "");
    let all = "deployments,replicasets,pods,secrets,configmaps,services,roles,rolebindings";
    let of = ["get", all, "-n", NAMESPACE, "-l", "app.kubernetes.io/name=volcheck", "-o", "name"];
    until("that all is gone", || world.kubectl(&of).ok().is_empty().then_some(()));
    for path in [GOOD, BAD] {
        world.try_out("shop", &pod("after", path)).ok();
    }
}
