//! Applies the ignores of a file to its findings after all documents have been checked.

use std::collections::HashMap;

use super::{LocatedFinding, Options, Outcome};
use crate::engine::judge;
use crate::finding::Finding;
use crate::rules::{IgnoreFacts, Subject};
use crate::suppress::{IgnoreSet, Place, Scope};

/// The ignores of a file, in the order in which they are applied.
#[derive(Debug, Default)]
pub(super) struct FileIgnores {
    pub(super) annotations: IgnoreSet,
    pub(super) comments: IgnoreSet,
    pub(super) file: IgnoreSet,
}

impl FileIgnores {
    pub(super) fn extend(&mut self, other: Self) {
        self.annotations.extend(other.annotations);
        self.comments.extend(other.comments);
        self.file.extend(other.file);
    }

    /// Suppresses findings of the file, and adds findings about the ignores themselves. An `ignore`
    /// comment can also suppress a finding about an annotation. An `ignore-file` comment can also
    /// suppress findings about annotations and `ignore` comments.
    ///
    /// `document_at` returns the start of the document that contains an offset, and the template
    /// that the document was rendered from. `located` adds the location to a finding.
    pub(super) fn apply<'t>(
        self,
        options: &Options<'_>,
        document_at: impl Fn(usize) -> (usize, Option<&'t str>),
        located: impl Fn(Finding) -> LocatedFinding,
        outcome: &mut Outcome,
    ) {
        for mut set in [self.annotations, self.comments, self.file] {
            if set.is_empty() {
                continue;
            }
            apply_set(&mut set, options, &document_at, outcome);
            let (problems, unused) = (set.take_problems(), set.unused(options.policy));
            let facts = IgnoreFacts { problems, unused, limit: options.policy.ignores };
            if !facts.is_empty() {
                let result = judge(Subject::Ignores(&facts), options.policy, options.today);
                outcome.findings.extend(result.findings.into_iter().map(&located));
            }
        }
    }
}

/// Applies a set of ignores. `document_at` is described at [`FileIgnores::apply`].
fn apply_set<'t>(
    set: &mut IgnoreSet,
    options: &Options<'_>,
    document_at: impl Fn(usize) -> (usize, Option<&'t str>),
    outcome: &mut Outcome,
) {
    // The indexes of ignores by the start of their object or document. The key for ignores of the
    // file is `None`. A finding is compared only with the ignores of its object, its document and
    // the file.
    let mut by_start: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (index, ignore) in set.ignores().iter().enumerate() {
        let start = match &ignore.scope {
            Scope::File(_) => None,
            Scope::Bytes(range) => Some(document_at(range.start).0),
            Scope::Object { object, .. } => Some(object.start),
        };
        by_start.entry(start).or_default().push(index);
    }
    let mut suppression = |located: &LocatedFinding| {
        let start = located.location.primary.map(|span| span.start.offset);
        let (document, template) = start.map(&document_at).unzip();
        let place = Place { template: template.flatten(), start, object: located.object.as_ref() };
        let starts = [None, document, place.object.map(|object| object.start)];
        let mut candidates: Vec<usize> =
            starts.iter().filter_map(|start| by_start.get(start)).flatten().copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        set.suppress(&located.finding, &place, candidates, options.policy)
    };
    // An ignore also counts as used if it covers a finding that is already suppressed.
    for located in &outcome.suppressed {
        suppression(located);
    }
    for mut located in std::mem::take(&mut outcome.findings) {
        located.suppressed = suppression(&located);
        match located.suppressed {
            Some(_) => outcome.suppressed.push(located),
            None => outcome.findings.push(located),
        }
    }
}
