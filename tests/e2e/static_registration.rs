//! The steps in `docs/static-registration.md`: a registration in a file, and volcheck outside of
//! the cluster. systemd is simulated.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::control_plane::{STATIC_MANIFESTS, wait_for};
use crate::harness::{BAD, Completed, GOOD, Harness, harness, pod};
use crate::page::Page;
use crate::user_certs::{is_admitted, is_enforcing};

/// A service of the simulated systemd, killed when dropped.
struct Unit(Child);

impl Unit {
    /// Starts the service of a unit file, as its user.
    fn start(text: &str) -> Self {
        let setting = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("a setting")
        };
        let mut words = setting("ExecStart").split(' ');
        let mut command = Command::new(words.next().expect("a program"));
        let [user, group] = ["User", "Group"].map(|name| setting(name).parse().expect("an ID"));
        Self(command.args(words).uid(user).gid(group).spawn().expect("a process"))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns how often the API server has reloaded the static registrations with this result.
fn reloads(harness: &Harness, page: &Page, result: &str) -> f64 {
    let text = harness.shell(page.block("kubectl get --raw /metrics")).ok();
    let line = text.lines().find(|line| {
        line.contains("_automatic_reloads_total{") && line.contains(&format!("status=\"{result}\""))
    });
    line.map_or(0.0, |line| line.rsplit_once(' ').expect("a value").1.parse().expect("a number"))
}

fn create_in(harness: &Harness, namespace: &str) -> Completed {
    harness.dry_run(namespace, &pod("trial", GOOD))
}

#[test]
fn static_registration_denies_pods_until_its_file_is_removed() {
    let harness = harness();
    harness.uninstall();
    let directory = &harness.control_plane.directory;
    harness.install_program();
    let page = Page::read("docs/static-registration.md", directory);
    let run = |text: &str| harness.shell(page.block(text));
    let unit = page.block("[Service]");

    // Run volcheck on the node.
    run("volcheck certs").ok();
    let running = Unit::start(unit);
    assert_eq!(run("/readyz").ok(), "ok\n");

    // Register the webhook.
    assert!(is_admitted(&harness));
    let [ignore, fail] = page.blocks("volcheck manifest").try_into().expect("two commands");
    harness.shell(ignore).ok();
    let denied = wait_for("a denial", || Some(run("kubectl apply")).filter(|done| !done.is_success));
    assert!(
        denied.stderr.contains("denied the request: volcheck: 1 problem in Pod shop/socket"),
        "{denied:?}"
    );
    harness.kubectl(&["delete", "pod", "socket", "-n", "shop", "--ignore-not-found"]).ok();
    assert!(reloads(&harness, &page, "success") >= 1.0);
    let delete = ["delete", "validatingwebhookconfiguration", "volcheck.static.k8s.io"];
    assert!(harness.kubectl(&delete).failed().contains("NotFound"));
    assert_eq!(harness.kubectl(&["get", "validatingwebhookconfigurations", "-o", "name"]).ok(), "");
    // With `Ignore`, a Pod is admitted while volcheck is down.
    drop(running);
    assert!(is_admitted(&harness));

    // The second registration has the failure policy `Fail`.
    let before = reloads(&harness, &page, "success");
    harness.shell(fail).ok();
    wait_for("a reload", || (reloads(&harness, &page, "success") > before).then_some(()));
    // While volcheck is down, only the Pods in excluded namespaces are created.
    let error = create_in(&harness, "shop").failed();
    assert!(error.contains("failed calling webhook \"validate.volcheck.io\""), "{error}");
    create_in(&harness, "kube-system").ok();
    let running = Unit::start(unit);
    wait_for("reviews to start", || is_enforcing(&harness).then_some(()));

    // An invalid file does not change the registration.
    let invalid = directory.join(STATIC_MANIFESTS).join("invalid.yaml");
    fs::write(&invalid, "kind: ValidatingWebhookConfiguration\n").expect("written");
    wait_for("a failed reload", || (reloads(&harness, &page, "failure") >= 1.0).then_some(()));
    assert!(is_enforcing(&harness));
    fs::remove_file(invalid).expect("removed");

    // The registration is removed while it blocks the cluster.
    drop(running);
    create_in(&harness, "shop").failed();
    let start = Instant::now();
    run("rm ").ok();
    wait_for("reviews to stop", || create_in(&harness, "shop").is_success.then_some(()));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(harness.dry_run("shop", &pod("trial", BAD)).is_success);
}

/// The static Pod has the arguments of the systemd unit, and the API server accepts it.
#[test]
fn documented_static_pod_is_valid() {
    let harness = harness();
    let page = Page::read("docs/static-registration.md", Path::new("/"));
    let manifest = page.block("kind: Pod\n");
    harness.dry_run("kube-system", manifest).ok();
    let pod: serde_json::Value = serde_yaml::from_str(manifest).expect("YAML");
    let arguments = pod["spec"]["containers"][0]["args"].as_array().expect("arguments");
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_str().expect("text")).collect();
    let unit = page.block("[Service]").lines().find_map(|line| line.strip_prefix("ExecStart="));
    assert_eq!(unit.expect("a command").split(' ').skip(1).collect::<Vec<_>>(), arguments);
}
