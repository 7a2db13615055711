//! Objects: who they are, who controls them, and what they hold.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;

use super::container::{Container, ContainerList};
use super::pod::Pod;
use super::storage::{ClaimSpec, PersistentVolumeSpec, StorageClass};
use super::value::{List, Map, Str, nullable};

/// What names an object in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its version in that group.
    pub version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for kinds without one.
    pub namespace: String,
    /// Its name, or its `generateName`; empty where it has neither.
    pub name: String,
}

impl fmt::Display for ObjectId {
    /// `DaemonSet monitoring/agent`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "(unnamed)" } else { &self.name };
        let (kind, name) = (super::text::printable(&self.kind), super::text::printable(name));
        match self.namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            namespace => write!(f, "{kind} {}/{name}", super::text::printable(namespace)),
        }
    }
}

/// `metadata`, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// The object's name.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// What the API server makes a name of.
    #[serde(borrow)]
    pub generate_name: Str<'a>,
    /// The namespace that it names.
    #[serde(borrow)]
    pub namespace: Str<'a>,
    /// Its labels.
    #[serde(borrow)]
    pub labels: Map<'a>,
    /// Its annotations.
    #[serde(borrow)]
    pub annotations: Map<'a>,
    /// Who it belongs to.
    #[serde(borrow)]
    pub owner_references: List<OwnerReference<'a>>,
}

/// One owner of an object. Anybody who may write the object can claim one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    /// The owner's kind.
    #[serde(borrow)]
    pub kind: Str<'a>,
    /// The owner's name.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// Whether this owner controls the object.
    #[serde(deserialize_with = "nullable")]
    pub controller: bool,
}

/// The workload that an object counts as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Workload {
    /// What an object counts as: what controls it, else itself.
    ///
    /// A ReplicaSet's name less the Pod's `pod-template-hash` is the Deployment, a Job's less a CronJob's
    /// time stamp the CronJob.
    pub fn of(id: &ObjectId, metadata: &Metadata<'_>) -> Self {
        let Some(owner) = metadata.owner_references.iter().find(|owner| owner.controller) else {
            return Self::itself(id);
        };
        let hash = metadata.labels.get("pod-template-hash");
        let deployment = hash.and_then(|hash| owner.name.strip_suffix(&**hash)?.strip_suffix('-'));
        let (kind, name) = match (&*owner.kind, deployment) {
            ("ReplicaSet", Some(name)) => ("Deployment", name),
            ("Job", _) => match scheduled(&owner.name) {
                Some(name) => ("CronJob", name),
                None => ("Job", &*owner.name),
            },
            (kind, _) => (kind, &*owner.name),
        };
        Self { kind: kind.to_owned(), name: name.to_owned() }
    }

    /// What an object counts as where nobody believes what it says of its owner.
    pub fn itself(id: &ObjectId) -> Self {
        Self { kind: id.kind.clone(), name: id.name.clone() }
    }

    /// Whether its Pods run on every node that they fit, one each.
    pub fn is_daemon_set(&self) -> bool {
        self.kind == "DaemonSet"
    }
}

/// A CronJob's name, of the name of a Job that it made: the minutes since 1970 stand behind it.
fn scheduled(job: &str) -> Option<&str> {
    let (name, minutes) = job.rsplit_once('-')?;
    (minutes.len() >= 8 && minutes.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

/// Where an object comes from. The same object gets the same findings from both, but for what one of
/// them can't see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A text, as a user wrote it.
    Manifest,
    /// An API server, which has pruned, defaulted and validated it.
    Admission,
}

/// An object, as rules see it.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// What names it.
    pub id: ObjectId,
    /// What it counts as.
    pub workload: Workload,
    /// Where it comes from.
    pub origin: Origin,
    /// What it holds.
    pub body: Body<'a>,
}

/// What an object holds.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// A Pod, or templates of Pods.
    Pods(Vec<Pod<'a>>),
    /// A PersistentVolume.
    PersistentVolume(Box<PersistentVolumeSpec<'a>>),
    /// A PersistentVolumeClaim.
    Claim(Box<ClaimSpec<'a>>),
    /// A StorageClass.
    StorageClass(Box<StorageClass<'a>>),
    /// Nothing that concerns volumes.
    Other,
}

impl<'a> Object<'a> {
    /// The pods that it is or makes.
    pub fn pods(&self) -> &[Pod<'a>] {
        match &self.body {
            Body::Pods(pods) => pods,
            _ => &[],
        }
    }

    /// Whether its pods were found by its structure: the kind isn't known.
    pub fn is_heuristic(&self) -> bool {
        self.pods().iter().any(|pod| pod.is_heuristic)
    }

    /// Leaves of a Pod only the ephemeral containers that `before` hasn't, with the volumes that they mount; whether there
    /// are any.
    pub fn keep_added_containers(&mut self, before: &Self) -> bool {
        let Body::Pods(pods) = &mut self.body else { return false };
        let containers = before.pods().iter().flat_map(|pod| &pod.containers);
        let known: HashSet<&str> = containers.map(|container| &*container.name).collect();
        let is_added = |container: &Container<'_>| {
            container.list == ContainerList::Ephemeral && !known.contains(&*container.name)
        };
        pods.iter_mut().any(|pod| pod.keep_containers(is_added))
    }

    /// Its PersistentVolume's spec.
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
        let workload = Workload::of(&id, &metadata);
        format!("{} {}", workload.kind, workload.name)
    }

    #[test]
    fn a_pod_counts_as_of_what_controls_it() {
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
