//! One manifest: from its bytes to located findings.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::de::IgnoredAny;

use super::patch;
use crate::engine::{Judged, judge};
use crate::finding::{Finding, Severity, SuppressedBy, Suppression};
use crate::input::is_kustomization;
use crate::model::{self, Body, FieldError, FieldPath, Object, TypeMeta};
use crate::policy::{self, Date, Policy};
use crate::report::{Counts, Located, Place};
use crate::source::{
    self, Chunk, File, MappingEntry, NodeId, NodeRef, ParseError, Span, Tree, View, count_skippable, locate,
    locate_key,
};
use crate::suppress::{self, Ignore, Mistake};

/// What a template is called that isn't rendered.
pub const RAW_TEMPLATE: &str = "a raw template, which is no YAML before it is rendered";

/// How manifests are judged.
#[derive(Clone, Copy, Debug)]
pub struct Lint<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// The day, for what expires.
    pub today: Date,
    /// Whether comments and annotations count.
    pub with_ignores: bool,
    /// Whether documents that can't hold a volume are parsed, too.
    pub parse_all: bool,
}

/// What a manifest's text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A file's.
    File,
    /// A file's that a kustomization patches others with.
    Patch,
    /// A stream's: where helm has rendered it, its comments say from which templates.
    Stream,
    /// What this chart renders to.
    Chart(String),
    /// What a kustomization renders to.
    Kustomization,
}

/// What came of one manifest, or of a part of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was seen.
    pub counts: Counts,
    /// What was found in objects.
    pub findings: Vec<Located>,
    /// What is silenced by an exemption, a comment or an annotation.
    pub suppressed: Vec<Located>,
    /// The exemptions that were used, by their places in the policy's list.
    pub used: BTreeSet<usize>,
    /// What couldn't be judged.
    pub errors: Vec<Located>,
}

impl Outcome {
    /// Adds what came of another part, or of another manifest.
    pub(super) fn add(&mut self, other: Self) {
        self.counts.files += other.counts.files;
        self.counts.kustomizations += other.counts.kustomizations;
        self.counts.objects += other.counts.objects;
        self.counts.objects_with_volumes += other.counts.objects_with_volumes;
        self.counts.other_documents += other.counts.other_documents;
        self.findings.extend(other.findings);
        self.suppressed.extend(other.suppressed);
        self.used.extend(other.used);
        self.errors.extend(other.errors);
    }
}

/// Judges the manifest `name`.
pub fn lint(lint: &Lint<'_>, name: &str, bytes: Vec<u8>, role: &Role) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.counts.files = 1;
    outcome.counts.kustomizations = usize::from(is_kustomization(name) && *role != Role::Kustomization);
    let file = match File::decode(name, bytes) {
        Ok(file) => Arc::new(file),
        Err(error) => {
            let at = error.position;
            let finding =
                Finding::new("unanalyzed-document", Severity::Error, FieldPath::root(), error.to_string())
                    .help(error.kind.help());
            let primary = Some(Span { start: at, end: at });
            let place = Place { primary, ..Place::of_file(name) };
            outcome.errors.push(Located::new(finding, place));
            return outcome;
        }
    };
    let chunks = source::split_documents(file.text());
    let holds = |word: &[u8]| memchr::memmem::find(file.text().as_bytes(), word).is_some();
    let reader = Reader {
        lint,
        file: &file,
        path: name.into(),
        is_patch: *role == Role::Patch,
        is_rendered: matches!(role, Role::Chart(_) | Role::Kustomization),
        may_hold_patch: holds(b"$patch"),
        may_ignore: lint.with_ignores && holds(b"volcheck"),
    };
    if let [chunk] = chunks.as_slice() {
        outcome.add(reader.of_template(chunk, role).chunk(chunk));
    } else {
        // The unit of work is the document: one file may hold most of a tree.
        let parts: Vec<_> =
            chunks.par_iter().map(|chunk| reader.of_template(chunk, role).chunk(chunk)).collect();
        parts.into_iter().for_each(|part| outcome.add(part));
    }
    if reader.may_ignore {
        let (ignores, mistakes) = suppress::file_comments(file.text());
        reader.silence(&ignores, mistakes, (0, 0), &mut outcome);
    }
    outcome
}

