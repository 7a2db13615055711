//! Kubernetes objects: identity, workload and content.

use std::collections::HashSet;
use std::fmt;

use super::claim::ClaimSpec;
use super::container::{Container, ContainerList};
use super::decode::TypeMeta;
use super::field_path::FieldPath;
use super::metadata::Metadata;
use super::pod::Pod;
use super::storage::{PersistentVolumeSpec, StorageClass};
use super::text::{PathOwner, is_unknown_path, printable};
use super::value::Map;

/// The identity of an object in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The API group; empty for the core group.
    pub group: String,
    /// The API version within the group.
    pub version: String,
    pub kind: String,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// The name, or `generateName` if there is no name; empty if neither is set.
    pub name: String,
}

impl ObjectId {
    /// Returns the identity of an object. `namespace` is the default namespace, or `None` if the
    /// kind is cluster-scoped.
    pub(super) fn new(meta: &TypeMeta<'_>, metadata: &Metadata<'_>, namespace: Option<&str>) -> Self {
        let or_default =
            |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        Self {
            group: meta.group().to_owned(),
            version: meta.version().to_owned(),
            kind: meta.kind.to_string(),
            namespace: namespace.map_or_else(String::new, |default| or_default(&metadata.namespace, default)),
            name: or_default(&metadata.name, &metadata.generate_name),
        }
    }

    /// Checks whether the name or the namespace contains a variable, such as `${NAME}`. Another
    /// program then replaces variables in the object, because the API server rejects such names.
    pub fn has_variable(&self) -> bool {
        self.name.contains('$') || self.namespace.contains('$')
    }
}

impl fmt::Display for ObjectId {
    /// Writes the kind, namespace and name, such as `DaemonSet monitoring/agent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "(unnamed)" } else { &self.name };
        let (kind, name) = (printable(&self.kind), printable(name));
        match self.namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            namespace => write!(f, "{kind} {}/{name}", printable(namespace)),
        }
    }
}

/// The workload that an object belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workload {
    /// The kind, such as `Deployment`.
    pub kind: String,
    pub name: String,
}

impl Workload {
    /// Returns the workload of an object: its controller, or the object itself if it has none.
    ///
    /// If the controller is a ReplicaSet whose name ends with the Pod's `pod-template-hash`,
    /// returns the Deployment that created it. If the controller is a Job whose name ends with a
    /// scheduled time, returns the CronJob that created it.
    pub fn new(id: &ObjectId, metadata: &Metadata<'_>) -> Self {
        let Some(owner) = metadata.owner_references.iter().find(|owner| owner.controller) else {
            return Self::without_owner(id);
        };
        let hash = metadata.labels.get("pod-template-hash");
        let deployment = hash.and_then(|hash| owner.name.strip_suffix(&**hash)?.strip_suffix('-'));
        let (kind, name) = match (&*owner.kind, deployment) {
            ("ReplicaSet", Some(name)) => ("Deployment", name),
            ("Job", _) => match cron_job_name(&owner.name) {
                Some(name) => ("CronJob", name),
                None => ("Job", &*owner.name),
            },
            (kind, _) => (kind, &*owner.name),
        };
        Self { kind: kind.to_owned(), name: name.to_owned() }
    }

    /// Returns the workload of an object whose owner references are not trusted: the object itself.
    pub fn without_owner(id: &ObjectId) -> Self {
        Self { kind: id.kind.clone(), name: id.name.clone() }
    }

    /// Checks whether the workload is a DaemonSet, which runs one Pod on each eligible node.
    pub fn is_daemon_set(&self) -> bool {
        self.kind == "DaemonSet"
    }
}

/// Returns the name of the CronJob that probably created the Job named `job`. Returns `None` if the
/// name of the Job does not end with a scheduled time. A CronJob appends this time, in minutes
/// since 1970, to the name of a Job.
fn cron_job_name(job: &str) -> Option<&str> {
    let (name, minutes) = job.rsplit_once('-')?;
    (minutes.len() >= 8 && minutes.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

/// The origin of an object.
///
/// Most rules report the same findings for all origins. The exceptions are findings about fields
/// that another program changes. For example, the API server adds an `emptyDir` to a volume without
/// a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A manifest, as the user wrote it.
    Manifest,
    /// A mapping or a string in another object. A program creates the object from it, and may
    /// change it first. For example, OpenShift replaces `${NAME}` in the objects of a Template.
    Embedded,
    /// A request to the API server, which has pruned, defaulted and validated the object.
    Admission,
}

/// An object in the form that rules check.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    pub id: ObjectId,
    pub workload: Workload,
    pub origin: Origin,
    /// `metadata.annotations` of the object.
    pub annotations: Map<'a>,
    pub body: Body<'a>,
}

