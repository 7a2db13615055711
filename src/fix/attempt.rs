//! An attempt to apply fixes together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::counts::{Counts, Identity, Slots, identity};
use super::verify::with_expected_result;
use super::{Refusal, Task};
use crate::lint::LocatedFinding;
use crate::model::ObjectId;
use crate::source::File;
use crate::source::edit::apply;

/// The maximum number of rounds. Fixes that overlap are applied in different rounds.
const MAX_ROUNDS: usize = 10;

/// The result of applying fixes together.
pub(super) struct Attempt {
    /// The file with the fixes.
    pub(super) file: Arc<File>,
    /// The fixes that must not be applied, by index, with the reasons.
    pub(super) offenders: Vec<(usize, Refusal)>,
}

impl Attempt {
    /// Applies the fixes of the selected findings, and of the findings that these fixes cause.
    pub(super) fn new(task: &Task<'_>, known: &Known, selected: &[LocatedFinding]) -> Self {
        let mut rounds = Rounds {
            task,
            known,
            wanted: Counts::new(selected),
            file: Arc::clone(task.file),
            tried: HashMap::new(),
            unexpected: HashSet::new(),
        };
        let (mut findings, mut unchecked) = (None, 0);
        let mut todo: Vec<LocatedFinding> = selected.to_vec();
        for _ in 0..MAX_ROUNDS {
            if !rounds.apply(&todo) {
                break;
            }
            let outcome = (task.check)(&rounds.file);
            unchecked = outcome.unchecked.len();
            todo = rounds.todo(&outcome.findings);
            findings = Some([outcome.findings, outcome.suppressed].concat());
        }
        let offenders = rounds.offenders(selected, findings.as_deref(), unchecked);
        Self { file: rounds.file, offenders }
    }
}

/// The findings in the file before the fixes.
pub(super) struct Known {
    counts: Counts,
    slots: Slots,
    /// The findings to fix that have no fix yet.
    later: Counts,
}

impl Known {
    pub(super) fn new(findings: &[&LocatedFinding], later: &[LocatedFinding]) -> Self {
        let all = || findings.iter().copied();
        Self { counts: Counts::new(all()), slots: Slots::new(all()), later: Counts::new(later) }
    }
}

/// The state between rounds.
struct Rounds<'a> {
    task: &'a Task<'a>,
    known: &'a Known,
    wanted: Counts,
    file: Arc<File>,
    /// The number of fixes that were applied, by the identity of the finding.
    tried: HashMap<Identity, usize>,
    /// The findings whose fixes have an unexpected result.
    unexpected: HashSet<Identity>,
}

