//! Misspelled keys on the way from an object to its volumes and mounts, such as `volumeMount` or
//! `readonly`. Decoding ignores unknown keys, so the volumes and mounts below them are not checked.

use strsim::damerau_levenshtein;

use super::custom::CustomWorkload;
use super::decode::Node;
use super::field_path::{FieldPath, Segment};

/// A key that is probably a misspelling of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisspelledKey {
    pub path: FieldPath,
    /// The name of the field.
    pub field: &'static str,
    /// Whether the mapping also contains the field.
    pub has_field: bool,
}

/// The fields of a mapping that lead to volumes and mounts. For a list, the schema is that of its
/// items.
#[derive(Debug)]
pub(super) struct Schema {
    fields: &'static [(&'static str, Option<&'static Self>)],
    /// Whether to report misspelled keys of the mapping itself.
    is_checked: bool,
}

impl Schema {
    const fn new(fields: &'static [(&'static str, Option<&'static Self>)]) -> Self {
        Self { fields, is_checked: true }
    }
}

static MOUNT: Schema = Schema::new(&[
    ("name", None),
    ("mountPath", None),
    ("mountPropagation", None),
    ("readOnly", None),
    ("recursiveReadOnly", None),
    ("subPath", None),
    ("subPathExpr", None),
]);
static DEVICE: Schema = Schema::new(&[("name", None), ("devicePath", None)]);
static CONTAINER: Schema = Schema::new(&[("volumeMounts", Some(&MOUNT)), ("volumeDevices", Some(&DEVICE))]);
static HOST_PATH: Schema = Schema::new(&[("path", None), ("type", None)]);
static EMPTY_DIR: Schema = Schema::new(&[("medium", None), ("sizeLimit", None)]);
static CLAIM_SOURCE: Schema = Schema::new(&[("claimName", None), ("readOnly", None)]);
static CLAIM_SPEC: Schema = Schema::new(&[
    ("accessModes", None),
    ("storageClassName", None),
    ("volumeMode", None),
    ("volumeName", None),
]);
static CLAIM_TEMPLATE: Schema = Schema::new(&[("spec", Some(&CLAIM_SPEC))]);
static EPHEMERAL: Schema = Schema::new(&[("volumeClaimTemplate", Some(&CLAIM_TEMPLATE))]);
/// The keys of a volume itself are checked by the rule `unknown-volume-source`.
static VOLUME: Schema = Schema {
    fields: &[
        ("hostPath", Some(&HOST_PATH)),
        ("emptyDir", Some(&EMPTY_DIR)),
        ("persistentVolumeClaim", Some(&CLAIM_SOURCE)),
        ("ephemeral", Some(&EPHEMERAL)),
    ],
    is_checked: false,
};
static POD_SPEC: Schema = Schema::new(&[
    ("volumes", Some(&VOLUME)),
    ("containers", Some(&CONTAINER)),
    ("initContainers", Some(&CONTAINER)),
    ("ephemeralContainers", Some(&CONTAINER)),
]);
static POD_TEMPLATE: Schema = Schema::new(&[("spec", Some(&POD_SPEC))]);
static WORKLOAD_SPEC: Schema =
    Schema::new(&[("template", Some(&POD_TEMPLATE)), ("volumeClaimTemplates", Some(&CLAIM_TEMPLATE))]);
static JOB_TEMPLATE: Schema = Schema::new(&[("spec", Some(&WORKLOAD_SPEC))]);
static CRON_JOB_SPEC: Schema = Schema::new(&[("jobTemplate", Some(&JOB_TEMPLATE))]);
static LOCAL: Schema = Schema::new(&[("path", None), ("fsType", None)]);
static PERSISTENT_VOLUME_SPEC: Schema = Schema::new(&[
    ("hostPath", Some(&HOST_PATH)),
    ("local", Some(&LOCAL)),
    ("nodeAffinity", None),
    ("claimRef", None),
    ("accessModes", None),
    ("persistentVolumeReclaimPolicy", None),
    ("storageClassName", None),
    ("volumeMode", None),
]);

