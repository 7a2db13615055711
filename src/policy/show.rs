//! Formats a merged policy as one document, for `volcheck policy show` and for the webhook's
//! ConfigMap.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::document::{AllowedEntry, CatalogEntry, Directory};
use super::level::Level;
use super::merged::MergedPolicy;
use crate::finding::digest;
use crate::rules::{AllowedHostPath, Entry, ListedPath, Registry};

impl MergedPolicy {
    /// Returns a hash that identifies the policy in logs and metrics. It does not depend on how the
    /// policy is formatted or divided into files.
    pub fn hash(&self) -> String {
        format!("{:016x}", digest(&[&self.text(false)]))
    }

    /// Returns the policy as one document without the keys `extends` and `lint`, optionally with
    /// the origins of its values as comments.
    pub fn text(&self, with_origins: bool) -> String {
        let mut out = Writer { text: "version: 1\n".to_owned(), with_origins };
        if let Some(profile) = &self.profile {
            out.line(&format!("profile: {}", profile.value), &profile.origin);
        }
        out.text.push_str("rules:\n");
        let rules = Registry::built_in().iter().filter(|rule| !rule.reports_unchecked_input());
        for rule in rules {
            let id = rule.id;
            let level = match self.level(id) {
                Level::Off => "off",
                Level::As(severity) => severity.name(),
                // An explicit severity would override the lower severity of some findings of the
                // rule.
                Level::Default => "",
            };
            let origin = self.origin(id);
            match (self.default_sizes.get(&id), level) {
                (Some(size), "") => {
                    out.line(&format!("  {id}: {{ options: {{ defaultSize: {size} }} }}"), origin);
                }
                (Some(size), level) => out.line(
                    &format!("  {id}: {{ severity: {level}, options: {{ defaultSize: {size} }} }}"),
                    origin,
                ),
                (None, "") if with_origins => {
                    let _ = writeln!(out.text, "  # {id}: {} (default)", rule.severity);
                }
                (None, "") => {}
                (None, level) => out.line(&format!("  {id}: {level}"), origin),
            }
        }
        if self.allowed_host_paths.is_some() || !self.catalog.is_empty() {
            out.text.push_str("hostPaths:\n");
            if let Some(allow) = &self.allowed_host_paths {
                out.list("  allowOnly", &allow.iter().map(AllowedEntry::from).collect::<Vec<_>>(), |_| "");
            }
            let catalog: Vec<_> = self.catalog.iter().map(CatalogEntry::from).collect();
            out.list_if_any("  catalog", &catalog, |_| "");
        }
        if let Some(allow) = &self.allowed_volume_types {
            out.text.push_str("volumeTypes:\n");
            out.list("  allowOnly", allow, |_| "");
        }
        if let Some(requires_class) = self.requires_claim_class {
            out.value("claims", &json!({ "requireClass": requires_class }));
        }
        if let Some(version) = self.kubernetes_version {
            out.value("kubernetesVersion", &version);
        }
        let directories = |paths: &[ListedPath]| paths.iter().map(Directory::from).collect::<Vec<_>>();
        out.list_if_any("dataDirectories", &directories(&self.data_directories), |_| "");
        out.list_if_any("scratchDirectories", &directories(&self.scratch_directories), |_| "");
        if !self.modes.is_empty() {
            let modes = self.modes.iter().map(|(text, mode)| (text.as_str(), mode.mode));
            out.value("modes", &modes.collect::<std::collections::BTreeMap<_, _>>());
        }
        out.value("workloadMode", &self.workload_mode.unwrap_or_default());
        out.value("ignores", &self.ignores.unwrap_or_default());
        out.value("heuristic", &self.heuristic.unwrap_or(true));
        out.list_if_any("trustedControllers", &self.trusted_controllers, |_| "");
        out.list_if_any("workloads", &self.workloads, |_| "");
        let exemptions: Vec<_> = self.exemptions.iter().map(|declared| &declared.entry).collect();
        out.list_if_any("exemptions", &exemptions, |index| &self.exemptions[index].exemption.origin);
        out.text
    }
}

