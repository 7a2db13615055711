//! The values of `volcheck manifest`, which have the names, defaults and checks of the chart's
//! values.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::{Value, json};

use super::{schema, yaml};

const DEFAULTS: &str = include_str!("../../charts/volcheck/values.yaml");
pub(super) const SCHEMA: &str = include_str!("../../charts/volcheck/values.schema.json");
/// The values with which the chart is rendered. Values that are not in this file, and not in
/// [`COMPUTED`], are not supported.
const PLACEHOLDERS: &str = include_str!("../../charts/plain/placeholders.yaml");

/// The supported values without a placeholder, from which the code computes other fields.
const COMPUTED: &[&str] = &[
    "affinity",
    "certs.caBundle",
    "certs.issuerRef",
    "certs.mode",
    "hostNetwork",
    "image.digest",
    "mode",
    "policy",
];

/// The values for one installation.
#[derive(Clone, Debug)]
pub struct Values {
    /// All values, including the defaults.
    merged: Value,
    defaults: Value,
    placeholders: Value,
}

impl Values {
    /// Returns the chart's defaults, changed by values files, by assignments such as
    /// `webhook.failurePolicy=Ignore`, and by assignments of the content of a file, such as
    /// `certs.caBundle=ca.crt`. Later ones take precedence. The syntax is a subset of Helm's.
    pub fn new(files: &[PathBuf], set: &[String], set_file: &[String]) -> Result<Self, String> {
        let (defaults, placeholders) = (parse_yaml(DEFAULTS)?, parse_yaml(PLACEHOLDERS)?);
        let mut merged = defaults.clone();
        for file in files {
            let document =
                parse_yaml(&read(file)?).map_err(|error| format!("{}: {error}", file.display()))?;
            if !document.is_object() {
                return Err(format!("{}: not a mapping of values", file.display()));
            }
            merge(&mut merged, document);
        }
        for (flag, assignments) in [("--set", set), ("--set-file", set_file)] {
            for text in assignments {
                let (path, value) = text.split_once('=').ok_or(format!("{flag}: no `=` in `{text}`"))?;
                let value = match flag {
                    "--set" => parse_value(value).ok_or(format!(
                        "--set: `{text}` sets several values: use one flag per value, and write a comma in a value as `\\,`"
                    ))?,
                    _ => Value::String(read(Path::new(value))?),
                };
                if path.contains('[') {
                    return Err(format!("{flag}: `{path}` is an element of a list: use a values file"));
                }
                let keys = split_unescaped(path, '.');
                merge(&mut merged, keys.into_iter().rev().fold(value, |value, key| json!({ (key): value })));
            }
        }
        Ok(Self { merged, defaults, placeholders })
    }

    /// Replaces the value at this path.
    pub fn set(&mut self, path: &str, value: Value) {
        let mut target = &mut self.merged;
        for key in path.split('.') {
            target = &mut target[key];
        }
        *target = value;
    }

    /// Returns the value at this path, such as `certs.mode`, or `Null` if there is none.
    pub fn get(&self, path: &str) -> &Value {
        lookup(&self.merged, path)
    }

    /// Returns a string, or "" if there is no string at this path.
    pub(super) fn text(&self, path: &str) -> &str {
        self.get(path).as_str().unwrap_or_default()
    }

    pub(super) fn is_true(&self, path: &str) -> bool {
        self.get(path) == &Value::Bool(true)
    }

    /// Returns whether the value at this path is an empty list, mapping or string, or `Null`.
    pub(super) fn is_empty(&self, path: &str) -> bool {
        is_empty(self.get(path))
    }

    /// Checks whether the value at this path is the chart's default.
    pub fn is_default(&self, path: &str) -> bool {
        self.get(path) == lookup(&self.defaults, path)
    }

