//! Events about reviews (`events.enabled`).

use serde_json::{Value, json};

use crate::control_plane::{TENANT, wait_for};
use crate::harness::{BAD, Harness, harness, pod};
use crate::self_signed::VALUES;
use crate::user_certs::{self, generate_certs, put_secret};

/// Returns volcheck's Events in a namespace.
fn events(harness: &Harness, namespace: &str) -> Vec<Value> {
    let text = harness.kubectl(&["get", "events", "-n", namespace, "-o", "json"]).ok();
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let events = list["items"].as_array().expect("Events").iter();
    events.filter(|event| event["reportingComponent"] == "volcheck.io/webhook").cloned().collect()
}

fn wait_for_event(harness: &Harness, namespace: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
    wait_for("an Event", || events(harness, namespace).into_iter().find(|event| is_expected(event)))
}

fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 3\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         nodeSelector: {{kubernetes.io/hostname: node}}\n      containers:\n      - name: c\n        image: i\n        \
         volumeMounts: [{{name: v, mountPath: /m, readOnly: true}}]\n      \
         volumes:\n      - name: v\n        hostPath: {{path: {BAD}, type: Directory}}\n"
    )
}

#[test]
fn application_teams_see_events_about_their_pods() {
    let harness = harness();
    let directory = generate_certs(&harness, "events");
    let secret = user_certs::values(&format!("{directory}/ca.crt")) + "policy: {modes: {relaxed: warn}}\n";
    for values in [VALUES, &secret] {
        harness.uninstall();
        put_secret(&harness, &directory);
        harness.install(&format!("{values}events: {{enabled: true}}\n"));
        // Mode `warn`: one Event about the ReplicaSet, for its three Pods.
        harness.apply("relaxed", &deployment("app")).ok();
        let event =
            wait_for_event(&harness, "relaxed", |event| event["involvedObject"]["kind"] == "ReplicaSet");
        assert_eq!(
            (&event["reason"], &event["type"]),
            (&json!("WouldBeDenied"), &json!("Warning")),
            "{event}"
        );
        let message = event["message"].as_str().expect("a message");
        assert!(message.contains("[sensitive-host-path] spec.volumes[0].hostPath.path: "), "{message}");
        let name = event["involvedObject"]["name"].as_str().expect("a name");
        let uid =
            harness.kubectl(&["get", "replicaset", name, "-n", "relaxed", "-o", "jsonpath={.metadata.uid}"]);
        assert_eq!(event["involvedObject"]["uid"], uid.ok());
        harness.kubectl(&["delete", "deployment", "app", "-n", "relaxed"]).ok();

        // A tenant's Pod, with a forged owner and a hostile name of a container.
        let forged = pod("forged", BAD).replace(
            "{name: forged}",
            "{name: forged, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: victim, uid: x, controller: true}]}",
        );
        harness.kubectl_with(TENANT, &["create", "-n", "shop", "-f", "-"], &forged).failed();
        let event = wait_for_event(&harness, "shop", |event| event["reason"] == "Denied");
        let about = &event["involvedObject"];
        assert_eq!((&about["kind"], &about["name"]), (&json!("Namespace"), &json!("shop")), "{event}");
        assert!(event["message"].as_str().is_some_and(|text| text.contains("Pod shop/forged")), "{event}");

        // No Event about a dry run, and at most ten at once per namespace.
        harness.dry_run("strict", &pod("dry", BAD)).failed();
        for index in 0..30 {
            harness.apply("strict", &pod(&format!("flood-{index}"), BAD)).failed();
        }
        wait_for("the Events", || (events(&harness, "strict").len() >= 10).then_some(()));
        let count = events(&harness, "strict").len();
        assert!(count <= 2 * 15, "{count} Events by two replicas");
        assert!(!events(&harness, "strict").iter().any(|event| event.to_string().contains("strict/dry")));
        for namespace in ["relaxed", "shop", "strict"] {
            harness.kubectl(&["delete", "events", "--all", "-n", namespace]).ok();
        }
    }
    harness.uninstall();
}
