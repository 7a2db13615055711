//! The baseline: known findings by object and fingerprint, with the number of their occurrences.
//!
//! An entry for a finding about an object contains neither the line nor the file, so it remains
//! valid if lines move or the file is renamed. An entry for any other finding contains the file. If
//! the same object occurs several times in a run, each occurrence of a finding is counted.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::rules::BaselineFacts;

/// The version of the format.
const VERSION: u32 = 1;

/// The entry for all findings with the same identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: String,
    group: String,
    kind: String,
    namespace: String,
    name: String,
    fingerprint: String,
    count: usize,
    message: String,
}

/// The identity of an entry: all its strings other than the message, in the order of the fields.
type Identity<'e> = [&'e str; 6];

impl Entry {
    /// Creates the entry for a finding in the file `path`. If the finding is not about an object,
    /// the path is stored in `name`.
    fn from_finding(finding: &Finding, path: &str) -> Self {
        let fingerprint = finding.fingerprint.to_string();
        let [rule, group, kind, namespace, name, fingerprint] =
            identity(finding, path, &fingerprint).map(str::to_owned);
        let message = finding.message.clone();
        Self { rule, group, kind, namespace, name, fingerprint, count: 1, message }
    }

    fn identity(&self) -> Identity<'_> {
        [&self.rule, &self.group, &self.kind, &self.namespace, &self.name, &self.fingerprint]
    }

    fn order(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

fn identity<'f>(finding: &'f Finding, path: &'f str, fingerprint: &'f str) -> Identity<'f> {
    match &finding.object {
        Some(id) => [finding.rule.as_str(), &id.group, &id.kind, &id.namespace, &id.name, fingerprint],
        None => [finding.rule.as_str(), "", "", "", path, fingerprint],
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    entries: Vec<Entry>,
}

/// An error about an invalid baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BaselineError {
    /// The problem, in one clause.
    pub message: String,
    /// The line, from 1; 0 if the problem has no location.
    pub line: usize,
    /// The column, from 1; 0 if the problem has no location.
    pub column: usize,
}

/// A baseline, with the number of times that each entry may still match.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The entries, sorted by identity and without duplicates.
    entries: Vec<Entry>,
}

impl Baseline {
    /// Parses a baseline. Returns an error if the JSON or its version is invalid, if two entries
    /// have the same identity, or if the count of an entry is 0.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let document: Document = serde_json::from_str(text).map_err(|error| BaselineError {
            message: format!(
                "invalid baseline: {}",
                error.to_string().split(" at line ").next().unwrap_or_default()
            ),
            line: error.line(),
            column: error.column().max(1),
        })?;
        if document.version != VERSION {
            let message = format!("unsupported version {}, expected {VERSION}", document.version);
            return Err(BaselineError { message, line: 0, column: 0 });
        }
        let mut entries = document.entries;
        entries.sort_by(Entry::order);
        let duplicate = entries.windows(2).find(|pair| pair[0].order(&pair[1]).is_eq()).map(|pair| &pair[1]);
        let duplicate = duplicate.map(|entry| ("duplicate entry", entry));
        let invalid = duplicate.or_else(|| {
            let empty = entries.iter().find(|entry| entry.count == 0);
            empty.map(|entry| ("entry with `count` 0", entry))
        });
        if let Some((problem, Entry { rule, kind, name, message, .. })) = invalid {
            let message = format!("{problem}: {rule} in {kind} {name}: {message}");
            return Err(BaselineError { message, line: 0, column: 0 });
        }
        Ok(Self { entries })
    }

    /// Creates a baseline from findings and the paths of their files.
    pub fn from_findings<'f>(findings: impl Iterator<Item = (&'f Finding, &'f str)>) -> Self {
        let mut entries: Vec<_> =
            findings.map(|(finding, path)| Entry::from_finding(finding, path)).collect();
        entries.sort_by(Entry::order);
        entries.dedup_by(|next, first| {
            let is_same = next.order(first).is_eq();
            first.count += usize::from(is_same);
            is_same
        });
        Self { entries }
    }

    fn find(&self, identity: Identity<'_>) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.identity().cmp(&identity)).ok()
    }

    /// Returns the count of the entry with the same identity as `entry`, or 0 if there is none.
    fn count(&self, entry: &Entry) -> usize {
        self.find(entry.identity()).map_or(0, |at| self.entries[at].count)
    }

    /// Checks whether an entry matches the finding. If so, decrements the count of the entry. An
    /// entry with a count of 0 matches no finding.
    pub fn take(&mut self, finding: &Finding, path: &str) -> bool {
        let fingerprint = finding.fingerprint.to_string();
        match self.find(identity(finding, path, &fingerprint)) {
            Some(at) if self.entries[at].count > 0 => {
                self.entries[at].count -= 1;
                true
            }
            _ => false,
        }
    }

    /// Returns the number of stale entries, and descriptions of the first `max_examples` of them.
    /// An entry is stale if its count is still above 0 after all findings were taken.
    pub fn stale(&self, max_examples: usize) -> BaselineFacts {
        let stale = || self.entries.iter().filter(|entry| entry.count > 0);
        let text = |entry: &Entry| {
            let join = |parts: [&str; 2], separator: &str| {
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                parts.join(separator)
            };
            let name = join([&*entry.namespace, &*entry.name], "/");
            let object = join([&*entry.kind, &*name], " ");
            let times = if entry.count > 1 { format!(" ({} times)", entry.count) } else { String::new() };
            format!("{} in {object}: {}{times}", entry.rule, entry.message)
        };
        BaselineFacts { stale: stale().count(), examples: stale().take(max_examples).map(text).collect() }
    }

    /// Returns the number of findings in this baseline that `other` does not contain.
    pub fn count_missing_in(&self, other: &Self) -> usize {
        self.entries.iter().map(|entry| entry.count.saturating_sub(other.count(entry))).sum()
    }

    /// Returns the baseline of the findings that both baselines contain.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        self.entries.retain_mut(|entry| {
            entry.count = entry.count.min(other.count(entry));
            entry.count > 0
        });
        self
    }

    /// Returns the number of findings in the baseline.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.count).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the baseline in JSON, with one entry per line in sorted order for readable diffs.
    pub fn to_json(&self) -> String {
        let line = |entry| format!("    {}", serde_json::to_string(entry).unwrap_or_default());
        let lines: Vec<_> = self.entries.iter().map(line).collect();
        let list = if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n  ]", lines.join(",\n")) };
        format!("{{\n  \"version\": {VERSION},\n  \"entries\": {list}\n}}\n")
    }
}
