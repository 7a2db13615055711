//! Counts of findings, to compare the findings before and after edits.

use std::collections::HashMap;

use crate::finding::{Finding, Severity};
use crate::lint::LocatedFinding;

/// The identity of a finding. Edits of other fields do not change it, and neither does a change of
/// the access.
pub(super) type Identity = String;

pub(super) fn identity(located: &LocatedFinding) -> Identity {
    let finding = &located.finding;
    let object = finding.object.as_deref().map(ToString::to_string).unwrap_or_default();
    let (rule, key) = (finding.rule, &finding.fingerprint);
    if finding.object.is_none() {
        return format!("{rule}\n{}", finding.message);
    }
    format!("{rule}\n{object}\n{}\n{}\n{}", key.volume, key.container, key.path)
}

/// The number of findings by identity.
#[derive(Default)]
pub(super) struct Counts(HashMap<Identity, usize>);

impl Counts {
    pub(super) fn new<'f>(findings: impl IntoIterator<Item = &'f LocatedFinding>) -> Self {
        let mut counts = Self::default();
        findings.into_iter().for_each(|located| *counts.0.entry(identity(located)).or_default() += 1);
        counts
    }

    /// Returns the number of findings with this identity.
    pub(super) fn of(&self, identity: &Identity) -> usize {
        self.0.get(identity).copied().unwrap_or_default()
    }
}

/// The number of findings by slot and lowest severity. Per volume and family, only the most severe
/// finding is reported, so the findings of a family about a volume have the same slot. If one of
/// them is fixed, another one is reported that was hidden before.
#[derive(Default)]
pub(super) struct Slots(HashMap<(String, Severity), usize>);

impl Slots {
    pub(super) fn new<'f>(findings: impl IntoIterator<Item = &'f LocatedFinding>) -> Self {
        let mut slots = Self::default();
        findings.into_iter().for_each(|located| _ = slots.add(located));
        slots
    }

    /// Adds a finding, and returns the keys of its counts.
    fn add(&mut self, located: &LocatedFinding) -> Vec<(String, Severity)> {
        let Finding { family, object, fingerprint, .. } = &located.finding;
        let slot = match (family, object) {
            (Some(family), Some(object)) => format!("{object}\n{}\n{family:?}", fingerprint.volume),
            _ => identity(located),
        };
        let keys: Vec<_> = severities(located).map(|severity| (slot.clone(), severity)).collect();
        keys.iter().for_each(|key| *self.0.entry(key.clone()).or_default() += 1);
        keys
    }

    /// Returns the findings that exceed these counts, or that have a higher severity.
    pub(super) fn new_findings<'f>(
        &self,
        findings: impl IntoIterator<Item = &'f LocatedFinding>,
    ) -> Vec<&'f LocatedFinding> {
        let mut seen = Self::default();
        let is_new =
            |located: &&LocatedFinding| seen.add(located).iter().any(|key| seen.0.get(key) > self.0.get(key));
        findings.into_iter().filter(is_new).collect()
    }
}

/// Returns the severity of a finding and the lower severities.
fn severities(located: &LocatedFinding) -> impl Iterator<Item = Severity> {
    let severity = located.finding.severity;
    [Severity::Info, Severity::Warning, Severity::Error].into_iter().filter(move |other| *other <= severity)
}