impl From<&AllowedHostPath> for AllowedEntry {
    fn from(allowed: &AllowedHostPath) -> Self {
        Self { path: allowed.path.clone(), read_only: allowed.is_read_only }
    }
}

impl From<&Entry> for CatalogEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            path: entry.path.clone(),
            class: entry.class,
            reason: entry.reason.clone(),
            file_type: entry.file_type,
            severity: entry.severity,
        }
    }
}

impl From<&ListedPath> for Directory {
    fn from(listed: &ListedPath) -> Self {
        Self { path: listed.path.clone(), reason: listed.reason.clone() }
    }
}

/// Returns the lines of a value in block style.
fn block_lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().flat_map(|(key, value)| entry_lines(key, value)).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let marked = |(index, line)| format!("{}{line}", if index == 0 { "- " } else { "  " });
            items.iter().flat_map(|item| block_lines(item).into_iter().enumerate().map(marked)).collect()
        }
        scalar => vec![inline_scalar(scalar)],
    }
}

fn entry_lines(key: &str, value: &Value) -> Vec<String> {
    let key = inline_scalar(&key.into());
    let inner = block_lines(value);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let inner = inner.into_iter().map(|line| format!("  {line}"));
            std::iter::once(format!("{key}:")).chain(inner).collect()
        }
        Value::Array(items) if !items.is_empty() => std::iter::once(format!("{key}:")).chain(inner).collect(),
        _ => vec![format!("{key}: {}", inner.concat())],
    }
}

/// Returns a scalar on one line. Quotes strings that a YAML 1.1 parser, such as the parser of Helm,
/// would parse as booleans. Examples are the namespace `no` and the mode `off`.
fn inline_scalar(value: &Value) -> String {
    const BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let plain = match value.as_str() {
        Some(text) if !BOOLEANS.iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            serde_yaml::to_string(text).unwrap_or_default()
        }
        _ => String::new(),
    };
    match plain.trim_end() {
        // JSON is valid YAML.
        plain if plain.is_empty() || plain.contains('\n') => value.to_string(),
        plain => plain.to_owned(),
    }
}

struct Writer {
    text: String,
    with_origins: bool,
}

impl Writer {
    fn line(&mut self, line: &str, origin: &str) {
        // Writing to a string never fails.
        let _ = match self.with_origins {
            true => writeln!(self.text, "{line:<40} # {origin}"),
            false => writeln!(self.text, "{line}"),
        };
    }

    fn value(&mut self, key: &str, value: &impl Serialize) {
        for line in entry_lines(key, &serde_json::to_value(value).unwrap_or_default()) {
            let _ = writeln!(self.text, "{line}");
        }
    }

    fn list_if_any<'o, T: Serialize>(&mut self, key: &str, items: &[T], origin: impl Fn(usize) -> &'o str) {
        if !items.is_empty() {
            self.list(key, items, origin);
        }
    }

    /// Writes a list. With origins, a comment above each item contains its origin, unless the
    /// origin is empty.
    fn list<'o, T: Serialize>(&mut self, key: &str, items: &[T], origin: impl Fn(usize) -> &'o str) {
        let indent = key.len() - key.trim_start().len();
        let _ = match items.is_empty() {
            true => writeln!(self.text, "{key}: []"),
            false => writeln!(self.text, "{key}:"),
        };
        for (index, item) in items.iter().enumerate() {
            let origin = origin(index);
            if self.with_origins && !origin.is_empty() {
                let _ = writeln!(self.text, "{:indent$}# {origin}", "");
            }
            let item = serde_json::to_value(item).unwrap_or_default();
            for line in block_lines(&Value::Array(vec![item])) {
                let _ = writeln!(self.text, "{:indent$}{line}", "");
            }
        }
    }
}
