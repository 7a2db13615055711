//! The API server's question, as far as it matters (`k8s.io/api/admission/v1`, `AdmissionRequest`).

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use crate::model::{
    Decode, FieldError, FieldPath, ItemBudget, List, Map, Str, TypeMeta, is_built_in, nullable,
};
use crate::policy::Policy;

/// Why a text is no review that could be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or not of the right shape.
    #[error("not an AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// A review of another version, or something else.
    #[error("expected an AdmissionReview of admission.k8s.io/v1, found {kind} of {api_version}")]
    Kind {
        /// What it says its version is.
        api_version: String,
        /// What it says its kind is.
        kind: String,
    },
    /// There is nothing to answer.
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// The answer must carry the request's uid.
    #[error("the request has no uid")]
    NoUid,
    /// What is created or updated is there.
    #[error("the request has no object")]
    NoObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Str<'a>,
    #[serde(borrow, default)]
    kind: Str<'a>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow, default)]
    pub(super) uid: Str<'a>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    kind: Kind<'a>,
    #[serde(borrow, default)]
    pub(super) resource: Resource<'a>,
    #[serde(borrow, default)]
    pub(super) sub_resource: Str<'a>,
    #[serde(borrow, default)]
    pub(super) namespace: Str<'a>,
    #[serde(borrow, default)]
    pub(super) name: Str<'a>,
    #[serde(borrow, default)]
    pub(super) operation: Str<'a>,
    #[serde(borrow, default)]
    pub(super) user_info: UserInfo<'a>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) dry_run: bool,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
}

/// As a review has it: group and version apart.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind<'a> {
    #[serde(borrow)]
    group: Str<'a>,
    #[serde(borrow)]
    version: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow, default)]
    pub(super) resource: Str<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct UserInfo<'a> {
    #[serde(borrow, default)]
    pub(super) username: Str<'a>,
    #[serde(borrow, default)]
    groups: List<Str<'a>>,
}

impl<'a> Request<'a> {
    /// The request of the review `text`.
    pub(super) fn parse(text: &'a str) -> Result<Self, ReviewError> {
        let review = decode_json(text, ItemBudget::new().seed::<Review<'_>>())?;
        if &*review.api_version != "admission.k8s.io/v1" || &*review.kind != "AdmissionReview" {
            let (api_version, kind) = (review.api_version.to_string(), review.kind.to_string());
            return Err(ReviewError::Kind { api_version, kind });
        }
        let request = review.request.ok_or(ReviewError::NoRequest)?;
        match (request.object(), &*request.operation) {
            _ if request.uid.is_empty() => Err(ReviewError::NoUid),
            // Of a deletion there is none, and of a connection there may be none.
            (None, operation) if !matches!(operation, "DELETE" | "CONNECT") => Err(ReviewError::NoObject),
            _ => Ok(request),
        }
    }

    /// The type of an object of the request: by the word of the API server, which makes them alike; by the object's own,
    /// at the price of a pass over it, where that isn't known here.
    pub(super) fn type_of(&self, object: Json<'a>) -> Result<TypeMeta<'a>, FieldError> {
        let Kind { group, version, kind } = &self.kind;
        let api_version = match &**group {
            _ if !is_built_in(group, kind) => return object.decode(),
            "" => version.clone(),
            group => Str::owned(&format!("{group}/{version}")),
        };
        Ok(TypeMeta { api_version, kind: kind.clone() })
    }

    /// What comes in; none of a deletion.
    pub(super) fn object(&self) -> Option<Json<'a>> {
        present(self.object)
    }

    /// What it replaces.
    pub(super) fn old_object(&self) -> Option<Json<'a>> {
        present(self.old_object)
    }

    /// Whether the user makes the Pods of workloads, so that its word is taken for who controls one
    /// (`pkg/controller/serviceaccount` and `--use-service-account-credentials` of the controller manager).
    pub(super) fn is_by_controller(&self, policy: &Policy) -> bool {
        let user = &*self.user_info.username;
        let built_in = match user.strip_prefix("system:serviceaccount:kube-system:") {
            Some(name) => {
                let names = ["daemon-set", "replicaset", "statefulset", "job", "replication"];
                name.strip_suffix("-controller").is_some_and(|name| names.contains(&name))
            }
            None => user == "system:kube-controller-manager",
        };
        built_in || policy.trusted_controllers.iter().any(|known| known == user)
    }

    /// Whether the object is a kubelet's own report of a static Pod, which runs whatever is said here
    /// (`pkg/kubelet/pod/mirror_client.go`): by the node's true identity, since anybody can write the annotation.
    pub(super) fn is_mirror_pod(&self) -> bool {
        let Some(Ok(head)) = self.object().map(|object| object.decode::<Head<'_>>()) else { return false };
        let node = &*head.spec.node_name;
        head.metadata.annotations.get("kubernetes.io/config.mirror").is_some()
            && !node.is_empty()
            && self.user_info.username.strip_prefix("system:node:") == Some(node)
            && self.user_info.groups.iter().any(|group| &**group == "system:nodes")
    }

    /// Whether the object is on its way out: what is changed of it then only lets it go.
    pub(super) fn is_going(&self) -> bool {
        let is_deleted = |object: Json<'_>| {
            object.decode::<Going<'_>>().is_ok_and(|object| !object.metadata.deletion_timestamp.is_empty())
        };
        self.object().is_some_and(is_deleted) || self.old_object().is_some_and(is_deleted)
    }
}

fn present(object: Option<&RawValue>) -> Option<Json<'_>> {
    object.map(RawValue::get).filter(|text| *text != "null").map(Json)
}

/// What is asked of an object that may be on its way out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Going<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: GoingMetadata<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GoingMetadata<'a> {
    #[serde(borrow)]
    deletion_timestamp: Str<'a>,
}

/// What is asked of an object that may be a kubelet's report.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: HeadMetadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: HeadSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HeadMetadata<'a> {
    #[serde(borrow)]
    annotations: Map<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HeadSpec<'a> {
    #[serde(borrow)]
    node_name: Str<'a>,
}

/// Decodes JSON text with `seed`.
fn decode_json<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> Result<S::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// An object of a review, in JSON.
#[derive(Clone, Copy)]
pub(super) struct Json<'a>(&'a str);

impl<'a> Decode<'a> for Json<'a> {
    fn decode_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, FieldError> {
        decode_json(self.0, seed).map_err(|error| FieldError::new(FieldPath::root(), error.to_string()))
    }
}
