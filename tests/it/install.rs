//! What installs the webhook without Helm.

use std::process::{Command, Output};

use crate::support::folder;

fn manifest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volcheck")).arg("manifest").args(arguments).output().expect("volcheck")
}

fn printed(arguments: &[&str]) -> String {
    let output = manifest(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_plain_manifest_has_what_it_is_given() {
    let files = folder(&[
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
    for mark in ["of-volcheck", "Helm", "helm.sh", "managed-by: Helm"] {
        assert!(!text.contains(mark), "{mark}");
    }
    // The policy that it carries is one.
    let (_, rest) = text.split_once("  volcheck.yaml: |\n").expect("the policy");
    let carried: String = rest
        .lines()
        .take_while(|line| line.starts_with("    "))
        .map(|line| format!("{}\n", &line[4..]))
        .collect();
    let carried = crate::support::policy(&carried);
    assert_eq!(carried.mode("shop"), volcheck::policy::Mode::Audit);
    assert_eq!(carried.mode("other"), volcheck::policy::Mode::Deny);

    let plain = printed(&["--image", "volcheck"]);
    assert!(plain.contains("    version: 1\n    modes:\n      '*': warn\n"), "{plain}");
}

#[test]
fn a_registration_for_a_file_names_the_server_by_its_address() {
    let files = folder(&[]);
    let certs = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["certs", "made"])
        .current_dir(files.path())
        .output()
        .expect("volcheck");
    assert!(certs.status.success());
    let authority = files.path().join("made/ca.crt");
    let authority = authority.to_str().expect("a path");
    let text = printed(&["--static", "https://volcheck.example:8443/", "--ca-bundle", authority]);
    assert!(text.contains("name: volcheck.static.k8s.io\n"), "{text}");
    assert!(text.contains("url: https://volcheck.example:8443/validate/deny\n"), "{text}");
    assert!(!text.contains("service:") && text.matches("caBundle: LS0t").count() == 4, "{text}");
}

#[test]
fn what_can_t_be_put_into_a_manifest_is_refused() {
    let files = folder(&[("bad.yaml", "version: 1\nmode: deny\n")]);
    let bad = files.path().join("bad.yaml");
    let bad = bad.to_str().expect("a path");
    for (arguments, words) in [
        (&["--image", "a b"][..], "no name of an image"),
        (&["--image", "a\nb"], "no name of an image"),
        (&["--image", "a:"], "no name of an image"),
        (&["--image", ""], "no name of an image"),
        (&["--image", "i", "--namespace", "Shop"], "no name of a namespace"),
        (&["--image", "i", "--namespace", "null"], "no name of a namespace"),
        (&["--image", "i", "--namespace", "123"], "no name of a namespace"),
        (&["--image", "i", "--namespace=-a"], "no name of a namespace"),
        (&["--image", "i", "--namespace", ""], "no name of a namespace"),
        (&["--static", "https://a", "--ca-bundle", "Cargo.toml"], "no certificate in PEM"),
        (&["--image", "i", "--policy", bad], "mode"),
        (&["--image", "i", "--policy", "nosuch.yaml"], "nosuch.yaml"),
        (&["--static", "http://a", "--ca-bundle", "Cargo.toml"], "doesn't begin with https://"),
        (&["--static", "https://a", "--ca-bundle", "nosuch.crt"], "nosuch.crt"),
        (&["--static", "https://a"], "--ca-bundle"),
        (&[], "--image"),
    ] {
        let output = manifest(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(words), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}
