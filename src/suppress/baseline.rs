//! The baseline: known findings by object and fingerprint, with the number of their occurrences.
//!
//! An entry for a finding about an object matches the same finding in any file, so it remains valid
//! if lines move or the file is renamed. An entry for any other finding matches only in its file.
//! If the same object occurs several times in a run, each occurrence of a finding is counted.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::model::{FieldErrorKind, FieldPath};
use crate::rules::BaselineFacts;
use crate::source;

/// The version of the format.
const VERSION: u32 = 2;

/// The entry for all findings with the same identity in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub(crate) rule: String,
    group: String,
    kind: String,
    namespace: String,
    /// The name of the object. It may contain `*`, for names that differ in each run.
    name: String,
    fingerprint: String,
    /// The path of the file, relative to the directory of the baseline.
    pub(crate) file: String,
    /// Whether the text was rendered from the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rendered: bool,
    count: usize,
    message: String,
}

/// Whether a run covers an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// The run has checked the file of the entry, or would have, if the file still existed.
    Yes,
    /// The run would not have checked the file, but the file no longer exists. The object may have
    /// moved to another file.
    Missing,
    /// The run has not checked the file, or not with the rule of the entry.
    No,
}

/// The identity of an entry: its rule, the group, kind, namespace and name of the object, and the
/// fingerprint. If the finding is not about an object, the path of its file replaces the name.
type Identity<'e> = [&'e str; 6];

impl Entry {
    fn from_finding(finding: &Finding, file: &str, rendered: bool) -> Self {
        let fingerprint = finding.fingerprint.to_string();
        let [rule, group, kind, namespace, name, fingerprint] =
            identity(finding, "", &fingerprint).map(str::to_owned);
        let (file, message) = (file.to_owned(), finding.message.clone());
        Self { rule, group, kind, namespace, name, fingerprint, file, rendered, count: 1, message }
    }

    /// Returns the name of the object, or the file if the finding is not about an object.
    fn name_or_file(&self) -> &str {
        if self.kind.is_empty() { &self.file } else { &self.name }
    }

    fn identity(&self) -> Identity<'_> {
        [&self.rule, &self.group, &self.kind, &self.namespace, self.name_or_file(), &self.fingerprint]
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = (&self.file, self.rendered);
        self.identity().cmp(&other.identity()).then_with(|| key.cmp(&(&other.file, other.rendered)))
    }
}

/// Returns the identity of the entries for a finding in a file.
fn identity<'f>(finding: &'f Finding, file: &'f str, fingerprint: &'f str) -> Identity<'f> {
    match &finding.object {
        Some(id) => [finding.rule.as_str(), &id.group, &id.kind, &id.namespace, &id.name, fingerprint],
        None => [finding.rule.as_str(), "", "", "", file, fingerprint],
    }
}

/// Returns the identity without the name.
fn without_name(identity: Identity<'_>) -> [&str; 5] {
    let [rule, group, kind, namespace, _, fingerprint] = identity;
    [rule, group, kind, namespace, fingerprint]
}

/// Joins the parts that are not empty.
fn join(parts: [&str; 2], separator: &str) -> String {
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(separator)
}

#[derive(Deserialize)]
struct Version {
    version: u32,
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
    /// The byte range of the invalid part; `None` if the problem has no location.
    pub range: Option<Range<usize>>,
}

impl BaselineError {
    fn new(message: impl Into<String>, range: Option<Range<usize>>) -> Self {
        Self { message: message.into(), range }
    }

    /// Returns the error for a text that is not a baseline.
    fn invalid(text: &str) -> Self {
        let trees = match source::parse_json(text, 0..text.len()) {
            Ok(trees) => trees,
            Err(error) => return Self::new(format!("not valid JSON: {error}"), Some(error.span)),
        };
        let tree = match trees.as_slice() {
            [] => {
                return Self::new("the baseline is empty; to write a new one, run `volcheck baseline`", None);
            }
            [tree] => tree,
            [_, second, ..] => {
                return Self::new("unexpected text after the baseline", Some(second.range(second.root())));
            }
        };
        match source::decode::<Document>(tree, tree.root()) {
            Err(error) => {
                let find = |path: &FieldPath| source::find_node(tree, tree.root(), path);
                let node = find(&error.path).or_else(|| find(&error.path.parent()?));
                let range = node.map(|node| tree.range(node));
                // The path of an error about an unknown key ends with the key.
                let is_about_key = matches!(error.kind, FieldErrorKind::UnknownKey { .. });
                let path = if is_about_key { error.path.parent().unwrap_or_default() } else { error.path };
                Self::new(format!("{}{}", within(&path), error.kind), range)
            }
            // serde_json is stricter in some cases, such as repeated keys.
            Ok(_) => Self::new("the baseline contains a repeated key or an invalid number", None),
        }
    }
}

