//! The state that is shared by the checks of all documents in a file, and methods that locate
//! findings.

use std::ops::Range;
use std::sync::Arc;

use super::bindings::Bindings;
use super::{LocatedFinding, Location, Options, Outcome, RelatedLocation, UncheckedInput};
use crate::engine::{CheckResult, judge};
use crate::finding::{Finding, Label, SuppressedBy, Suppression, Target};
use crate::model::{FieldError, FieldPath, TypeMeta};
use crate::rules::{Subject, Unchecked};
use crate::source::edit::{EditError, field_edits};
use crate::source::{File, NodeId, Span, TextError, Tree, locate, locate_key};

/// A checker of the documents in a file.
#[derive(Clone)]
pub(super) struct Checker<'c> {
    pub(super) options: &'c Options<'c>,
    /// The bindings of claims; `None` in the first check.
    pub(super) bindings: Option<&'c Bindings>,
    pub(super) file: &'c Arc<File>,
    /// The path of the file, as shown to the user.
    pub(super) path: Arc<str>,
    /// Whether the text was rendered from the file at `path`.
    pub(super) is_rendered: bool,
    /// Whether a kustomization uses the file as a patch.
    pub(super) is_patch: bool,
    /// Whether the word `$patch` occurs in the document.
    pub(super) may_contain_patch: bool,
    /// Whether ignores are applied and the word `volcheck` occurs in the file.
    pub(super) may_contain_ignores: bool,
    /// The length of the text before the content of the first document; 0 if the file cannot
    /// contain ignores.
    pub(super) head_len: usize,
    /// The template that the document was rendered from, if a comment by Helm names it.
    pub(super) template: Option<&'c str>,
    /// The namespace of objects that do not set one.
    pub(super) namespace: Arc<str>,
    /// The nesting depth of the documents: 0 in the file itself, 1 in a string of a document in the
    /// file, and so on.
    pub(super) depth: usize,
    /// The number of outer objects that contain the current object as a mapping.
    pub(super) outer_objects: usize,
    /// Set if the documents are in a string that cannot be parsed in place.
    pub(super) detached: Option<Detached>,
}

/// A string that contains manifests and cannot be parsed in place, for example because of escapes.
/// Findings about the manifests have the location of the whole string, because locations within the
/// string are unknown.
#[derive(Clone)]
pub(super) struct Detached {
    /// The value of the string.
    pub(super) value: Arc<str>,
    /// The byte range of the string in the file.
    pub(super) string: Range<usize>,
    /// The byte range of the object that contains the string, in the file.
    pub(super) object: Range<usize>,
}

impl<'c> Checker<'c> {
    /// Returns the text that contains the documents: the value of the detached string, or the text
    /// of the file.
    pub(super) fn text(&self) -> &str {
        self.detached.as_ref().map_or(self.file.text(), |detached| &detached.value)
    }

    /// Locates a finding about the object at `root`.
    pub(super) fn locate(&self, tree: &Tree<'_>, root: NodeId, finding: Finding) -> LocatedFinding {
        if let Some(detached) = &self.detached {
            return self.locate_detached(detached, finding);
        }
        let span = |label: &Label| match label.target {
            Target::Value => locate(self.file, tree, root, &label.path),
            Target::Key => locate_key(self.file, tree, root, &label.path),
            Target::Mark(mark) => self.file.span(mark.range()),
            Target::Elsewhere(_) => locate(self.file, tree, root, &FieldPath::root()),
        };
        let location = self.location(&finding, span);
        let text_edits = finding.fix.as_ref().map(|fix| match self.depth {
            _ if self.is_rendered => Err(EditError::Rendered),
            0 => field_edits(self.file.text(), tree, root, &fix.edits),
            _ => Err(EditError::InString),
        });
        LocatedFinding {
            object: Some(tree.range(root)),
            text_edits,
            ..LocatedFinding::new(finding, location)
        }
    }

    /// Locates a finding about a range of the text.
    pub(super) fn locate_text(&self, finding: Finding) -> LocatedFinding {
        if let Some(detached) = &self.detached {
            return self.locate_detached(detached, finding);
        }
        let span = |label: &Label| {
            let range: Range<usize> = label.mark().map_or(0..0, |mark| mark.range());
            self.file.span(range)
        };
        let location = self.location(&finding, span);
        LocatedFinding::new(finding, location)
    }

    /// Locates a finding about a manifest in a detached string. The location is the whole string.
    pub(super) fn locate_detached(&self, detached: &Detached, mut finding: Finding) -> LocatedFinding {
        finding.related.retain(|label| matches!(label.target, Target::Elsewhere(_)));
        let location = self.location(&finding, |_| self.file.span(detached.string.clone()));
        let text_edits = finding.fix.as_ref().map(|_| Err(EditError::InString));
        let object = Some(detached.object.clone());
        LocatedFinding { object, text_edits, ..LocatedFinding::new(finding, location) }
    }

