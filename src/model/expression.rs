//! `$(NAME)` references in strings, as the kubelet expands them
//! (`third_party/forked/golang/expansion`).

/// The maximum length of an expansion, in bytes. Linux cannot open a longer path (`PATH_MAX`).
const MAX_EXPANDED_LEN: usize = 4096;

/// The maximum length of the input of [`expand`], in bytes.
const MAX_INPUT_LEN: usize = 16 * MAX_EXPANDED_LEN;

/// A part of a string that may contain variable references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Literal text.
    Text(&'t str),
    /// The name in a `$(NAME)` reference.
    Variable(&'t str),
}

/// Splits `text` into literals and variable references.
///
/// `$$` is a literal dollar sign. A `$(` without a closing parenthesis is literal text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    // A `$(` after the last `)` is never closed. Without this check, the loop would search the rest
    // of the text for a `)` at each such `$(`.
    let last_paren = text.rfind(')').unwrap_or(0);
    while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
        let rest = &text[dollar + 1..];
        let (piece, length) = match rest.strip_prefix('(').filter(|_| dollar < last_paren) {
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

/// Replaces the variable references in `text` with their values. Keeps references to unknown
/// variables.
///
/// Returns `None` if the result is longer than 4 KiB, or the input is longer than 64 KiB.
pub fn expand<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    if text.len() > MAX_INPUT_LEN {
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
        if out.len() > MAX_EXPANDED_LEN {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_references_like_the_kubelet() {
        use Piece::{Text, Variable};
        assert_eq!(pieces("a/$(B)/c"), [Text("a/"), Variable("B"), Text("/c")]);
        assert_eq!(pieces("$$(B)$(C)"), [Text("$"), Text("(B)"), Variable("C")]);
        assert_eq!(pieces("$B$(C"), [Text("$B$(C")]);
        assert_eq!(pieces("$()$"), [Variable(""), Text("$")]);
        assert_eq!(pieces(""), []);
        assert_eq!(pieces("$(A)$($(B"), [Variable("A"), Text("$($(B")]);
        // This takes quadratic time if the rest of the text is searched at each `$(`.
        assert_eq!(pieces(&"$(".repeat(2_000_000)).len(), 1);
    }

    #[test]
    fn expands_known_variables() {
        let value = |name: &str| (name == "A").then_some("..");
        assert_eq!(expand("$(A)/$(B)/$$(A)", value).as_deref(), Some("../$(B)/$(A)"));
        assert_eq!(expand(&"$(A)".repeat(3000), value), None);
        assert!(expand(&"a".repeat(MAX_EXPANDED_LEN), value).is_some());
        assert_eq!(expand(&"a".repeat(MAX_EXPANDED_LEN + 2), value), None);
    }
}
