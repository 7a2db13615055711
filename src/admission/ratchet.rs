//! The ratchet: what was there before an update is no reason to deny it.

use std::collections::HashMap;

use crate::engine::{Judged, keep_most_severe_of_families};
use crate::finding::{Access, Finding, Fingerprint, RuleId};

/// What a finding is about: its rule, its volume and its path.
type Matter = (RuleId, String, String);

/// Who has to do with it, and how: a container, and its access.
type Reach = (String, Option<Access>);

/// What was found in the object before an update.
#[derive(Default)]
pub(super) struct Before(HashMap<Matter, Vec<Reach>>);

impl Before {
    /// Of what was found in it, and what a worse finding of its family hid: mending that one brings the other up, and
    /// that is no step back.
    pub(super) fn of(judged: Judged) -> Self {
        let mut known = Self::default();
        for finding in judged.findings.into_iter().chain(judged.superseded) {
            let Fingerprint { rule, volume, container, path, access } = finding.fingerprint;
            known.0.entry((rule, volume, path)).or_default().push((container, access));
        }
        known
    }

    /// The findings that are new, and those that were there: each as often as it was, by the same container, or by
    /// no container any more, and with the same access or more.
    ///
    /// What a worse finding of its family hides is new where nothing like it was there, and is said where that one isn't
    /// new itself.
    pub(super) fn split(&mut self, judged: &mut Judged) -> (Vec<Finding>, Vec<Finding>) {
        let mut new: Vec<_> =
            judged.superseded.extract_if(.., |finding| !self.knows(&finding.fingerprint)).collect();
        // The very same ones first, lest a weaker one takes the place of another's.
        let is_same = |own: &Fingerprint, (container, access): &Reach| {
            own.container == *container && own.access == *access
        };
        let is_weaker = |own: &Fingerprint, (container, access): &Reach| {
            (own.container.is_empty() || own.container == *container) && own.access <= *access
        };
        let findings = std::mem::take(&mut judged.findings);
        let (mut known, rest) =
            findings.into_iter().partition::<Vec<_>, _>(|finding| self.take(finding, is_same));
        let (weaker, added) =
            rest.into_iter().partition::<Vec<_>, _>(|finding| self.take(finding, is_weaker));
        known.extend(weaker);
        new.extend(added);
        judged.superseded.extend(keep_most_severe_of_families(&mut new));
        (new, known)
    }

    /// Whether it was there, with the same access or more, however often.
    fn knows(&self, own: &Fingerprint) -> bool {
        self.0.get(&matter(own)).is_some_and(|before| before.iter().any(|(_, access)| own.access <= *access))
    }

    fn take(&mut self, finding: &Finding, fits: impl Fn(&Fingerprint, &Reach) -> bool) -> bool {
        let own = &finding.fingerprint;
        let Some(before) = self.0.get_mut(&matter(own)) else { return false };
        let at = before.iter().position(|one| fits(own, one));
        at.map(|at| before.swap_remove(at)).is_some()
    }
}

fn matter(own: &Fingerprint) -> Matter {
    (own.rule, own.volume.clone(), own.path.clone())
}

/// Adds what containers reach that an update adds, of what was found in these alone: that the Pod's others reach it, too,
/// by whatever exemption, is no reason to let these.
pub(super) fn add_reached(new: &mut Vec<Finding>, found: Vec<Finding>) {
    for finding in found.into_iter().filter(|finding| finding.family.is_some()) {
        let is_same = |known: &Finding| {
            (known.rule, &known.fingerprint.volume) == (finding.rule, &finding.fingerprint.volume)
        };
        if !new.iter().any(is_same) {
            new.push(finding);
        }
    }
}
