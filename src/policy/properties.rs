//! The properties of a rule, for `volcheck explain`.

use super::builtin;
use super::level::Level;
use super::profile::Profile;
use crate::rules::{Registry, Rule};

/// Returns a list of the properties of a rule, one per line.
pub fn properties(rule: &Rule) -> String {
    let mut out = format!("- highest severity: {}\n- profiles: {}\n", rule.severity, profiles(rule));
    out.push_str(&format!("- fix: {}\n", rule.fix.description()));
    for option in rule.options {
        let kind = if option.is_policy_key { "policy key" } else { "rule option" };
        out.push_str(&format!("- {kind} `{}`: {}\n", option.name, option.summary));
    }
    if rule.is_exemptable() {
        let keys: String = rule.match_keys.iter().map(|key| format!(", `{}`", key.name())).collect();
        out.push_str(&format!("- exemptions can match: the object{keys}\n"));
    }
    if let Some(reason) = rule.lint_only {
        out.push_str(&format!("- webhook: never denies an object because of this rule: {reason}\n"));
    }
    out
}

/// Returns the profiles that enable a rule, each with the severity if it differs from the highest
/// one.
fn profiles(rule: &Rule) -> String {
    let registry = Registry::built_in();
    let enabling = |profile: Profile| {
        let levels = builtin::profile_levels(profile, registry);
        match levels.get(&rule.id).map_or(Level::Default, |level| level.value) {
            Level::Off => None,
            Level::As(severity) if severity != rule.severity => Some(format!("{profile} ({severity})")),
            Level::Default | Level::As(_) => Some(profile.to_string()),
        }
    };
    let enabling: Vec<_> = Profile::ALL.into_iter().filter_map(enabling).collect();
    if enabling.is_empty() { "–".to_owned() } else { enabling.join(", ") }
}