/// Returns the path of the value with an error, as the start of a message. Returns an empty string
/// for the whole baseline.
fn within(path: &FieldPath) -> String {
    if path.is_root() { String::new() } else { format!("`{path}`: ") }
}

/// A baseline, with the number of times that each entry may still match.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The entries, sorted by identity and file, and without duplicates.
    entries: Vec<Entry>,
    /// The indices of the entries with a pattern, and the patterns.
    patterns: Vec<(usize, GlobMatcher)>,
}

impl Baseline {
    /// Parses a baseline. Returns an error if the JSON or its version is invalid, if two entries
    /// are about the same finding in the same text, or if the count of an entry is 0.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let parsed = serde_json::from_str::<Document>(text);
        let version = match &parsed {
            Ok(document) => Some(document.version),
            // The fields of the entries depend on the version.
            Err(_) => serde_json::from_str(text).ok().map(|Version { version }| version),
        };
        if let Some(version) = version.filter(|version| *version != VERSION) {
            let message = format!(
                "unsupported version {version}, expected {VERSION}: delete the baseline, and run `volcheck baseline`"
            );
            return Err(BaselineError::new(message, None));
        }
        let document = parsed.map_err(|_| BaselineError::invalid(text))?;
        let mut entries = document.entries;
        entries.sort_by(Entry::order);
        let duplicate = entries.windows(2).find(|pair| pair[0].order(&pair[1]).is_eq()).map(|pair| &pair[1]);
        let duplicate = duplicate.map(|entry| ("duplicate entry", entry));
        let invalid = duplicate.or_else(|| {
            let empty = entries.iter().find(|entry| entry.count == 0);
            empty.map(|entry| ("entry with `count` 0", entry))
        });
        if let Some((problem, entry)) = invalid {
            let place = join([&entry.kind, entry.name_or_file()], " ");
            let message = format!("{problem}: {} in {place}: {}", entry.rule, entry.message);
            return Err(BaselineError::new(message, None));
        }
        Ok(Self::from_entries(entries))
    }

    /// Creates a baseline from findings. Each comes with the path of its file, relative to the
    /// directory of the baseline, and with true if its text was rendered from the file.
    pub fn from_findings<'f>(findings: impl Iterator<Item = (&'f Finding, String, bool)>) -> Self {
        let entries = findings.map(|(finding, file, rendered)| Entry::from_finding(finding, &file, rendered));
        Self::from_entries(entries.collect())
    }

    /// Creates a baseline. Merges the entries for the same finding in the same file into one with
    /// the sum of their counts, and drops entries with the count 0.
    fn from_entries(mut entries: Vec<Entry>) -> Self {
        entries.retain(|entry| entry.count > 0);
        entries.sort_by(Entry::order);
        entries.dedup_by(|next, first| {
            let is_same = next.order(first).is_eq();
            first.count += if is_same { next.count } else { 0 };
            is_same
        });
        let names =
            entries.iter().map(|entry| &entry.name).enumerate().filter(|(_, name)| name.contains('*'));
        let patterns = names.filter_map(|(at, name)| Some((at, Glob::new(name).ok()?.compile_matcher())));
        Self { patterns: patterns.collect(), entries }
    }

    /// Returns the indices of the entries with this identity.
    fn equal(&self, identity: Identity<'_>) -> Range<usize> {
        let start = self.entries.partition_point(|entry| entry.identity() < identity);
        let equal = self.entries[start..].iter().take_while(|entry| entry.identity() == identity);
        start..start + equal.count()
    }

    /// Returns the indices of the entries whose pattern matches the identity.
    fn with_pattern(&self, identity: Identity<'_>) -> impl Iterator<Item = usize> {
        let matching = self.patterns.iter().filter(move |(at, pattern)| {
            let entry = self.entries[*at].identity();
            without_name(entry) == without_name(identity) && pattern.is_match(identity[4])
        });
        matching.map(|(at, _)| *at)
    }

    /// Checks whether an entry matches the finding in this file. If so, decrements the count of the
    /// entry. An entry with a count of 0 matches no finding.
    pub fn take(&mut self, finding: &Finding, file: &str) -> bool {
        let fingerprint = finding.fingerprint.to_string();
        let identity = identity(finding, file, &fingerprint);
        let matching = self.equal(identity).chain(self.with_pattern(identity));
        let left = matching.filter(|at| self.entries[*at].count > 0);
        match left.min_by_key(|at| self.entries[*at].file != file) {
            Some(at) => {
                self.entries[at].count -= 1;
                true
            }
            None => false,
        }
    }

    /// Returns the number of stale entries, and descriptions of the first `max_examples` of them.
    /// An entry is stale if the run covers it, and its count is still above 0 after all findings
    /// were taken. `new` are the findings without an entry.
    pub fn stale<'f>(
        &self,
        covered: impl Fn(&Entry) -> Covered,
        new: impl Iterator<Item = &'f Finding>,
        max_examples: usize,
    ) -> BaselineFacts {
        let stale: Vec<_> =
            self.entries.iter().filter(|entry| entry.count > 0 && covered(entry) == Covered::Yes).collect();
        let text = |entry: &&Entry| {
            let name = join([&entry.namespace, entry.name_or_file()], "/");
            let object = join([&entry.kind, &name], " ");
            let times = if entry.count > 1 { format!(" ({} times)", entry.count) } else { String::new() };
            format!("{} in {object}: {}{times}", entry.rule, entry.message)
        };
        let examples = stale.iter().take(max_examples).map(text).collect();
        let about_objects = stale.iter().filter(|entry| !entry.kind.is_empty());
        let nameless: HashSet<_> = about_objects.map(|entry| without_name(entry.identity())).collect();
        let has_renamed_objects = new.filter(|finding| finding.object.is_some()).any(|finding| {
            let fingerprint = finding.fingerprint.to_string();
            nameless.contains(&without_name(identity(finding, "", &fingerprint)))
        });
        BaselineFacts { stale: stale.len(), examples, has_renamed_objects }
    }

    /// Returns the baseline after a run with the findings `found`, and the number of new findings.
    /// Entries that the run does not cover stay. With `prune`, the result omits the new findings.
    pub fn update(&self, found: Self, covered: impl Fn(&Entry) -> Covered, prune: bool) -> (Self, usize) {
        let found = found.with_patterns_of(self);
        let is_outside = |entry: &Entry| match covered(entry) {
            Covered::Yes => false,
            Covered::Missing => found.equal(entry.identity()).is_empty(),
            Covered::No => true,
        };
        let (mut updated, inside): (Vec<_>, Vec<_>) = self.entries.iter().cloned().partition(is_outside);
        let mut known: HashMap<Identity<'_>, usize> = HashMap::new();
        for entry in &inside {
            *known.entry(entry.identity()).or_default() += entry.count;
        }
        let mut new = 0;
        for entry in &found.entries {
            let known = known.entry(entry.identity()).or_default();
            let count = entry.count.min(*known);
            *known -= count;
            new += entry.count - count;
            updated.push(Entry { count: if prune { count } else { entry.count }, ..entry.clone() });
        }
        (Self::from_entries(updated), new)
    }

    /// If an entry matches only a pattern in `known`, replaces the name of the entry with that
    /// pattern.
    fn with_patterns_of(mut self, known: &Self) -> Self {
        for entry in &mut self.entries {
            let identity = entry.identity();
            let pattern = match known.equal(identity).is_empty() {
                true => known.with_pattern(identity).next(),
                false => None,
            };
            if let Some(at) = pattern {
                entry.name.clone_from(&known.entries[at].name);
            }
        }
        Self::from_entries(self.entries)
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
