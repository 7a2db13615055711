//! Groups of findings that `text` shows together.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::lint::LocatedFinding;

/// A finding, and the findings that are not shown separately. None of them is suppressed, unless
/// the group consists of a single finding.
pub(super) struct Group<'r> {
    /// The finding to show in full.
    pub(super) lead: &'r LocatedFinding,
    /// Findings of the same object that have the same severity, and advise to make the same mount
    /// read-only.
    pub(super) also: Vec<&'r LocatedFinding>,
    /// The number of other objects of the same kind and controller with the same findings.
    pub(super) others: usize,
}

/// Groups findings. The groups are in the order of the findings that are shown in full.
pub(super) fn groups<'r>(shown: &[&'r LocatedFinding]) -> Vec<Group<'r>> {
    group_by_controller(group_by_read_only_advice(shown))
}

/// Groups findings of the same object that advise to make the same mount read-only. Of several
/// findings, the first one with a family is shown in full, because it is about the whole volume.
fn group_by_read_only_advice<'r>(shown: &[&'r LocatedFinding]) -> Vec<Group<'r>> {
    let mut leads: HashMap<_, usize> = HashMap::new();
    for (index, located) in shown.iter().enumerate() {
        let Some(advice) = read_only_advice(located) else { continue };
        let lead = leads.entry(advice).or_insert(index);
        if shown[*lead].finding.family.is_none() && located.finding.family.is_some() {
            *lead = index;
        }
    }
    let lead_of = |index: usize| read_only_advice(shown[index]).map_or(index, |advice| leads[&advice]);
    let mut groups: Vec<Option<Group<'_>>> = shown
        .iter()
        .enumerate()
        .map(|(index, lead)| (lead_of(index) == index).then(|| Group { lead, also: Vec::new(), others: 0 }))
        .collect();
    for (index, located) in shown.iter().enumerate() {
        let lead = lead_of(index);
        if let Some(group) = groups[lead].as_mut().filter(|_| lead != index) {
            group.also.push(located);
        }
    }
    groups.into_iter().flatten().collect()
}

/// Returns the object, the severity and the mount of a finding that advises to make a mount
/// read-only. Returns `None` if the advice is different, or if the finding is suppressed.
fn read_only_advice(located: &LocatedFinding) -> Option<impl Eq + Hash> {
    let finding = &located.finding;
    let mount = finding.read_only_advice.as_ref().filter(|_| located.suppressed.is_none())?;
    Some((&located.location.path, &located.object, &finding.object, finding.severity, mount))
}

/// Groups findings that differ only in the object, if the same workload controls the objects. An
/// example are the Pods of a DaemonSet.
fn group_by_controller(single: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::with_capacity(single.len());
    let mut known = HashMap::new();
    for group in single {
        let finding = &group.lead.finding;
        if let (Some(id), Some(controller), None) =
            (&finding.object, &finding.controller, &group.lead.suppressed)
        {
            let also: Vec<_> = group.also.iter().map(|located| &located.finding.message).collect();
            let problem = (finding.severity, &finding.message, &finding.fingerprint, also);
            let owner = (controller, &id.kind, &id.namespace);
            let (index, objects) =
                known.entry((owner, problem)).or_insert_with(|| (groups.len(), HashSet::new()));
            if objects.insert(id) && *index < groups.len() {
                groups[*index].others += 1;
                continue;
            }
        }
        groups.push(group);
    }
    groups
}
