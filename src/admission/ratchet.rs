//! The ratchet: what was there before an update is no reason to deny it.

use std::collections::HashMap;

use crate::engine::Judged;
use crate::finding::{Access, Finding, Fingerprint};

/// What a finding is about: its rule, its volume and its path.
type Matter = (&'static str, String, String);

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
        for finding in judged.findings.into_iter().chain(judged.hidden) {
            let Fingerprint { rule, volume, container, path, access } = finding.fingerprint;
            known.0.entry((rule, volume, path)).or_default().push((container, access));
        }
        known
    }

    /// The findings that are new, and those that were there: each as often as it was, by the same container, or by
    /// no container any more, and with the same access or more.
    pub(super) fn split<'f>(&mut self, findings: &'f [Finding]) -> (Vec<&'f Finding>, Vec<&'f Finding>) {
        // The very same ones first, lest a weaker one takes the place of another's.
        let is_same = |own: &Fingerprint, (container, access): &Reach| {
            own.container == *container && own.access == *access
        };
        let is_weaker = |own: &Fingerprint, (container, access): &Reach| {
            (own.container.is_empty() || own.container == *container) && own.access <= *access
        };
        let (mut known, rest) = findings.iter().partition::<Vec<_>, _>(|finding| self.take(finding, is_same));
        let (weaker, new) = rest.into_iter().partition::<Vec<_>, _>(|finding| self.take(finding, is_weaker));
        known.extend(weaker);
        (new, known)
    }

    fn take(&mut self, finding: &Finding, fits: impl Fn(&Fingerprint, &Reach) -> bool) -> bool {
        let own = &finding.fingerprint;
        let Some(before) = self.0.get_mut(&(own.rule, own.volume.clone(), own.path.clone())) else {
            return false;
        };
        let at = before.iter().position(|one| fits(own, one));
        at.map(|at| before.swap_remove(at)).is_some()
    }
}
