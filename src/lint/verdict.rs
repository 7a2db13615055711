//! The verdicts of the webhook on the objects of findings.

use serde::Serialize;

use crate::admission::{Effect, Endpoint, ObjectClass, is_about_pods};
use crate::finding::Finding;
use crate::policy::Policy;

/// The review of the object of a finding.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    class: ObjectClass,
    /// The effect on the request for the object; `None` if the webhook does not receive the object.
    pub object: Option<Effect>,
    /// The effect on the requests for the Pods that a controller creates for the object; `None` if
    /// there are no such Pods, or if the finding is not about them.
    pub pods: Option<Effect>,
}

/// The verdict on an object. If its findings differ in their effects, the first of these verdicts
/// applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectVerdict {
    Denied,
    /// The object is admitted, but the Pods that a controller creates for it are denied.
    PodsDenied,
    Warned,
    Audited,
    /// The object is not checked: the webhook does not receive it, or the mode is `off`.
    Unchecked,
}

impl Review {
    /// Creates the review of an object before the effects are known.
    pub(super) fn new(class: ObjectClass) -> Self {
        Self { class, object: None, pods: None }
    }

    /// Returns the verdict because of the finding.
    pub fn verdict(&self) -> ObjectVerdict {
        match (self.object, self.pods) {
            (Some(Effect::Deny), _) => ObjectVerdict::Denied,
            (_, Some(Effect::Deny)) => ObjectVerdict::PodsDenied,
            (object, pods) => match object.max(pods) {
                Some(Effect::Warn) => ObjectVerdict::Warned,
                Some(Effect::Audit) => ObjectVerdict::Audited,
                Some(Effect::Off | Effect::Deny) | None => ObjectVerdict::Unchecked,
            },
        }
    }

    /// Determines the effects of the finding on an object in this namespace. `is_strict` means that
    /// the namespace has the label for mode `deny`.
    pub(super) fn set_effects(
        &mut self,
        finding: &Finding,
        namespace: &str,
        is_strict: bool,
        policy: &Policy,
    ) {
        let effect_at = |endpoint: Endpoint, class| {
            let mode = endpoint.mode_for(Some(class), endpoint.mode(policy, namespace), policy);
            Effect::new(finding.severity, mode)
        };
        let has_pods = self.class.is_workload() && is_about_pods(finding);
        let pods = ObjectClass::Pod.endpoint(is_strict).filter(|_| has_pods);
        self.object = self.class.endpoint(is_strict).map(|endpoint| effect_at(endpoint, self.class));
        self.pods = pods.map(|endpoint| effect_at(endpoint, ObjectClass::Pod));
    }
}

impl ObjectVerdict {
    /// All verdicts, in order.
    pub const ALL: [Self; 5] = [Self::Denied, Self::PodsDenied, Self::Warned, Self::Audited, Self::Unchecked];

    /// Returns the name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::PodsDenied => "Pods denied",
            Self::Warned => "warned",
            Self::Audited => "audited",
            Self::Unchecked => "not checked",
        }
    }
}
