//! Rules that compare a Pod with the PersistentVolumeClaims that its volumes name.

use volcheck::lint::LocatedFinding;

use crate::support::{lint, selecting, temp_dir, volcheck_in};

const RULES: [&str; 4] =
    ["conflicting-access-mode", "hidden-host-path", "mismatched-volume-mode", "writable-read-only-claim"];

/// Returns a Pod with the claim `data`. `usage` contains fields of the container, and `source`
/// contains fields of the volume source.
fn pod(usage: &str, source: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  \
         - {{name: web, image: nginx, {usage}}}\n  volumes:\n  \
         - {{name: data, persistentVolumeClaim: {{claimName: data{source}}}}}\n"
    )
}

/// Returns a claim `data` with these fields.
fn claim(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\n\
         spec: {{storageClassName: fast, resources: {{requests: {{storage: 1Gi}}}}, {fields}}}\n"
    )
}

const MOUNT: &str = "volumeMounts: [{name: data, mountPath: /data}]";
const READ_ONLY_MOUNT: &str = "volumeMounts: [{name: data, mountPath: /data, readOnly: true}]";
const DEVICE: &str = "volumeDevices: [{name: data, devicePath: /dev/data}]";
const FILES: &str = "accessModes: [ReadWriteOnce]";
const BLOCK: &str = "accessModes: [ReadWriteOnce], volumeMode: Block";
const READ_ONLY: &str = "accessModes: [ReadOnlyMany]";

/// Returns the findings as `line:column rule (lines of related locations)`.
fn found(text: &str) -> Vec<String> {
    let describe = |located: &LocatedFinding| {
        let start = located.location.primary.expect("a location").start;
        let related: Vec<_> =
            located.location.related.iter().map(|related| related.span.start.line.to_string()).collect();
        format!("{}:{} {} ({})", start.line, start.column, located.finding.rule, related.join(", "))
    };
    lint(&selecting(&RULES), "all.yaml", text).findings.iter().map(describe).collect()
}

#[test]
fn uses_of_a_claim_must_match_its_modes() {
    for (usage, source, fields, expected) in [
        (MOUNT, "", FILES, None),
        (MOUNT, "", BLOCK, Some("6:53 mismatched-volume-mode (12)")),
        (DEVICE, "", BLOCK, None),
        (DEVICE, "", FILES, Some("6:54 mismatched-volume-mode (12)")),
        (MOUNT, "", READ_ONLY, Some("6:47 writable-read-only-claim (12)")),
        (READ_ONLY_MOUNT, "", READ_ONLY, None),
        (MOUNT, ", readOnly: true", READ_ONLY, None),
        (MOUNT, "", "accessModes: [ReadOnlyMany, ReadWriteMany]", None),
    ] {
        for text in [
            format!("{}---\n{}", pod(usage, source), claim(fields)),
            format!(
                "{}---\n{}---\n{}",
                pod(usage, source),
                claim(fields),
                claim(fields).replace("data", "x")
            ),
        ] {
            assert_eq!(found(&text), expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}

#[test]
fn claims_of_the_same_name_must_agree() {
    let text = [pod(MOUNT, ""), claim(BLOCK), claim(FILES)].join("---\n");
    assert_eq!(found(&text), [""; 0]);
    let text = [pod(MOUNT, ""), claim(BLOCK), claim(BLOCK)].join("---\n");
    assert_eq!(found(&text), ["6:53 mismatched-volume-mode (12, 17)"]);
}

#[test]
fn claims_in_other_files_are_found() {
    let directory = temp_dir(&[("pod.yaml", &pod(MOUNT, "")), ("storage/claim.yaml", &claim(BLOCK))]);
    let arguments = ["lint", ".", "--no-policy", "--select", "mismatched-volume-mode", "--format", "concise"];
    let (code, text) = volcheck_in(directory.path(), &arguments);
    assert_eq!(code, 1, "{text}");
    assert!(text.starts_with("pod.yaml:6:53: ") && text.contains("(see storage/claim.yaml:3)"), "{text}");
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  m.yaml: {value}\n")
}

const VOLUME: &str = "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: node}
spec:
  storageClassName: fast
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  hostPath: {path: /etc/kubernetes}
";

#[test]
fn objects_in_strings_are_connected() {
    let pod = pod(MOUNT, "");
    let claim = claim(FILES);
    let literal = |name: &str, text: &str| config_map(name, &format!("|\n{}", indented(text)));
    let quoted = |name: &str, text: &str| config_map(name, &serde_json::to_string(text).expect("JSON"));
    let list = |text: &str| format!("apiVersion: v1\nkind: List\nitems:\n-\n{}", indented(text));
    let all = [pod.clone(), claim.clone(), VOLUME.to_owned()];
    assert_eq!(found(&all.join("---\n")), ["8:53 hidden-host-path (12, 22)"]);
    assert_eq!(found(&all.map(|text| list(&text)).join("---\n")), ["12:57 hidden-host-path (20, 34)"]);
    for (parts, expected) in [
        ([literal("a", &pod), claim.clone(), VOLUME.to_owned()], "13:57 hidden-host-path (18, 28)"),
        ([pod.clone(), literal("b", &claim), VOLUME.to_owned()], "8:53 hidden-host-path (17, 28)"),
        ([pod.clone(), claim.clone(), literal("c", VOLUME)], "8:53 hidden-host-path (12, 27)"),
        // A finding in such a string has the location of the string.
        ([quoted("a", &pod), claim.clone(), VOLUME.to_owned()], "5:11 hidden-host-path (9, 19)"),
        ([pod.clone(), quoted("b", &claim), quoted("c", VOLUME)], "8:53 hidden-host-path (14, 20)"),
    ] {
        assert_eq!(found(&parts.join("---\n")), [expected], "{}", parts.join("---\n"));
    }
}
