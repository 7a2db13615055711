//! Groups of findings that `text` shows together.

use std::collections::{HashMap, HashSet};

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
    let mut members: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, located) in shown.iter().enumerate() {
        let finding = &located.finding;
        let Some(mount) = finding.read_only_advice.as_ref().filter(|_| located.suppressed.is_none()) else {
            continue;
        };
        let object = (&located.location.path, &located.object, &finding.object);
        members.entry((object, finding.severity, mount)).or_default().push(index);
    }
    let mut leads: Vec<usize> = (0..shown.len()).collect();
    for indices in members.values() {
        let with_family = indices.iter().find(|index| shown[**index].finding.family.is_some());
        let Some(lead) = with_family.or(indices.first()) else { continue };
        indices.iter().for_each(|index| leads[*index] = *lead);
    }
    let mut also: HashMap<usize, Vec<&LocatedFinding>> = HashMap::new();
    for (index, lead) in leads.iter().enumerate().filter(|(index, lead)| index != *lead) {
        also.entry(*lead).or_default().push(shown[index]);
    }
    let leads = leads.iter().enumerate().filter(|(index, lead)| index == *lead);
    leads
        .map(|(index, _)| Group {
            lead: shown[index],
            also: also.remove(&index).unwrap_or_default(),
            others: 0,
        })
        .collect()
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