#[derive(Clone)]
struct Reader<'r> {
    lint: &'r Lint<'r>,
    file: &'r Arc<File>,
    path: Arc<str>,
    /// The text is what the file at the path renders to.
    is_rendered: bool,
    /// A kustomization patches others with this file.
    is_patch: bool,
    /// The word `$patch` stands somewhere in it.
    may_hold_patch: bool,
    /// The word `volcheck` does, so that there may be comments or annotations that silence something.
    may_ignore: bool,
}

impl Reader<'_> {
    /// The reader of a document, which helm may have rendered from a template of its own.
    fn of_template(&self, chunk: &Chunk, role: &Role) -> Cow<'_, Self> {
        let template = match role {
            Role::Stream | Role::Chart(_) => source_comment(&self.file.text()[chunk.range.clone()]),
            Role::File | Role::Patch | Role::Kustomization => None,
        };
        let Some(template) = template else { return Cow::Borrowed(self) };
        let path = match role {
            // Its first part is the chart's name; whose folder may have another one.
            Role::Chart(chart) if Path::new(chart).is_dir() => {
                let inner = template.split_once('/').map_or(template, |(_, inner)| inner);
                Path::new(chart).join(inner).to_string_lossy().into()
            }
            _ => template.into(),
        };
        Cow::Owned(Self { path, is_rendered: true, ..self.clone() })
    }

    fn chunk(&self, chunk: &Chunk) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(separator) = &chunk.bad_separator {
            let finding =
                unanalyzed("kubectl refuses this document separator: after `---` only a comment may stand")
                    .help("put what follows `---` on a line of its own");
            outcome.errors.push(self.at(finding, separator.clone()));
        }
        let text = &self.file.text()[chunk.range.clone()];
        let harmless = || count_skippable(text, policy::holds_no_volume);
        // An ignore that has nothing to silence is said, too.
        if let Some(count) = (!self.lint.parse_all && !self.may_ignore).then(harmless).flatten() {
            outcome.counts.objects += count;
            return outcome;
        }
        if text.trim_start().starts_with('{')
            && let Ok(trees) = source::parse_json(self.file.text(), chunk.range.clone())
        {
            for tree in trees {
                self.document(&tree, &mut outcome);
            }
            return outcome;
        }
        match source::parse(self.file.text(), chunk.range.clone()) {
            Ok(None) => {}
            Ok(Some(tree)) => {
                if self.document(&tree, &mut outcome) {
                    self.dropped(&tree, chunk, &mut outcome);
                }
                if self.may_ignore {
                    let (ignores, mistakes) =
                        suppress::comments(self.file.text(), chunk.range.clone(), &tree);
                    self.silence(&ignores, mistakes, (0, 0), &mut outcome);
                }
            }
            Err(_) if self.may_be_no_manifest(text) => outcome.counts.other_documents += 1,
            Err(error) => outcome.errors.push(self.refused(&error, chunk)),
        }
        outcome
    }

    /// A JSON dialect that kubectl doesn't read, such as a compiler's settings with comments, is no manifest;
    /// but only where nothing in it could be the key `kind`.
    fn may_be_no_manifest(&self, text: &str) -> bool {
        self.path.ends_with(".json") && !text.contains("kind") && !text.contains('\\')
    }

    fn refused(&self, error: &ParseError, chunk: &Chunk) -> Located {
        let text = &self.file.text()[chunk.range.clone()];
        if let Some(template) = template(text, error.span.start - chunk.range.start) {
            let finding = unanalyzed(RAW_TEMPLATE)
                .help("render it (`--helm CHART`), or leave it out (`--exclude 'CHART/templates/**'`)");
            return self.at(finding, chunk.range.start + template.start..chunk.range.start + template.end);
        }
        let finding = unanalyzed(&format!("not YAML that kubectl reads: {}", error.kind))
            .why("this document isn't judged, and kubectl applies nothing of the file from here on");
        let finding = match self.file.text().as_bytes().get(error.span.start) {
            Some(b'\t') => finding.help("indent with spaces: YAML takes no tab there"),
            _ => finding,
        };
        self.at(finding, error.span.clone())
    }

    /// Judges a document; whether it is a Kubernetes object.
    fn document(&self, tree: &Tree<'_>, outcome: &mut Outcome) -> bool {
        let before = outcome.counts.objects;
        self.object(tree, tree.root(), None, outcome);
        let is_object = outcome.counts.objects > before;
        if !is_object && !tree.is_null(tree.root()) {
            outcome.counts.other_documents += 1;
        }
        is_object
    }

    fn object(&self, tree: &Tree<'_>, node: NodeId, outer: Option<&TypeMeta<'_>>, outcome: &mut Outcome) {
        if !matches!(tree.view(node), View::Mapping) {
            return;
        }
        let meta = match source::decode::<TypeMeta<'_>>(tree, node) {
            Ok(meta) => inferred(meta, outer),
            Err(error) => {
                if tree.get(node, "kind").is_some() && tree.get(node, "apiVersion").is_some() {
                    outcome.counts.objects += 1;
                    outcome.errors.push(self.invalid(tree, node, &error, None));
                }
                return;
            }
        };
        // kubectl expands whatever has a list under `items`, and drops what stands around it.
        let items = tree.get(node, "items").filter(|items| matches!(tree.view(*items), View::Sequence(_)));
        if let Some(items) = items.filter(|_| !meta.kind.is_empty()) {
            for item in tree.items(items) {
                self.object(tree, *item, Some(&meta), outcome);
            }
            return;
        }
        if meta.kind.is_empty() || meta.api_version.is_empty() {
            return;
        }
        outcome.counts.objects += 1;
        if let Some(items) = tree.get(node, "items")
            && let Err(mut error) = source::decode::<Vec<IgnoredAny>>(tree, items)
        {
            error.path = FieldPath::of(&["items"]);
            outcome.errors.push(self.invalid(tree, node, &error, Some(&meta)));
            return;
        }
        if policy::holds_no_volume(&meta.api_version, &meta.kind) || meta.group() == "kustomize.config.k8s.io"
        {
            return;
        }
        let policy = self.lint.policy;
        let before = (outcome.findings.len(), outcome.suppressed.len());
        match model::read(NodeRef { tree, node }, &meta, &policy.namespace, &policy.custom_kinds) {
            Ok(object) if !policy.heuristic && object.is_heuristic() => {}
            Ok(mut object) => {
                let is_part =
                    self.is_patch || (self.may_hold_patch && model::holds_patch(NodeRef { tree, node }));
                if let (true, Body::Pods(pods)) = (is_part, &mut object.body) {
                    pods.iter_mut().for_each(|pod| pod.is_whole = false);
                }
                outcome.counts.objects_with_volumes += usize::from(has_volumes(&object));
                self.put(tree, node, judge(&object, policy, self.lint.today), outcome);
                self.patches(tree, node, &meta, &object, outcome);
                if !matches!(object.body, Body::Other) {
                    self.repeated_keys(tree, node, &object, outcome);
                }
                if self.may_ignore {
                    let (ignores, mistakes) = suppress::annotations(tree, node, &object);
                    self.silence(&ignores, mistakes, before, outcome);
                }
            }
            Err(error) => outcome.errors.push(self.invalid(tree, node, &error, Some(&meta))),
        }
    }

    fn patches(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        meta: &TypeMeta<'_>,
        object: &Object<'_>,
        outcome: &mut Outcome,
    ) {
        let policy = self.lint.policy;
        for (path, text) in model::pod_spec_patches(NodeRef { tree, node }, meta, &policy.custom_kinds) {
            match patch::judged(policy, self.lint.today, object, &path, &text) {
                Ok(judged) => self.put(tree, node, judged, outcome),
                Err(message) => {
                    let error = FieldError::new(path, format!("no patch of a pod spec: {message}"));
                    outcome.errors.push(self.invalid(tree, node, &error, Some(meta)));
                }
            }
        }
    }

    fn put(&self, tree: &Tree<'_>, node: NodeId, judged: Judged, outcome: &mut Outcome) {
        let located = |finding| self.located(tree, node, finding);
        outcome.findings.extend(judged.findings.into_iter().map(located));
        for (finding, by) in judged.exempted {
            self.exempt(located(finding), by, outcome);
        }
    }

    fn exempt(&self, mut located: Located, by: usize, outcome: &mut Outcome) {
        let reason = self.lint.policy.exemptions[by].reason.clone();
        located.suppressed = Some(Suppression { by: SuppressedBy::Exemption, reason });
        outcome.suppressed.push(located);
        outcome.used.insert(by);
    }

    /// Takes out of the findings from the place `from` on what `ignores` silence, and says what is wrong with them.
    /// The other place is that of what is silenced already.
    fn silence(
        &self,
        ignores: &[Ignore],
        mistakes: Vec<Mistake>,
        from: (usize, usize),
        outcome: &mut Outcome,
    ) {
        let policy = self.lint.policy;
        let mut used = Vec::new();
        let known = outcome.suppressed.len();
        for mut located in outcome.findings.split_off(from.0) {
            let at = located.place.primary.map(|span| span.start.offset);
            located.suppressed = suppress::silence(&located.finding, at, ignores, policy, &mut used);
            match located.suppressed {
                Some(_) => outcome.suppressed.push(located),
                None => outcome.findings.push(located),
            }
        }
        // What another ignore silences already, this one would, too.
        for located in &outcome.suppressed[from.1..known] {
            let at = located.place.primary.map(|span| span.start.offset);
            suppress::silence(&located.finding, at, ignores, policy, &mut used);
        }
        for (finding, place) in mistakes.into_iter().chain(suppress::unused(ignores, policy, &used)) {
            outcome.findings.extend(policy.leveled(finding).map(|finding| self.at(finding, place)));
        }
    }

    fn invalid(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        error: &FieldError,
        meta: Option<&TypeMeta<'_>>,
    ) -> Located {
        let kind = meta.map_or_else(String::new, |meta| format!(" of this {}", model::printable(&meta.kind)));
        let message = format!("`{}`{kind}: {}", model::printable(&error.path.to_string()), error.message);
        let (rule, why, help) = match error.is_bound {
            true => (
                "unanalyzed-document",
                "the object isn't judged",
                "make it smaller: fewer items, fewer mounts of host paths, shorter paths",
            ),
            false => (
                "invalid-field-value",
                "the API server refuses the object, and it isn't judged here",
                remedy(&error.message),
            ),
        };
        let finding = Finding::new(rule, Severity::Error, error.path.clone(), message).why(why).help(help);
        self.located(tree, node, finding)
    }

    fn repeated_keys(&self, tree: &Tree<'_>, root: NodeId, object: &Object<'_>, outcome: &mut Outcome) {
        let whole = tree.range(root);
        for &mapping in tree.irregular_mappings() {
            let range = tree.range(mapping);
            if range.start < whole.start || range.end > whole.end {
                continue;
            }
            for duplicate in tree.duplicate_keys(mapping) {
                let same = tree.are_equal(duplicate.dropped.value, duplicate.kept.value);
                let severity = if same { Severity::Warning } else { Severity::Error };
                let key = model::printable(&tree.key(duplicate.kept.key)).into_owned();
                let finding = Finding::new(
                    "duplicate-key",
                    severity,
                    FieldPath::root(),
                    format!("key `{key}` stands twice in one mapping"),
                )
                .why("kubectl applies the last one without a word, and nothing in the cluster sees the other")
                .help("remove one of the two")
                .label("this one counts")
                .related(FieldPath::root(), "this one is dropped");
                self.add_pair(tree, object, finding, duplicate.kept, duplicate.dropped, outcome);
            }
            for conflict in tree.merge_overrides(mapping) {
                let key = model::printable(&tree.key(conflict.dropped.key)).into_owned();
                let finding = Finding::new(
                    "overriding-merge-key",
                    Severity::Error,
                    FieldPath::root(),
                    format!("`<<` overrides the key `{key}` before it"),
                )
                .why("kubectl takes the merged value, kustomize and most readers the one that is written out")
                .help("move `<<` before the keys that it shares")
                .label("kubectl drops this one")
                .related(FieldPath::root(), "and takes this one");
                self.add_pair(tree, object, finding, conflict.dropped, conflict.kept, outcome);
            }
        }
    }

    /// Adds a finding about two pairs, at their keys.
    fn add_pair(
        &self,
        tree: &Tree<'_>,
        object: &Object<'_>,
        finding: Finding,
        at: MappingEntry,
        other: MappingEntry,
        outcome: &mut Outcome,
    ) {
        let Some(mut finding) = self.lint.policy.leveled(finding) else { return };
        finding.object = Some(Arc::new(object.id.clone()));
        finding.fingerprint.path = tree.key(at.key).into_owned();
        let mut located = self.at(finding, tree.range(at.key));
        located.place.related = vec![self.file.span(tree.range(other.key))];
        let policy = self.lint.policy;
        match policy.exemption(&located.finding, &object.id, &object.workload, self.lint.today) {
            Some(by) => self.exempt(located, by, outcome),
            None => outcome.findings.push(located),
        }
    }

    /// Text behind the document's end that kubectl never sees.
    fn dropped(&self, tree: &Tree<'_>, chunk: &Chunk, outcome: &mut Outcome) {
        let rest = &self.file.text()[tree.end()..chunk.range.end];
        let mut at = tree.end();
        for line in rest.split_inclusive(['\n', '\r']) {
            let content = line.trim();
            if !content.is_empty() && !content.starts_with('#') && content != "..." {
                let start = at + (line.len() - line.trim_start().len());
                let finding = Finding::new(
                    "dropped-text",
                    Severity::Warning,
                    FieldPath::root(),
                    "kubectl drops this text: the document has ended before it",
                )
                .why("after a line `...`, nothing is applied up to the next line `---`, and nothing says so")
                .help("begin the next document with a line `---`, or remove the text");
                if let Some(finding) = self.lint.policy.leveled(finding) {
                    outcome.findings.push(self.at(finding, start..start + content.len()));
                }
                return;
            }
            at += line.len();
        }
    }

    fn located(&self, tree: &Tree<'_>, root: NodeId, finding: Finding) -> Located {
        let span = |label: &crate::finding::Label| match label.part {
            crate::finding::Part::Value => locate(self.file, tree, root, &label.path),
            crate::finding::Part::Key => locate_key(self.file, tree, root, &label.path),
        };
        let place = Place {
            path: Arc::clone(&self.path),
            file: Some(Arc::clone(self.file)),
            primary: Some(span(&finding.primary)),
            related: finding.related.iter().map(span).collect(),
            is_rendered: self.is_rendered,
        };
        Located { object: Some(tree.range(root)), ..Located::new(finding, place) }
    }

    fn at(&self, finding: Finding, range: Range<usize>) -> Located {
        let place = Place {
            path: Arc::clone(&self.path),
            file: Some(Arc::clone(self.file)),
            primary: Some(self.file.span(range)),
            related: Vec::new(),
            is_rendered: self.is_rendered,
        };
        Located::new(finding, place)
    }
}

