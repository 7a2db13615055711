//! Compares the model with the oracle, an independent list of the volumes in the corpus. Both
//! contain the same `hostPath` and `emptyDir` volumes, except for the differences in [`KNOWN`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use volcheck::model::{
    self, ContainerList, FieldPath, HostPathForm, Object, Pod, Segment, TypeMeta, VolumeMount,
};
use volcheck::policy;
use volcheck::source::{self, File, NodeId, NodeRef, Tree, View, decode, split_documents};

use crate::{manifests, shared};

/// A volume and one of its mounts, as the oracle lists them.
type Row = [String; 11];

const COLUMNS: [&str; 11] = [
    "file",
    "kind",
    "name",
    "pointer",
    "volume",
    "source",
    "path",
    "type",
    "medium",
    "mounted_by",
    "mountPath",
];

/// Known differences: a substring of the difference, and the reason.
const KNOWN: &[(&str, &str)] = &[(
    "extra: kubernetes__examples/_archived/storage/redis/redis-controller.yaml | ReplicationController | redis",
    "a volume with only a name, which the API server defaults to an emptyDir",
)];

fn oracle() -> BTreeMap<Row, String> {
    let text = fs::read_to_string(shared().join("corpus/oracle/dev.volumes.tsv")).expect("the oracle");
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().expect("a head").split('\t').collect();
    let at = |name: &str| head.iter().position(|column| *column == name).expect("a column");
    let columns = COLUMNS.map(at);
    let access = at("readOnly");
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    lines
        .map(cells)
        .map(|cells| (columns.map(|column| cells[column].clone()), cells[access].clone()))
        .collect()
}

fn pointer(path: &FieldPath) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Key(key) => format!("/{key}"),
        Segment::Index(index) => format!("/{index}"),
    };
    path.segments().iter().map(step).collect()
}

fn list(list: ContainerList) -> &'static str {
    match list {
        ContainerList::Init => "initContainers",
        ContainerList::Main => "containers",
        ContainerList::Ephemeral => "ephemeralContainers",
    }
}

fn rows_of(file: &str, object: &Object<'_>, rows: &mut BTreeMap<Row, String>) {
    let head = |location: &FieldPath, cells: [&str; 7]| -> Row {
        let [volume, source, path, kind, medium, mounted_by, mount_path] = cells.map(str::to_owned);
        let (file, object_kind, name) = (file.to_owned(), object.id.kind.clone(), object.id.name.clone());
        [
            file,
            object_kind,
            name,
            pointer(location),
            volume,
            source,
            path,
            kind,
            medium,
            mounted_by,
            mount_path,
        ]
    };
    if let Some(host_path) = object.persistent_volume().and_then(|spec| spec.host_path.as_ref()) {
        let location = FieldPath::from_keys(&["spec", "hostPath"]);
        let kind = host_path.host_path_type.as_deref().unwrap_or_default();
        rows.insert(
            head(&location, ["", "PV:hostPath", &host_path.path, kind, "", "(pv)", ""]),
            String::new(),
        );
    }
    for pod in object.pods() {
        for volume in pod.volumes.iter().chain(&pod.shadowed_volumes) {
            let (source, path, kind, medium) = match (volume.host_path(), volume.empty_dir()) {
                // In some custom resources, a field other than a volume contains the host path.
                (Some(host_path), _) if matches!(host_path.form, HostPathForm::Field { .. }) => continue,
                (Some(host_path), _) => (
                    "hostPath",
                    &*host_path.path,
                    host_path.host_path_type.as_deref().unwrap_or_default(),
                    String::new(),
                ),
                (None, Some(empty_dir)) => ("emptyDir", "", "", empty_dir.medium.to_string()),
                (None, None) => continue,
            };
            let mut mounts = mounts(pod, &volume.name);
            if mounts.is_empty() {
                mounts.push(("(not mounted)".to_owned(), String::new(), String::new()));
            }
            for (mounted_by, mount_path, access) in mounts {
                let cells = [&*volume.name, source, path, kind, &medium, &mounted_by, &mount_path];
                rows.insert(head(&volume.path, cells), access);
            }
        }
    }
}

fn mounts(pod: &Pod<'_>, volume: &str) -> Vec<(String, String, String)> {
    let access = |mount: &VolumeMount<'_>| match mount.read_only {
        None => "",
        Some(true) => "True",
        Some(false) => "False",
    };
    let mounts = pod.mounts_of(volume).map(|of| {
        let by = format!("{}:{}", list(of.container.list), of.container.name);
        (by, of.mount.mount_path.to_string(), access(of.mount).to_owned())
    });
    mounts.collect()
}

fn each_object(tree: &Tree<'_>, node: NodeId, visit: &mut dyn FnMut(&TypeMeta<'_>, NodeId)) {
    let Ok(meta) = decode::<TypeMeta<'_>>(tree, node) else { return };
    match tree.get(node, "items").map(|items| (items, tree.view(items))) {
        Some((items, View::Sequence(_))) => {
            for item in tree.items(items) {
                each_object(tree, *item, visit);
            }
        }
        _ => visit(&meta, node),
    }
}

#[test]
fn model_contains_every_volume_of_the_oracle() {
    let mut rows = BTreeMap::new();
    for (name, path) in manifests() {
        let file = File::decode(name.as_str(), fs::read(path).expect("a file")).expect("a text");
        for chunk in split_documents(file.text()) {
            let Ok(Some(tree)) = source::parse(file.text(), chunk.range) else { continue };
            each_object(&tree, tree.root(), &mut |meta, node| {
                if meta.kind.is_empty() || &*meta.kind == "CustomResourceDefinition" {
                    return;
                }
                let decoded =
                    model::decode_object(NodeRef { tree: &tree, node }, meta, "", policy::workloads());
                if let Ok(decoded) = decoded {
                    rows_of(&name, &decoded.object, &mut rows);
                }
            });
        }
    }
    let oracle = oracle();
    assert!(oracle.len() > 250, "only {} rows", oracle.len());
    let mut differences = BTreeSet::new();
    for (row, access) in &oracle {
        match rows.get(row) {
            None => {
                differences.insert(format!("missing: {}", row.join(" | ")));
            }
            Some(actual) if actual != access => {
                differences.insert(format!("access {actual:?}, expected {access:?}: {}", row.join(" | ")));
            }
            Some(_) => {}
        }
    }
    for row in rows.keys().filter(|row| !oracle.contains_key(*row)) {
        differences.insert(format!("extra: {}", row.join(" | ")));
    }
    let unknown: Vec<_> =
        differences.iter().filter(|line| !KNOWN.iter().any(|(name, _)| line.contains(name))).collect();
    assert!(unknown.is_empty(), "{} differences:\n{unknown:#?}", unknown.len());
    for (name, why) in KNOWN {
        assert!(differences.iter().any(|line| line.contains(name)), "{name} no longer differs ({why})");
    }
}
