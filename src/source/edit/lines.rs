//! Lines of a text.

/// Returns the line break of the line before the offset `at` or, if there is none, of the first
/// line. Returns a line feed if the text contains no line break.
pub fn line_break(text: &str, at: usize) -> &'static str {
    let end = text[..at].rfind('\n').or_else(|| text.find('\n'));
    if end.is_some_and(|end| text[..end].ends_with('\r')) { "\r\n" } else { "\n" }
}

/// Returns the offset of the start of the line that contains `at`.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Returns the offset after the line that contains the byte before `at`.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    if text[..at].ends_with('\n') { at } else { next_line(text, at) }
}

/// Returns the offset after the line that contains `at`.
fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// Returns the number of bytes before `at` in its line, without a byte order mark.
pub(super) fn column(text: &str, at: usize) -> usize {
    let start = line_start(text, at);
    let bom = if start == 0 && text.starts_with('\u{FEFF}') { 3 } else { 0 };
    at - start.max(bom)
}

/// Checks whether `at` is the end of a text whose last line has no line break.
pub(super) fn is_cut_off(text: &str, at: usize) -> bool {
    at == text.len() && !text.is_empty() && !text.ends_with('\n')
}

/// Returns the offset after the lines of a node that ends at `end`. Includes the comments on the
/// following lines if they are indented by more than `indent` columns.
pub(super) fn end_of_lines(text: &str, end: usize, indent: usize) -> usize {
    let mut at = line_end(text, end);
    loop {
        let line = &text[at..next_line(text, at)];
        let content = line.trim_start_matches([' ', '\t']);
        if !content.starts_with('#') || line.len() - content.len() <= indent {
            return at;
        }
        at += line.len();
    }
}