/// The template that helm names in the comments before a document.
fn source_comment(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim);
    let mut head = lines.take_while(|line| line.is_empty() || line.starts_with(['#', '-']));
    head.find_map(|line| line.strip_prefix("# Source: "))
}

/// The action of a template that a text was refused for at the byte `at`: the nearest before it, else the first.
fn template(text: &str, at: usize) -> Option<Range<usize>> {
    // The refusal is at one of the two braces, or behind them.
    let before = text.get(..text.len().min(at + 1)).and_then(|head| head.rfind("{{"));
    let start = before.or_else(|| text.find("{{"))?;
    let length = text[start..].find("}}").map_or(2, |length| length + 2);
    Some(start..start + length)
}

/// What to do about a value, by what is said of it.
fn remedy(message: &str) -> &'static str {
    if message.starts_with("expected a string, found the ") {
        return "put it in quotes: kubectl reads it as something else than text";
    }
    if message.starts_with("expected a boolean, ") {
        return "write `true` or `false`, without quotes";
    }
    "write it as the API server reads it"
}

fn unanalyzed(message: &str) -> Finding {
    Finding::new("unanalyzed-document", Severity::Error, FieldPath::root(), message)
}

/// The type of an item of a typed list, such as a `PodList`, may be left to the list.
fn inferred<'a>(mut meta: TypeMeta<'a>, outer: Option<&TypeMeta<'a>>) -> TypeMeta<'a> {
    let Some(outer) = outer else { return meta };
    let kind = outer.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    if let (true, Some(kind)) = (meta.kind.is_empty(), kind) {
        meta.kind = model::Str::owned(kind);
        if meta.api_version.is_empty() {
            meta.api_version = outer.api_version.clone();
        }
    }
    meta
}

fn has_volumes(object: &Object<'_>) -> bool {
    match &object.body {
        Body::Pods(pods) => pods.iter().any(|pod| !pod.volumes.is_empty() || !pod.claim_templates.is_empty()),
        Body::PersistentVolume(_) | Body::Claim(_) | Body::StorageClass(_) => true,
        Body::Other => false,
    }
}
