//! `volcheck explain`

use anyhow::bail;

use super::args::ExplainArgs;
use super::{CLEAN, print};
use crate::policy::UnknownRule;
use crate::rules;

pub(super) fn run(arguments: &ExplainArgs) -> anyhow::Result<u8> {
    match &arguments.rule {
        Some(id) => match rules::find(id) {
            Some(rule) => print(&rule.meta().page().markdown),
            None => bail!(UnknownRule(id.clone())),
        },
        None => print(&index()),
    }
    Ok(CLEAN)
}

fn index() -> String {
    let widest = rules::ALL.iter().map(|rule| rule.meta().id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for group in rules::Group::ALL {
        out.push_str(&format!("{}\n", group.title()));
        for rule in rules::in_group(group) {
            out.push_str(&format!("  {:widest$}  {}\n", rule.meta().id, rule.meta().summary));
        }
        out.push('\n');
    }
    out.push_str("volcheck explain RULE shows the page of one.\n");
    out
}
