//! Fixes of generated manifests in many notations.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value};
use volcheck::finding::{Edit, EditValue};
use volcheck::fix::{FileFixes, Selection, Task, fix_file};
use volcheck::lint::{LocatedFinding, Outcome};
use volcheck::model::{FieldPath, Segment};
use volcheck::policy::Policy;
use volcheck::source::File;
use volcheck::source::edit::apply;

use crate::support::{all_rules, lint};

/// A sequence of pseudorandom choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        // An xorshift generator.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<'c>(&mut self, items: &[&'c str]) -> &'c str {
        items[self.below(items.len())]
    }
}

/// A value of a manifest.
enum Node {
    Text(String),
    Mapping(Vec<(&'static str, Self)>),
    List(Vec<Self>),
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn shuffled(choices: &mut Choices, mut entries: Vec<(&'static str, Node)>) -> Node {
    for index in (1..entries.len()).rev() {
        entries.swap(index, choices.below(index + 1));
    }
    Node::Mapping(entries)
}

/// Returns a Pod with random problems in its volumes and mounts.
fn pod(choices: &mut Choices) -> Node {
    let count = 1 + choices.below(4);
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    for index in 0..count {
        let name = format!("v{index}");
        let mut volume = vec![("name", text(&name))];
        if choices.is(70) {
            let path = choices.of(&[
                "/srv/a",
                "/var/log",
                "/srv//b",
                "/run/x.sock",
                "/dev/fuse",
                "/srv/c/",
                "/etc/app.conf",
            ]);
            let mut source = vec![("path", text(path))];
            if choices.is(40) {
                source.push(("type", text(choices.of(&["directory", "Directory", "", "DirectoryOrCreate"]))));
            }
            volume.push((choices.of_key(), shuffled(choices, source)));
        } else if choices.is(80) {
            let mut source = Vec::new();
            if choices.is(50) {
                source.push(("medium", text(choices.of(&["memory", "Memory", ""]))));
            }
            volume.push(("emptyDir", Node::Mapping(source)));
        }
        volumes.push(shuffled(choices, volume));
        if choices.is(85) {
            let path = format!("{}{index}", choices.of(&["/m", "/m//x", "/data/./"]));
            let mut mount = vec![("name", text(&name)), ("mountPath", text(&path))];
            if choices.is(40) {
                mount.push(("readOnly", text(choices.of(&["false", "true", "no"]))));
            }
            if choices.is(20) {
                mount.push(("recursiveReadOnly", text("Enabled")));
            }
            mounts.push(shuffled(choices, mount));
        }
    }
    let mut container = vec![("name", text("c")), ("image", text("i"))];
    if !mounts.is_empty() {
        container.push(("volumeMounts", Node::List(mounts)));
    }
    let spec = vec![
        ("containers", Node::List(vec![shuffled(choices, container)])),
        ("volumes", Node::List(volumes)),
    ];
    let entries = vec![
        ("apiVersion", text("v1")),
        ("kind", text("Pod")),
        ("metadata", Node::Mapping(vec![("name", text("p"))])),
        ("spec", shuffled(choices, spec)),
    ];
    shuffled(choices, entries)
}

impl Choices {
    /// Returns the key of a host path, sometimes misspelled.
    fn of_key(&mut self) -> &'static str {
        if self.is(10) { "hostpath" } else { "hostPath" }
    }
}

/// Writes a manifest in random notations.
struct Writer<'c> {
    choices: &'c mut Choices,
    out: String,
    comments: usize,
    has_comments: bool,
    anchors: usize,
}

impl Writer<'_> {
    fn comment(&mut self) -> String {
        if !self.has_comments || !self.choices.is(25) {
            return String::new();
        }
        self.comments += 1;
        format!(" # comment {}", self.comments)
    }

    /// Writes lines that contain only a comment or nothing.
    fn filler(&mut self, indent: usize) {
        if self.has_comments && self.choices.is(15) {
            let comment = self.comment();
            let _ = writeln!(self.out, "{:indent$}{}", "", comment.trim_start());
        }
    }

    fn scalar(&mut self, text: &str) -> String {
        let is_bool = matches!(text, "true" | "false" | "no");
        match self.choices.below(4) {
            _ if is_bool => text.to_owned(),
            0 => format!("\"{text}\""),
            1 => format!("'{text}'"),
            _ if text.is_empty() => "''".to_owned(),
            _ => text.to_owned(),
        }
    }

    fn anchor(&mut self) -> String {
        if !self.choices.is(5) {
            return String::new();
        }
        self.anchors += 1;
        format!("&a{} ", self.anchors)
    }

    fn flow(&mut self, node: &Node, indent: usize, is_json: bool) -> String {
        let is_long = self.choices.is(30);
        let (open, close, parts): (_, _, Vec<String>) = match node {
            Node::Text(text) if !is_json => return self.scalar(text),
            Node::Text(text) if matches!(text.as_str(), "true" | "false") => return text.clone(),
            Node::Text(text) if text == "no" => return "false".to_owned(),
            Node::Text(text) => return format!("\"{text}\""),
            Node::Mapping(entries) => {
                let entry = |(key, value): &(&str, Node)| {
                    let colon = if is_json && self.choices.is(50) { ":" } else { ": " };
                    let key =
                        if is_json || self.choices.is(10) { format!("\"{key}\"") } else { (*key).to_owned() };
                    format!("{key}{colon}{}", self.flow(value, indent + 2, is_json))
                };
                ('{', '}', entries.iter().map(entry).collect())
            }
            Node::List(items) => {
                ('[', ']', items.iter().map(|item| self.flow(item, indent + 2, is_json)).collect())
            }
        };
        if !is_long || parts.is_empty() {
            let comma = if is_json && self.choices.is(30) { "," } else { ", " };
            return format!("{open}{}{close}", parts.join(comma));
        }
        let mut out = String::from(open);
        for (index, part) in parts.iter().enumerate() {
            let comma = if index + 1 < parts.len() || !is_json && self.choices.is(30) { "," } else { "" };
            let comment = if is_json { String::new() } else { self.comment() };
            let _ = write!(out, "{comment}\n{:width$}{part}{comma}", "", width = indent + 2);
        }
        let comment = if is_json { String::new() } else { self.comment() };
        let _ = write!(out, "{comment}\n{:indent$}{close}", "");
        out
    }

    /// Writes the value of a key or an item, after the colon or the dash.
    fn value(&mut self, node: &Node, indent: usize) {
        let is_empty = match node {
            Node::Text(_) => true,
            Node::Mapping(entries) => entries.is_empty(),
            Node::List(items) => items.is_empty(),
        };
        let anchor = self.anchor();
        if is_empty || self.choices.is(15) {
            let is_json = self.choices.is(30) && !matches!(node, Node::Text(_));
            let flow = self.flow(node, indent + 1, is_json);
            let comment = self.comment();
            let _ = writeln!(self.out, " {anchor}{flow}{comment}");
            return;
        }
        let comment = self.comment();
        let _ = writeln!(self.out, "{}{comment}", format!(" {anchor}").trim_end());
        self.block(node, indent);
    }

    /// Writes a collection in block style. Nested collections have more than `indent` columns.
    fn block(&mut self, node: &Node, indent: usize) {
        let step = 1 + self.choices.below(4);
        match node {
            Node::Text(_) => {}
            Node::Mapping(entries) => {
                for (key, value) in entries {
                    self.filler(indent);
                    let quote = if self.choices.is(5) { "\"" } else { "" };
                    let space = if self.choices.is(3) { " " } else { "" };
                    let _ = write!(self.out, "{:indent$}{quote}{key}{quote}{space}:", "");
                    // A list may have the indentation of its key.
                    let step = if matches!(value, Node::List(_)) && self.choices.is(40) { 0 } else { step };
                    self.value(value, indent + step);
                }
            }
            Node::List(items) => {
                for item in items {
                    self.filler(indent);
                    let _ = write!(self.out, "{:indent$}-", "");
                    match item {
                        Node::Mapping(entries) if !entries.is_empty() && self.choices.is(80) => {
                            // The first key is on the line of the dash.
                            let start = self.out.len();
                            self.block(item, indent + step + 1);
                            let first = self.out[start..].find(|c: char| c != ' ').unwrap_or_default();
                            let is_comment = self.out[start + first..].starts_with('#');
                            match is_comment {
                                true => self.out.insert(start, '\n'),
                                false => drop(self.out.drain(start..start + indent + 1)),
                            }
                        }
                        _ => self.value(item, indent + step),
                    }
                }
            }
        }
    }
}

fn manifest(seed: u64) -> String {
    let mut choices = Choices(seed | 1);
    for _ in 0..8 {
        choices.below(2);
    }
    let pod = pod(&mut choices);
    let has_comments = choices.is(70);
    let mut writer =
        Writer { choices: &mut choices, out: String::new(), comments: 0, has_comments, anchors: 0 };
    if writer.choices.is(15) {
        writer.out = writer.flow(&pod, 0, true);
        writer.out.push('\n');
    } else {
        writer.block(&pod, 0);
    }
    let mut out = writer.out;
    match choices.below(4) {
        0 => out = out.replace('\n', "\r\n"),
        1 => out = out.replace("volumes:\n", "volumes:\r\n"),
        _ => {}
    }
    if choices.is(20) {
        out.truncate(out.trim_end().len());
    }
    if choices.is(10) {
        out.insert(0, '\u{feff}');
    }
    if choices.is(20) {
        out = format!("{out}{}---\nkind: [\n", if out.ends_with('\n') { "" } else { "\n" });
    }
    out
}

fn fix(policy: &Policy, text: &str, outcome: &Outcome) -> FileFixes {
    let file = Arc::new(File::decode("f.yaml", text.into()).expect("text"));
    let known: Vec<_> = outcome.findings.iter().chain(&outcome.suppressed).collect();
    let selection = Selection { with_unsafe: true, rules: Vec::new() };
    let check = |file: &Arc<File>| lint(policy, "f.yaml", file.text());
    let unchecked = outcome.unchecked.len();
    let task = Task { file: &file, known: &known, unchecked, selection: &selection, check: &check };
    fix_file(&task, outcome.findings.clone())
}

/// Parses the first document with a parser that volcheck does not use for manifests.
fn parsed(text: &str) -> Value {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.split("---\nkind: [").next().unwrap_or_default();
    let mut value: Value = serde_yaml::from_str(first).unwrap_or_else(|error| panic!("{error}: {text}"));
    // The parser follows YAML 1.2.
    fn convert(value: &mut Value) {
        match value {
            Value::Object(entries) => {
                if entries.get("readOnly").is_some_and(|value| *value == "no") {
                    entries.insert("readOnly".to_owned(), Value::Bool(false));
                }
                entries.values_mut().for_each(convert);
            }
            Value::Array(items) => items.iter_mut().for_each(convert),
            _ => {}
        }
    }
    convert(&mut value);
    value
}

fn parent<'v>(value: &'v mut Value, path: &FieldPath) -> &'v mut Value {
    path.parent().expect("a field").segments().iter().fold(value, |value, segment| match segment {
        Segment::Key(key) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            value.as_object_mut().expect("a mapping").entry(key.to_string()).or_insert(Value::Null)
        }
        Segment::Index(index) => &mut value[*index],
    })
}

