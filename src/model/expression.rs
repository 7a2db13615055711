//! `$(NAME)` in a text, as the kubelet reads it (`third_party/forked/golang/expansion`).

/// Longer than any path may be: what expands to more has no value that matters.
const LONGEST: usize = 4096;

/// What is written in more isn't worked out.
const LONGEST_WRITTEN: usize = 16 * LONGEST;

/// A piece of a text that may hold variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Stands for itself.
    Text(&'t str),
    /// The name in a `$(NAME)`.
    Variable(&'t str),
}

/// The pieces of `text`. `$$` stands for a dollar sign, and a `$(` that nothing closes for itself.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    // Behind it nothing closes any more.
    let last = text.rfind(')').unwrap_or(0);
    while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
        let rest = &text[dollar + 1..];
        let (piece, length) = match rest.strip_prefix('(').filter(|_| dollar < last) {
            Some(inner) => {
                let end = inner.find(')').unwrap_or(inner.len());
                (Piece::Variable(&inner[..end]), end + 3)
            }
            None if rest.starts_with('$') => (Piece::Text("$"), 2),
            None => {
                at = dollar + 1;
                continue;
            }
        };
        pieces.extend((start < dollar).then(|| Piece::Text(&text[start..dollar])));
        pieces.push(piece);
        at = dollar + length;
        start = at;
    }
    pieces.extend((start < text.len()).then(|| Piece::Text(&text[start..])));
    pieces
}

/// `text` with the values of its variables; one that has none stays as it is written. None where that gets
/// longer than any path, or is written so.
pub fn expand<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    if text.len() > LONGEST_WRITTEN {
        return None;
    }
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name) => match value(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            },
        }
        if out.len() > LONGEST {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_variables_as_the_kubelet_does() {
        use Piece::{Text, Variable};
        assert_eq!(pieces("a/$(B)/c"), [Text("a/"), Variable("B"), Text("/c")]);
        assert_eq!(pieces("$$(B)$(C)"), [Text("$"), Text("(B)"), Variable("C")]);
        assert_eq!(pieces("$B$(C"), [Text("$B$(C")]);
        assert_eq!(pieces("$()$"), [Variable(""), Text("$")]);
        assert_eq!(pieces(""), []);
        assert_eq!(pieces("$(A)$($(B"), [Variable("A"), Text("$($(B")]);
        // No pass over the rest for each of them.
        assert_eq!(pieces(&"$(".repeat(2_000_000)).len(), 1);
    }

    #[test]
    fn puts_in_what_is_known() {
        let value = |name: &str| (name == "A").then_some("..");
        assert_eq!(expand("$(A)/$(B)/$$(A)", value).as_deref(), Some("../$(B)/$(A)"));
        assert_eq!(expand(&"$(A)".repeat(3000), value), None);
        assert!(expand(&"a".repeat(LONGEST), value).is_some());
        assert_eq!(expand(&"a".repeat(LONGEST + 2), value), None);
    }
}
