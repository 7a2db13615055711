//! `volcheck manifest`: installation without Helm.

use std::process::{Command, Output};

use crate::support::temp_dir;

fn manifest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volcheck")).arg("manifest").args(arguments).output().expect("volcheck")
}

fn printed(arguments: &[&str]) -> String {
    let output = manifest(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn manifest_contains_the_given_values() {
    let files = temp_dir(&[
        (
            "volcheck.yaml",
            "version: 1\nextends: [more.yaml]\nmodes: {shop: audit}\nrules: {unpinned-host-path: off}\n",
        ),
        ("more.yaml", "version: 1\nworkloadMode: deny\n"),
    ]);
    let policy = files.path().join("volcheck.yaml");
    let image = "registry.example:5000/volcheck@sha256:0123";
    let text = printed(&[
        "--image",
        image,
        "--namespace",
        "guard",
        "--mode",
        "deny",
        "--policy",
        policy.to_str().expect("a path"),
    ]);
    for words in [
        "kind: Namespace\nmetadata:\n  name: guard\n",
        &format!("image: {image}\n"),
        "    workloadMode: deny\n",
        "\"namespace\": \"guard\"",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    for word in ["of-volcheck", "Helm", "helm.sh", "managed-by: Helm", "<", "6100"] {
        assert!(!text.contains(word), "{word}");
    }
    // The policy in the ConfigMap is valid.
    let (_, rest) = text.split_once("  volcheck.yaml: |\n").expect("the policy");
    let policy: String = rest
        .lines()
        .take_while(|line| line.starts_with("    "))
        .map(|line| format!("{}\n", &line[4..]))
        .collect();
    let policy = crate::support::policy(&policy);
    assert_eq!(policy.mode("shop"), volcheck::policy::Mode::Audit);
    assert_eq!(policy.mode("other"), volcheck::policy::Mode::Deny);

    let defaults = printed(&["--image", "volcheck"]);
    assert!(defaults.contains("    modes:\n      \"*\": warn\n    version: 1\n"), "{defaults}");
}

/// `tests/manifest.py` compares all values with the chart.
#[test]
fn values_come_from_files_and_flags() {
    let files = temp_dir(&[
        ("a.yaml", "replicas: 3\nlogLevel: debug\nnodeSelector: { kubernetes.io/os: null, pool: a }\n"),
        ("b.yaml", "replicas: 4\nimage: { repository: registry.example/volcheck, tag: '1.0' }\n"),
    ]);
    let path = |name: &str| files.path().join(name).display().to_string();
    let set = "webhook.excludedNamespaces={kube-system,calico-system}";
    let annotations = r"podAnnotations.example\.com/team=a\,b";
    let text = printed(&["-f", &path("a.yaml"), "-f", &path("b.yaml"), "--set", set, "--set", annotations]);
    for words in [
        "  replicas: 4\n",
        "- --log-level=debug\n",
        "nodeSelector:\n        pool: a\n",
        "image: registry.example/volcheck:1.0\n",
        "\"calico-system\"\n",
        "example.com/team: a,b\n",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("kube-public"), "{text}");
}

/// Texts that YAML 1.1 parses as other types are quoted.
#[test]
fn ambiguous_texts_are_quoted() {
    let text = printed(&[
        "--image",
        "i",
        "--namespace",
        "null",
        "--set",
        "podLabels.a=on",
        "--set",
        "podLabels.b=y",
    ]);
    for words in ["  namespace: \"null\"\n", "a: \"on\"\n", "b: \"y\"\n"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

/// Returns the static registration of a webhook at this URL, with more arguments.
fn static_registration(url: &str, more: &[&str]) -> String {
    let files = temp_dir(&[]);
    let certs = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["certs", "certs"])
        .current_dir(files.path())
        .output()
        .expect("volcheck");
    assert!(certs.status.success());
    let ca = files.path().join("certs/ca.crt");
    let ca = ca.to_str().expect("a path");
    printed(&[&["--static", url, "--ca-bundle", ca], more].concat())
}

#[test]
fn static_registration_has_the_server_url() {
    let text = static_registration("https://volcheck.example:8443/", &[]);
    assert!(text.contains("name: volcheck.static.k8s.io\n"), "{text}");
    assert!(text.contains("url: https://volcheck.example:8443/validate/deny\n"), "{text}");
    assert!(!text.contains("service:") && text.matches("caBundle: LS0t").count() == 4, "{text}");
    let more = ["--set", "webhook.failurePolicy=Ignore", "--set", "fullnameOverride=guard"];
    let text = static_registration("https://[::1]:8443", &more);
    assert!(text.contains("name: guard.static.k8s.io\n"), "{text}");
    assert!(text.contains("url: https://[::1]:8443/advise\n"), "{text}");
    assert!(!text.contains("failurePolicy: Fail"), "{text}");
}

#[test]
fn registration_covers_volumes_and_claims() {
    let text = static_registration("https://volcheck.example", &[]);
    let registration: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    let entries = registration["webhooks"].as_array().expect("entries");
    let entry_for = |resource: &str| {
        let mut found = entries.iter().flat_map(|entry| {
            let rules = entry["rules"].as_array().expect("rules").iter();
            rules.map(move |rule| (entry["name"].as_str().expect("a name"), rule))
        });
        let names = |rule: &serde_json::Value| {
            rule["resources"].as_array().expect("resources").contains(&resource.into())
        };
        let (name, rule) = found.find(|(_, rule)| names(rule)).expect("an entry");
        (name.to_owned(), rule["operations"].clone(), rule["scope"].clone())
    };
    let both = serde_json::json!(["CREATE", "UPDATE"]);
    let (name, operations, scope) = entry_for("persistentvolumes");
    assert!(name.starts_with("volumes.") && operations == both && scope == "Cluster", "{name} {operations}");
    let (name, operations, scope) = entry_for("persistentvolumeclaims");
    assert!(
        name.starts_with("advise.") && operations == both && scope == "Namespaced",
        "{name} {operations}"
    );
}

#[test]
fn rejects_invalid_arguments() {
    let files = temp_dir(&[("bad.yaml", "version: 1\nmode: deny\n")]);
    let bad = files.path().join("bad.yaml");
    let bad = bad.to_str().expect("a path");
    for (arguments, words) in [
        (&["--image", "a b"][..], "invalid image name"),
        (&["--image", "a\nb"], "invalid image name"),
        (&["--image", "a:"], "invalid image name"),
        (&["--image", ""], "invalid image name"),
        (&["--image", "i", "--namespace", "Shop"], "invalid namespace name"),
        (&["--image", "i", "--namespace=-a"], "invalid namespace name"),
        (&["--image", "i", "--namespace", ""], "invalid namespace name"),
        (&["--static", "https://a", "--ca-bundle", "Cargo.toml"], "certs.caBundle: no PEM certificate"),
        (&["--image", "i", "-f", "nosuch.yaml"], "nosuch.yaml"),
        (&["--image", "i", "-f", bad], "`version`: unknown value"),
        (&["--image", "i", "--set", "replicas"], "no `=` in `replicas`"),
        (&["--image", "i", "--set", "replicas=1,port=2"], "one flag per value"),
        (&["--image", "i", "--set", "tolerations[0].key=a"], "use a values file"),
        (&["--image", "i", "--set-file", "certs.caBundle=nosuch.crt"], "nosuch.crt"),
        (&["--image", "i", "--set", "certs.mode=secret"], "certs.mode=secret requires certs.caBundle"),
        (&["--image", "i", "--set", "port=null"], "`port`: missing value"),
        (&["--image", "i", "--set", "policy.rules.x=error"], "unknown rule `x`"),
        (&["--image", "i", "--set", "policy.modes=deny"], "`policy.modes`: not a mapping"),
        (&["--image", "i", "--policy", bad], "unknown key `mode`"),
        (&["--image", "i", "--policy", "nosuch.yaml"], "nosuch.yaml"),
        (&["--static", "http://a", "--ca-bundle", "Cargo.toml"], "does not start with `https://`"),
        (&["--static", "https://a", "--ca-bundle", "nosuch.crt"], "nosuch.crt"),
        (&["--static", "https://a"], "--static requires --ca-bundle"),
        (
            &["--static", "https://a", "--set", "replicas=3"],
            "the value `replicas` has no effect with --static",
        ),
        (&[], "--image"),
    ] {
        let output = manifest(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(words), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}
