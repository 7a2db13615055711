//! The claims that an object contains, and the claims of a pod's volumes.

use std::collections::{HashMap, HashSet};

use super::context::{Context, VolumeSubject};
use super::wording::quoted;
use crate::finding::Finding;
use crate::model::{ClaimSpec, ClaimTemplate, FieldPath, Map, Pod, VolumeSource};
use crate::rules::subject::NamedClaim;

/// A claim in the object: the object itself, a claim template of a StatefulSet, or the claim of a
/// generic ephemeral volume.
#[derive(Clone, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) spec: &'a ClaimSpec<'a>,
    annotations: &'a Map<'a>,
    /// The path of the spec in the object.
    pub(crate) path: FieldPath,
    /// The name of the claim or of the volume that it provides.
    pub(crate) name: &'a str,
    /// Whether the claim provides a volume of a pod. False if the object itself is the claim.
    is_of_volume: bool,
}

/// Returns the claims that the object contains.
pub(crate) fn claims<'a>(cx: &Context<'a>) -> Vec<Claim<'a>> {
    match cx.subject {
        VolumeSubject::Pod(pod) => pod_claims(pod),
        VolumeSubject::PersistentVolume(_) => Vec::new(),
        VolumeSubject::Claim(spec) => vec![Claim {
            spec,
            annotations: &cx.object.annotations,
            path: FieldPath::from_keys(&["spec"]),
            name: &cx.object.id.name,
            is_of_volume: false,
        }],
    }
}

/// The claim of a volume of the pod.
#[derive(Clone, Debug)]
pub(crate) enum VolumeClaim<'a> {
    /// A claim template or the claim of a generic ephemeral volume.
    Own(Claim<'a>),
    /// The claims with the name in the volume's `claimName`. They are other objects. There can be
    /// several, for example one for each cluster.
    Named(&'a [NamedClaim]),
}

/// Returns the known claims of volumes of the pod, by the name of the volume.
pub(crate) fn claims_by_volume<'a>(cx: &Context<'a>) -> HashMap<&'a str, VolumeClaim<'a>> {
    let named = cx.claimed_volumes.iter().filter(|volume| !volume.claims.is_empty());
    let named = named.map(|volume| (volume.volume.as_str(), VolumeClaim::Named(&volume.claims)));
    let own = claims(cx).into_iter().filter(|claim| claim.is_of_volume);
    named.chain(own.map(|claim| (claim.name, VolumeClaim::Own(claim)))).collect()
}

impl VolumeClaim<'_> {
    /// Checks whether the only access mode of the claim is `ReadOnlyMany`. If there are several
    /// claims, this must be true for all of them.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            Self::Own(claim) => {
                let modes = &claim.spec.access_modes;
                !modes.is_empty() && modes.iter().all(|mode| &**mode == "ReadOnlyMany")
            }
            Self::Named(claims) => claims.iter().all(|claim| claim.modes.is_read_only()),
        }
    }

    /// Returns the volume mode; `None` if it is unknown, or if several claims have different modes.
    pub(crate) fn mode(&self) -> Option<VolumeMode> {
        let named =
            |claim: &NamedClaim| if claim.is_block { VolumeMode::Block } else { VolumeMode::Filesystem };
        match self {
            Self::Own(claim) => match &*claim.spec.volume_mode {
                "" | "Filesystem" => Some(VolumeMode::Filesystem),
                "Block" => Some(VolumeMode::Block),
                _ => None,
            },
            Self::Named(claims) => {
                let mode = named(claims.first()?);
                claims.iter().all(|claim| named(claim) == mode).then_some(mode)
            }
        }
    }

    /// Adds a related location to the finding: the field `key` of the claim's spec. For claims that
    /// are other objects, adds the locations of these objects instead.
    pub(crate) fn relate(&self, finding: Finding, key: &'static str, text: &'static str) -> Finding {
        match self {
            Self::Own(claim) => finding.related(claim.path.key(key), text),
            Self::Named(claims) => claims.iter().fold(finding, |finding, claim| {
                finding.related_elsewhere(&claim.label, format!("claim {}", quoted(&claim.name)))
            }),
        }
    }
}

/// The volume mode of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VolumeMode {
    Filesystem,
    Block,
}

/// Returns the claim templates of the pod. If several templates have the same name, returns only
/// the last one, as the StatefulSet controller does.
pub(crate) fn claim_templates<'a>(pod: &'a Pod<'a>) -> Vec<&'a ClaimTemplate<'a>> {
    let mut seen = HashSet::new();
    let templates = pod.claim_templates.iter().rev();
    let mut templates: Vec<_> = templates.filter(|template| seen.insert(&*template.metadata.name)).collect();
    templates.reverse();
    templates
}

fn pod_claims<'a>(pod: &'a Pod<'a>) -> Vec<Claim<'a>> {
    let of_template = |template: &'a ClaimTemplate<'a>| Claim {
        spec: &template.spec,
        annotations: &template.metadata.annotations,
        path: template.path.key("spec"),
        name: &template.metadata.name,
        is_of_volume: true,
    };
    let mut claims: Vec<_> = claim_templates(pod).into_iter().map(of_template).collect();
    claims.extend(pod.volumes.iter().filter_map(|volume| {
        let Some(VolumeSource::Ephemeral(source)) = volume.source() else { return None };
        let template = &source.volume_claim_template;
        Some(Claim {
            spec: &template.spec,
            annotations: &template.metadata.annotations,
            path: volume.path.key("ephemeral").key("volumeClaimTemplate").key("spec"),
            name: &volume.name,
            is_of_volume: true,
        })
    }));
    claims
}

impl Claim<'_> {
    /// Returns a phrase for the claim, as the subject of a sentence.
    pub(crate) fn describe(&self) -> String {
        match self.is_of_volume {
            true => format!("the claim of volume {}", quoted(self.name)),
            false => "this claim".to_owned(),
        }
    }

    /// Checks whether the claim names its storage class. An empty name counts, because it requests
    /// a volume without a class. The annotation takes precedence over the field
    /// (`GetPersistentVolumeClaimClass` in `pkg/apis/core/v1/helper`).
    pub(crate) fn has_class(&self) -> bool {
        self.spec.storage_class_name.is_some()
            || self.annotations.get("volume.beta.kubernetes.io/storage-class").is_some()
    }

    /// Checks whether the controller manager, not a user, has chosen the PersistentVolume.
    pub(crate) fn is_bound_by_controller(&self) -> bool {
        self.annotations.get("pv.kubernetes.io/bound-by-controller").is_some()
    }
}
