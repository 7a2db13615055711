//! A Pod reaches a path of the node through its claim.
//!
//! ## What it does
//!
//! Reports a volume of a Pod if its claim is or may be bound to a PersistentVolume of type
//! `hostPath`, or of type `local` with a sensitive path such as `/etc`. The Pod, the claim and the
//! PersistentVolume can be in different files of the same run, in any order. The finding shows
//! where they are.
//!
//! volcheck determines the PersistentVolume of a claim as Kubernetes does:
//!
//! - A claim with a `volumeName` is bound to the PersistentVolume of this name if the `claimRef` of
//!   the PersistentVolume names the claim. If the PersistentVolume has no `claimRef`, its class,
//!   size, access modes and volume mode must match.
//! - A claim without a `volumeName` is bound to a PersistentVolume whose `claimRef` names the claim
//!   if the size, access modes and volume mode match. The classes are not compared. However, a
//!   matching free PersistentVolume with fewer access modes can take precedence.
//! - Any other claim is bound to a free PersistentVolume that has the same class and volume mode,
//!   the requested access modes and labels, and at least the requested size. Kubernetes prefers the
//!   PersistentVolume with the fewest access modes and, if several have equally few, the smallest.
//!   With `volumeBindingMode: WaitForFirstConsumer`, it prefers the smallest, regardless of the
//!   number of access modes.
//!
//! The binding of a claim can be uncertain:
//!
//! - If several PersistentVolumes are equally good, or if other claims may be bound to the best
//!   PersistentVolumes first, the message names up to three of the possible PersistentVolumes.
//! - If other claims may be bound to all possible PersistentVolumes, the finding is a warning
//!   instead of an error. It shows one of the other claims.
//!
//! A claim without a `storageClassName` gets the default class if a file of the run contains that
//! class. Otherwise, volcheck assumes that the claim requests a PersistentVolume without a class.
//! If neither `volumeName` nor `claimRef` is set, volcheck then considers only PersistentVolumes
//! whose file is in the directory of the claim's file, in a parent directory or in a subdirectory.
//!
//! The rule also checks the claims that StatefulSets create, such as `data-web-0`, and those of
//! generic ephemeral volumes. In the output of `kubectl get pods,pvc,pv -A -o yaml`, it uses the
//! existing bindings.
//!
//! The host path catalog is volcheck's list of paths that belong to the node. The rule does not
//! report:
//!
//! - a path that is not at, above or below an entry of the catalog, if a provisioner created the
//!   PersistentVolume or if `hostPaths.allowOnly` in the policy allows the path
//! - a path inside a known directory of a provisioner, such as `/var/lib/rancher/k3s/storage`, if a
//!   provisioner created the PersistentVolume
//! - a disk such as `/dev/sdb`, if the PersistentVolume has the type `local` or the volume mode
//!   `Block`
//!
//! ## Why is this bad?
//!
//! A container can read or change files of the node, although its Pod has no `hostPath` volume.
//! Checks of Pods, such as Pod Security admission, do not see the path.
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
//!     - name: config
//!       mountPath: /config
//!   volumes:
//!   - name: config
//!     persistentVolumeClaim:
//!       claimName: config # finding
//! ---
//! apiVersion: v1
//! kind: PersistentVolumeClaim
//! metadata:
//!   name: config
//! spec:
//!   storageClassName: manual
//!   accessModes: [ReadWriteOnce]
//!   resources:
//!     requests:
//!       storage: 1Gi
//! ---
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata:
//!   name: config
//! spec:
//!   storageClassName: manual
//!   accessModes: [ReadWriteOnce]
//!   capacity:
//!     storage: 1Gi
//!   hostPath:
//!     path: /etc/kubernetes
//! ```
//!
//! Let a provisioner create the volume:
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
//!     - name: config
//!       mountPath: /config
//!   volumes:
//!   - name: config
//!     persistentVolumeClaim:
//!       claimName: config
//! ---
//! apiVersion: v1
//! kind: PersistentVolumeClaim
//! metadata:
//!   name: config
//! spec:
//!   storageClassName: standard
//!   accessModes: [ReadWriteOnce]
//!   resources:
//!     requests:
//!       storage: 1Gi
//! ```
//!
//! ## When to allow it
//!
//! Single-node clusters for development often have PersistentVolumes with a `hostPath`. Exempt
//! their workloads in the policy by namespace, volume and path.
//!
//! ## References
//!
//! - [Kubernetes: binding](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding)
//! - [Kubernetes: reserving a PersistentVolume](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reserving-a-persistentvolume)
//! - [Kubernetes: Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline)

use super::support::context::is_disk;
use super::support::findings::is_provisioner_directory;
use super::support::policy_keys::CATALOG;
use super::support::wording::{class_reason, host_path, quoted};
use super::{
    Candidate, Check, ClaimedVolume, Context, EntryClass, FixClass, Group, HostPathAccess, HostPathType,
    HostPathVolume, MatchKey, NodeVolume, ObjectKinds, Options, PathClass, RivalClaim, Rule,
};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{HostPath, Pod};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("hidden-host-path"),
    summary: "a Pod reaches a path of the node through its claim",
    group: Group::Claims,
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::Hint,
    options: &[CATALOG],
    match_keys: &[MatchKey::Volume, MatchKey::Path, MatchKey::Access],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: Some("the webhook sees one object at a time; it checks each PersistentVolume separately"),
    source: include_str!("hidden_host_path.rs"),
    check: Check::Claims(check),
};