/// Applies the edits of one fix to a value.
fn edited(mut value: Value, edits: &[Edit]) -> Value {
    for edit in edits {
        match edit {
            Edit::Set(path, new) => {
                let Some(Segment::Key(key)) = path.segments().last() else { panic!("{path}") };
                let new = match new {
                    EditValue::Str(text) => Value::from(text.as_str()),
                    EditValue::Bool(value) => Value::from(*value),
                    EditValue::EmptyMapping => Value::Object(Map::new()),
                };
                let parent = parent(&mut value, path);
                if parent.is_null() {
                    *parent = Value::Object(Map::new());
                }
                parent[&**key] = new;
            }
            Edit::Rename(path, to) => {
                let Some(Segment::Key(key)) = path.segments().last() else { panic!("{path}") };
                let parent = parent(&mut value, path).as_object_mut().expect("a mapping");
                let old = parent.remove(&**key).expect("a value");
                parent.insert(to.clone(), old);
            }
            Edit::Remove(path) => {
                let parent = parent(&mut value, path);
                match path.segments().last() {
                    Some(Segment::Key(key)) => {
                        parent.as_object_mut().expect("a mapping").remove(&**key);
                    }
                    Some(Segment::Index(index)) => {
                        parent.as_array_mut().expect("a list").remove(*index);
                        if parent.as_array().is_some_and(Vec::is_empty) {
                            value = edited(value, &[Edit::Remove(path.parent().expect("a list"))]);
                        }
                    }
                    None => panic!("the object"),
                }
            }
        }
    }
    value
}

