//! Namespaces that are excluded by labels, and the ValidatingAdmissionPolicy that protects these
//! labels and `volcheck.io/mode`.

use crate::control_plane::{TENANT, wait_for};
use crate::harness::{BAD, Completed, Harness, NAMESPACE, harness, pod};
use crate::self_signed::VALUES;

const EXCLUSION: &str = "\
webhook:
  excludedNamespaceLabels: {example.com/purpose: [sandbox, ci], example.com/system: []}
";

const PROTECTION: &str =
    "namespaceLabelProtection: {enabled: true, users: [platform], groups: [platform-admins]}\n";

#[test]
fn excludes_namespaces_by_label() {
    let harness = harness();
    harness.install(&format!("{VALUES}{EXCLUSION}"));
    let is_checked = || !harness.dry_run("shop", &pod("excluded", BAD)).is_success;
    let label = |label: &str| harness.kubectl(&["label", "namespace", "shop", "--overwrite", label]).ok();
    wait_for("a denial", || is_checked().then_some(()));
    for (set, remove) in [
        ("example.com/purpose=ci", "example.com/purpose-"),
        ("example.com/system=anything", "example.com/system-"),
    ] {
        label(set);
        wait_for("the exclusion", || (!is_checked()).then_some(()));
        label(remove);
        wait_for("a denial", || is_checked().then_some(()));
    }
    label("example.com/purpose=production");
    assert!(is_checked());
    label("example.com/purpose-");

    // The labels of its namespace cannot cause volcheck's own Pods to be checked.
    harness.kubectl(&["label", "namespace", NAMESPACE, "volcheck.io/mode=deny"]).ok();
    harness.dry_run(NAMESPACE, &pod("excluded", BAD)).ok();
    harness.kubectl(&["label", "namespace", NAMESPACE, "volcheck.io/mode-"]).ok();
    harness.install(VALUES);
}

/// The user `tenant` may update all namespaces, but is not in the lists of the chart.
#[test]
fn only_listed_users_change_protected_labels() {
    const RESOURCES: &str = "--resource=namespaces,namespaces/status,namespaces/finalize";
    let harness = harness();
    harness.install(&format!("{VALUES}{EXCLUSION}{PROTECTION}"));
    harness
        .kubectl(&["create", "clusterrole", "namespaces", "--verb=get,create,update,patch,delete", RESOURCES])
        .ok();
    for user in [TENANT, "platform", "member"] {
        let flags = ["--clusterrole=namespaces", &format!("--user={user}")];
        harness
            .kubectl(&[&["create", "clusterrolebinding", &format!("namespaces-{user}")], &flags[..]].concat())
            .ok();
    }
    harness.kubectl(&["create", "namespace", "labeled"]).ok();
    harness.kubectl(&["label", "namespace", "labeled", "volcheck.io/mode=deny", "--as=platform"]).ok();
    let tenant = |arguments: &[&str]| harness.kubectl_with(TENANT, arguments, "");
    let denied = |done: Completed, label: &str| {
        let (error, expected) = (done.failed(), format!("change the label `{label}`"));
        assert!(error.contains("namespaceLabelProtection") && error.contains(&expected), "{error}");
    };
    const MODE: &str = "volcheck.io/mode";

    // Removing and changing the label of a namespace. The API server loads the policy a moment
    // after its creation, so try with a dry run first.
    let remove = ["label", "namespace", "labeled", "volcheck.io/mode-"];
    wait_for("the policy", || {
        (!tenant(&[&remove[..], &["--dry-run=server"]].concat()).is_success).then_some(())
    });
    denied(tenant(&remove), MODE);
    denied(tenant(&["label", "namespace", "labeled", "--overwrite", "volcheck.io/mode=warn"]), MODE);
    denied(tenant(&["patch", "namespace", "labeled", "-p", r#"{"metadata":{"labels":null}}"#]), MODE);
    for subresource in ["status", "finalize"] {
        let object = harness.kubectl(&["get", "namespace", "labeled", "-o", "json"]).ok();
        let object = object.replace("\"volcheck.io/mode\": \"deny\"", "\"volcheck.io/mode\": \"off\"");
        let path = format!("/api/v1/namespaces/labeled/{subresource}");
        denied(harness.kubectl_with(TENANT, &["replace", "--raw", &path, "-f", "-"], &object), MODE);
    }
    // Adding the label to a namespace without it, with and without other labels.
    denied(tenant(&["label", "namespace", "relaxed", "volcheck.io/mode=deny"]), MODE);
    denied(tenant(&["label", "namespace", "relaxed", "example.com/purpose=ci"]), "example.com/purpose");
    denied(tenant(&["label", "namespace", "relaxed", "example.com/system="]), "example.com/system");
    // Other changes, and changes that keep the labels.
    tenant(&["label", "namespace", "labeled", "team=web"]).ok();
    tenant(&["label", "namespace", "labeled", "--overwrite", "volcheck.io/mode=deny"]).ok();
    tenant(&["annotate", "namespace", "relaxed", "example.com/purpose=ci"]).ok();

    let create = |name: &str, labels: &str| {
        let manifest =
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n");
        harness.kubectl_with(TENANT, &["create", "-f", "-"], &manifest)
    };
    create("plain", "").ok();
    create("strict-from-start", "volcheck.io/mode: deny").ok();
    denied(create("excluded-from-start", "example.com/purpose: sandbox"), "example.com/purpose");

    // The listed user, a member of the listed group, and an administrator who is not listed.
    let label =
        |arguments: &[&str]| harness.kubectl(&[&["label", "namespace", "labeled"], arguments].concat());
    label(&["volcheck.io/mode-", "--as=platform"]).ok();
    label(&["volcheck.io/mode=deny", "--as=member", "--as-group=platform-admins"]).ok();
    denied(label(&["volcheck.io/mode-"]), MODE);

    // The namespace controller can finalize a namespace with a protected label.
    let names = ["labeled", "plain", "strict-from-start"];
    // To wait, the tenant would have to list namespaces.
    tenant(&[&["delete", "namespace", "--wait=false"], &names[..]].concat()).ok();
    for name in names {
        wait_for("the deletion", || (!harness.kubectl(&["get", "namespace", name]).is_success).then_some(()));
    }
    cleanup(&harness);
}

fn cleanup(harness: &Harness) {
    for user in [TENANT, "platform", "member"] {
        harness.kubectl(&["delete", "clusterrolebinding", &format!("namespaces-{user}")]).ok();
    }
    harness.kubectl(&["delete", "clusterrole", "namespaces"]).ok();
    harness.install(VALUES);
    let label = ["label", "namespace", "relaxed", "example.com/purpose=none"];
    wait_for("the removal of the policy", || {
        harness.kubectl_with("admin", &label, "").is_success.then_some(())
    });
    harness.kubectl(&["label", "namespace", "relaxed", "example.com/purpose-"]).ok();
    harness.kubectl(&["annotate", "namespace", "relaxed", "example.com/purpose-"]).ok();
}
