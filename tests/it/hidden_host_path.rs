//! `hidden-host-path`: Pods, claims and PersistentVolumes in several inputs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binding_cases::{Case, WAITS_FOR_POD, cases, documents, named_volumes};
use crate::support::{golden, root, selecting, temp_dir, volcheck_in};

const KINDS: [&str; 3] = ["StorageClass", "PersistentVolume", "PersistentVolumeClaim"];

#[test]
fn binder_agrees_with_the_controller() {
    let cases = cases();
    assert!(cases.len() > 50, "{}", cases.len());
    let kinds = KINDS.map(|kind| documents(&cases, kind));
    let mut reversed = kinds.clone();
    reversed.reverse();
    for text in [kinds.concat(), reversed.concat()] {
        let named = named_volumes(&cases, &text);
        let problems: Vec<_> = cases.iter().filter_map(|case| problem(case, named.get(&case.id))).collect();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// Compares the volume that the claim was bound to with the volumes that lint names.
fn problem(case: &Case, named: Option<&BTreeSet<String>>) -> Option<String> {
    let named: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
    let is_expected = match case.bound.as_deref() {
        // Each of the equal volumes can be bound.
        Some(bound) if case.id.starts_with("bind-tie-") => named.len() == 4 && named.contains(&bound),
        Some(bound) => named == [bound],
        None if case.id == WAITS_FOR_POD => named == ["wf1"],
        None => named.is_empty(),
    };
    (!is_expected).then(|| format!("{}: bound {:?}, named {named:?}", case.id, case.bound))
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}]
  volumes:
  - name: data
    persistentVolumeClaim:
      claimName: data
";

/// Returns a claim `data`.
fn claim(class: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec:\n  \
         accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n{class}"
    )
}

/// Returns a PersistentVolume with this source.
fn volume(name: &str, class: &str, source: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  \
         accessModes: [ReadWriteOnce]\n  capacity: {{storage: 1Gi}}\n{class}  {source}\n"
    )
}

const MANUAL: &str = "  storageClassName: manual\n";
const HOST_PATH: &str = "hostPath: {path: /etc/kubernetes}";
const NFS: &str = "nfs: {server: nfs.example.com, path: /}";

const SELECT: [&str; 4] = ["lint", "--no-policy", "--select", "hidden-host-path"];

/// Lints paths in a directory, and returns one line per finding.
fn concise(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let (_, text) = volcheck_in(directory, &[&SELECT[..], &["--format", "concise"], arguments].concat());
    text.lines().filter(|line| line.contains("[hidden-host-path]")).map(str::to_owned).collect()
}

