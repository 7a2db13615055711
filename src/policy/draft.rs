//! New exemptions to add to a policy file.

use super::Date;
use super::document::{ExemptionEntry, Match, OneOrMany};
use super::exemption::Exemption;
use super::pattern::{PathGlob, Pattern};
use crate::finding::{Access, Finding};
use crate::model::Workload;
use crate::rules::{MatchKey, Registry};

/// A new exemption.
#[derive(Clone, Debug)]
pub struct ExemptionDraft {
    entry: ExemptionEntry,
    exemption: Exemption,
}

/// How closely a new exemption is limited to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowness {
    /// To the rule, the object and the path or, if the finding has no path, the volume. An
    /// exemption for read access does not match write access.
    Path,
    /// To every value of the finding, including the volume and the container.
    Finding,
}

impl ExemptionDraft {
    /// Creates an exemption for a finding, and for the Pods of its workload. Returns an error with
    /// the reason if an exemption cannot match the finding.
    pub fn new(
        finding: &Finding,
        narrowness: Narrowness,
        reason: &str,
        expires: Date,
    ) -> Result<Self, String> {
        let rule = Registry::built_in().find(finding.rule.as_str()).filter(|rule| rule.is_exemptable());
        let (Some(rule), Some(object)) = (rule, &finding.object) else {
            return Err("exemptions apply only to findings about objects".to_owned());
        };
        let (kind, name) = match &finding.controller {
            Some(workload) => (&workload.kind, &workload.name),
            None => (&object.kind, &object.name),
        };
        if name.is_empty() {
            return Err("the object has no name".to_owned());
        }
        let one = |text: &str, literal: fn(&str) -> String| {
            (!text.is_empty()).then(|| OneOrMany(vec![literal(text)]))
        };
        let key = |key: MatchKey, text: &str, literal| {
            one(text, literal).filter(|_| rule.match_keys.contains(&key))
        };
        let fingerprint = &finding.fingerprint;
        let path = key(MatchKey::Path, &fingerprint.path, PathGlob::literal);
        let is_narrow = narrowness == Narrowness::Finding;
        let volume = key(MatchKey::Volume, &fingerprint.volume, Pattern::literal);
        let container = key(MatchKey::Container, &fingerprint.container, Pattern::literal);
        let scope = Match {
            namespace: one(&object.namespace, Pattern::literal),
            kind: one(kind, Pattern::literal),
            name: one(name, Pattern::literal),
            volume: volume.filter(|_| is_narrow || path.is_none()),
            container: container.filter(|_| is_narrow),
            path,
            // An exemption without this key matches write access, too.
            access: fingerprint.access.filter(|access| *access == Access::Read),
            ..Match::default()
        };
        Self::from_entry(ExemptionEntry {
            rules: OneOrMany(vec![rule.id.to_string()]),
            scope,
            reason: reason.to_owned(),
            expires: Some(expires.to_string()),
            severity: None,
        })
    }

    fn from_entry(entry: ExemptionEntry) -> Result<Self, String> {
        match Exemption::new(&entry, String::new(), None, Registry::built_in()) {
            Ok(exemption) => Ok(Self { entry, exemption }),
            Err(problems) => {
                let messages: Vec<_> = problems.into_iter().map(|(_, message)| message).collect();
                Err(messages.join("; "))
            }
        }
    }

    /// Checks whether the exemption matches a finding.
    pub fn matches(&self, finding: &Finding) -> bool {
        let Some(object) = &finding.object else { return false };
        let own = Workload::without_owner(object);
        self.exemption.covers_rule(finding.rule)
            && self.exemption.matches(finding, object, finding.controller.as_deref().unwrap_or(&own))
    }

    /// Merges exemptions that differ only in their rules, and then exemptions that differ only in
    /// their containers. Together, the merged exemptions match the same findings. `drafts` must
    /// have the same reason and expiry date. Returns an error if a merged exemption is invalid.
    pub fn merge(drafts: Vec<Self>) -> Result<Vec<Self>, String> {
        let mut merged: Vec<ExemptionEntry> = Vec::new();
        for Self { entry, .. } in drafts {
            match merged.iter_mut().find(|into| into.scope == entry.scope) {
                Some(into) => {
                    into.rules.0.extend(entry.rules.0);
                    into.rules.0.sort();
                    into.rules.0.dedup();
                }
                None => merged.push(entry),
            }
        }
        let mut by_container: Vec<ExemptionEntry> = Vec::new();
        let without_container = |entry: &ExemptionEntry| Match { container: None, ..entry.scope.clone() };
        for entry in merged {
            let is_alike = |into: &&mut ExemptionEntry| {
                into.rules == entry.rules && without_container(into) == without_container(&entry)
            };
            match by_container.iter_mut().find(is_alike) {
                Some(ExemptionEntry { scope: Match { container: Some(containers), .. }, .. })
                    if entry.scope.container.is_some() =>
                {
                    containers.0.extend(entry.scope.container.into_iter().flat_map(|own| own.0));
                }
                _ => by_container.push(entry),
            }
        }
        by_container.into_iter().map(Self::from_entry).collect()
    }

    /// Returns the keys and values of the exemption as YAML in flow style. `scalar` formats strings
    /// and keys.
    pub fn fields(&self, scalar: fn(&str) -> String) -> Vec<(String, String)> {
        let list = |texts: &OneOrMany| {
            format!("[{}]", texts.0.iter().map(|text| scalar(text)).collect::<Vec<_>>().join(", "))
        };
        let ExemptionEntry { rules, scope, reason, expires, .. } = &self.entry;
        let one_or_many = |texts: &OneOrMany| match texts.0.as_slice() {
            [text] => scalar(text),
            _ => list(texts),
        };
        let keys = [
            ("namespace", &scope.namespace),
            ("kind", &scope.kind),
            ("name", &scope.name),
            ("volume", &scope.volume),
            ("container", &scope.container),
            ("path", &scope.path),
        ];
        let keys = keys.into_iter().filter_map(|(key, texts)| Some((key, one_or_many(texts.as_ref()?))));
        let access = scope.access.map(|_| ("access", scalar("read")));
        let scope: Vec<_> =
            keys.chain(access).map(|(key, value)| format!("{}: {value}", scalar(key))).collect();
        let mut fields = vec![
            (scalar("rules"), list(rules)),
            (scalar("match"), format!("{{ {} }}", scope.join(", "))),
            (scalar("reason"), scalar(reason)),
        ];
        fields.extend(expires.as_ref().map(|day| (scalar("expires"), scalar(day))));
        fields
    }
}
