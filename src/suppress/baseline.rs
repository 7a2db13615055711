//! The baseline: findings that were there when it was written, by object and fingerprint, and how often.
//!
//! Neither a line nor a file is part of an entry: moved lines and renamed files don't break it, and a copy of an
//! object raises the count.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// The version of the format.
const VERSION: u32 = 1;

/// Findings that one identity stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'t> {
    #[serde(borrow)]
    rule: Cow<'t, str>,
    #[serde(borrow)]
    group: Cow<'t, str>,
    #[serde(borrow)]
    kind: Cow<'t, str>,
    #[serde(borrow)]
    namespace: Cow<'t, str>,
    #[serde(borrow)]
    name: Cow<'t, str>,
    #[serde(borrow)]
    fingerprint: Cow<'t, str>,
    count: usize,
    #[serde(borrow)]
    message: Cow<'t, str>,
}

/// What makes two findings one entry: all texts of an [`Entry`] but its message, in order.
type Identity<'e> = [&'e str; 6];

impl Entry<'_> {
    /// Of a finding in the file `path`, which only counts where there is no object.
    fn of(finding: &Finding, path: &str) -> Self {
        let fingerprint = finding.fingerprint.to_string();
        let [rule, group, kind, namespace, name, fingerprint] =
            identity(finding, path, &fingerprint).map(|text| Cow::Owned(text.to_owned()));
        let message = Cow::Owned(finding.message.clone());
        Self { rule, group, kind, namespace, name, fingerprint, count: 1, message }
    }

    fn identity(&self) -> Identity<'_> {
        [&self.rule, &self.group, &self.kind, &self.namespace, &self.name, &self.fingerprint]
    }

    fn order(&self, other: &Entry<'_>) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

fn identity<'f>(finding: &'f Finding, path: &'f str, fingerprint: &'f str) -> Identity<'f> {
    match &finding.object {
        Some(id) => [finding.rule, &id.group, &id.kind, &id.namespace, &id.name, fingerprint],
        None => [finding.rule, "", "", "", path, fingerprint],
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'t> {
    version: u32,
    #[serde(borrow)]
    entries: Vec<Entry<'t>>,
}

/// Why a text is no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BaselineError {
    /// What is wrong, in one clause.
    pub message: String,
    /// The line, from 1; 0 where it is about the whole.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// A baseline: what it holds, and how often each is still to be met.
#[derive(Clone, Debug, Default)]
pub struct Baseline<'t> {
    /// In order, each identity once.
    entries: Vec<Entry<'t>>,
}

impl<'t> Baseline<'t> {
    /// The baseline that `text` writes.
    pub fn parse(text: &'t str) -> Result<Self, BaselineError> {
        let document: Document<'t> = serde_json::from_str(text).map_err(|error| BaselineError {
            message: format!(
                "no baseline: {}",
                error.to_string().split(" at line ").next().unwrap_or_default()
            ),
            line: error.line(),
            column: error.column().max(1),
        })?;
        if document.version != VERSION {
            let message =
                format!("version {} is not known: this volcheck reads version {VERSION}", document.version);
            return Err(BaselineError { message, line: 0, column: 0 });
        }
        let mut entries = document.entries;
        entries.sort_by(Entry::order);
        let twice = entries.windows(2).find(|pair| pair[0].order(&pair[1]).is_eq()).map(|pair| &pair[1]);
        if let Some(odd) = twice.or_else(|| entries.iter().find(|entry| entry.count == 0)) {
            let Entry { rule, kind, name, message, .. } = odd;
            let message =
                format!("an entry that no run writes, empty or twice: {rule} in {kind} {name}: {message}");
            return Err(BaselineError { message, line: 0, column: 0 });
        }
        Ok(Self { entries })
    }

    /// A baseline of these findings, each with the name of its file.
    pub fn of<'f>(findings: impl Iterator<Item = (&'f Finding, &'f str)>) -> Self {
        let mut entries: Vec<_> = findings.map(|(finding, path)| Entry::of(finding, path)).collect();
        entries.sort_by(Entry::order);
        entries.dedup_by(|again, first| {
            let is_same = again.order(first).is_eq();
            first.count += usize::from(is_same);
            is_same
        });
        Self { entries }
    }

    fn find(&self, identity: Identity<'_>) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.identity().cmp(&identity)).ok()
    }

    /// How often it holds what `entry` stands for.
    fn count(&self, entry: &Entry<'_>) -> usize {
        self.find(entry.identity()).map_or(0, |at| self.entries[at].count)
    }

    /// Whether the baseline still holds a finding; it does so as often as its count says.
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

    /// How many of its entries were never met, or not often enough, and what the first `shown` of them say: the
    /// rule, the object, the message and how often.
    pub fn stale(&self, shown: usize) -> (usize, Vec<String>) {
        let stale = || self.entries.iter().filter(|entry| entry.count > 0);
        let text = |entry: &Entry<'_>| {
            let object = [&*entry.kind, &*entry.namespace, &*entry.name];
            let object: Vec<_> = object.into_iter().filter(|part| !part.is_empty()).collect();
            let times = if entry.count > 1 { format!(" ({} times)", entry.count) } else { String::new() };
            format!("{} in {}: {}{times}", entry.rule, object.join(" "), entry.message)
        };
        (stale().count(), stale().take(shown).map(text).collect())
    }

    /// How many findings it holds that `other` doesn't.
    pub fn beyond(&self, other: &Baseline<'_>) -> usize {
        self.entries.iter().map(|entry| entry.count.saturating_sub(other.count(entry))).sum()
    }

    /// What both hold.
    #[must_use]
    pub fn common(mut self, other: &Baseline<'_>) -> Self {
        self.entries.retain_mut(|entry| {
            entry.count = entry.count.min(other.count(entry));
            entry.count > 0
        });
        self
    }

    /// How many findings it holds.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.count).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its text: an entry a line, in order, so that a change of it can be read.
    pub fn text(&self) -> String {
        let line = |entry| format!("    {}", serde_json::to_string(entry).unwrap_or_default());
        let lines: Vec<_> = self.entries.iter().map(line).collect();
        let list = if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n  ]", lines.join(",\n")) };
        format!("{{\n  \"version\": {VERSION},\n  \"entries\": {list}\n}}\n")
    }
}
