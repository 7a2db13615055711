//! `volcheck rules`: lists the rules, with their levels in the policy.

use serde_json::json;

use super::args::{RulesArgs, RulesFormat};
use super::{EXIT_OK, print};
use crate::policy::{Level, Overrides, Policy, Profile};
use crate::rules::{FixClass, Group, Rule};

pub(super) fn run(arguments: &RulesArgs) -> anyhow::Result<u8> {
    let policy = match arguments.format {
        // The table in the documentation does not depend on a policy file.
        RulesFormat::Markdown => Policy::from_profile(Profile::Recommended, &Overrides::default())?,
        RulesFormat::Text | RulesFormat::Json => super::policy::load(&arguments.policy)?,
    };
    print(&match arguments.format {
        RulesFormat::Text => text(&policy),
        RulesFormat::Json => json(&policy),
        RulesFormat::Markdown => markdown(&policy),
    })?;
    Ok(EXIT_OK)
}

fn level(policy: &Policy, rule: &Rule) -> &'static str {
    match policy.level(rule.id) {
        Level::Off => "off",
        Level::As(severity) => severity.name(),
        Level::Default => rule.severity.name(),
    }
}

fn text(policy: &Policy) -> String {
    let width = policy.rules().iter().map(|rule| rule.id.as_str().len()).max().unwrap_or(0);
    let mut out = format!("{:width$}  {:8} {:7} {}\n", "rule", "severity", "fix", "description");
    for rule in policy.rules().iter() {
        out.push_str(&format!(
            "{:width$}  {:8} {:7} {}\n",
            rule.id,
            level(policy, rule),
            fix(rule),
            rule.summary
        ));
    }
    out.push('\n');
    out.push_str(FIX_LEGEND);
    out
}

/// The meaning of the cells of the column *fix*.
const FIX_LEGEND: &str = "\
fix: safe = cannot change the behavior of a working object, unsafe = can change it, – = only advice
";

/// Returns the cell of the column *fix*: a dash if the rule offers no edits.
fn fix(rule: &Rule) -> &'static str {
    if rule.fix == FixClass::Hint { FixClass::None.name() } else { rule.fix.name() }
}

fn json(policy: &Policy) -> String {
    let entry = |rule: &Rule| {
        json!({
            "id": rule.id,
            "summary": rule.summary,
            "severity": rule.severity,
            "level": level(policy, rule),
            "family": rule.family,
            "fix": rule.fix.name(),
            "since": rule.since,
        })
    };
    let entries: Vec<_> = policy.rules().iter().map(entry).collect();
    let mut out = serde_json::to_string_pretty(&entries).unwrap_or_default();
    out.push('\n');
    out
}

/// Returns the tables for the README and `docs/rules/README.md`.
fn markdown(policy: &Policy) -> String {
    let mut out = String::new();
    for group in Group::ALL {
        out.push_str(&format!(
            "### {}\n\n| rule | severity | description | fix |\n|---|---|---|---|\n",
            group.title()
        ));
        for rule in policy.rules().in_group(group) {
            out.push_str(&format!(
                "| [`{id}`](docs/rules/{id}.md) | {} | {} | {} |\n",
                level(policy, rule),
                rule.summary,
                fix(rule),
                id = rule.id,
            ));
        }
        out.push('\n');
    }
    out
}
