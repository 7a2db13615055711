//! `# volcheck: ignore[rule] -- reason`, and `ignore-file` before the first document.

use std::ops::Range;

use memchr::memmem;

use super::{Ignore, Mistake, Scope, malformed, named, without_reason};
use crate::finding::SuppressedBy;
use crate::source::Tree;

const MARK: &str = "volcheck:";

/// A comment that speaks to volcheck: what it says, and where it begins.
#[derive(Clone, Copy)]
struct Comment<'t> {
    /// Its `#`.
    hash: usize,
    /// Behind its mark.
    at: usize,
    text: &'t str,
}

impl Comment<'_> {
    fn range(&self) -> Range<usize> {
        self.hash..self.at + self.text.len()
    }
}

/// The comments in a part of a text that speak to volcheck.
fn marked<'t>(text: &'t str, part: Range<usize>) -> impl Iterator<Item = Comment<'t>> {
    memmem::find_iter(&text.as_bytes()[part.clone()], MARK).filter_map(move |found| {
        let mark = part.start + found;
        let line = text[..mark].rfind('\n').map_or(0, |end| end + 1);
        let before = text[line..mark].trim_end_matches([' ', '\t']);
        let hash = line + before.len().checked_sub(1)?;
        let begins = before.ends_with('#')
            && (hash == line || matches!(text.as_bytes()[hash - 1], b' ' | b'\t') || hash == bom(text));
        let at = mark + MARK.len();
        let end = text[at..].find(['\n', '\r']).map_or(text.len(), |end| at + end);
        let said = text[at..end].trim_end();
        begins.then_some(Comment { hash, at, text: said })
    })
}

fn bom(text: &str) -> usize {
    if text.starts_with('\u{FEFF}') { 3 } else { 0 }
}

/// The ignores of the whole file that stand before its first document, and what is wrong with them.
pub fn file_comments(text: &str) -> (Vec<Ignore>, Vec<Mistake>) {
    let mut head = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches('\u{FEFF}').trim();
        if !content.is_empty() && !content.starts_with('#') && !content.starts_with("---") {
            break;
        }
        head += line.len();
    }
    let (mut ignores, mut mistakes) = (Vec::new(), Vec::new());
    for comment in marked(text, 0..head) {
        if let Some(list) = comment.text.trim_start().strip_prefix("ignore-file") {
            read(comment, list, Scope::File, &mut ignores, &mut mistakes);
        }
    }
    (ignores, mistakes)
}

/// The ignores in the document that `tree` is, which stands in the part `chunk` of `text`; and what is wrong with
/// them.
pub fn comments(text: &str, chunk: Range<usize>, tree: &Tree<'_>) -> (Vec<Ignore>, Vec<Mistake>) {
    let (mut ignores, mut mistakes) = (Vec::new(), Vec::new());
    let root = tree.range(tree.root());
    for comment in marked(text, chunk).filter(|comment| !tree.is_in_scalar(comment.hash)) {
        let said = comment.text.trim_start();
        if said.starts_with("ignore-file") {
            // Before the first document it is the file's.
            let is_first = text[..comment.hash].lines().all(|line| {
                let line = line.trim_start_matches('\u{FEFF}').trim();
                line.is_empty() || line.starts_with('#') || line.starts_with("---")
            });
            if !is_first {
                let message = "`ignore-file` stands before the first document";
                mistakes.push(malformed(message, comment.range()));
            }
            continue;
        }
        let Some(list) = said.strip_prefix("ignore") else {
            let message = "what stands behind `volcheck:` is neither `ignore[…]` nor `ignore-file[…]`";
            mistakes.push(malformed(message, comment.range()));
            continue;
        };
        let Some(covered) = covered(text, comment.hash, root.end, tree) else {
            mistakes.push(malformed("there is nothing here that it could be about", comment.range()));
            continue;
        };
        read(comment, list, Scope::Bytes(covered), &mut ignores, &mut mistakes);
    }
    (ignores, mistakes)
}

/// What a comment covers: what begins on its line, or, where it has a line of its own, on the next one.
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
    // Behind the dash of an item is the item.
    let is_item = text[at..].starts_with("- ");
    while text[at..].starts_with("- ") {
        at += text[at..].len() - text[at + 1..].trim_start_matches(' ').len();
    }
    tree.range_starting_at(at, is_item)
}

/// Reads `[rule, rule] -- reason`.
fn read(
    comment: Comment<'_>,
    list: &str,
    scope: Scope,
    ignores: &mut Vec<Ignore>,
    mistakes: &mut Vec<Mistake>,
) {
    let start = comment.at + comment.text.len() - list.len();
    let inner = list.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    let Some((words, rest)) = inner else {
        return mistakes.push(malformed("it names no rules: `ignore[RULE, RULE]`", comment.range()));
    };
    let reason = match rest.trim() {
        "" => "",
        rest => match rest.strip_prefix("--") {
            Some(reason) => reason.trim(),
            None => {
                let message = "what stands behind the rules is no reason: that begins with `--`";
                return mistakes.push(malformed(message, comment.range()));
            }
        },
    };
    let mut rules = Vec::new();
    let mut at = start + 1;
    for word in words.split(',') {
        let name = word.trim();
        let begin = at + word.len() - word.trim_start().len();
        at += word.len() + 1;
        let place = begin..begin + name.len();
        if name.is_empty() {
            return mistakes.push(malformed("a rule's name is empty", comment.range()));
        }
        rules.extend(named(name, &place, mistakes).map(|id| (id, place)));
    }
    if reason.is_empty() {
        mistakes.push(without_reason(SuppressedBy::Comment.noun(), comment.range()));
    }
    let reason = reason.to_owned();
    ignores.push(Ignore { rules, scope, reason, by: SuppressedBy::Comment, place: comment.range() });
}
