//! A volume has a source that Kubernetes doesn't know.
//!
//! ## What it does
//!
//! Reports each key of a volume that is neither `name` nor a source that Kubernetes knows; upper and lower case
//! count. It says nothing of patches and other parts of an object, nor of kinds that are known only by their
//! looks.
//!
//! The webhook sees no such key, unless the source is newer than this version of volcheck. It warns then,
//! since it can't judge what such a volume brings into the Pod.
//!
//! ## Why is this bad?
//!
//! `kubectl` refuses the object. For clients that don't ask for strict validation the API server drops the key,
//! and the volume becomes an emptyDir: the Pod runs, without the files that it needs, and what it writes is lost
//! with it.
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
//! Renames the key, where it stands alone and just one known source is near. Unsafe: the volume becomes what
//! it was not before.
//!
//! ## When to allow it
//!
//! Where the cluster knows a source that is newer than this version of volcheck.
//!
//! ## References
//!
//! - [Kubernetes: types of volumes](https://kubernetes.io/docs/concepts/storage/volumes/#volume-types)

use strsim::damerau_levenshtein;

use super::support::wording::quoted;
use super::{Check, Context, FixClass, Group, Rule};
use crate::finding::{Edit, Finding, Fix, RuleId, Severity};
use crate::model::{Origin, Volume, VolumeSource, known_sources};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("unknown-volume-source"),
    summary: "a volume has a source that Kubernetes doesn't know",
    group: Group::EmptyDir,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Unsafe,
    options: &[],
    lint_only: Some("the API server refuses or drops a key that it doesn't know"),
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

/// What people write for sources with long names, in lower case.
const SHORT: &[(&str, &str)] = &[("cm", "configMap"), ("pvc", PVC), ("claim", PVC), ("volumeclaim", PVC)];

fn finding(origin: Origin, volume: &Volume<'_>, key: &str) -> Finding {
    let (name, source) = (quoted(&volume.name), quoted(key));
    let place = volume.path.key(key.to_owned());
    let new = |severity, message| {
        Finding::new(RULE.id, severity, place.clone(), message).at_key().volume(&volume.name).path(key)
    };
    match origin {
        Origin::Manifest => {
            let finding = new(Severity::Error, format!("volume {name} has the unknown source {source}"))
                .label("no source that Kubernetes knows");
            remedied(finding, volume, key)
        }
        Origin::Admission => {
            let message = format!("volume {name} has the source {source}, which this volcheck doesn't know");
            new(Severity::Warning, message)
                .why("what such a volume brings into the Pod isn't judged")
                .help("use a version of volcheck that knows this version of Kubernetes")
        }
    }
}

fn remedied(finding: Finding, volume: &Volume<'_>, key: &str) -> Finding {
    if volume.sources.iter().any(|(_, source)| !matches!(source, VolumeSource::Unknown)) {
        return finding
            .why("kubectl refuses it; for other clients the API server drops it")
            .help("remove it, or indent it if it belongs to the source");
    }
    let finding = finding.why(
        "kubectl refuses it; for other clients the API server drops it, and the volume becomes an emptyDir",
    );
    let Some(known) = nearest(key) else {
        return finding.help("write one that Kubernetes knows, or indent the key if it belongs to a source");
    };
    let finding = finding.help(format!("write `{known}`, if that is meant"));
    if volume.sources.len() > 1 {
        return finding;
    }
    let rename = Edit::Rename(finding.primary.path.clone(), known.to_owned());
    finding.fix(Fix::unsafe_edits(format!("rename it to `{known}`"), vec![rename]))
}

/// The source that is meant by `key`, where just one is near.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    if let Some((_, known)) = SHORT.iter().find(|(short, _)| *short == key) {
        return Some(known);
    }
    let near = known_sources().filter_map(|known| {
        let farthest = known.len() / 3;
        // Keys can be as long as an object; how far apart these are at least costs nothing to know.
        if key.len().abs_diff(known.len()) > farthest {
            return None;
        }
        let distance = damerau_levenshtein(&key, &known.to_ascii_lowercase());
        (distance <= farthest).then_some((distance, known))
    });
    let mut near: Vec<_> = near.collect();
    near.sort_unstable();
    match near.as_slice() {
        [(first, _), (second, _), ..] if first == second => None,
        [(_, known), ..] => Some(known),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{PVC, nearest};

    #[test]
    fn knows_what_is_meant() {
        let near = ["hostpath", "host-path", "configMaps", "secrets", "PVC", "persistentVolume", "emptydri"];
        let known = ["hostPath", "hostPath", "configMap", "secret", PVC, PVC, "emptyDir"];
        assert_eq!(near.map(nearest), known.map(Some));
    }

    #[test]
    fn does_not_guess() {
        // `scsi` could be `csi` as well as `iscsi`.
        for key in ["path", "type", "tmpfs", "claimName", "scsi", "", &"hostPath".repeat(1 << 20)] {
            assert_eq!(nearest(key), None, "{}", &key[..key.len().min(20)]);
        }
    }
}
