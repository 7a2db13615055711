//! `volcheck explain`: prints the page of a rule, or a list of all rules.

use super::args::ExplainArgs;
use super::{EXIT_OK, print};
use crate::policy::{Overrides, Policy, Profile, properties};
use crate::rules::{Group, Registry, Rule};

pub(super) fn run(arguments: &ExplainArgs) -> anyhow::Result<u8> {
    let rules = Policy::from_profile(Profile::default(), &Overrides::default())?.rules();
    match &arguments.rule {
        Some(id) => print(&page(rules.require(id)?))?,
        None => print(&index(rules))?,
    }
    Ok(EXIT_OK)
}

/// Returns the page of a rule, with its properties after the introduction.
fn page(rule: &Rule) -> String {
    let page = rule.page().markdown;
    let (introduction, rest) = page.split_once("\n\n## ").unwrap_or((&page, ""));
    format!("{introduction}\n\n{}\n## {rest}", properties(rule))
}

fn index(rules: Registry) -> String {
    let width = rules.iter().map(|rule| rule.id.as_str().len()).max().unwrap_or(0);
    let mut out = String::new();
    for group in Group::ALL {
        out.push_str(&format!("{}\n", group.title()));
        for rule in rules.in_group(group) {
            out.push_str(&format!("  {:width$}  {}\n", rule.id, rule.summary));
        }
        out.push('\n');
    }
    out.push_str("Run `volcheck explain RULE` to print the page of a rule.\n");
    out
}
