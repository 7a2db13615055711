//! What somebody sees who installs volcheck: the page of the documentation, and the guidance's own manifests.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::control_plane::until;
use crate::issued::VALUES;
use crate::support::{self, golden};
use crate::world::{World, root, world};

/// A command, and what it prints, as on a terminal.
fn command(world: &World, words: &str) -> String {
    let arguments: Vec<&str> = words.split(' ').skip(1).collect();
    let done = world.kubectl(&[&arguments[..], &["-n", "shop"]].concat());
    format!("$ {words}\n{}{}", done.stderr, done.stdout)
}

/// A Pod's name ends in letters that are others each time.
fn without_suffixes(text: &str) -> String {
    let pattern = regex::Regex::new(r"web-[0-9a-f]{8,10}-[0-9a-z]{5}").expect("a pattern");
    pattern.replace_all(text, "web-7d9c5f6b8d-x2x4q").into_owned()
}

/// `docs/cluster.md` shows what really came of it.
#[test]
fn the_documentation_shows_what_happens() {
    let world = world();
    world.install(VALUES);
    let mut shown = String::new();
    for name in ["reader", "untyped", "writable", "socket", "web"] {
        shown += &command(&world, &format!("kubectl apply -f examples/cluster/{name}.yaml"));
    }
    let of = "kubectl get events --field-selector=reason=FailedCreate -o jsonpath={.items[-1:].message}";
    let event = until("the event", || Some(command(&world, of)).filter(|text| text.contains("/web-")));
    shown += &format!("{}\n", without_suffixes(&event));
    world.kubectl(&["delete", "pod/reader", "deployment/web", "-n", "shop"]).ok();
    let page = root().join("docs/cluster.md");
    let text = fs::read_to_string(&page).expect("the page");
    let (start, end) = ("<!-- shown -->\n```console\n", "```\n<!-- /shown -->");
    let (before, rest) = text.split_once(start).expect("where it starts");
    let (_, after) = rest.split_once(end).expect("where it ends");
    golden(&page, &format!("{before}{start}{shown}{end}{after}")).unwrap_or_else(|error| panic!("{error}"));
}

/// The errors that lint reports: the rule and the message.
fn messages(manifest: &str) -> Vec<(String, String)> {
    let policy = volcheck::policy::Policy::from_profile(
        volcheck::policy::Profile::Recommended,
        &volcheck::policy::Overrides::default(),
    );
    let outcome = support::lint(&policy.expect("a profile"), "pod.yaml", manifest);
    let findings = outcome.findings.into_iter().map(|located| located.finding);
    findings
        .filter(|finding| finding.severity == volcheck::finding::Severity::Error)
        .map(|finding| (format!("[{}] ", finding.rule), finding.message))
        .collect()
}

/// The manifests that the guidance itself shows come in, and each step away from it is denied in lint's own words.
#[test]
fn the_guidance_s_own_manifests_come_in_and_a_step_away_from_them_does_not() {
    let Some(shared) = std::env::var_os("VOLCHECK_SHARED") else {
        eprintln!("NOT RUN: VOLCHECK_SHARED doesn't say where the guidance's manifests are");
        return;
    };
    let world = world();
    world.install(VALUES);
    let read = |name: &str| {
        let path = Path::new(&shared).join("seed").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (host_path, empty_dir) = (read("hostpath-pod.yaml"), read("emptydir-pod.yaml"));
    for manifest in [&host_path, &empty_dir] {
        world.apply("shop", manifest).ok();
    }
    world.kubectl(&["delete", "pod", "hostpath-example", "emptydir-example", "-n", "shop"]).ok();
    let worse = [
        host_path.replace("      type: Directory\n", ""),
        host_path.replace("      readOnly: true\n", ""),
        host_path.replace("/var/log", "/var/run/docker.sock").replace("type: Directory", "type: Socket"),
    ];
    for manifest in worse {
        assert_ne!(manifest, host_path);
        let (expected, error) = (messages(&manifest), world.apply("shop", &manifest).failed());
        assert!(!expected.is_empty() && error.contains("denied the request: volcheck: "), "{error}");
        assert!(
            expected.iter().all(|(rule, message)| error.contains(rule) && error.contains(message)),
            "{expected:#?}\n{error}"
        );
    }
    let stored = world.kubectl(&["get", "pods", "-n", "shop", "-o", "json"]).ok();
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    let names: Vec<_> =
        stored["items"].as_array().expect("Pods").iter().map(|pod| &pod["metadata"]["name"]).collect();
    assert!(!names.iter().any(|name| *name == "hostpath-example"), "{names:?}");
}
