//! Overrides: the severities that a policy sets for a part of the objects.

use std::collections::BTreeMap;

use super::document::OverrideEntry;
use super::level::{Level, LevelSchedule};
use super::scope::Scope;
use super::sourced::Sourced;
use crate::finding::{Finding, RuleId};
use crate::model::Object;

/// An override of a policy.
#[derive(Clone, Debug)]
pub(super) struct SeverityOverride {
    pub(super) scope: Scope,
    /// The severities of the rules that the override names.
    pub(super) levels: BTreeMap<RuleId, Sourced<LevelSchedule>>,
    /// The severity of all other rules that are enabled; `None` to keep their severities.
    pub(super) others: Option<Sourced<LevelSchedule>>,
}

/// An override and the entry of the policy document that declares it.
#[derive(Clone, Debug)]
pub(super) struct DeclaredOverride {
    pub(super) entry: OverrideEntry,
    pub(super) compiled: SeverityOverride,
    /// The file and line of the entry.
    pub(super) origin: String,
}

impl SeverityOverride {
    /// Checks whether the override can change the severity of a rule.
    pub(super) fn concerns(&self, rule: RuleId) -> bool {
        self.others.is_some() || self.levels.contains_key(&rule)
    }

    /// Returns the schedule for a finding about `object`, whose level is `level` without the
    /// override. Returns `None` if the override does not apply to the finding.
    pub(super) fn schedule(
        &self,
        finding: &Finding,
        object: &Object<'_>,
        level: Level,
    ) -> Option<LevelSchedule> {
        let others = self.others.as_ref().filter(|_| level != Level::Off);
        let schedule = self.levels.get(&finding.rule).or(others)?;
        self.scope.matches(finding, &object.id, &object.workload).then_some(schedule.value)
    }
}

impl DeclaredOverride {
    /// Removes a rule that a flag disables. Returns false if the override names no other rule.
    pub(super) fn disable(&mut self, rule: RuleId) -> bool {
        self.entry.rules.remove(rule.as_str());
        self.compiled.levels.remove(&rule);
        !self.entry.rules.is_empty()
    }
}
