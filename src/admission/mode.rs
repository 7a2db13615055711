//! The modes in which the webhook enforces the policy, and the effects of findings in these modes.

use serde::Serialize;

use super::Endpoint;
use crate::finding::{Finding, Severity};
use crate::model::{Body, FieldPath, Object, is_built_in};
use crate::policy::{Mode, Policy, WorkloadMode};

/// The label of a namespace that changes the endpoint for its Pods to [`Endpoint::Strict`] if the
/// value is [`STRICT_MODE`].
pub const MODE_LABEL: &str = "volcheck.io/mode";

/// See [`MODE_LABEL`].
pub const STRICT_MODE: &str = "deny";

/// A class of objects, which determines their endpoint and how mode `deny` applies to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectClass {
    Pod,
    PersistentVolume,
    Claim,
    /// An object for which a Kubernetes controller creates Pods.
    Workload,
    /// An object for which another controller creates Pods. The webhook does not receive it.
    CustomWorkload,
}

impl ObjectClass {
    /// Returns the class of an object, or `None` if the webhook receives neither the object nor
    /// Pods that a controller creates for it.
    pub fn of(object: &Object<'_>) -> Option<Self> {
        let is_built_in = is_built_in(&object.id.group, &object.id.kind);
        match &object.body {
            Body::Pods(_) if !is_built_in => Some(Self::CustomWorkload),
            Body::Pods(_) if object.id.kind == "Pod" => Some(Self::Pod),
            Body::Pods(_) => Some(Self::Workload),
            Body::PersistentVolume(_) if is_built_in => Some(Self::PersistentVolume),
            Body::Claim(_) if is_built_in => Some(Self::Claim),
            Body::PersistentVolume(_) | Body::Claim(_) | Body::StorageClass(_) | Body::Other => None,
        }
    }

    /// Returns the endpoint to which the chart sends objects of this class. Returns `None` if it
    /// sends them to no endpoint. `is_strict` means that the namespace of the object has the label
    /// [`MODE_LABEL`] with the value [`STRICT_MODE`].
    pub fn endpoint(self, is_strict: bool) -> Option<Endpoint> {
        match self {
            Self::Pod if is_strict => Some(Endpoint::Strict),
            Self::Pod | Self::PersistentVolume => Some(Endpoint::Validate),
            Self::Claim | Self::Workload => Some(Endpoint::Advise),
            Self::CustomWorkload => None,
        }
    }

    pub fn is_workload(self) -> bool {
        matches!(self, Self::Workload | Self::CustomWorkload)
    }
}

impl Endpoint {
    /// Returns the mode that the endpoint enforces in a namespace.
    pub fn mode(self, policy: &Policy, namespace: &str) -> Mode {
        match self {
            Self::Strict => Mode::Deny,
            Self::Validate | Self::Advise => policy.mode(namespace),
        }
    }

    /// Returns the mode for an object of the class in a namespace with mode `mode`. This is `mode`,
    /// except that `deny` is lowered to `warn` in two cases:
    ///
    /// - The object is a workload or a claim, and `workloadMode` is `warn`. Pods of a workload are
    ///   denied instead of the workload.
    /// - The object is of another class, and the endpoint is `Advise`.
    pub fn mode_for(self, class: Option<ObjectClass>, mode: Mode, policy: &Policy) -> Mode {
        let is_advisory = match class {
            Some(ObjectClass::Claim | ObjectClass::Workload | ObjectClass::CustomWorkload) => {
                policy.workload_mode == WorkloadMode::Warn
            }
            Some(ObjectClass::Pod | ObjectClass::PersistentVolume) | None => self == Self::Advise,
        };
        if is_advisory && mode == Mode::Deny { Mode::Warn } else { mode }
    }
}

/// The effect of a finding on the request for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The object is not checked.
    Off,
    /// The object is admitted, and the finding is recorded in an audit annotation.
    Audit,
    /// The object is admitted, and the user receives a warning.
    Warn,
    /// The object is denied.
    Deny,
}

impl Effect {
    /// Returns the effect of a finding with this severity in a mode.
    pub fn new(severity: Severity, mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Off,
            Mode::Deny if severity == Severity::Error => Self::Deny,
            Mode::Deny | Mode::Warn if severity >= Severity::Warning => Self::Warn,
            Mode::Deny | Mode::Warn | Mode::Audit => Self::Audit,
        }
    }
}

/// Checks whether a finding about a workload is also about its Pods. The claim templates of a
/// StatefulSet are not part of its Pods, so a finding that depends on them is not.
pub fn is_about_pods(finding: &Finding) -> bool {
    let claim_templates = FieldPath::from_keys(&["spec", "volumeClaimTemplates"]);
    let mut labels = std::iter::once(&finding.primary).chain(&finding.related);
    !labels.any(|label| label.path.starts_with(&claim_templates))
}