    /// Returns an error if a value is invalid or not supported, or conflicts with another value.
    /// `is_used` returns whether the value at a path has an effect.
    pub(super) fn check(&self, namespace: &str, is_used: impl Fn(&str) -> bool) -> Result<(), String> {
        let schema: Value = serde_json::from_str(SCHEMA).map_err(|error| error.to_string())?;
        let mut without_policy = self.clone();
        // The policy has its own parser, whose messages are better.
        without_policy.set("policy", json!({}));
        schema::check(&schema, &schema, &without_policy.merged, "")?;
        let supported = self.supported_paths();
        for path in self.changed_paths() {
            let contains = |leaf: &String| {
                path.strip_prefix(leaf).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if !supported.iter().any(contains) {
                return Err(format!("the value `{path}` is not supported without Helm"));
            }
            if !is_used(&path) {
                return Err(format!("the value `{path}` has no effect with --static"));
            }
        }
        match self.conflict(namespace) {
            Some(conflict) => Err(conflict),
            None => Ok(()),
        }
    }

    /// Returns the message about the first conflict between values. The chart's templates have the
    /// same messages.
    fn conflict(&self, namespace: &str) -> Option<String> {
        let mode = self.text("certs.mode");
        let extends = self.get("policy.extends").as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_file =
            |name: &&str| name.ends_with(".yaml") || name.ends_with(".yml") || name.starts_with('.');
        if let Some(file) = extends.into_iter().find(is_file) {
            return Some(format!(
                "policy.extends: `{file}` is a file, which the webhook cannot read: merge the files with `volcheck policy show --flat`"
            ));
        }
        let name = self.name();
        if !Regex::new("^[a-z]([-a-z0-9]*[a-z0-9])?$").is_ok_and(|valid| valid.is_match(name)) {
            return Some(format!(
                "`{name}` is not a valid Service name: set `fullnameOverride` to a name that starts with a letter and contains only lowercase letters, digits and `-`"
            ));
        }
        let conflicts = [
            (
                !self.is_empty("certs.issuerRef") && mode != "cert-manager",
                "certs.issuerRef requires certs.mode=cert-manager",
            ),
            (
                mode != "cert-manager"
                    && !(self.is_empty("certs.duration") && self.is_empty("certs.renewBefore")),
                "certs.duration and certs.renewBefore require certs.mode=cert-manager",
            ),
            (
                !self.is_empty("certs.caBundle") && mode != "secret",
                "certs.caBundle requires certs.mode=secret",
            ),
            (
                self.is_empty("certs.caBundle") && mode == "secret",
                "certs.mode=secret requires certs.caBundle: run `volcheck certs DIR`, then pass `--set-file certs.caBundle=DIR/ca.crt`",
            ),
            (
                mode == "self" && !self.is_default("certs.secretName"),
                "certs.secretName has no effect with certs.mode=self: set certs.mode to secret or cert-manager",
            ),
            (
                !self.is_empty("clients.names") && self.is_empty("clients.caBundle"),
                "clients.names requires clients.caBundle",
            ),
            (self.get("port") == self.get("adminPort"), "port and adminPort must differ"),
            (
                self.is_true("hostNetwork") && self.get("port") == &json!(10250),
                "hostNetwork requires another port: 10250 is the kubelet's port on the node",
            ),
            (
                self.is_true("hostNetwork") && self.is_true("networkPolicy.enabled"),
                "networkPolicy.enabled has no effect with hostNetwork: network policies do not apply to Pods on the host network",
            ),
            (
                self.is_true("resourceQuota") && self.is_empty("priorityClassName"),
                "resourceQuota requires priorityClassName",
            ),
            (
                self.is_true("resourceQuota") && namespace == "kube-system",
                "resourceQuota is not allowed in kube-system: it would limit all Pods of that priority class there",
            ),
        ];
        let conflict = conflicts.into_iter().find(|(is_conflict, _)| *is_conflict);
        let conflict = conflict.map(|(_, message)| message.to_owned());
        conflict.or_else(|| self.conflict_with_chart()).or_else(|| {
            let problem =
                "networkPolicy.apiServerPorts must not be empty: an empty list would allow all ports";
            self.is_empty("networkPolicy.apiServerPorts").then(|| problem.to_owned())
        })
    }

    /// Returns the message about the first argument, label or annotation in the values that the
    /// chart itself sets.
    fn conflict_with_chart(&self) -> Option<String> {
        const ARGUMENTS: &[(&str, &str)] = &[
            ("--listen", "port"),
            ("--admin-listen", "adminPort"),
            ("--drain-timeout", "drainTimeoutSeconds"),
            ("--service", "certs.mode"),
            ("--tls-cert", "certs.mode"),
            ("--tls-key", "certs.mode"),
            ("--tls-name", "webhook.url"),
            ("--events", "events.enabled"),
        ];
        const LABELS: &[&str] = &[
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/version",
            "app.kubernetes.io/managed-by",
            "helm.sh/chart",
        ];
        for argument in self.get("extraArgs").as_array().into_iter().flatten().filter_map(Value::as_str) {
            let flag =
                argument.split(|c: char| c != '-' && !c.is_ascii_lowercase()).next().unwrap_or_default();
            if let Some((_, value)) = ARGUMENTS.iter().find(|(argument, _)| *argument == flag) {
                return Some(format!(
                    "extraArgs: `{flag}` would contradict the chart: set the value `{value}` instead"
                ));
            }
        }
        for path in ["commonLabels", "podLabels", "service.labels", "serviceAccount.labels"] {
            if let Some(label) = LABELS.iter().find(|label| self.get(path).get(label).is_some()) {
                return Some(format!("{path}: the chart sets the label `{label}`"));
            }
        }
        const ANNOTATION: &str = "cert-manager.io/inject-ca-from";
        let mut paths = ["webhook.annotations", "commonAnnotations"].iter();
        let is_set = paths.any(|path| self.get(path).get(ANNOTATION).is_some());
        is_set.then(|| format!("webhook.annotations: the chart sets the annotation `{ANNOTATION}`"))
    }

    /// Returns the number of replicas.
    pub(super) fn replicas(&self) -> i64 {
        self.get("replicas").as_i64().unwrap_or(2)
    }

    /// Returns the name of the installed objects, to which some of them add a suffix.
    pub(super) fn name(&self) -> &str {
        let name = Some(self.text("fullnameOverride")).filter(|name| !name.is_empty()).unwrap_or("volcheck");
        name.strip_suffix('-').unwrap_or(name)
    }

    /// Returns the policy as YAML. Adds the `version` and a mode for the pattern `*` if they are
    /// missing. Returns an error if the policy or its `modes` is not a mapping.
    pub fn policy(&self) -> Result<String, String> {
        let off = |mode: &Value| if *mode == Value::Bool(false) { json!("off") } else { mode.clone() };
        let mut policy = self.get("policy").as_object().cloned().ok_or("`policy`: not a mapping")?;
        policy.entry("version").or_insert_with(|| json!(1));
        let modes = policy.entry("modes").or_insert_with(|| json!({}));
        let modes = modes.as_object_mut().ok_or("`policy.modes`: not a mapping")?;
        let default = off(modes.get("*").unwrap_or(self.get("mode")));
        modes.insert("*".to_owned(), default);
        Ok(yaml::to_string(&Value::Object(policy)))
    }

    /// Returns the path of each placeholder, the placeholder, and the value at this path.
    pub(super) fn placeholders(&self) -> Vec<(String, &Value, &Value)> {
        let mut found = Vec::new();
        walk(&self.placeholders, "", &mut found);
        found.into_iter().map(|(path, placeholder)| (path.clone(), placeholder, self.get(&path))).collect()
    }

    /// Returns the paths of all values that differ from the defaults.
    fn changed_paths(&self) -> Vec<String> {
        let mut changed = Vec::new();
        compare(&self.merged, &self.defaults, "", &mut changed);
        changed
    }

    pub(super) fn supported_paths(&self) -> Vec<String> {
        let placeholders = self.placeholders().into_iter().map(|(path, ..)| path);
        placeholders.chain(COMPUTED.iter().map(|&path| path.to_owned())).collect()
    }
}

/// Collects the path and the value of each leaf: a scalar, a list, or a mapping with a placeholder
/// as a key.
fn walk<'a>(value: &'a Value, path: &str, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) if !fields.keys().any(|key| is_placeholder(key)) => {
            for (key, value) in fields {
                walk(value, &join(path, key), leaves);
            }
        }
        leaf => leaves.push((path.to_owned(), leaf)),
    }
}

