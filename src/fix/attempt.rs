//! An attempt to apply fixes together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::counts::{Counts, Identity, Slots, identity};
use super::verify::is_expected;
use super::{Refusal, Task};
use crate::lint::LocatedFinding;
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
        let mut batch = without_overlaps(todo);
        let mut text = apply_all(&self.file, &batch);
        if !is_expected(self.file.text(), &text, &batch) {
            let is_single_expected = |located: &&LocatedFinding| {
                let single = [*located];
                is_expected(self.file.text(), &apply_all(&self.file, &single), &single)
            };
            let (expected, unexpected): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_single_expected);
            self.unexpected.extend(unexpected.iter().map(|located| identity(located)));
            batch = expected;
            text = apply_all(&self.file, &batch);
            // If the fixes do not have the expected result together, the next rounds apply the
            // others.
            while batch.len() > 1 && !is_expected(self.file.text(), &text, &batch) {
                batch.truncate(batch.len() / 2);
                text = apply_all(&self.file, &batch);
            }
        }
        for located in &batch {
            *self.tried.entry(identity(located)).or_default() += 1;
        }
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
        for new in self.known.slots.new_findings(findings) {
            let reason = Refusal::Causes(new.finding.rule);
            let is_same_object = |located: &LocatedFinding| located.finding.object == new.finding.object;
            let is_same_volume = |located: &LocatedFinding| {
                is_same_object(located)
                    && located.finding.fingerprint.volume == new.finding.fingerprint.volume
            };
            let causes: [&dyn Fn(&LocatedFinding) -> bool; 3] = [&is_same_volume, &is_same_object, &|_| true];
            let found = causes.into_iter().map(|is_cause| with_reason(is_cause, &reason));
            offenders.extend(found.into_iter().find(|found| !found.is_empty()).unwrap_or_default());
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

fn apply_all(file: &File, batch: &[&LocatedFinding]) -> String {
    let edits = batch.iter().filter_map(|located| located.text_edits.as_ref()?.as_ref().ok()).flatten();
    apply(file.text(), edits)
}
