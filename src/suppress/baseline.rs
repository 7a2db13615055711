//! The baseline: findings that were there when it was written, by object and fingerprint, and how often.
//!
//! Neither a line nor a file is part of an entry: moved lines and renamed files don't break it, and a copy of an
//! object raises the count.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// The version of the format.
const VERSION: u32 = 1;

/// What makes two findings one entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<E> {
    version: u32,
    entries: Vec<E>,
}

/// The identity of a finding across runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    rule: String,
    group: String,
    kind: String,
    namespace: String,
    name: String,
    fingerprint: String,
}

impl Key {
    /// That of a finding in the file `path`, which only counts where there is no object.
    pub fn of(finding: &Finding, path: &str) -> Self {
        let (rule, fingerprint) = (finding.rule.to_owned(), finding.fingerprint.to_string());
        match &finding.object {
            Some(id) => Self {
                rule,
                group: id.group.clone(),
                kind: id.kind.clone(),
                namespace: id.namespace.clone(),
                name: id.name.clone(),
                fingerprint,
            },
            None => {
                let (group, kind, namespace) = Default::default();
                Self { rule, group, kind, namespace, name: path.to_owned(), fingerprint }
            }
        }
    }
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

/// A baseline: what it holds, and how often each has been met.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// How many are left of each, and its message.
    left: HashMap<Key, (usize, String)>,
}

impl Baseline {
    /// The baseline that `text` writes.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let document: Document<Entry> = serde_json::from_str(text).map_err(|error| BaselineError {
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
        let mut left = HashMap::with_capacity(document.entries.len());
        for entry in document.entries {
            let Entry { rule, group, kind, namespace, name, fingerprint, count, message } = entry;
            let key = Key { rule, group, kind, namespace, name, fingerprint };
            let label = format!("{} in {} {}: {message}", key.rule, key.kind, key.name);
            if count == 0 || left.insert(key, (count, message)).is_some() {
                let message = format!("an entry that no run writes, empty or twice: {label}");
                return Err(BaselineError { message, line: 0, column: 0 });
            }
        }
        Ok(Self { left })
    }

    /// A baseline of these findings, each with the name of its file.
    pub fn of<'f>(findings: impl Iterator<Item = (&'f Finding, &'f str)>) -> Self {
        let mut left: HashMap<Key, (usize, String)> = HashMap::new();
        for (finding, path) in findings {
            let entry = left.entry(Key::of(finding, path)).or_insert_with(|| (0, finding.message.clone()));
            entry.0 += 1;
        }
        Self { left }
    }

    /// Whether the baseline still holds a finding; it does so as often as its count says.
    pub fn take(&mut self, finding: &Finding, path: &str) -> bool {
        match self.left.get_mut(&Key::of(finding, path)) {
            Some((count, _)) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    /// What was never met, in order: how often, the rule, the object and the message.
    pub fn stale(&self) -> Vec<String> {
        let mut stale: Vec<_> = self.left.iter().filter(|(_, (count, _))| *count > 0).collect();
        stale.sort();
        let text = |(key, (count, message)): (&Key, &(usize, String))| {
            let object = [&*key.kind, &*key.namespace, &*key.name].map(str::to_owned);
            let object: Vec<_> = object.into_iter().filter(|part| !part.is_empty()).collect();
            let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            format!("{} in {}: {message}{times}", key.rule, object.join(" "))
        };
        stale.into_iter().map(text).collect()
    }

    /// How many findings it holds that `other` doesn't.
    pub fn beyond(&self, other: &Self) -> usize {
        let more = |(key, (count, _)): (&Key, &(usize, String))| {
            count.saturating_sub(other.left.get(key).map_or(0, |(known, _)| *known))
        };
        self.left.iter().map(more).sum()
    }

    /// What both hold.
    #[must_use]
    pub fn common(mut self, other: &Self) -> Self {
        self.left.retain(|key, (count, _)| {
            *count = (*count).min(other.left.get(key).map_or(0, |(known, _)| *known));
            *count > 0
        });
        self
    }

    /// How many findings it holds.
    pub fn len(&self) -> usize {
        self.left.values().map(|(count, _)| count).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its text: an entry a line, in order, so that a change of it can be read.
    pub fn text(&self) -> String {
        let mut entries: Vec<_> = self.left.iter().collect();
        entries.sort();
        let entry = |(key, (count, message)): (&Key, &(usize, String))| Entry {
            rule: key.rule.clone(),
            group: key.group.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            fingerprint: key.fingerprint.clone(),
            count: *count,
            message: message.clone(),
        };
        let lines: Vec<_> = entries
            .into_iter()
            .map(|pair| format!("    {}", serde_json::to_string(&entry(pair)).unwrap_or_default()))
            .collect();
        let list = if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n  ]", lines.join(",\n")) };
        format!("{{\n  \"version\": {VERSION},\n  \"entries\": {list}\n}}\n")
    }
}
