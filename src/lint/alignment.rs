//! Aligns a rendered document with the Helm template that produced it: finds the template line that
//! produced each part of the document.
//!
//! A template is a program that can produce many texts ([`Program`]). The alignment is the path
//! through the program that produces the document with as few bytes from actions as possible, so
//! that literal lines of the template match the lines that they produced. If several such paths
//! disagree about a line, the alignment is ambiguous there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::helm_template::{Op, Program};
use crate::model::{FieldPath, Segment};

/// The maximum number of steps of the search for a path.
const MAX_STEPS: usize = 200_000;

/// The maximum number of instructions to look ahead from an action.
const MAX_LOOKAHEAD: usize = 100;

/// A line of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TemplateLine {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// Whether the line is certain to have produced the rendered text. Otherwise, it is the line
    /// with the most similar text or field.
    pub(super) is_exact: bool,
}

/// A rendered document, aligned with its template.
#[derive(Debug)]
pub(super) struct Alignment<'t> {
    template: &'t str,
    document: &'t str,
    /// The byte ranges of the document, and the offsets in the template that can have produced
    /// them. Empty if no path through the template produces the document.
    pieces: Vec<(Range<usize>, usize)>,
}

impl<'t> Alignment<'t> {
    /// Aligns a document with its template.
    pub(super) fn new(template: &'t str, document: &'t str) -> Self {
        let lines = Lines::new(document);
        let pieces = Program::new(template).and_then(|program| {
            // The first search assumes that only actions that format a value produce several lines.
            // This is nearly always true, and faster.
            search(&program, &lines.text, false).or_else(|| search(&program, &lines.text, true))
        });
        let pieces = pieces.unwrap_or_default().into_iter();
        let pieces = pieces.map(|(range, offset)| (lines.original(range), offset)).collect();
        Self { template, document, pieces }
    }

    /// Returns the template line for the byte at `offset` of the document, which belongs to the
    /// field `path`. Returns `None` if no line of the template is similar.
    pub(super) fn line(&self, offset: usize, path: &FieldPath) -> Option<TemplateLine> {
        let covering = self.pieces.iter().filter(|(range, _)| range.contains(&offset));
        let line_at =
            |offset: usize| 1 + memchr::memchr_iter(b'\n', &self.template.as_bytes()[..offset]).count();
        let lines: BTreeSet<usize> = covering.map(|(_, start)| line_at(*start)).collect();
        match lines.first() {
            Some(&line) => Some(TemplateLine { line, is_exact: lines.len() == 1 }),
            None => self.similar_line(offset, path).map(|line| TemplateLine { line, is_exact: false }),
        }
    }

    /// Returns the first template line with the same text as the line at `offset` of the document.
    /// If there is none, finds the first occurrence of each key of `path` after the previous key,
    /// and returns the line of the last key that occurs.
    fn similar_line(&self, offset: usize, path: &FieldPath) -> Option<usize> {
        let start = self.document[..offset].rfind('\n').map_or(0, |at| at + 1);
        let rendered = self.document[start..].lines().next().unwrap_or_default().trim();
        let lines = || self.template.lines().map(str::trim).zip(1..);
        if let Some((_, line)) = lines().find(|(text, _)| *text == rendered && !rendered.is_empty()) {
            return Some(line);
        }
        let has_key = |text: &str, key: &str| {
            let text = text.trim_start_matches("- ");
            text.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
        };
        let mut last = None;
        for segment in path.segments() {
            let Segment::Key(key) = segment else { continue };
            let following = lines().filter(|(_, line)| *line >= last.unwrap_or(1));
            last = following.into_iter().find(|(text, _)| has_key(text, key)).map(|(_, line)| line).or(last);
        }
        last
    }
}

/// The lines of a document that are not blank, without the comment that names the template. Helm
/// removes blank lines at the start and the end of documents.
struct Lines {
    text: String,
    /// The offset of each line in `text`, and in the document.
    starts: Vec<(usize, usize)>,
}