/// The maximum number of PersistentVolumes whose locations a finding shows.
const MAX_SHOWN: usize = 5;

/// The maximum number of PersistentVolumes that a message names.
const MAX_NAMES: usize = 3;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    out.extend(cx.claimed_volumes.iter().filter_map(|claimed| finding(cx, pod, claimed)));
}

fn finding(cx: &Context<'_>, pod: &Pod<'_>, claimed: &ClaimedVolume) -> Option<Finding> {
    let mut shown = Vec::new();
    for candidate in &claimed.candidates {
        let volume = HostPathVolume::behind_claim(pod, claimed, &candidate.volume, cx.options);
        let access = volume.accesses.iter().find(|access| is_reported(&candidate.volume, access, cx.options));
        if let Some(access) = access.cloned() {
            shown.push((candidate, volume, access));
        }
    }
    let (candidate, volume, access) = shown.first()?;
    let is_open = shown.iter().all(|(candidate, ..)| candidate.rival.is_some());
    let rival = candidate.rival.as_ref().filter(|_| is_open);
    let severity = if is_open { Severity::Warning } else { Severity::Error };
    let message = message(claimed, candidate, rival, &host_path(volume, access));
    let finding = Finding::new(RULE.id, severity, claimed.field.clone(), message)
        .label(format!("volume {}", quoted(&claimed.volume)))
        .volume(&claimed.volume)
        .host_path(&access.path)
        .access(access.effective)
        .why(why(access))
        .help("use a claim for which a provisioner creates the volume, or exempt the workload in the policy");
    let claim = candidate.claim_label.iter().map(|label| (label, quoted(&candidate.claim)));
    let rival = rival.map(|rival| (&rival.label, rival_name(rival)));
    let finding = claim
        .chain(rival)
        .fold(finding, |finding, (label, name)| finding.related_elsewhere(label, format!("claim {name}")));
    Some(shown.iter().take(MAX_SHOWN).fold(finding, |finding, (candidate, ..)| {
        let volume = &candidate.volume;
        finding.related_elsewhere(&volume.label, format!("path of PersistentVolume {}", quoted(&volume.name)))
    }))
}

fn message(claimed: &ClaimedVolume, candidate: &Candidate, rival: Option<&RivalClaim>, path: &str) -> String {
    let (name, claim) = (quoted(&claimed.volume), quoted(&candidate.claim));
    let bound = quoted(&candidate.volume.name);
    // Before a colon, the comma after the effective path is omitted.
    let exposed = path.trim_end_matches(',');
    match (claimed.count, rival) {
        (0 | 1, None) => {
            format!("volume {name} exposes {path} through claim {claim} and PersistentVolume {bound}")
        }
        (0 | 1, Some(rival)) => format!(
            "volume {name} may expose {exposed}: claims {claim} and {} compete for PersistentVolume {bound}",
            rival_name(rival)
        ),
        _ => format!("volume {name} may expose {exposed}: claim {claim} can be bound to {}", names(claimed)),
    }
}

/// Returns the name of a rival claim, which may be in another namespace.
fn rival_name(rival: &RivalClaim) -> String {
    quoted(&format!("{}/{}", rival.namespace, rival.name))
}

/// Returns the names of the PersistentVolumes, such as "`a`, `b` or `c`".
fn names(claimed: &ClaimedVolume) -> String {
    let names: Vec<String> = claimed.names.iter().take(MAX_NAMES).map(|name| quoted(name)).collect();
    match (claimed.count.saturating_sub(names.len()), names.as_slice()) {
        (0, [first @ .., last]) => format!("{} or {last}", first.join(", ")),
        (1, _) => format!("{} or 1 other", names.join(", ")),
        (others, _) => format!("{} or {others} others", names.join(", ")),
    }
}

fn why(access: &HostPathAccess<'_>) -> String {
    let blind = "checks of the Pod, such as Pod Security admission, do not see the path";
    match class_reason(access.class) {
        reason if reason.is_empty() => blind.to_owned(),
        reason => format!("{reason}; {blind}"),
    }
}

/// Checks whether a PersistentVolume exposes files of the node. Returns false for disks, for
/// directories that a provisioner created, and for `local` volumes without a sensitive path.
pub fn exposes_node(volume: &NodeVolume, options: &Options) -> bool {
    let path = HostPath::new(&volume.path);
    is_exposed(volume, &path, options.catalog.classify(&path), options.catalog.file_type(&path))
}

fn is_exposed(
    volume: &NodeVolume,
    path: &HostPath,
    class: PathClass<'_>,
    file_type: Option<HostPathType>,
) -> bool {
    if is_disk(volume.is_block, volume.source, path, file_type) {
        return false;
    }
    let is_own_directory = volume.is_provisioned
        && (matches!(class, PathClass::Unlisted)
            || class.entry().is_some_and(|(entry, _)| is_provisioner_directory(entry, path)));
    let is_harmless = matches!(class, PathClass::Unlisted)
        || matches!(class, PathClass::Inside(entry) if entry.class == EntryClass::Harmless);
    !is_own_directory && (volume.source == "hostPath" || !is_harmless)
}

fn is_reported(volume: &NodeVolume, access: &HostPathAccess<'_>, options: &Options) -> bool {
    let is_allowed = matches!(access.class, PathClass::Unlisted) && access.is_allowed(options);
    is_exposed(volume, &access.path, access.class, access.file_type) && !is_allowed
}
