//! Parses Helm templates into programs that describe the texts that a template can produce.

use std::ops::Range;

/// An instruction of a [`Program`]. Numbers are indices of instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Produces a part of the template: a line break, or text without line breaks.
    Text(Range<usize>),
    /// Produces the output of the action that starts at this offset.
    Action { start: usize, is_multiline: bool },
    /// Continues with either instruction.
    Split(usize, usize),
    /// Continues with another instruction.
    Jump(usize),
}

/// The instructions of a template, in the order of its text. The template ends after the last
/// instruction.
#[derive(Debug)]
pub(super) struct Program<'t> {
    pub(super) template: &'t str,
    pub(super) ops: Vec<Op>,
    /// The instructions that a document can start with: the first one, and those after a document
    /// separator.
    pub(super) starts: Vec<usize>,
}

/// A function whose output can have several lines.
const MULTILINE_FUNCTIONS: [&str; 9] =
    ["include", "template", "tpl", "toYaml", "toPrettyJson", "toToml", "indent", ".Files", "block"];

/// A block that is not closed yet, such as the body of an `if`.
#[derive(Default)]
struct Block {
    /// The `Split` that skips the current body.
    skip: Option<usize>,
    /// The first instruction of the body, if it can be repeated.
    repeated: Option<usize>,
    /// The instructions that continue after the block.
    exits: Vec<usize>,
}

/// A part of a template: literal text after whitespace control, or an action without delimiters.
enum Token<'t> {
    Text(Range<usize>),
    Action { start: usize, body: &'t str },
}

impl<'t> Program<'t> {
    /// Parses a template. Returns `None` if an action or a block is not closed, or if an `end` has
    /// no block.
    pub(super) fn new(template: &'t str) -> Option<Self> {
        let mut program = Self { template, ops: Vec::new(), starts: vec![0] };
        let mut blocks: Vec<Block> = Vec::new();
        for token in tokens(template)? {
            match token {
                Token::Text(range) => program.add_text(range),
                Token::Action { start, body } => program.add_action(start, body, &mut blocks)?,
            }
        }
        blocks.is_empty().then_some(program)
    }

    fn add_text(&mut self, range: Range<usize>) {
        let mut start = range.start;
        for piece in self.template[range].split_inclusive('\n') {
            let content = start..start + piece.trim_end_matches('\n').len();
            let is_separator =
                piece.starts_with("---") && (start == 0 || self.template[..start].ends_with('\n'));
            if !content.is_empty() {
                self.ops.push(Op::Text(content.clone()));
            }
            if is_separator {
                self.starts.push(self.ops.len());
            }
            start += piece.len();
            if start > content.end {
                self.ops.push(Op::Text(content.end..start));
            }
        }
    }

    fn add_action(&mut self, start: usize, body: &str, blocks: &mut Vec<Block>) -> Option<()> {
        let next = self.ops.len() + 1;
        let keyword_end = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
        let (keyword, rest) = body.split_at(keyword_end);
        match keyword {
            "if" | "with" => {
                blocks.push(Block { skip: Some(self.ops.len()), ..Block::default() });
                self.ops.push(Op::Split(next, next));
            }
            "range" => {
                let (skip, repeated) = (Some(self.ops.len()), Some(next));
                blocks.push(Block { skip, repeated, ..Block::default() });
                self.ops.push(Op::Split(next, next));
            }
            "define" | "block" => {
                if keyword == "block" {
                    self.ops.push(Op::Action { start, is_multiline: true });
                }
                blocks.push(Block { exits: vec![self.ops.len()], ..Block::default() });
                self.ops.push(Op::Jump(0));
            }
            "else" => {
                let block = blocks.last_mut()?;
                block.exits.push(self.ops.len());
                self.ops.push(match block.repeated.take() {
                    Some(body) => Op::Split(body, 0),
                    None => Op::Jump(0),
                });
                if let Some(skip) = block.skip.take() {
                    set_target(&mut self.ops, skip, next);
                }
                if !rest.trim().is_empty() {
                    block.skip = Some(next);
                    self.ops.push(Op::Split(next + 1, next + 1));
                }
            }
            "end" => {
                let Block { skip, repeated, exits } = blocks.pop()?;
                if let Some(body) = repeated {
                    self.ops.push(Op::Split(body, next));
                }
                let end = self.ops.len();
                skip.into_iter().chain(exits).for_each(|at| set_target(&mut self.ops, at, end));
            }
            "break" | "continue" => {}
            _ if body.is_empty() || body.starts_with("/*") || is_assignment(body) => {}
            _ => {
                let is_multiline = MULTILINE_FUNCTIONS.iter().any(|function| body.contains(function));
                self.ops.push(Op::Action { start, is_multiline });
            }
        }
        Some(())
    }
}