#[test]
fn example_shows_the_pod_the_claim_and_the_volume() {
    let arguments = [&SELECT[..], &["examples/hidden"]].concat();
    let (code, text) = volcheck_in(root(), &arguments);
    assert_eq!(code, 1, "{text}");
    golden(&root().join("examples/hidden/output.txt"), &text).unwrap_or_else(|problem| panic!("{problem}"));
    let (_, json) = volcheck_in(root(), &[&arguments[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&json).expect("JSON");
    let finding = &report["findings"][0];
    let related = finding["related"].as_array().expect("related locations");
    let files =
        related.iter().map(|related| (related["file"].as_str(), related["span"]["start"]["line"].as_u64()));
    assert_eq!(finding["file"], "examples/hidden/web.yaml");
    let expected =
        [(Some("examples/hidden/claim.yaml"), Some(4)), (Some("examples/hidden/volume.yaml"), Some(12))];
    assert_eq!(files.collect::<Vec<_>>(), expected);
}

#[test]
fn result_depends_neither_on_order_nor_on_threads() {
    let directory = temp_dir(&[
        ("a.yaml", POD),
        ("b.yaml", &claim(MANUAL)),
        ("c.yaml", &volume("node", MANUAL, HOST_PATH)),
        ("d.yaml", &volume("nfs", MANUAL, NFS)),
    ]);
    let expected = concise(directory.path(), &["."]);
    assert_eq!(expected.len(), 1, "{expected:?}");
    assert!(expected[0].contains("can be bound to `node` or `nfs`"), "{expected:?}");
    for files in [["a.yaml", "b.yaml", "c.yaml", "d.yaml"], ["d.yaml", "c.yaml", "b.yaml", "a.yaml"]] {
        for threads in ["1", "2", "8"] {
            let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
                .args(SELECT)
                .args(["--format", "concise"])
                .args(files)
                .env("RAYON_NUM_THREADS", threads)
                .current_dir(directory.path())
                .output()
                .expect("volcheck");
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            assert_eq!(text.lines().next(), Some(&*expected[0]));
        }
    }
}

#[test]
fn standard_input_is_checked_with_files() {
    let directory = temp_dir(&[("volume.yaml", &volume("node", MANUAL, HOST_PATH))]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(SELECT)
        .args(["--format", "concise", "volume.yaml", "-"])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("volcheck");
    let text = format!("{POD}---\n{}", claim(MANUAL));
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("an exit status");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.starts_with("<stdin>:9:18: error[hidden-host-path]"), "{text}");
    assert!(text.contains("(see volume.yaml:8)"), "{text}");
}

#[test]
fn claims_of_other_environments_do_not_count() {
    let directory = temp_dir(&[
        ("dev/pod.yaml", POD),
        ("dev/claim.yaml", &claim("  storageClassName: nfs\n")),
        ("dev/volume.yaml", &volume("nfs", "  storageClassName: nfs\n", NFS)),
        ("prod/app/pod.yaml", POD),
        ("prod/claim.yaml", &claim(MANUAL)),
        ("prod/volume.yaml", &volume("node", MANUAL, HOST_PATH)),
    ]);
    let found = concise(directory.path(), &["."]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("prod/app/pod.yaml:9:18: "), "{found:?}");
}

#[test]
fn claims_without_a_class_match_only_nearby_volumes() {
    let volume = volume("node", "", HOST_PATH);
    let found = |volume_path: &str| {
        let directory =
            temp_dir(&[("app/pod.yaml", POD), ("app/claim.yaml", &claim("")), (volume_path, &volume)]);
        concise(directory.path(), &["."]).len()
    };
    assert_eq!(found("app/volume.yaml"), 1);
    assert_eq!(found("app/storage/volume.yaml"), 1);
    assert_eq!(found("volume.yaml"), 1);
    assert_eq!(found("other/volume.yaml"), 0);
    assert_eq!(found("app-2/volume.yaml"), 0);
}

#[test]
fn comments_exemptions_and_allow_lists_apply() {
    let files = [("claim.yaml", &*claim(MANUAL)), ("volume.yaml", &*volume("node", MANUAL, HOST_PATH))];
    let suppressed = |pod: &str, policy: &str| {
        let directory = temp_dir(&[&files[..], &[("pod.yaml", pod), ("volcheck.yaml", policy)]].concat());
        let (code, text) =
            volcheck_in(directory.path(), &["lint", ".", "--select", "hidden-host-path,unused-ignore"]);
        (code, text.contains("1 suppressed"))
    };
    let ignored =
        POD.replace("claimName: data", "claimName: data # volcheck: ignore[hidden-host-path] -- tested");
    let exempt = "version: 1\nexemptions:\n- rules: [hidden-host-path]\n  match: {namespace: '*', path: /etc/kubernetes}\n  reason: tested\n";
    let allowed = "version: 1\nhostPaths:\n  allowOnly:\n  - path: /etc/kubernetes\n  - path: /srv\n";
    assert_eq!(suppressed(POD, "version: 1\n"), (1, false));
    assert_eq!(suppressed(&ignored, "version: 1\n"), (0, true));
    assert_eq!(suppressed(POD, exempt), (0, true));
    // The allow list applies only to paths that are not in the catalog.
    assert_eq!(suppressed(POD, allowed), (1, false));
    let directory = temp_dir(&[
        ("claim.yaml", &*claim(MANUAL)),
        ("volume.yaml", &*volume("node", MANUAL, "hostPath: {path: /srv/data}")),
        ("pod.yaml", POD),
        ("volcheck.yaml", allowed),
    ]);
    let (code, text) = volcheck_in(directory.path(), &["lint", ".", "--select", "hidden-host-path"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn many_claims_take_linear_time() {
    const COUNT: usize = 20_000;
    let mut text = String::new();
    for index in 0..COUNT {
        // Writing to a string never fails.
        let _ = writeln!(
            text,
            "{{\"apiVersion\": \"v1\", \"kind\": \"PersistentVolumeClaim\", \"metadata\": {{\"name\": \"c-{index}\"}}, \
             \"spec\": {{\"storageClassName\": \"manual\", \"accessModes\": [\"ReadWriteOnce\"], \"resources\": \
             {{\"requests\": {{\"storage\": {index}}}}}}}}}"
        );
    }
    let volume = volume("node", MANUAL, HOST_PATH);
    let pod = POD.replace("claimName: data", "claimName: c-19999");
    let directory = temp_dir(&[("claims.json", &text), ("pod.yaml", &pod), ("volume.yaml", &volume)]);
    let found = concise(directory.path(), &["."]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn pods_with_bound_claims_report_each_finding_once() {
    let policy = selecting(&["hidden-host-path", "unused-volume", "untyped-host-path"]);
    let text = format!("{POD}---\n{}---\n{}", claim(MANUAL), volume("node", MANUAL, HOST_PATH));
    let outcome = crate::support::lint(&policy, "all.yaml", &text);
    let mut rules: Vec<_> = outcome.findings.iter().map(|located| located.finding.rule.to_string()).collect();
    rules.sort();
    assert_eq!(rules, ["hidden-host-path", "untyped-host-path"]);
    assert_eq!((outcome.counts.files, outcome.counts.objects), (1, 3));
}

#[test]
fn names_claims_that_compete_for_all_candidates() {
    let claim = |name: &str, size: &str, key: &str| {
        let claim = claim(key).replace("name: data", &format!("name: {name}"));
        claim.replace("1Gi", size)
    };
    let volume = |name: &str, size: &str, key: &str| volume(name, key, HOST_PATH).replace("1Gi", size);
    let data = claim("data", "1Gi", "");
    let named = claim("data", "1Gi", "  volumeName: a\n  storageClassName: manual\n");
    let other = claim("other", "1Gi", MANUAL);
    let reserved = volume("a", "1Gi", "  claimRef: {namespace: default, name: data}\n");
    let competes = "warning: may expose host path `/etc/kubernetes`: claims `data` and `default/other` \
                    compete for PersistentVolume `a`";
    let exposes = "error: exposes host path `/etc/kubernetes` through claim `data` and PersistentVolume `a`";
    let two = "error: may expose host path `/etc/kubernetes`: claim `data` can be bound to `a` or `b`";
    let waits = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: manual}\n\
                 provisioner: none\nvolumeBindingMode: WaitForFirstConsumer\n";
    let unclassed = claim("other", "1Gi", "");
    let large = claim("data", "9Gi", "");
    for (objects, expected) in [
        (vec![data.clone(), unclassed.clone(), volume("a", "1Gi", "")], competes),
        (vec![data.clone(), unclassed.clone(), volume("a", "9Gi", "")], competes),
        (vec![data.clone(), data.clone(), volume("a", "1Gi", "")], exposes),
        (vec![data.clone(), claim("other", "5Gi", ""), volume("a", "1Gi", "")], exposes),
        // The other claim leaves one of the volumes for the claim `data`.
        (vec![data.clone(), unclassed.clone(), volume("a", "1Gi", ""), volume("b", "1Gi", "")], two),
        (vec![data.clone(), unclassed.clone(), volume("a", "1Gi", ""), volume("b", "9Gi", "")], two),
        // Smaller volumes suffice for the other claims.
        (
            vec![
                large,
                unclassed.clone(),
                claim("third", "1Gi", ""),
                volume("a", "9Gi", ""),
                volume("b", "1Gi", ""),
                volume("c", "1Gi", ""),
            ],
            exposes,
        ),
        // A volume is reserved for the claim, or the claim is bound to it.
        (vec![data, unclassed, reserved.clone()], exposes),
        (vec![named.clone(), other.clone(), reserved], exposes),
        // The controller may bind the claim `other` first, unless binding waits for a Pod.
        (vec![named.clone(), other.clone(), volume("a", "1Gi", MANUAL)], competes),
        (vec![named, other, volume("a", "1Gi", MANUAL), waits.to_owned()], exposes),
    ] {
        let text = [vec![POD.to_owned()], objects].concat().join("---\n");
        let directory = temp_dir(&[("all.yaml", &text)]);
        let found = concise(directory.path(), &["all.yaml"]);
        let found: Vec<_> = found.iter().map(|line| line.replace("[hidden-host-path]", ":")).collect();
        let message = expected.replacen(": ", ": volume `data` ", 1);
        assert!(
            matches!(found.as_slice(), [line] if line.contains(&message)),
            "{found:#?}\n{expected}\n{text}"
        );
    }
}
