//! The request that the API server sends for review (`AdmissionRequest` of
//! `k8s.io/api/admission/v1`).

use std::ops::Deref;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Owner;
use super::json::{Json, decode_json, field_error, message_of};
use super::response::shorten;
use crate::model::{
    Decode as _, FieldError, ItemBudget, List, Map, ObjectId, Str, TypeMeta, is_built_in, nullable,
};
use crate::policy::{Policy, Requester};

/// The reason why an AdmissionReview is invalid. The length of each message is bounded for any
/// input.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("empty, expected an AdmissionReview in JSON")]
    Empty,
    /// The text is not valid JSON. Lines and columns start at 1.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax { line: usize, column: usize },
    /// A field has the wrong type or is too long, or the lists and maps have too many items in
    /// total.
    #[error("invalid AdmissionReview: {}", shorten(.0))]
    Field(String),
    /// The text is an AdmissionReview of another version, or an object of another kind.
    #[error(
        "expected `AdmissionReview` of `admission.k8s.io/v1`, found {}",
        found(.kind, .api_version)
    )]
    Kind { api_version: String, kind: String },
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// The request has no uid, which the response must repeat.
    #[error("the request has no uid")]
    NoUid,
    /// The request has no object, although its operation is neither DELETE nor CONNECT.
    #[error("the request has no object")]
    NoObject,
}

impl ReviewError {
    fn new(text: &str, error: &serde_json::Error) -> Self {
        match error.classify() {
            _ if text.trim().is_empty() => Self::Empty,
            Category::Data if !text.trim_start().starts_with('{') => {
                Self::Field("expected an object".to_owned())
            }
            Category::Data => {
                let FieldError { path, kind } = field_error(text, error);
                Self::Field(if path.is_root() { kind.to_string() } else { format!("`{path}`: {kind}") })
            }
            Category::Syntax | Category::Eof | Category::Io => {
                Self::Syntax { line: error.line(), column: error.column().max(1) }
            }
        }
    }
}

/// Returns a phrase for an object that is not an AdmissionReview.
fn found(kind: &str, api_version: &str) -> String {
    match (kind, api_version) {
        ("", _) => "an object without `kind`".to_owned(),
        (kind, "") => format!("`{}` without `apiVersion`", shorten(kind)),
        (kind, api_version) => format!("`{}` of `{}`", shorten(kind), shorten(api_version)),
    }
}

