//! `volcheck paths`.

use std::fs;

use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::{root, temp_dir, volcheck_in};

const MANIFEST: &str = r#"apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: store
  namespace: shop
spec:
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      initContainers:
      - name: init
        image: init:1
        volumeMounts:
        - {name: logs, mountPath: /logs, readOnly: true}
      containers:
      - name: store
        image: store:1
        volumeMounts:
        - {name: logs, mountPath: /logs, subPath: pods}
        - {name: tmp, mountPath: /tmp}
        - {name: socket, mountPath: /run/docker.sock, readOnly: true}
        - {name: config, mountPath: /config}
        - {name: data, mountPath: /data}
        volumeDevices:
        - {name: disk, devicePath: /dev/xvda}
      volumes:
      - name: logs   # volcheck: ignore[sensitive-host-path] -- the test
        hostPath: {path: /var//log/, type: Directory}
      - name: tmp
        emptyDir: {medium: Memory, sizeLimit: 64Mi}
      - name: socket
        hostPath: {path: /var/run/docker.sock}
      - name: config
        configMap: {name: config}
      - name: disk
        persistentVolumeClaim: {claimName: disk}
      - name: placeholder
        hostPath: {path: "${ROOT:-/srv}/x", type: Directory}
      - name: unused
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-1}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  local: {path: /mnt/disk-1}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: "=cmd", namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"#;

/// Returns the exit code and the output of `volcheck paths` for a manifest.
fn paths(manifest: &str, arguments: &[&str]) -> (i32, String) {
    let directory = temp_dir(&[("store.yaml", manifest)]);
    volcheck_in(directory.path(), &[&["paths", "--no-policy"], arguments].concat())
}

#[test]
fn table_has_one_row_per_volume_and_mount() {
    let (code, text) = paths(MANIFEST, &[]);
    assert_eq!(code, 0, "{text}");
    let columns = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = text.lines().map(columns).collect();
    let store = "StatefulSet shop/store";
    let expected = [
        vec!["OBJECT", "CONTAINER", "TYPE", "SOURCE", "MOUNTED AT", "ACCESS", "CLASS", "FINDINGS"],
        vec![store, "init", "hostPath (Directory)", "/var/log", "/logs", "read", "sensitive"],
        vec![
            store,
            "store",
            "hostPath (Directory)",
            "/var/log/pods",
            "/logs (subPath pods)",
            "write",
            "sensitive",
        ],
        vec![store, "store", "emptyDir", "Memory, 64Mi", "/tmp", "write", "-"],
        vec![store, "store", "hostPath", "/run/docker.sock", "/run/docker.sock", "write", "socket"],
        vec![store, "store", "volumeClaimTemplates", "data", "/data", "write", "-"],
        vec![store, "store", "persistentVolumeClaim", "disk", "/dev/xvda", "write", "-"],
        vec![store, "-", "hostPath (Directory)", "${ROOT:-/srv}/x", "-", "-", "unknown"],
        vec![store, "-", "emptyDir", "-", "-", "-", "-"],
        vec!["PersistentVolume disk-1", "-", "local", "/mnt/disk-1", "-", "write", "unlisted"],
        vec!["PersistentVolumeClaim shop/=cmd", "-", "persistentVolumeClaim", "=cmd", "-", "-", "-"],
    ];
    assert_eq!(rows.len(), expected.len(), "{text}");
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(&row[..expected.len()], expected, "{text}");
    }
    assert!(rows[2][7].contains("writable-host-path"), "{text}");
    assert!(rows[2][7].ends_with("(suppressed: sensitive-host-path)"), "{text}");
    assert!(rows[4][7].contains("runtime-socket"), "{text}");
}

#[test]
fn json_matches_its_schema() {
    let schema = fs::read_to_string(root().join("docs/reference/paths.schema.json")).expect("the schema");
    let (_, printed) = volcheck_in(root(), &["schema", "paths"]);
    assert_eq!(printed, schema);
    let (code, text) = paths(MANIFEST, &["--format", "json"]);
    assert_eq!(code, 0, "{text}");
    assert_valid(&schema, &text);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let socket = &document["volumes"][3];
    assert_eq!(socket["volume"], "socket");
    assert_eq!((&socket["file"], &socket["line"]), (&"store.yaml".into(), &22.into()));
    let (code, text) =
        volcheck_in(root(), &["paths", "--no-policy", "--format", "json", "examples", "tests/fixtures"]);
    assert_eq!(code, 2, "some fixtures are invalid");
    let json = &text[text.find('{').expect("JSON")..=text.rfind("\n}\n").expect("JSON") + 1];
    assert_valid(&schema, json);
}

#[test]
fn csv_cells_are_not_formulas() {
    let (code, text) = paths(MANIFEST, &["--format", "csv"]);
    assert_eq!(code, 0, "{text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 10);
    assert!(rows.iter().flatten().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{text}");
    assert_eq!(&rows[9][12], "'=cmd");
}

#[test]
fn input_without_objects_or_with_errors_exits_with_2() {
    let (code, text) = paths("a: 1\n", &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("no Kubernetes objects found"), "{text}");
    assert_eq!(paths("a: 1\n", &["--allow-empty"]).0, 0);
    let (code, text) = paths(&format!("{MANIFEST}---\na: [\n"), &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("store.yaml:") && text.contains("StatefulSet shop/store"), "{text}");
}
