//! The ratchet: an UPDATE is denied only for findings that the old object did not have.

use std::collections::HashMap;

use crate::engine::{CheckResult, keep_most_severe_of_families};
use crate::finding::{Access, Finding, Fingerprint, RuleId};
use crate::policy::ExemptionId;

/// The findings of an object, separated into new and pre-existing ones.
pub(super) struct SplitFindings {
    pub(super) new: Vec<Finding>,
    pub(super) preexisting: Vec<Finding>,
    /// Exempted findings, each with the index of its exemption in the policy's list.
    pub(super) exempted: Vec<(Finding, ExemptionId)>,
}

impl SplitFindings {
    /// Treats all findings as new, because the object replaces no other.
    pub(super) fn all_new(result: CheckResult) -> Self {
        Self { new: result.findings, preexisting: Vec::new(), exempted: result.exempted }
    }

    /// Adds findings about added ephemeral containers as new, unless the rule has a new finding for
    /// the volume already. Only path and usage rules, which have a family, count.
    pub(super) fn add_ephemeral(&mut self, findings: Vec<Finding>) {
        let volume = |finding: &Finding| (finding.rule, finding.fingerprint.volume.clone());
        for finding in findings.into_iter().filter(|finding| finding.family.is_some()) {
            if !self.new.iter().any(|known| volume(known) == volume(&finding)) {
                self.new.push(finding);
            }
        }
    }
}

/// The part of a fingerprint that must be equal in the old and in the new object.
#[derive(PartialEq, Eq, Hash)]
struct FindingKey {
    rule: RuleId,
    volume: String,
    path: String,
}

impl FindingKey {
    fn new(fingerprint: &Fingerprint) -> Self {
        let Fingerprint { rule, volume, path, .. } = fingerprint;
        Self { rule: *rule, volume: volume.clone(), path: path.clone() }
    }
}

/// The part of a fingerprint that an update may weaken.
struct ContainerAccess {
    /// The container; empty if the finding is about the volume alone.
    container: String,
    access: Option<Access>,
}

impl ContainerAccess {
    fn is_same(&self, new: &Fingerprint) -> bool {
        new.container == self.container && new.access == self.access
    }

    /// Returns true if the new finding is by the same container or by none, and with no more
    /// access.
    fn covers(&self, new: &Fingerprint) -> bool {
        (new.container.is_empty() || new.container == self.container) && new.access <= self.access
    }
}

/// The findings of the object before an update. Each of them covers at most one new finding.
#[derive(Default)]
pub(super) struct PriorFindings(HashMap<FindingKey, Vec<ContainerAccess>>);

impl PriorFindings {
    /// Indexes the findings of the old object, including those superseded by a worse one of their
    /// family: they become visible when the update fixes the worse one.
    pub(super) fn new(result: CheckResult) -> Self {
        let mut prior = Self::default();
        for finding in result.findings.into_iter().chain(result.superseded) {
            let known = prior.0.entry(FindingKey::new(&finding.fingerprint)).or_default();
            let Fingerprint { container, access, .. } = finding.fingerprint;
            known.push(ContainerAccess { container, access });
        }
        prior
    }

    /// Separates the findings of the new object into new and pre-existing ones.
    ///
    /// A superseded finding is new if the old object had none like it. It is reported unless a
    /// worse new finding of its family hides it.
    pub(super) fn compare(mut self, result: CheckResult) -> SplitFindings {
        let CheckResult { findings, exempted, superseded } = result;
        let mut new: Vec<_> =
            superseded.into_iter().filter(|finding| !self.has_access(&finding.fingerprint)).collect();
        // Equal findings first, so that a weaker one does not use up the prior finding of an equal
        // one.
        let (mut preexisting, rest) = findings
            .into_iter()
            .partition::<Vec<_>, _>(|finding| self.take(finding, ContainerAccess::is_same));
        let (weaker, added) =
            rest.into_iter().partition::<Vec<_>, _>(|finding| self.take(finding, ContainerAccess::covers));
        preexisting.extend(weaker);
        new.extend(added);
        keep_most_severe_of_families(&mut new);
        SplitFindings { new, preexisting, exempted }
    }

    /// Checks whether any container had at least this access.
    fn has_access(&self, new: &Fingerprint) -> bool {
        let known = self.0.get(&FindingKey::new(new));
        known.is_some_and(|known| known.iter().any(|prior| new.access <= prior.access))
    }

    /// Removes a prior finding that matches; returns whether there was one.
    fn take(&mut self, new: &Finding, matches: impl Fn(&ContainerAccess, &Fingerprint) -> bool) -> bool {
        let Some(known) = self.0.get_mut(&FindingKey::new(&new.fingerprint)) else { return false };
        let index = known.iter().position(|prior| matches(prior, &new.fingerprint));
        index.map(|index| known.swap_remove(index)).is_some()
    }
}