/// The maximum length of the UID of a request in bytes. The API server generates UUIDs of 36 bytes
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/request`).
const MAX_UID: usize = 128;

/// The maximum length of most names in Kubernetes in bytes: that of a DNS subdomain
/// (`k8s.io/apimachinery/pkg/util/validation`).
const MAX_NAME: usize = 253;

/// The maximum length of a namespace's name in bytes: that of a DNS label.
const MAX_NAMESPACE: usize = 63;

/// The maximum length of the name of a user or group in bytes. Kubernetes sets no limit. The names
/// that identity providers assign are shorter.
const MAX_USER: usize = 4096;

/// A string of at most `MAX` bytes. Longer strings are rejected before they are copied, so that
/// identifiers, which are copied to the log and the response, never use much memory.
#[derive(Default)]
pub(super) struct Identifier<'a, const MAX: usize>(Str<'a>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Identifier<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let too_long = || D::Error::custom(format_args!("an identifier is longer than {MAX} bytes"));
        let json = <&RawValue>::deserialize(deserializer)?.get();
        // The escape sequence of one byte has up to six bytes.
        if json.len() > 6 * MAX + "\"\"".len() {
            return Err(too_long());
        }
        let text: Str<'a> =
            serde_json::from_str(json).map_err(|error| D::Error::custom(message_of(&error)))?;
        if text.len() > MAX { Err(too_long()) } else { Ok(Self(text)) }
    }
}

impl<const MAX: usize> Deref for Identifier<'_, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Identifier<'a, MAX_NAME>,
    #[serde(borrow, default)]
    kind: Identifier<'a, MAX_NAME>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow, default)]
    pub(super) uid: Identifier<'a, MAX_UID>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    kind: GroupVersionKind<'a>,
    #[serde(borrow, default)]
    pub(super) resource: Resource<'a>,
    #[serde(borrow, default)]
    pub(super) sub_resource: Identifier<'a, MAX_NAME>,
    #[serde(borrow, default)]
    pub(super) namespace: Identifier<'a, MAX_NAMESPACE>,
    #[serde(borrow, default)]
    pub(super) name: Identifier<'a, MAX_NAME>,
    #[serde(borrow, default)]
    pub(super) operation: Identifier<'a, MAX_NAME>,
    #[serde(borrow, default)]
    pub(super) user_info: UserInfo<'a>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) dry_run: bool,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupVersionKind<'a> {
    #[serde(borrow)]
    group: Identifier<'a, MAX_NAME>,
    #[serde(borrow)]
    version: Identifier<'a, MAX_NAME>,
    #[serde(borrow)]
    kind: Identifier<'a, MAX_NAME>,
}

#[derive(Default, Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow, default)]
    pub(super) resource: Identifier<'a, MAX_NAME>,
}

#[derive(Default, Deserialize)]
pub(super) struct UserInfo<'a> {
    #[serde(borrow, default)]
    pub(super) username: Identifier<'a, MAX_USER>,
    #[serde(borrow, default)]
    groups: List<Identifier<'a, MAX_USER>>,
}

/// The object of a request, if volcheck may have to check it.
pub(super) enum Reviewable<'a> {
    Object(Json<'a>),
    /// No object to check: the request cannot add a volume or a mount, or the mode is `off`.
    Nothing,
    /// A subresource that volcheck does not know.
    Unsupported,
}

impl<'a> Request<'a> {
    /// Parses the review and returns its request.
    pub(super) fn parse(text: &'a str) -> Result<Self, ReviewError> {
        let review = decode_json(text, ItemBudget::new().seed::<Review<'_>>())
            .map_err(|error| ReviewError::new(text, &error))?;
        if &*review.api_version != "admission.k8s.io/v1" || &*review.kind != "AdmissionReview" {
            let (api_version, kind) = (review.api_version.0.to_string(), review.kind.0.to_string());
            return Err(ReviewError::Kind { api_version, kind });
        }
        let request = review.request.ok_or(ReviewError::NoRequest)?;
        match (request.object(), &*request.operation) {
            _ if request.uid.is_empty() => Err(ReviewError::NoUid),
            (None, operation) if !matches!(operation, "DELETE" | "CONNECT") => Err(ReviewError::NoObject),
            _ => Ok(request),
        }
    }

    pub(super) fn is_update(&self) -> bool {
        &*self.operation == "UPDATE"
    }

    /// Returns the object to check, depending on the operation, the resource and the subresource.
    pub(super) fn reviewable(&self) -> Reviewable<'a> {
        let Some(object) = self.object() else { return Reviewable::Nothing };
        // The object of a CONNECT contains the options of the connection, such as `PodExecOptions`.
        if matches!(&*self.operation, "DELETE" | "CONNECT") {
            return Reviewable::Nothing;
        }
        match (&*self.resource.resource, &*self.sub_resource) {
            (_, "") => Reviewable::Object(object),
            (_, "status")
            | ("pods", "exec" | "attach" | "portforward" | "proxy" | "log" | "binding" | "eviction") => {
                Reviewable::Nothing
            }
            // For other subresources, such as `ephemeralcontainers` and `resize`, the object may be
            // the Pod. Later versions of Kubernetes may add further subresources.
            ("pods", _) => match self.type_meta(object) {
                Ok(meta) if &*meta.kind != "Pod" => Reviewable::Unsupported,
                _ => Reviewable::Object(object),
            },
            _ => Reviewable::Unsupported,
        }
    }

    /// Returns the API version and kind of the request's new or old object.
    ///
    /// The API server converts both objects to the `kind` of the request. If that kind is not built
    /// in, the API version and kind are read from the object itself, which requires another pass
    /// over its text.
    pub(super) fn type_meta(&self, object: Json<'a>) -> Result<TypeMeta<'a>, FieldError> {
        let GroupVersionKind { group, version, kind } = &self.kind;
        let api_version = match &**group {
            _ if !is_built_in(group, kind) => return object.decode(),
            "" => version.0.clone(),
            group => Str::owned(&format!("{group}/{version}", version = &**version)),
        };
        Ok(TypeMeta { api_version, kind: kind.0.clone() })
    }

    /// Returns the identity of the object according to the request, for objects that cannot be
    /// decoded.
    pub(super) fn object_id(&self) -> ObjectId {
        ObjectId {
            group: self.kind.group.to_string(),
            version: self.kind.version.to_string(),
            kind: self.kind.kind.to_string(),
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
        }
    }

    /// Returns the new object, or `None` for DELETE. For CONNECT, returns the options of the
    /// connection.
    pub(super) fn object(&self) -> Option<Json<'a>> {
        not_null(self.object)
    }

    /// Returns the object before an UPDATE or DELETE, or `None` for other operations.
    pub(super) fn old_object(&self) -> Option<Json<'a>> {
        not_null(self.old_object)
    }

    /// Returns true if the user is a controller whose owner references are trusted.
    pub(super) fn is_from_trusted_controller(&self, policy: &Policy) -> bool {
        policy.trusts_controller(&self.user_info.username)
    }

    /// Returns the owner that controls the object. Returns `None` if there is no such owner, if the
    /// user is not a trusted controller, or if a field of the owner reference is longer than names
    /// can be.
    pub(super) fn trusted_owner(&self, policy: &Policy) -> Option<Owner> {
        let object = self.object().filter(|_| self.is_from_trusted_controller(policy))?;
        let owners = object.decode::<Owned<'_>>().ok()?.metadata.owner_references;
        let owner = owners.iter().find(|owner| owner.controller)?;
        Some(Owner {
            api_version: owner.api_version.to_string(),
            kind: owner.kind.to_string(),
            name: owner.name.to_string(),
            uid: owner.uid.to_string(),
        })
    }

    /// Returns the user who sent the request to the API server.
    pub(super) fn requester(&self) -> Requester<'_> {
        let UserInfo { username, groups } = &self.user_info;
        Requester { user: username, groups: groups.iter().map(|group| &**group).collect() }
    }

    /// Returns true if the kubelet of the Pod's node sent the request, and the object is the mirror
    /// Pod of a static Pod. The static Pod runs even if its mirror Pod is denied
    /// (`pkg/kubelet/pod/mirror_client.go`). The annotation alone does not identify a mirror Pod,
    /// because any user can set it.
    pub(super) fn is_mirror_pod(&self) -> bool {
        let pod = self.object().and_then(|object| object.decode::<MirrorPod<'_>>().ok());
        let Some(MirrorPod { metadata, spec }) = pod else { return false };
        let node = &*spec.node_name;
        metadata.annotations.get("kubernetes.io/config.mirror").is_some()
            && !node.is_empty()
            && self.user_info.username.strip_prefix("system:node:") == Some(node)
            && self.user_info.groups.iter().any(|group| &**group == "system:nodes")
    }

    /// Returns true if the new or the old object is being deleted.
    pub(super) fn is_terminating(&self) -> bool {
        let is_terminating = |object: Json<'_>| {
            let decoded = object.decode::<Terminating<'_>>();
            decoded.is_ok_and(|object| !object.metadata.deletion_timestamp.is_empty())
        };
        self.object().is_some_and(is_terminating) || self.old_object().is_some_and(is_terminating)
    }
}

fn not_null(object: Option<&RawValue>) -> Option<Json<'_>> {
    object.map(|object| Json::new(object.get())).filter(|json| !json.is_null())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owned<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: OwnedMetadata<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnedMetadata<'a> {
    #[serde(borrow)]
    owner_references: List<OwnerReference<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnerReference<'a> {
    #[serde(borrow)]
    api_version: Identifier<'a, MAX_NAME>,
    #[serde(borrow)]
    kind: Identifier<'a, MAX_NAME>,
    #[serde(borrow)]
    name: Identifier<'a, MAX_NAME>,
    #[serde(borrow)]
    uid: Identifier<'a, MAX_NAME>,
    #[serde(deserialize_with = "nullable")]
    controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Terminating<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: TerminatingMetadata<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TerminatingMetadata<'a> {
    #[serde(borrow)]
    deletion_timestamp: Str<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MirrorPod<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    metadata: AnnotatedMetadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: MirrorPodSpec<'a>,
}

/// The metadata of a Pod, as far as its annotations identify the kind of Pod.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AnnotatedMetadata<'a> {
    #[serde(borrow)]
    pub(super) annotations: Map<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MirrorPodSpec<'a> {
    #[serde(borrow)]
    node_name: Str<'a>,
}