    /// Returns the location of a finding. `span` returns the span of a label in this file.
    pub(super) fn location(&self, finding: &Finding, span: impl Fn(&Label) -> Span) -> Location {
        let related = |label: &Label| match (label.target, self.bindings) {
            (Target::Elsewhere(place), Some(bindings)) => {
                bindings.related_location(place, self.file, &self.path)
            }
            _ => RelatedLocation { span: span(label), other_file: None },
        };
        Location {
            path: Arc::clone(&self.path),
            file: Some(Arc::clone(self.file)),
            primary: Some(span(&finding.primary)),
            related: finding.related.iter().map(related).collect(),
            is_rendered: self.is_rendered,
            template: None,
        }
    }

    /// Adds the findings about the object at `root` to `outcome`.
    pub(super) fn add(&self, tree: &Tree<'_>, root: NodeId, result: CheckResult, outcome: &mut Outcome) {
        outcome.findings.extend(result.findings.into_iter().map(|finding| self.locate(tree, root, finding)));
        for (finding, exemption) in result.exempted {
            let mut located = self.locate(tree, root, finding);
            let reason = self.options.policy.exemption(exemption).reason.clone();
            located.suppressed = Some(Suppression { by: SuppressedBy::Exemption, reason });
            outcome.suppressed.push(located);
            outcome.used_exemptions.insert(exemption);
        }
        outcome.used_exemptions.extend(result.lowered_by);
    }

    /// Adds the finding about a field that could not be decoded. If the object is in another object
    /// or in a string, the finding is only a warning, because another program may change the
    /// object.
    pub(super) fn add_invalid_field(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        error: &FieldError,
        meta: Option<&TypeMeta<'_>>,
        is_embedded: bool,
        outcome: &mut Outcome,
    ) {
        let (kind, is_embedded) = (meta.map(|meta| &*meta.kind), is_embedded || self.depth > 0);
        let unchecked =
            self.unchecked_field(tree, node, &Unchecked::InvalidField { error, kind, is_embedded });
        match is_embedded {
            true => outcome.findings.push(unchecked.located),
            false => outcome.unchecked.push(unchecked),
        }
    }

    /// Adds the finding about a part of the object at `root` that is not checked. The finding must
    /// be a warning.
    pub(super) fn add_warning(
        &self,
        tree: &Tree<'_>,
        root: NodeId,
        unchecked: &Unchecked<'_>,
        outcome: &mut Outcome,
    ) {
        outcome.findings.push(self.unchecked_field(tree, root, unchecked).located);
    }

    /// Returns the finding about a field that could not be checked in the object at `root`.
    pub(super) fn unchecked_field(
        &self,
        tree: &Tree<'_>,
        root: NodeId,
        unchecked: &Unchecked<'_>,
    ) -> UncheckedInput {
        unchecked_input(unchecked, self.options, |finding| self.locate(tree, root, finding))
    }

    /// Returns the finding about a part of the text that could not be checked.
    pub(super) fn unchecked_text(&self, unchecked: &Unchecked<'_>) -> UncheckedInput {
        unchecked_input(unchecked, self.options, |finding| self.locate_text(finding))
    }
}

/// Returns the finding about a file that is too large or not text.
pub(super) fn undecodable_text(name: &str, error: &TextError, options: &Options<'_>) -> UncheckedInput {
    let primary = Some(Span { start: error.position, end: error.position });
    let location = Location { primary, ..Location::of_file(name) };
    let unchecked = Unchecked::NotText { message: &error.to_string(), help: error.kind.help() };
    unchecked_input(&unchecked, options, |finding| LocatedFinding::new(finding, location))
}

/// Returns unchecked input with its finding. `locate` adds the location to the finding.
pub(super) fn unchecked_input(
    unchecked: &Unchecked<'_>,
    options: &Options<'_>,
    locate: impl FnOnce(Finding) -> LocatedFinding,
) -> UncheckedInput {
    let located = locate(unchecked_finding(unchecked, options));
    UncheckedInput { located, is_raw_template: matches!(unchecked, Unchecked::RawTemplate { .. }) }
}

/// Returns the finding about unchecked input. For each variant of [`Unchecked`], exactly one rule
/// reports a finding.
pub(super) fn unchecked_finding(unchecked: &Unchecked<'_>, options: &Options<'_>) -> Finding {
    let findings = judge(Subject::Unchecked(unchecked), options.policy, options.today).findings;
    debug_assert_eq!(findings.len(), 1, "{unchecked:?}");
    findings.into_iter().next().expect("a rule reports each kind of unchecked input")
}
