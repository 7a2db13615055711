//! Recognizes templates that have not been rendered.

use std::ops::Range;

use super::word;
use crate::source::Tree;

/// Returns the byte range of the first ytt directive in the document `tree`, which is in the byte
/// range `chunk` of `text`. ytt directives are comments, such as `#@ data.values.name`. Ignores the
/// directives of data values and their schemas. Returns `None` if there is no other directive.
pub(super) fn ytt_directive(text: &str, chunk: Range<usize>, tree: &Tree<'_>) -> Option<Range<usize>> {
    // The list omits `data/` and `schema/` (`#@data/values`, `#@schema/nullable`), because data
    // values and their schemas are not Kubernetes objects.
    const MODULES: [&str; 4] = ["overlay/", "yaml/", "library/", "assert/"];
    let start = chunk.start;
    let directives = word::YTT_DIRECTIVE.find_iter(&text[chunk]).map(|at| start + at);
    let is_directive = |at: &usize| {
        let rest = &text[at + 2..];
        let is_comment = text[..*at].ends_with([' ', '\n', '\r']) || *at == 0;
        is_comment
            && (rest.starts_with(' ') || MODULES.iter().any(|module| rest.starts_with(module)))
            && !tree.is_in_scalar(*at)
    };
    let at = directives.into_iter().find(is_directive)?;
    let line = text[at..].lines().next().unwrap_or_default();
    Some(at..at + line.trim_end().len())
}
