//! A volume has an unknown source.
//!
//! ## What it does
//!
//! Reports each key of a volume that is neither `name` nor a volume source of Kubernetes. Keys are
//! case-sensitive. Incomplete objects, such as patches, and objects of unknown kinds are skipped.
//!
//! The webhook receives such a key only if the cluster supports a volume source that this version
//! of volcheck does not know. The webhook then warns that it cannot check the volume.
//!
//! ## Why is this bad?
//!
//! `kubectl` rejects the object. For clients that do not request strict validation, the API server
//! drops the key. If the volume has no other source, it becomes an `emptyDir`. The Pod then starts
//! without the files that it needs, and loses the files that it writes to the volume.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: site
//!       mountPath: /srv
//!   volumes:
//!   - name: site
//!     pvc: # finding
//!       claimName: site
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: site
//!       mountPath: /srv
//!   volumes:
//!   - name: site
//!     persistentVolumeClaim:
//!       claimName: site
//! ```
//!
//! ## Fix
//!
//! Renames the key if it is the only source of the volume, and if one known source is more similar
//! to the key than all others. Unsafe: the volume gets a different source.
//!
//! ## When to allow it
//!
//! Allow it if the cluster supports a volume source that this version of volcheck does not know.
//!
//! ## References
//!
//! - [Kubernetes: types of volumes](https://kubernetes.io/docs/concepts/storage/volumes/#volume-types)

use strsim::damerau_levenshtein;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Severity};
use crate::model::{Origin, Volume, VolumeSource, known_sources, misspelled_field};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-volume-source"),
    summary: "a volume has an unknown source",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    match_keys: &[MatchKey::Volume],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some(
        "the API server rejects or drops unknown keys; the webhook warns about sources newer than volcheck",
    ),
    source: include_str!("unknown_volume_source.rs"),
    check: Check::Volumes(check),
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod().filter(|pod| pod.is_complete) else { return };
    for volume in &pod.volumes {
        for (key, source) in &volume.sources {
            if matches!(source, VolumeSource::Unknown) {
                out.push(finding(cx.object.origin, volume, key));
            }
        }
    }
}

const PVC: &str = "persistentVolumeClaim";

/// Common short names of sources, in lower case, and the source that each one means.
const SHORT_NAMES: &[(&str, &str)] =
    &[("cm", "configMap"), ("pvc", PVC), ("claim", PVC), ("volumeclaim", PVC)];

fn finding(origin: Origin, volume: &Volume<'_>, key: &str) -> Finding {
    let (name, source) = (quoted(&volume.name), quoted(key));
    let field = volume.path.key(key.to_owned());
    let new = |severity, message| {
        Finding::new(RULE.id, severity, field.clone(), message).at_key().volume(&volume.name).path(key)
    };
    match origin {
        Origin::Manifest | Origin::Embedded => {
            let finding = new(Severity::Error, format!("unknown source {source} in volume {name}"))
                .label("not a volume source");
            with_help(finding, volume, key)
        }
        Origin::Admission => {
            let message = format!("this version of volcheck does not know source {source} of volume {name}");
            new(Severity::Warning, message)
                .why("the contents of the volume are not checked")
                .help("use a version of volcheck that supports this version of Kubernetes")
        }
    }
}

fn with_help(finding: Finding, volume: &Volume<'_>, key: &str) -> Finding {
    if volume.name.is_empty() && misspelled_field(key, std::iter::once("name")).is_some() {
        return finding
            .why("kubectl rejects the object, because the volume has no name")
            .help("rename the key to `name`");
    }
    if volume.sources.iter().any(|(_, source)| !matches!(source, VolumeSource::Unknown)) {
        return finding
            .why("kubectl rejects the object; for other clients, the API server drops the key")
            .help("remove the key, or indent it if it belongs to the source");
    }
    let finding = finding.why(
        "kubectl rejects the object; for other clients, the API server drops the key, and the volume becomes \
         an `emptyDir`",
    );
    let Some(known) = nearest_source(key) else {
        return finding.help("use a known source, or indent the key if it belongs to a source");
    };
    let finding = finding.help(format!("use `{known}` if that is the intended source"));
    if volume.sources.len() > 1 {
        return finding;
    }
    let rename = Edit::Rename(finding.primary.path.clone(), known.to_owned());
    finding.fix(Fix::unsafe_edits(format!("rename the source to `{known}`"), vec![rename]))
}

/// Returns the known source that `key` resembles most. Returns `None` if none is similar or several
/// are equally similar.
fn nearest_source(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    if let Some((_, known)) = SHORT_NAMES.iter().find(|(short, _)| *short == key) {
        return Some(known);
    }
    let similar = known_sources().filter_map(|known| {
        let max_distance = known.len() / 3;
        // The edit distance is at least the difference in length. A key can be as long as the
        // object, so this check avoids expensive comparisons.
        if key.len().abs_diff(known.len()) > max_distance {
            return None;
        }
        let distance = damerau_levenshtein(&key, &known.to_ascii_lowercase());
        (distance <= max_distance).then_some((distance, known))
    });
    let mut similar: Vec<_> = similar.collect();
    similar.sort_unstable();
    match similar.as_slice() {
        [(first, _), (second, _), ..] if first == second => None,
        [(_, known), ..] => Some(known),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{PVC, nearest_source};

    #[test]
    fn suggests_the_most_similar_source() {
        let keys = ["hostpath", "host-path", "configMaps", "secrets", "PVC", "persistentVolume", "emptydri"];
        let known = ["hostPath", "hostPath", "configMap", "secret", PVC, PVC, "emptyDir"];
        assert_eq!(keys.map(nearest_source), known.map(Some));
    }

    #[test]
    fn suggests_nothing_for_ambiguous_or_dissimilar_keys() {
        // `scsi` is equally similar to `csi` and `iscsi`.
        for key in ["path", "type", "tmpfs", "claimName", "scsi", "", &"hostPath".repeat(1 << 20)] {
            assert_eq!(nearest_source(key), None, "{}", &key[..key.len().min(20)]);
        }
    }
}
