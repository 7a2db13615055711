//! Changes of severities on a date, for messages that announce them.

use std::fmt;

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::level::{Level, LevelSchedule};
use super::merged::MergedPolicy;
use super::sourced::Sourced;
use crate::finding::RuleId;
use crate::rules::Registry;

/// The number of days before a change in which it is announced.
const NOTICE_DAYS: i32 = 30;

/// The maximum number of rules that a message names.
const MAX_NAMED_RULES: usize = 3;

/// A change of the level of rules on a date.
#[derive(Clone, Debug)]
pub struct LevelChange {
    /// The rules. Empty if an override changes the level of all rules that it does not name.
    rules: Vec<RuleId>,
    is_override: bool,
    from: Level,
    /// The last day (UTC) of the level `from`.
    last_day: Date,
    then: Level,
    /// The file and line that declares the change.
    origin: String,
}

impl LevelChange {
    /// Checks whether the level changes within the next 30 days.
    pub fn is_upcoming(&self, today: Date) -> bool {
        let end = today.saturating_add(NOTICE_DAYS.days());
        (today..=end).contains(&self.last_day)
    }

    /// Checks whether the level has already changed, so that the policy can be simplified.
    pub fn is_past(&self, today: Date) -> bool {
        today > self.last_day
    }

    /// Checks whether two changes differ only in their rules.
    fn is_same_setting(&self, other: &Self) -> bool {
        let key = |own: &Self| (own.from, own.last_day, own.then);
        self.origin == other.origin && key(self) == key(other)
    }

    fn new(rule: Option<RuleId>, sourced: &Sourced<LevelSchedule>, is_override: bool) -> Option<Self> {
        let LevelSchedule { level, change } = sourced.value;
        let (last_day, then) = change?;
        let (rules, origin) = (rule.into_iter().collect(), sourced.origin.clone());
        Some(Self { rules, is_override, from: level, last_day, then, origin })
    }
}

impl fmt::Display for LevelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, origin, last_day, .. } = self;
        let rules = match rules.as_slice() {
            [] => "all other enabled rules".to_owned(),
            [rule] => format!("`{rule}`"),
            [first @ .., last] if first.len() < MAX_NAMED_RULES => {
                let first: Vec<_> = first.iter().map(|rule| format!("`{rule}`")).collect();
                format!("{} and `{last}`", first.join(", "))
            }
            rules => format!("{} rules", rules.len()),
        };
        let place = if self.is_override { ", for the objects of this override," } else { "" };
        let name = |level: Level| level.name().unwrap_or("default");
        let (from, then) = (name(self.from), name(self.then));
        write!(f, "{origin}: the severity of {rules}{place} changes from {from} to {then} after {last_day}")
    }
}

impl MergedPolicy {
    /// Returns the changes of levels on a date. Changes of several rules are combined
    /// if they have the same origin, date and levels.
    pub(super) fn level_changes(&self) -> Vec<LevelChange> {
        let mut changes: Vec<LevelChange> = Vec::new();
        for rule in Registry::built_in().iter() {
            let level = self.levels.get(&rule.id);
            let Some(change) = level.and_then(|level| LevelChange::new(Some(rule.id), level, false)) else {
                continue;
            };
            match changes.iter_mut().find(|other| other.is_same_setting(&change)) {
                Some(other) => other.rules.push(rule.id),
                None => changes.push(change),
            }
        }
        for declared in &self.overrides {
            let named = declared.compiled.levels.iter().map(|(rule, level)| (Some(*rule), level));
            let others = declared.compiled.others.iter().map(|level| (None, level));
            changes
                .extend(named.chain(others).filter_map(|(rule, level)| LevelChange::new(rule, level, true)));
        }
        changes
    }
}