impl Lines {
    fn new(document: &str) -> Self {
        let mut lines = Self { text: String::new(), starts: Vec::new() };
        let mut start = 0;
        for line in document.split_inclusive('\n') {
            let is_source = start == 0 && line.starts_with("# Source: ");
            if !is_source && !line.trim().is_empty() {
                lines.starts.push((lines.text.len(), start));
                lines.text.push_str(line);
            }
            start += line.len();
        }
        lines.text.truncate(lines.text.trim_end_matches('\n').len());
        lines
    }

    /// Converts a byte range of `text` to a range of the document.
    fn original(&self, range: Range<usize>) -> Range<usize> {
        let offset = |at: usize| {
            let index = self.starts.partition_point(|(own, _)| *own <= at).saturating_sub(1);
            self.starts.get(index).map_or(at, |(own, original)| original + at - own)
        };
        offset(range.start)..offset(range.end.saturating_sub(1)) + 1
    }
}

/// A state of the search: the next instruction, and the number of bytes that are already produced.
struct State {
    op: usize,
    at: usize,
    /// The number of bytes from actions.
    cost: usize,
    /// The states before this one on all paths with this cost.
    previous: Vec<usize>,
}

/// Searches for the paths through `program` that produce `text` with the lowest cost. Returns the
/// byte ranges of the text on these paths, with the offsets in the template that produced them.
/// Returns `None` if there is no path, or if the search takes too many steps.
fn search(program: &Program<'_>, text: &str, all_multiline: bool) -> Option<Vec<(Range<usize>, usize)>> {
    let mut states: Vec<State> = Vec::new();
    let mut pending: BTreeMap<usize, Vec<(usize, usize, Option<usize>)>> = BTreeMap::new();
    pending.insert(0, program.starts.iter().map(|op| (*op, 0, None)).collect());
    let mut ends_line: HashMap<usize, bool> = HashMap::new();
    let (mut last, mut steps) = (Vec::new(), 0);
    while let Some((at, mut arriving)) = pending.pop_first() {
        // Lower costs first, so that few states are visited twice.
        arriving.sort_by_key(|(_, cost, _)| Reverse(*cost));
        let mut ids: HashMap<usize, usize> = HashMap::new();
        last.clear();
        while let Some((op, cost, previous)) = arriving.pop() {
            let id = *ids.entry(op).or_insert_with(|| {
                states.push(State { op, at, cost: usize::MAX, previous: Vec::new() });
                states.len() - 1
            });
            last.push(id);
            steps += 1;
            if steps > MAX_STEPS {
                return None;
            }
            let state = &mut states[id];
            if cost > state.cost {
                continue;
            }
            let is_better = cost < state.cost;
            if is_better {
                state.previous.clear();
                state.cost = cost;
            }
            state.previous.extend(previous.filter(|previous| *previous != id));
            if !is_better {
                continue;
            }
            let from = Some(id);
            match program.ops.get(op) {
                None => {}
                Some(Op::Split(first, second)) => {
                    arriving.extend([(*first, cost, from), (*second, cost, from)]);
                }
                Some(Op::Jump(to)) => arriving.push((*to, cost, from)),
                Some(Op::Text(range)) => {
                    let literal = &program.template[range.clone()];
                    if text[at..].starts_with(literal) {
                        pending.entry(at + literal.len()).or_default().push((op + 1, cost, from));
                    }
                    // `text` contains no blank lines.
                    if literal.trim().is_empty() && (at == 0 || text[..at].ends_with('\n')) {
                        arriving.push((op + 1, cost + usize::from(literal != "\n"), from));
                    }
                }
                Some(Op::Action { is_multiline, .. }) => {
                    arriving.push((op + 1, cost, from));
                    let is_multiline = *is_multiline || all_multiline;
                    let ends_line =
                        *ends_line.entry(op).or_insert_with(|| precedes_line_break(program, op + 1));
                    if let Some(end) = action_end(text, at, is_multiline, ends_line) {
                        // A line break in a value costs as much as one in the template.
                        let breaks = memchr::memchr_iter(b'\n', &text.as_bytes()[at..end]).count();
                        pending.entry(end).or_default().push((op, cost + end - at - breaks, from));
                    }
                }
            }
        }
        if at == text.len() {
            break;
        }
    }
    let complete = |id: &&usize| states[**id].at == text.len() && !text.is_empty();
    let best = last.iter().filter(complete).map(|id| states[*id].cost).min()?;
    let mut left: Vec<usize> = last.iter().filter(complete).copied().collect();
    left.retain(|id| states[*id].cost == best);
    Some(produced(program, &states, left))
}