/// Collects the paths at which `value` differs from `default`.
fn compare(value: &Value, default: &Value, path: &str, changed: &mut Vec<String>) {
    match (value, default) {
        (Value::Object(fields), Value::Object(defaults)) => {
            for key in fields.keys().chain(defaults.keys()).collect::<BTreeSet<_>>() {
                let [field, default] = [fields, defaults].map(|all| all.get(key).unwrap_or(&Value::Null));
                compare(field, default, &join(path, key), changed);
            }
        }
        _ if value != default => changed.push(path.to_owned()),
        _ => {}
    }
}

pub(super) fn is_placeholder(key: &str) -> bool {
    key.starts_with('<')
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn lookup<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| &value[key])
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Changes `base`: mappings are merged, other values are replaced, and null removes a key.
fn merge(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, changes) => *base = changes,
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

/// Parses the value of `--set`, such as `5`, `text` or `{a,b}`. Returns `None` if it contains an
/// unescaped comma outside of a list.
fn parse_value(text: &str) -> Option<Value> {
    let list = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let parts = split_unescaped(list.unwrap_or(text), ',');
    match (list, parts.as_slice()) {
        (Some(""), _) => Some(json!([])),
        (Some(_), parts) => Some(parts.iter().map(|part| parse_scalar(part)).collect()),
        (None, [part]) => Some(parse_scalar(part)),
        (None, _) => None,
    }
}

fn parse_scalar(text: &str) -> Value {
    let is_padded = text.len() > 1 && text.trim_start_matches('-').starts_with('0');
    match text {
        "true" => json!(true),
        "false" => json!(false),
        "null" => Value::Null,
        _ => match text.parse::<i64>() {
            Ok(number) if !is_padded && !text.starts_with('+') => json!(number),
            _ => json!(text),
        },
    }
}

/// Splits a text at each separator without a backslash before it, and removes the backslashes.
fn split_unescaped(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next().unwrap_or('\\'),
            c if c == separator => {
                parts.push(String::new());
                continue;
            }
            c => c,
        };
        parts.last_mut().expect("a part").push(c);
    }
    parts
}
