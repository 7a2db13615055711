//! `volcheck rules`

use serde_json::json;

use super::args::{RulesArgs, RulesFormat};
use super::{CLEAN, print};
use crate::policy::{Level, Overrides, Policy, Profile};
use crate::rules::{self, Meta};

pub(super) fn run(arguments: &RulesArgs) -> anyhow::Result<u8> {
    let policy = match arguments.format {
        // The table of the documentation, whatever policy there is.
        RulesFormat::Markdown => Policy::of_profile(Profile::Recommended, &Overrides::default())?,
        RulesFormat::Text | RulesFormat::Json => super::policy::load(&arguments.policy)?,
    };
    let level = |meta: &Meta| match policy.level(meta.id) {
        Level::Off => "off",
        Level::As(severity) => severity.word(),
        Level::Default => meta.severity.word(),
    };
    print(&match arguments.format {
        RulesFormat::Text => text(&level),
        RulesFormat::Json => json(&level),
        RulesFormat::Markdown => markdown(&level),
    });
    Ok(CLEAN)
}

fn text(level: &dyn Fn(&Meta) -> &'static str) -> String {
    let widest = rules::ALL.iter().map(|rule| rule.meta().id.len()).max().unwrap_or(0);
    let mut out = format!("{:widest$}  {:8} {:7} {}\n", "rule", "severity", "fix", "what it reports");
    for rule in rules::ALL {
        let meta = rule.meta();
        out.push_str(&format!(
            "{:widest$}  {:8} {:7} {}\n",
            meta.id,
            level(meta),
            meta.fix.word(),
            meta.summary
        ));
    }
    out
}

fn json(level: &dyn Fn(&Meta) -> &'static str) -> String {
    let entry = |rule: &&dyn rules::Rule| {
        let meta = rule.meta();
        json!({
            "id": meta.id,
            "summary": meta.summary,
            "severity": meta.severity,
            "level": level(meta),
            "family": meta.family,
            "fix": meta.fix.word(),
            "since": meta.since,
        })
    };
    let mut out =
        serde_json::to_string_pretty(&rules::ALL.iter().map(entry).collect::<Vec<_>>()).unwrap_or_default();
    out.push('\n');
    out
}

/// The table of the README and of `docs/rules/README.md`.
fn markdown(level: &dyn Fn(&Meta) -> &'static str) -> String {
    let mut out = String::new();
    for group in rules::Group::ALL {
        out.push_str(&format!(
            "### {}\n\n| rule | severity | what it reports | fix |\n|---|---|---|---|\n",
            group.title()
        ));
        for rule in rules::in_group(group) {
            let meta = rule.meta();
            out.push_str(&format!(
                "| [`{id}`](docs/rules/{id}.md) | {} | {} | {} |\n",
                level(meta),
                meta.summary,
                meta.fix.word(),
                id = meta.id,
            ));
        }
        out.push('\n');
    }
    out
}