fn comments(text: &str) -> Vec<&str> {
    let ends = text.match_indices(" comment ").map(|(at, word)| &text[at + word.len()..]);
    let mut numbers: Vec<_> =
        ends.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default()).collect();
    numbers.sort_unstable();
    numbers
}

fn removes(located: &LocatedFinding) -> bool {
    let edits = located.finding.fix.iter().flat_map(|fix| &fix.edits);
    edits.into_iter().any(|edit| matches!(edit, Edit::Remove(_)))
}

fn assert_fixes_are_sound(seed: u64) -> (usize, usize) {
    let policy = all_rules();
    let text = manifest(seed);
    let before = lint(&policy, "f.yaml", &text);
    let is_broken = usize::from(text.contains("kind: ["));
    assert_eq!(before.unchecked.len(), is_broken, "{text}");
    // Each fix alone changes exactly its fields.
    let value = parsed(&text);
    let (mut single, mut refused) = (0, 0);
    for located in &before.findings {
        let Some(fix) = &located.finding.fix else { continue };
        let Some((_, edits)) = located.applicable_fix() else {
            refused += 1;
            continue;
        };
        let result = apply(&text, edits);
        let expected = edited(value.clone(), &fix.edits);
        assert_eq!(parsed(&result), expected, "{}\n{text}\n=>\n{result}", fix.title);
        if !removes(located) {
            assert_eq!(comments(&result), comments(&text), "{text}\n=>\n{result}");
        }
        single += 1;
    }
    // All fixes together remove the fixed findings, and cause no others.
    let fixes = fix(&policy, &text, &before);
    let result = fixes.file.text();
    let after = lint(&policy, "f.yaml", result);
    assert_eq!(after.unchecked.len(), is_broken, "{result}");
    assert!(after.findings.len() + fixes.fixed.len() <= before.findings.len(), "{text}\n=>\n{result}");
    if is_broken == 1 {
        assert!(result.ends_with("---\nkind: [\n"), "{result}");
    }
    if !text.replace("\r\n", "").contains('\n') {
        assert!(!result.replace("\r\n", "").contains('\n'), "{result:?}");
    }
    assert_eq!(result.ends_with('\n'), text.ends_with('\n'), "{result:?}");
    assert_eq!(result.starts_with('\u{feff}'), text.starts_with('\u{feff}'));
    let again = fix(&policy, result, &after);
    assert_eq!(again.file.text(), result, "{text}");
    (single, refused)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn fixes_of_generated_manifests_are_sound(seed: u64) {
        assert_fixes_are_sound(seed);
    }
}

/// Most fixes of generated manifests can be applied.
#[test]
fn generated_manifests_have_fixes() {
    let counts = (1..100_u64).map(|seed| assert_fixes_are_sound(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let (single, refused) = counts.fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
    assert!(single > 250 && refused * 20 < single, "{single} {refused}");
}