pub(super) static POD: Schema = Schema::new(&[("spec", Some(&POD_SPEC))]);
pub(super) static POD_TEMPLATE_OBJECT: Schema = Schema::new(&[("template", Some(&POD_TEMPLATE))]);
pub(super) static WORKLOAD: Schema = Schema::new(&[("spec", Some(&WORKLOAD_SPEC))]);
pub(super) static CRON_JOB: Schema = Schema::new(&[("spec", Some(&CRON_JOB_SPEC))]);
pub(super) static PERSISTENT_VOLUME: Schema = Schema::new(&[("spec", Some(&PERSISTENT_VOLUME_SPEC))]);
pub(super) static CLAIM: Schema = Schema::new(&[("spec", Some(&CLAIM_SPEC))]);

/// Returns the misspelled keys of the mappings that `schema` describes, in input order.
pub(super) fn find<'a, N: Node<'a>>(node: N, schema: &Schema) -> Vec<MisspelledKey> {
    let mut found = Vec::new();
    Search { base: &FieldPath::root(), path: Vec::new(), found: &mut found }.visit(node, schema);
    found
}

/// Returns the misspelled keys in the pod templates and pod specs of a custom workload.
pub(super) fn find_in_custom<'a, N: Node<'a>>(node: N, workload: &CustomWorkload) -> Vec<MisspelledKey> {
    let mut found = Vec::new();
    for (expressions, schema) in [(&workload.pod_templates, &POD_TEMPLATE), (&workload.pod_specs, &POD_SPEC)]
    {
        for (path, pod) in expressions.iter().flat_map(|expression| expression.find(node)) {
            Search { base: &path, path: Vec::new(), found: &mut found }.visit(pod, schema);
        }
    }
    found
}

/// The search for misspelled keys below a node.
struct Search<'f> {
    /// The path of the node.
    base: &'f FieldPath,
    /// The path from the node to the visited value. Most values have no misspelled keys, so the
    /// whole path is rarely needed.
    path: Vec<Segment>,
    found: &'f mut Vec<MisspelledKey>,
}

impl Search<'_> {
    fn visit<'a, N: Node<'a>>(&mut self, node: N, schema: &Schema) {
        if let Some(items) = node.items() {
            for (index, item) in items.into_iter().enumerate() {
                self.visit_at(Segment::Index(index), item, schema);
            }
            return;
        }
        for (key, value) in node.entries() {
            match schema.fields.iter().find(|(field, _)| *field == key) {
                Some((field, Some(inner))) => self.visit_at(Segment::Key((*field).into()), value, inner),
                Some((_, None)) => {}
                None if !schema.is_checked => {}
                None => {
                    let names = schema.fields.iter().map(|(field, _)| *field);
                    let Some(field) = misspelled_field(&key, names) else { continue };
                    let mapping =
                        self.path.iter().cloned().fold(self.base.clone(), |path, segment| path.with(segment));
                    let path = mapping.key(key.into_owned());
                    self.found.push(MisspelledKey { path, field, has_field: node.get(field).is_some() });
                }
            }
        }
    }

    fn visit_at<'a, N: Node<'a>>(&mut self, segment: Segment, node: N, schema: &Schema) {
        self.path.push(segment);
        self.visit(node, schema);
        self.path.pop();
    }
}

/// Returns the name in `known` that `word` is almost certainly a misspelling of, or `None` if there
/// is none. The word starts with the same letter, and differs only in case, hyphens, underscores or
/// a final `s`, or by one or two typing errors in a long name. Newer versions of Kubernetes are
/// unlikely to add such a name.
pub fn misspelled_field<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    /// The maximum difference in length. A word can have additional hyphens or underscores.
    const MAX_EXTRA: usize = 4;
    let first = word.bytes().next()?;
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return None;
    }
    let distance = |known: &'k str| {
        // Most keys differ in the first letter, so this check avoids most comparisons.
        let has_same_start = known.bytes().next().is_some_and(|start| start.eq_ignore_ascii_case(&first));
        if !has_same_start || word.len().abs_diff(known.len()) > MAX_EXTRA {
            return None;
        }
        let (word, name) = (simplified(word), simplified(known));
        let max_distance = match name.len() {
            ..6 => 0,
            6..10 => 1,
            _ => 2,
        };
        let distance = damerau_levenshtein(&word, &name);
        (distance <= max_distance).then_some((distance, known))
    };
    known.filter_map(distance).min().map(|(_, known)| known)
}