/// Sets the target of a jump, or the second target of a split.
fn set_target(ops: &mut [Op], at: usize, to: usize) {
    match &mut ops[at] {
        Op::Jump(target) | Op::Split(_, target) => *target = to,
        Op::Text(_) | Op::Action { .. } => {}
    }
}

/// Checks whether an action sets a variable, as in `$name := .Values.name`.
fn is_assignment(body: &str) -> bool {
    let Some(rest) = body.strip_prefix('$') else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').trim_start();
    rest.starts_with(":=") || (rest.starts_with('=') && !rest.starts_with("=="))
}

/// Splits a template into literal text and actions, and applies the whitespace control of `{{-` and
/// `-}}`. Returns `None` if an action is not closed.
fn tokens(template: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let (mut at, mut trims_start) = (0, false);
    loop {
        let open = template[at..].find("{{").map(|offset| at + offset);
        let mut text = at..open.unwrap_or(template.len());
        if trims_start {
            text.start = text.end - template[text.clone()].trim_start().len();
        }
        let Some(start) = open else {
            tokens.push(Token::Text(text));
            return Some(tokens);
        };
        let inner = &template[start + 2..];
        let trims_end = inner.strip_prefix('-').is_some_and(|rest| rest.starts_with(char::is_whitespace));
        if trims_end {
            text.end = text.start + template[text.clone()].trim_end().len();
        }
        tokens.push(Token::Text(text));
        let inner = if trims_end { &inner[1..] } else { inner };
        let body = &inner[..closing(inner)?];
        at = template.len() - inner.len() + body.len() + 2;
        let trimmed = body.strip_suffix('-');
        trims_start = trimmed.is_some_and(|rest| {
            rest.is_empty() || rest.ends_with(char::is_whitespace) || rest.ends_with("*/")
        });
        let body = if trims_start { trimmed.unwrap_or(body) } else { body };
        tokens.push(Token::Action { start, body: body.trim() });
    }
}

/// Returns the offset of the `}}` that closes an action. Ignores `}}` in strings and comments.
fn closing(body: &str) -> Option<usize> {
    if body.trim_start().starts_with("/*") {
        let end = body.find("*/")?;
        return Some(end + body[end..].find("}}")?);
    }
    let bytes = body.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            quote @ (b'"' | b'`' | b'\'') => {
                at += 1;
                while *bytes.get(at)? != quote {
                    at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the literal texts of a template and the starts of its actions.
    fn parts(template: &str) -> Vec<String> {
        let program = Program::new(template).expect("a template");
        let part = |op: &Op| match op {
            Op::Text(range) => Some(template[range.clone()].to_owned()),
            Op::Action { start, is_multiline } => {
                Some(format!("@{start}{}", if *is_multiline { "+" } else { "" }))
            }
            Op::Split(..) | Op::Jump(_) => None,
        };
        program.ops.iter().filter_map(part).collect()
    }

    #[test]
    fn applies_whitespace_control() {
        assert_eq!(parts("a: \n  {{- .x -}}  \n b"), ["a:", "@6", "b"]);
        assert_eq!(parts("a {{- /* }} */ -}} b"), ["a", "b"]);
        assert_eq!(parts("a {{/* c */}} b"), ["a ", " b"]);
        assert_eq!(parts("a {{-3}} b"), ["a ", "@2", " b"]);
    }

    #[test]
    fn finds_the_end_of_actions_with_strings() {
        assert_eq!(parts(r#"{{ "}}\"" }}x{{ `\` }}{{ '}' }}"#), ["@0", "x", "@13", "@22"]);
        for template in ["{{ a", "{{ \"a }}", "{{/* a }}", "{{ if a }}", "{{ end }}", "{{ else }}"] {
            assert!(Program::new(template).is_none(), "{template}");
        }
    }

    #[test]
    fn only_actions_with_output_are_parts() {
        let template =
            "{{ $a := 1 }}{{ $a = 2 }}{{ $a }}{{ if $a }}{{ else if b }}{{ end }}{{ toYaml . | nindent 2 }}";
        assert_eq!(parts(template), ["@25", "@68+"]);
    }

    #[test]
    fn documents_start_after_separators() {
        let template = "a\n{{ range . }}\n---\nb\n{{ end }}\n--- # c\nd---";
        let program = Program::new(template).expect("a template");
        let starts: Vec<_> =
            program.starts.iter().map(|at| program.ops.get(at - usize::from(*at > 0))).collect();
        assert_eq!(starts.len(), 3, "{starts:?}");
    }
}