impl Rounds<'_> {
    /// Applies the fixes of findings that do not overlap. Returns false if there are none.
    fn apply(&mut self, todo: &[LocatedFinding]) -> bool {
        let (batch, unexpected) = with_expected_result(self.file.text(), without_overlaps(todo));
        self.unexpected.extend(unexpected.into_iter().map(identity));
        for located in &batch {
            *self.tried.entry(identity(located)).or_default() += 1;
        }
        let edits = batch.iter().filter_map(|located| located.applicable_fix()).flat_map(|(_, edits)| edits);
        let text = apply(self.file.text(), edits);
        match File::decode(self.file.path.as_str(), text.into_bytes()) {
            Ok(file) if !batch.is_empty() => {
                self.file = Arc::new(file);
                true
            }
            _ => false,
        }
    }

    /// Returns the findings to fix in the next round: the remaining ones, and those that the fixes
    /// caused.
    fn todo(&self, findings: &[LocatedFinding]) -> Vec<LocatedFinding> {
        let new: HashSet<*const LocatedFinding> =
            self.known.slots.new_findings(findings).into_iter().map(std::ptr::from_ref).collect();
        let is_todo = |located: &&LocatedFinding| {
            let identity = identity(located);
            let tried = self.tried.get(&identity).copied().unwrap_or_default();
            let is_wanted = tried < self.wanted.of(&identity) + self.known.later.of(&identity)
                || tried == 0 && new.contains(&std::ptr::from_ref(*located));
            is_wanted
                && !self.unexpected.contains(&identity)
                && self.task.selection.allows(&located.finding)
                && matches!(located.text_edits, Some(Ok(_)))
        };
        findings.iter().filter(is_todo).cloned().collect()
    }

    /// Returns the indices of the selected findings whose fixes must not be applied. `findings` are
    /// the findings in the file after the last round; `None` if no fix was applied.
    fn offenders(
        &self,
        selected: &[LocatedFinding],
        findings: Option<&[LocatedFinding]>,
        unchecked: usize,
    ) -> Vec<(usize, Refusal)> {
        let unexpected = |located: &LocatedFinding| self.unexpected.contains(&identity(located));
        let with_reason = |is_offender: &dyn Fn(&LocatedFinding) -> bool, reason: &Refusal| {
            let offenders = selected.iter().enumerate().filter(|(_, located)| is_offender(located));
            offenders.map(|(index, _)| (index, reason.clone())).collect::<Vec<_>>()
        };
        let offenders = with_reason(&unexpected, &Refusal::UnexpectedResult);
        let Some(findings) = findings.filter(|_| offenders.is_empty()) else { return offenders };
        if unchecked > self.task.unchecked {
            return with_reason(&|_| true, &Refusal::UnexpectedResult);
        }
        let after = Counts::new(findings);
        let remains = |located: &LocatedFinding| {
            let identity = identity(located);
            after.of(&identity) + self.wanted.of(&identity) > self.known.counts.of(&identity)
        };
        let untried =
            |located: &LocatedFinding| remains(located) && !self.tried.contains_key(&identity(located));
        let mut offenders = with_reason(&untried, &Refusal::Conflict);
        if offenders.is_empty() {
            offenders = with_reason(&remains, &Refusal::Ineffective);
        }
        if !offenders.is_empty() {
            return offenders;
        }
        let mut by_object: HashMap<&Option<Arc<ObjectId>>, Vec<usize>> = HashMap::new();
        for (index, located) in selected.iter().enumerate() {
            by_object.entry(&located.finding.object).or_default().push(index);
        }
        for new in self.known.slots.new_findings(findings) {
            let reason = Refusal::Causes(new.finding.rule);
            let Some(of_object) = by_object.get(&new.finding.object) else {
                return with_reason(&|_| true, &reason);
            };
            let volume = &new.finding.fingerprint.volume;
            let is_same_volume = |index: &&usize| selected[**index].finding.fingerprint.volume == *volume;
            let of_volume: Vec<usize> = of_object.iter().filter(is_same_volume).copied().collect();
            let causes = if of_volume.is_empty() { of_object } else { &of_volume };
            offenders.extend(causes.iter().map(|index| (*index, reason.clone())));
        }
        offenders.sort();
        offenders.dedup_by_key(|(index, _)| *index);
        offenders
    }
}

/// Returns findings whose fixes can be applied together. Omits findings whose fixes edit the same
/// text as another one.
fn without_overlaps(findings: &[LocatedFinding]) -> Vec<&LocatedFinding> {
    let mut batch: Vec<&LocatedFinding> = Vec::new();
    // The ends of the edited ranges, by their starts.
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    for located in findings {
        let Some(Ok(edits)) = &located.text_edits else { continue };
        let is_free = edits.iter().all(|edit| {
            let (start, end) = (edit.range.start, edit.range.end);
            let before = taken.range(..=start).next_back();
            let after = taken.range(start..).next();
            // Text must not be inserted next to text that is replaced.
            let is_after = |(at, before_end): (&usize, &usize)| {
                *before_end < start || *before_end == start && start < end && at < before_end
            };
            let is_before =
                |(at, after_end): (&usize, &usize)| *at > end || *at == end && start < end && at < after_end;
            before.is_none_or(is_after) && after.is_none_or(is_before)
        });
        if is_free {
            taken.extend(edits.iter().map(|edit| (edit.range.start, edit.range.end)));
            batch.push(located);
        }
    }
    batch
}
