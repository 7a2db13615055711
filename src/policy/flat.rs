//! A policy as one document again: what `volcheck policy show` prints, and the webhook's ConfigMap holds.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{Level, Policy};
use crate::finding::digest;
use crate::rules;

impl Policy {
    /// What names the policy, in logs and metrics: the same for the same meaning.
    pub fn hash(&self) -> String {
        format!("{:016x}", digest(&[&self.text(false)]))
    }

    /// The policy as one document that extends nothing, and means the same; with the origin of each value, where
    /// that is asked for.
    pub fn text(&self, with_origins: bool) -> String {
        let mut out = Out { text: "version: 1\n".to_owned(), with_origins };
        out.line(&format!("profile: {}", self.profile), &self.profile_origin);
        out.text.push_str("rules:\n");
        for meta in
            rules::ALL.iter().map(|rule| rule.meta()).filter(|meta| !rules::cannot_be_excused(meta.id))
        {
            let word = match self.level(meta.id) {
                Level::Off => "off",
                Level::As(severity) => severity.word(),
                // To write the severity would give it to each of the rule's findings.
                Level::Default => "",
            };
            let origin = self.origin(meta.id);
            match (self.options.default_sizes.get(meta.id), word) {
                (Some(size), "") => {
                    out.line(&format!("  {}: {{ options: {{ defaultSize: {size} }} }}", meta.id), origin);
                }
                (Some(size), word) => out.line(
                    &format!("  {}: {{ severity: {word}, options: {{ defaultSize: {size} }} }}", meta.id),
                    origin,
                ),
                (None, "") if with_origins => {
                    let _ = writeln!(out.text, "  # {}: {}, as the rule says", meta.id, meta.severity);
                }
                (None, "") => {}
                (None, word) => out.line(&format!("  {}: {word}", meta.id), origin),
            }
        }
        let written = &self.written;
        if written.host_paths.allow.is_some() || !written.host_paths.catalog.is_empty() {
            out.text.push_str("hostPaths:\n");
            if let Some(allow) = &written.host_paths.allow {
                out.list("  allow", allow, |_| "");
            }
            if !written.host_paths.catalog.is_empty() {
                out.list("  catalog", &written.host_paths.catalog, |_| "");
            }
        }
        out.filled("dataDirectories", &written.data_directories, |_| "");
        out.filled("scratchDirectories", &written.scratch_directories, |_| "");
        if !written.modes.is_empty() {
            out.value("modes", &written.modes);
        }
        out.value("workloadMode", &self.workload_mode);
        out.value("ignores", &self.ignores);
        out.value("heuristic", &self.heuristic);
        out.filled("trustedControllers", &self.trusted_controllers, |_| "");
        out.filled("workloads", &written.workloads, |_| "");
        out.filled("exemptions", &written.exemptions, |index| &self.exemptions[index].origin);
        out.text
    }
}

/// The lines of a value in block style.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().flat_map(|(key, value)| entry(key, value)).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let marked = |(index, line)| format!("{}{line}", if index == 0 { "- " } else { "  " });
            items.iter().flat_map(|item| lines(item).into_iter().enumerate().map(marked)).collect()
        }
        scalar => vec![flow(scalar)],
    }
}

fn entry(key: &str, value: &Value) -> Vec<String> {
    let key = flow(&key.into());
    let inner = lines(value);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let inner = inner.into_iter().map(|line| format!("  {line}"));
            std::iter::once(format!("{key}:")).chain(inner).collect()
        }
        Value::Array(items) if !items.is_empty() => std::iter::once(format!("{key}:")).chain(inner).collect(),
        _ => vec![format!("{key}: {}", inner.concat())],
    }
}

/// A value in one line; in quotes where a reader of YAML 1.1, as Helm is one, would take it for a boolean: `no` is a
/// namespace, and `off` a mode.
fn flow(value: &Value) -> String {
    const BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let plain = match value.as_str() {
        Some(text) if !BOOLEANS.iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            serde_yaml::to_string(text).unwrap_or_default()
        }
        _ => String::new(),
    };
    match plain.trim_end() {
        // What is JSON is YAML, too.
        plain if plain.is_empty() || plain.contains('\n') => value.to_string(),
        plain => plain.to_owned(),
    }
}

struct Out {
    text: String,
    with_origins: bool,
}

impl Out {
    fn line(&mut self, line: &str, origin: &str) {
        // Writing to a string can't fail.
        let _ = match self.with_origins {
            true => writeln!(self.text, "{line:<40} # {origin}"),
            false => writeln!(self.text, "{line}"),
        };
    }

    fn value(&mut self, key: &str, value: &impl Serialize) {
        for line in entry(key, &serde_json::to_value(value).unwrap_or_default()) {
            let _ = writeln!(self.text, "{line}");
        }
    }

    fn filled<'o, T: Serialize>(&mut self, key: &str, items: &[T], origin: impl Fn(usize) -> &'o str) {
        if !items.is_empty() {
            self.list(key, items, origin);
        }
    }

    /// A list, each item with its origin above it.
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
            for line in lines(&Value::Array(vec![item])) {
                let _ = writeln!(self.text, "{:indent$}{line}", "");
            }
        }
    }
}
