//! The ratchet: an UPDATE is not denied because of findings that the old object already had.

use std::collections::{BTreeSet, HashMap};

use crate::engine::{CheckResult, keep_most_severe_of_families};
use crate::finding::{Access, Finding, Fingerprint, RuleId};
use crate::policy::ExemptionId;

/// The findings of an object, separated into new and pre-existing ones.
pub(super) struct SplitFindings {
    pub(super) new: Vec<Finding>,
    pub(super) preexisting: Vec<Finding>,
    /// Exempted findings, each with the index of its exemption in the policy.
    pub(super) exempted: Vec<(Finding, ExemptionId)>,
    /// The exemptions that suppressed a finding or lowered its severity.
    pub(super) used_exemptions: BTreeSet<ExemptionId>,
}

impl SplitFindings {
    /// Treats all findings as new, because there is no old object to compare with.
    pub(super) fn all_new(result: CheckResult) -> Self {
        let used_exemptions = used_exemptions(&result);
        let CheckResult { findings: new, exempted, .. } = result;
        Self { new, preexisting: Vec::new(), exempted, used_exemptions }
    }

    /// Adds findings about added ephemeral containers as new findings. Skips findings without a
    /// family, and findings whose rule already has a new finding for the same volume.
    pub(super) fn add_ephemeral(&mut self, findings: Vec<Finding>) {
        let volume = |finding: &Finding| (finding.rule, finding.fingerprint.volume.clone());
        for finding in findings.into_iter().filter(|finding| finding.family.is_some()) {
            if !self.new.iter().any(|known| volume(known) == volume(&finding)) {
                self.new.push(finding);
            }
        }
    }
}

/// Returns the exemptions that suppressed a finding or lowered its severity.
fn used_exemptions(result: &CheckResult) -> BTreeSet<ExemptionId> {
    let suppressing = result.exempted.iter().map(|(_, exemption)| exemption);
    suppressing.chain(&result.lowered_by).copied().collect()
}

/// The part of a fingerprint that a finding of the new object must share with a finding of the old
/// object to be pre-existing.
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

/// The part of a fingerprint that may change without making a finding new.
/// [`ContainerAccess::covers`] defines the permitted changes.
struct ContainerAccess {
    /// The container; empty if the finding is about the volume alone.
    container: String,
    access: Option<Access>,
}

impl ContainerAccess {
    fn is_same(&self, new: &Fingerprint) -> bool {
        new.container == self.container && new.access == self.access
    }

    /// Checks whether a finding of the new object is about the same container or about no
    /// container, and has at most the same access.
    fn covers(&self, new: &Fingerprint) -> bool {
        (new.container.is_empty() || new.container == self.container) && new.access <= self.access
    }
}

/// The findings of the object before an update. Each of them makes at most one finding of the new
/// object pre-existing.
#[derive(Default)]
pub(super) struct PriorFindings(HashMap<FindingKey, Vec<ContainerAccess>>);

impl PriorFindings {
    /// Indexes the findings of the old object. They include superseded findings, which become
    /// visible when an update fixes the more severe finding of their family.
    pub(super) fn new(result: CheckResult) -> Self {
        let mut prior = Self::default();
        for finding in result.findings.into_iter().chain(result.superseded) {
            let accesses = prior.0.entry(FindingKey::new(&finding.fingerprint)).or_default();
            let Fingerprint { container, access, .. } = finding.fingerprint;
            accesses.push(ContainerAccess { container, access });
        }
        prior
    }

    /// Separates the findings of the new object into new and pre-existing ones.
    ///
    /// A superseded finding is new unless the old object had a finding with the same [`FindingKey`]
    /// and at least the same access. Only new findings supersede new findings: a pre-existing
    /// finding does not hide a new finding of its family.
    pub(super) fn compare(mut self, result: CheckResult) -> SplitFindings {
        let used_exemptions = used_exemptions(&result);
        let CheckResult { findings, exempted, superseded, .. } = result;
        let mut new: Vec<_> =
            superseded.into_iter().filter(|finding| !self.has_access(&finding.fingerprint)).collect();
        // Match equal findings first. Otherwise, a weaker finding could use up the prior finding
        // that equals another finding of the new object.
        let (mut preexisting, rest) = findings
            .into_iter()
            .partition::<Vec<_>, _>(|finding| self.take(finding, ContainerAccess::is_same));
        let (weaker, added) =
            rest.into_iter().partition::<Vec<_>, _>(|finding| self.take(finding, ContainerAccess::covers));
        preexisting.extend(weaker);
        new.extend(added);
        keep_most_severe_of_families(&mut new);
        SplitFindings { new, preexisting, exempted, used_exemptions }
    }

    /// Checks whether the old object had a finding with the same key and at least the same access,
    /// in any container.
    fn has_access(&self, new: &Fingerprint) -> bool {
        let accesses = self.0.get(&FindingKey::new(new));
        accesses.is_some_and(|accesses| accesses.iter().any(|prior| new.access <= prior.access))
    }

    /// Removes a matching prior finding. Returns true if there was one.
    fn take(&mut self, new: &Finding, matches: impl Fn(&ContainerAccess, &Fingerprint) -> bool) -> bool {
        let Some(accesses) = self.0.get_mut(&FindingKey::new(&new.fingerprint)) else { return false };
        let index = accesses.iter().position(|prior| matches(prior, &new.fingerprint));
        index.map(|index| accesses.swap_remove(index)).is_some()
    }
}