/// The content of an object, by kind.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// A Pod, or the pod templates of a workload.
    Pods(Vec<Pod<'a>>),
    /// A PersistentVolume.
    PersistentVolume(Box<PersistentVolumeSpec<'a>>),
    /// A PersistentVolumeClaim.
    Claim(Box<ClaimSpec<'a>>),
    /// A StorageClass.
    StorageClass(Box<StorageClass<'a>>),
    /// Any other kind.
    Other,
}

impl<'a> Object<'a> {
    /// Returns the workload that controls the object, or `None` if the object has no controller.
    pub fn controller(&self) -> Option<&Workload> {
        Some(&self.workload).filter(|workload| **workload != Workload::without_owner(&self.id))
    }

    /// Returns the pods of the object, or an empty slice if its kind has none.
    pub fn pods(&self) -> &[Pod<'a>] {
        match &self.body {
            Body::Pods(pods) => pods,
            _ => &[],
        }
    }

    /// Keeps only the pods for which `keep` returns true.
    pub fn retain_pods(&mut self, keep: impl Fn(&Pod<'a>) -> bool) {
        let Body::Pods(pods) = &mut self.body else { return };
        pods.retain(keep);
        if pods.is_empty() {
            self.body = Body::Other;
        }
    }

    /// Marks the object as a patch, which contains only some of the fields. Removes a claim, and a
    /// `hostPath` without a path, because the missing fields may be in the patched object.
    pub fn mark_as_part(&mut self) {
        match &mut self.body {
            Body::Pods(pods) => pods.iter_mut().for_each(|pod| pod.is_complete = false),
            Body::Claim(_) => self.body = Body::Other,
            Body::PersistentVolume(spec) => {
                spec.host_path.take_if(|source| source.path.is_empty());
            }
            Body::StorageClass(_) | Body::Other => {}
        }
    }

    /// Removes the host paths that depend on placeholders, and returns their field paths. Another
    /// program replaces placeholders before it creates the object.
    pub fn remove_placeholders(&mut self, owner: PathOwner) -> Vec<FieldPath> {
        let mut removed = Vec::new();
        match &mut self.body {
            Body::Pods(pods) => {
                pods.iter_mut().for_each(|pod| removed.append(&mut pod.remove_placeholders(owner)));
            }
            Body::PersistentVolume(spec) => {
                let field = |key| FieldPath::from_keys(&["spec", key, "path"]);
                let host_path = spec.host_path.take_if(|source| is_unknown_path(&source.path, owner));
                let local = spec.local.take_if(|source| is_unknown_path(&source.path, owner));
                removed.extend(host_path.map(|_| field("hostPath")));
                removed.extend(local.map(|_| field("local")));
            }
            Body::Claim(_) | Body::StorageClass(_) | Body::Other => {}
        }
        removed
    }

    /// Reduces a Pod to the ephemeral containers that are not in `old`, and to the volumes that
    /// they mount. Returns true if there is at least one such container.
    pub fn retain_added_ephemeral_containers(&mut self, old: &Self) -> bool {
        let Body::Pods(pods) = &mut self.body else { return false };
        let containers = old.pods().iter().flat_map(|pod| &pod.containers);
        let known: HashSet<&str> = containers.map(|container| &*container.name).collect();
        let is_added = |container: &Container<'_>| {
            container.list == ContainerList::Ephemeral && !known.contains(&*container.name)
        };
        pods.iter_mut().any(|pod| pod.retain_containers(is_added))
    }

    /// Returns the spec of the PersistentVolume, or `None` if the object is of another kind.
    pub fn persistent_volume(&self) -> Option<&PersistentVolumeSpec<'a>> {
        match &self.body {
            Body::PersistentVolume(spec) => Some(spec),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(kind: &str, name: &str, hash: Option<&str>, controller: bool) -> String {
        let text = serde_json::json!({
            "labels": { "pod-template-hash": hash },
            "ownerReferences": [{ "kind": kind, "name": name, "controller": controller }],
        })
        .to_string();
        let metadata: Metadata<'_> = serde_json::from_str(&text).expect("metadata");
        let id = ObjectId { kind: "Pod".to_owned(), name: "p".to_owned(), ..ObjectId::default() };
        let workload = Workload::new(&id, &metadata);
        format!("{} {}", workload.kind, workload.name)
    }

    #[test]
    fn pods_belong_to_the_workload_of_their_controller() {
        assert_eq!(workload("ReplicaSet", "web-5d4f", Some("5d4f"), true), "Deployment web");
        assert_eq!(workload("ReplicaSet", "web-5d4f", Some("other"), true), "ReplicaSet web-5d4f");
        assert_eq!(workload("ReplicaSet", "web", None, true), "ReplicaSet web");
        assert_eq!(workload("Job", "backup-28923000", None, true), "CronJob backup");
        assert_eq!(workload("Job", "backup-2892300", None, true), "Job backup-2892300");
        assert_eq!(workload("Job", "backup-2892300x", None, true), "Job backup-2892300x");
        assert_eq!(workload("Job", "once", None, true), "Job once");
        assert_eq!(workload("DaemonSet", "agent", None, true), "DaemonSet agent");
        assert_eq!(workload("DaemonSet", "agent", None, false), "Pod p");
    }
}