/// Returns the next offset at which the output of an action that has reached `at` can end, or
/// `None` if it cannot contain the next byte.
fn action_end(text: &str, at: usize, is_multiline: bool, ends_line: bool) -> Option<usize> {
    let next = text[at..].chars().next()?;
    if next == '\n' && !is_multiline {
        return None;
    }
    let end = at + next.len_utf8();
    match ends_line {
        true => {
            Some(memchr::memchr(b'\n', &text.as_bytes()[end..]).map_or(text.len(), |length| end + length))
        }
        false => Some(end),
    }
}

/// Checks whether all literal texts that can follow at the instruction `op` start with a line
/// break. Returns false if there are too many instructions to check.
fn precedes_line_break(program: &Program<'_>, op: usize) -> bool {
    let (mut left, mut seen) = (vec![op], BTreeSet::new());
    while let Some(op) = left.pop() {
        if !seen.insert(op) {
            continue;
        }
        if seen.len() > MAX_LOOKAHEAD {
            return false;
        }
        match program.ops.get(op) {
            None => {}
            Some(Op::Text(range)) if program.template[range.clone()].starts_with('\n') => {}
            Some(Op::Text(_)) => return false,
            Some(Op::Action { .. }) => left.push(op + 1),
            Some(Op::Jump(to)) => left.push(*to),
            Some(Op::Split(first, second)) => left.extend([*first, *second]),
        }
    }
    true
}

