//! Exemptions in a policy file.

use crate::policy::ExemptionDraft;
use crate::source::edit::{Addition, apply, line_break, quoted, scalar};
use crate::source::{parse, split_documents};

/// Adds exemptions to the text of a policy, which is valid or contains no document.
pub(super) fn add(text: &str, drafts: &[ExemptionDraft]) -> Result<String, String> {
    let addition = Addition {
        key: "exemptions",
        is_mapping: false,
        lines: drafts.iter().flat_map(block).collect(),
        flow: drafts.iter().map(flow).collect(),
    };
    let chunks = split_documents(text);
    let tree = chunks.iter().find_map(|chunk| parse(text, chunk.range.clone()).ok().flatten());
    let Some(tree) = tree else {
        let mut lines = vec!["version: 1".to_owned(), String::new(), "exemptions:".to_owned()];
        lines.extend(addition.lines.iter().map(|line| format!("  {line}")));
        let line_break = line_break(text, text.len());
        let separator = if text.is_empty() || text.ends_with('\n') { "" } else { line_break };
        return Ok(format!("{text}{separator}{}{line_break}", lines.join(line_break)));
    };
    let end = end_of_content(text, tree.range(tree.root()).end);
    Ok(apply(text, &addition.edits(text, &tree, tree.root(), Some(end))?))
}

/// Returns the offset at which a line can be added to the document whose content ends at `from`:
/// before its end marker, or else at the end of the text.
fn end_of_content(text: &str, from: usize) -> usize {
    // A block scalar ends after its last line break.
    let from = text[..from].trim_end().len();
    let ends = text[from..].match_indices("\n...").chain(text[from..].match_indices("\n---"));
    ends.map(|(at, _)| from + at + 1).min().unwrap_or(text.len())
}

fn block(draft: &ExemptionDraft) -> Vec<String> {
    let lines = draft.fields(scalar).into_iter().enumerate();
    lines
        .map(|(index, (key, value))| format!("{} {key}: {value}", if index == 0 { "-" } else { " " }))
        .collect()
}

fn flow(draft: &ExemptionDraft) -> String {
    let fields: Vec<_> =
        draft.fields(quoted).into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{ {} }}", fields.join(", "))
}