/// Returns the word in lower case, without hyphens, underscores and a final `s`.
fn simplified(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '-' | '_'));
    let mut letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    if letters.ends_with('s') {
        letters.pop();
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(key: &str, schema: &Schema) -> Option<&'static str> {
        misspelled_field(key, schema.fields.iter().map(|(field, _)| *field))
    }

    #[test]
    fn recognizes_misspelled_keys() {
        for (schema, key, field) in [
            (&MOUNT, "readonly", "readOnly"),
            (&MOUNT, "read_only", "readOnly"),
            (&MOUNT, "mountpath", "mountPath"),
            (&MOUNT, "mountPaht", "mountPath"),
            (&MOUNT, "subpath", "subPath"),
            (&MOUNT, "subPathExp", "subPathExpr"),
            (&MOUNT, "Name", "name"),
            (&HOST_PATH, "Path", "path"),
            (&CONTAINER, "volumeMount", "volumeMounts"),
            (&CONTAINER, "volumesMounts", "volumeMounts"),
            (&POD_SPEC, "volume", "volumes"),
            (&POD_SPEC, "container", "containers"),
            (&POD_SPEC, "init-containers", "initContainers"),
            (&WORKLOAD_SPEC, "templete", "template"),
        ] {
            assert_eq!(field_of(key, schema), Some(field), "{key}");
        }
    }

    #[test]
    fn accepts_all_other_fields_of_kubernetes() {
        const CONTAINER_FIELDS: &str = "name image command args workingDir ports envFrom env resources \
            resizePolicy restartPolicy restartPolicyRules livenessProbe readinessProbe startupProbe lifecycle \
            terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty \
            targetContainerName";
        const POD_FIELDS: &str = "restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy \
            nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork \
            hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity \
            schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates \
            runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints \
            setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride workloadRef";
        const WORKLOAD_FIELDS: &str = "replicas selector strategy updateStrategy minReadySeconds paused \
            revisionHistoryLimit progressDeadlineSeconds serviceName podManagementPolicy ordinals parallelism \
            persistentVolumeClaimRetentionPolicy completions activeDeadlineSeconds podFailurePolicy successPolicy \
            backoffLimit backoffLimitPerIndex maxFailedIndexes manualSelector ttlSecondsAfterFinished \
            completionMode suspend podReplacementPolicy managedBy";
        const VOLUME_FIELDS: &str = "capacity mountOptions volumeAttributesClassName awsElasticBlockStore azureDisk \
            azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs iscsi nfs \
            photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume";
        const CLAIM_FIELDS: &str = "selector resources dataSource dataSourceRef volumeAttributesClassName";
        for (schema, fields) in [
            (&CONTAINER, CONTAINER_FIELDS),
            (&POD_SPEC, POD_FIELDS),
            (&WORKLOAD_SPEC, WORKLOAD_FIELDS),
            (&PERSISTENT_VOLUME_SPEC, VOLUME_FIELDS),
            (&CLAIM_SPEC, CLAIM_FIELDS),
        ] {
            for field in fields.split_whitespace() {
                assert_eq!(field_of(field, schema), None, "{field}");
            }
        }
    }

    #[test]
    fn accepts_directives_and_unrelated_keys() {
        let long = "v".repeat(1 << 20);
        for key in
            ["$patch", "(volumes)", "=(volumes)", "{{ volumes }}", "$setElementOrder/volumes", "v", "", &long]
        {
            assert_eq!(field_of(key, &POD_SPEC), None, "{}", &key[..key.len().min(20)]);
        }
    }
}