/// Follows all paths backwards from the states `left`. Returns what the instructions on these paths
/// produced.
fn produced(program: &Program<'_>, states: &[State], mut left: Vec<usize>) -> Vec<(Range<usize>, usize)> {
    let (mut seen, mut pieces) = (vec![false; states.len()], BTreeSet::new());
    while let Some(id) = left.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        for previous in &states[id].previous {
            let State { op, at, .. } = states[*previous];
            let start = match program.ops.get(op) {
                Some(Op::Text(range)) => range.start,
                Some(Op::Action { start, .. }) => *start,
                Some(Op::Split(..) | Op::Jump(_)) | None => 0,
            };
            if states[id].at > at {
                pieces.insert((at, states[id].at, start));
            }
            left.push(*previous);
        }
    }
    pieces.into_iter().map(|(start, end, offset)| (start..end, offset)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the template line of each line of `document`. In `expected`, `~` follows a line that
    /// is not exact, and `-` is an unknown line.
    #[track_caller]
    fn check(template: &str, document: &str, expected: &str) {
        let alignment = Alignment::new(template, document);
        let mut found = Vec::new();
        let mut start = 0;
        for line in document.split_inclusive('\n') {
            if !line.trim().is_empty() {
                let at = start + line.len() - line.trim_start().len();
                let mark =
                    |line: TemplateLine| format!("{}{}", line.line, if line.is_exact { "" } else { "~" });
                found.push(alignment.line(at, &FieldPath::root()).map_or_else(|| "-".to_owned(), mark));
            }
            start += line.len();
        }
        assert_eq!(found.join(" "), expected, "{document}");
    }

    #[test]
    fn literal_lines_match_themselves() {
        check("a: 1\nb: 2\n", "a: 1\nb: 2\n", "1 2");
        check("a: {{ .x }}\nb: \"{{ .y }}-{{ .z }}\"\n", "a: b: 2\nb: \"1-2\"\n", "1 2");
    }

    #[test]
    fn skips_untaken_branches() {
        let template = "{{- if .a }}\na: 1\n{{- else if .b }}\na: 2\n{{- else }}\na: 3\n{{- end }}\nb: 4\n";
        check(template, "a: 1\nb: 4", "2 8");
        check(template, "a: 2\nb: 4", "4 8");
        check(template, "a: 3\nb: 4", "6 8");
        check("{{ with .a }}\n{{ .b }}: 1\n{{ end }}\nc: 2", "c: 2", "4");
    }

    #[test]
    fn equal_branches_are_ambiguous() {
        check("{{ if .a }}\na: 1\n{{ else }}\na: 1\n{{ end }}\nb: 2\n", "a: 1\nb: 2", "2~ 6");
    }

    #[test]
    fn lines_of_loops_map_to_their_body() {
        let template = "v:\n{{- range .v }}\n- name: {{ .n }}\n  path: {{ .p }}\n{{- else }}\n- none\n{{- end }}\nw: 1\n";
        check(template, "v:\n- name: a\n  path: /a\n- name: b\n  path: /b\nw: 1\n", "1 3 4 3 4 8");
        check(template, "v:\n- none\nw: 1\n", "1 6 8");
    }

    #[test]
    fn formatted_values_map_to_their_action() {
        let template = "v:\n  {{- toYaml .Values.v | nindent 2 }}\n  - name: own\nw: {{ .w | quote }}\n";
        check(template, "v:\n  - name: a\n    path: /a\n  - name: own\nw: \"1\"\n", "1 2 2 3 4");
        check("v: {{ toYaml .v | nindent 2 }}\n", "v: \n  - a\n  - b\n", "1 1 1");
        check("v:\n{{ tpl .Values.v . | indent 2 }}\nw: 1", "v:\n  - a\nw: 1", "1 2 3");
        check("{{ include \"pod\" . }}\n", "kind: Pod\nspec:\n  a: 1\n", "1 1 1");
    }

    #[test]
    fn adjacent_actions_with_several_lines_are_ambiguous() {
        check("v:\n{{ toYaml .a }}\n{{ toYaml .b }}\n", "v:\n- a\n- b\n", "1 2~ 2~");
    }

    #[test]
    fn comments_and_definitions_produce_nothing() {
        let template = "{{/* a: 1 */}}\n{{- define \"x\" }}\na: 1\n{{- end }}\n{{- $a := 1 -}}\n# a\na: 1 # {{/* b */}}\n";
        check(template, "# a\na: 1 # \n", "6 7");
    }

    #[test]
    fn blank_lines_are_ignored() {
        check(
            "a:\n  {{ if .x }}\n  b: 1\n\n  {{ end }}\n\nc: 2\n",
            "a:\n  \n  b: 1\n\n  \n\nc: 2\n",
            "1 3 7",
        );
        check("\n\na: 1\n\n", "# Source: x/templates/a.yaml\na: 1\n", "- 3");
    }

    #[test]
    fn each_document_of_a_template_is_found() {
        let template = "{{ range .x }}\n---\nkind: A\nname: {{ . }}\n{{ end }}\n---\nkind: B\nname: b\n";
        check(template, "kind: A\nname: x\n", "3 4");
        check(template, "kind: B\nname: b\n", "7 8");
    }

    #[test]
    fn values_with_line_breaks_are_considered_last() {
        check("a: |\n  {{ .x }}\nb: 1\n", "a: |\n  c\n  d\nb: 1\n", "1 2 2 3");
    }

    #[test]
    fn text_that_the_template_cannot_produce_is_approximate() {
        let alignment = Alignment::new(
            "spec:\n  path: /x\n  volumes:\n  - name: a\n    hostPath:\n      path: {{ .p }}\n",
            "volumes:\n- hostPath:\n    path: /etc\n  name: a\n",
        );
        let path = FieldPath::from_keys(&["spec", "volumes"]).index(0).key("hostPath").key("path");
        assert_eq!(alignment.line(25, &path), Some(TemplateLine { line: 6, is_exact: false }));
        assert_eq!(alignment.line(0, &path), Some(TemplateLine { line: 3, is_exact: false }));
        assert_eq!(Alignment::new("", "a: 1").line(0, &path), None);
        // An unclosed action is not a template.
        assert_eq!(Alignment::new("{{ if", "a: 1").line(0, &path), None);
    }

    #[test]
    fn the_search_is_limited() {
        let template = "{{ toYaml .a }}x{{ toYaml .b }}y".repeat(200);
        let document = "xy ab\n".repeat(2000);
        let line = Alignment::new(&template, &document).line(0, &FieldPath::root());
        assert_eq!(line, None);
    }
}
