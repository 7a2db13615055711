//! Comments that suppress findings: `# volcheck: ignore[rule] -- reason`, and
//! `# volcheck: ignore-file[rule] -- reason` at the start of a file or of a rendered template.

use std::ops::Range;

use memchr::memmem;

use super::{Ignore, IgnoreSet, Scope};
use crate::finding::SuppressedBy;
use crate::rules::{IgnoreProblemKind, MalformedIgnore, Registry};
use crate::source::Tree;

const MARKER: &str = "volcheck:";

/// A comment that starts with [`MARKER`].
#[derive(Clone, Copy)]
struct Comment<'t> {
    /// The offset of the `#`.
    hash: usize,
    /// The offset of the text after the marker.
    at: usize,
    /// The text after the marker, up to the end of the line.
    text: &'t str,
}

impl Comment<'_> {
    fn range(&self) -> Range<usize> {
        self.hash..self.at + self.text.len()
    }
}

/// Returns the comments in the byte range `part` of `text` that start with [`MARKER`]. They include
/// text in scalars that looks like such a comment.
fn marked_comments<'t>(text: &'t str, part: Range<usize>) -> impl Iterator<Item = Comment<'t>> {
    memmem::find_iter(&text.as_bytes()[part.clone()], MARKER).filter_map(move |found| {
        let marker = part.start + found;
        let line = text[..marker].rfind('\n').map_or(0, |end| end + 1);
        let before = text[line..marker].trim_end_matches([' ', '\t']);
        let hash = line + before.len().checked_sub(1)?;
        let is_comment = before.ends_with('#')
            && (hash == line || matches!(text.as_bytes()[hash - 1], b' ' | b'\t') || hash == bom(text));
        let at = marker + MARKER.len();
        let end = text[at..].find(['\n', '\r']).map_or(text.len(), |end| at + end);
        is_comment.then_some(Comment { hash, at, text: text[at..end].trim_end() })
    })
}

/// Returns the length of the byte order mark, or 0 if there is none.
fn bom(text: &str) -> usize {
    if text.starts_with('\u{FEFF}') { 3 } else { 0 }
}

/// Adds the `ignore-file` comments at the start of the document in the byte range `chunk` of `text`
/// to `set`. They cover the documents that were rendered from `template` or, if it is `None`, the
/// whole file.
pub fn file_comments(
    text: &str,
    chunk: Range<usize>,
    template: Option<&str>,
    registry: Registry,
    set: &mut IgnoreSet,
) {
    let head = chunk.start..chunk.start + head_len(&text[chunk]);
    for comment in marked_comments(text, head) {
        if let Some(list) = comment.text.trim_start().strip_prefix("ignore-file") {
            parse(comment, list, Scope::File(template.map(str::to_owned)), registry, set);
        }
    }
}

/// Returns the length of the text before the content of the first document, in bytes.
pub fn head_len(text: &str) -> usize {
    text.split_inclusive('\n').take_while(|line| is_before_content(line)).map(str::len).sum()
}

/// Checks whether a line can precede the content of the first document: an empty line, a comment or
/// a separator.
fn is_before_content(line: &str) -> bool {
    let content = line.trim_start_matches('\u{FEFF}').trim();
    content.is_empty() || content.starts_with('#') || content.starts_with("---")
}

/// Adds the `ignore` comments of the document `tree`, which is in the byte range `chunk` of `text`,
/// to `set`. `may_ignore_file` is true if [`file_comments`] was called for the document.
pub fn comments(
    text: &str,
    chunk: Range<usize>,
    tree: &Tree<'_>,
    may_ignore_file: bool,
    registry: Registry,
    set: &mut IgnoreSet,
) {
    let root = tree.range(tree.root());
    for comment in marked_comments(text, chunk).filter(|comment| !tree.is_in_scalar(comment.hash)) {
        let directive = comment.text.trim_start();
        if directive.starts_with("ignore-file") {
            // Report only misplaced `ignore-file` comments here. `file_comments` parses the rest.
            if !may_ignore_file || comment.hash > root.start {
                set.report_malformed(MalformedIgnore::MisplacedIgnoreFile, comment.range());
            }
            continue;
        }
        let Some(list) = directive.strip_prefix("ignore") else {
            set.report_malformed(MalformedIgnore::UnknownDirective, comment.range());
            continue;
        };
        match covered(text, comment.hash, root.end, tree) {
            Some(covered) => parse(comment, list, Scope::Bytes(covered), registry, set),
            None => set.report_malformed(MalformedIgnore::NoTarget, comment.range()),
        }
    }
}

/// Returns the byte range of the node that a comment covers: the node that starts on its line or,
/// if there is no other content on its line, on the next line with content. Returns `None` if there
/// is no such node.
fn covered(text: &str, hash: usize, end: usize, tree: &Tree<'_>) -> Option<Range<usize>> {
    let line = text[..hash].rfind('\n').map_or(0, |end| end + 1);
    let mut at = line + text[line..].len() - text[line..].trim_start_matches([' ', '\u{FEFF}']).len();
    while at == hash || text[at..].starts_with('#') || text[at..].starts_with(['\n', '\r', '\t', ' ']) {
        let next = at + text[at..].find('\n')? + 1;
        at = next + text[next..].len() - text[next..].trim_start_matches(' ').len();
        if at >= end {
            return None;
        }
    }
    // The content of a sequence item starts after the dash.
    let is_item = text[at..].starts_with("- ");
    while text[at..].starts_with("- ") {
        at += text[at..].len() - text[at + 1..].trim_start_matches(' ').len();
    }
    tree.range_starting_at(at, is_item)
}

/// Parses `list`, which has the form `[rule, rule] -- reason`, and adds the ignore and its problems
/// to `set`. If the form is invalid, adds only a problem.
fn parse(comment: Comment<'_>, list: &str, scope: Scope, registry: Registry, set: &mut IgnoreSet) {
    let start = comment.at + comment.text.len() - list.len();
    let inner = list.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    let Some((names, rest)) = inner else {
        return set.report_malformed(MalformedIgnore::NoRules, comment.range());
    };
    let reason = match rest.trim() {
        "" => "",
        rest => match rest.strip_prefix("--") {
            Some(reason) => reason.trim(),
            None => return set.report_malformed(MalformedIgnore::NoDashes, comment.range()),
        },
    };
    let mut rules = Vec::new();
    let mut at = start + 1;
    for item in names.split(',') {
        let name = item.trim();
        let begin = at + item.len() - item.trim_start().len();
        at += item.len() + 1;
        let range = begin..begin + name.len();
        if name.is_empty() {
            return set.report_malformed(MalformedIgnore::EmptyRule, comment.range());
        }
        rules.extend(set.rule(name, range.clone(), registry).map(|rule| (rule, range.into())));
    }
    let by = SuppressedBy::Comment;
    if reason.is_empty() {
        set.report(IgnoreProblemKind::NoReason(by), comment.range());
    }
    set.add(Ignore { rules, scope, reason: reason.to_owned(), by });
}
