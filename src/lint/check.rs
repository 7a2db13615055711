//! Checks of single manifests.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::de::IgnoredAny;

use super::bindings::{self, Bindings};
use super::suppression::FileIgnores;
use super::{
    Counts, LocatedFinding, Location, Manifest, Options, Outcome, RelatedLocation, Role, UncheckedInput,
};
use super::{patch, text_facts};
use crate::engine::{CheckResult, judge};
use crate::finding::{Finding, Label, SuppressedBy, Suppression, Target};
use crate::input::is_kustomization;
use crate::model::{self, Body, FieldError, FieldPath, Object, TypeMeta};
use crate::policy;
use crate::rules::{Subject, TextFacts, Unchecked};
use crate::source::{
    self, Chunk, File, NodeId, NodeRef, ParseError, Span, TextError, Tree, View, count_skippable, locate,
    locate_key,
};
use crate::suppress;

/// Checks a manifest, and returns its located findings. Claims are resolved within the manifest.
pub fn check(manifest: Manifest<'_>, options: &Options<'_>) -> Outcome {
    let Manifest { name, bytes, role } = manifest;
    let file = match decode(name, bytes, options) {
        Ok(file) => file,
        Err(outcome) => return outcome,
    };
    let mut outcome = check_file(&file, &role, options, None);
    let mut facts = std::mem::take(&mut outcome.bindings);
    let uses = std::mem::take(&mut facts.uses);
    match Bindings::new(facts, &options.policy.options) {
        Some(bindings) if bindings.concern(&uses, name) => check_file(&file, &role, options, Some(&bindings)),
        _ => outcome,
    }
}

/// Decodes a manifest. If it is not text, returns an outcome that reports it.
pub(super) fn decode(name: &str, bytes: Vec<u8>, options: &Options<'_>) -> Result<Arc<File>, Outcome> {
    File::decode(name, bytes).map(Arc::new).map_err(|error| {
        let counts = Counts { files: 1, ..Counts::default() };
        let unchecked = vec![undecodable_text(name, &error, options)];
        Outcome { counts, unchecked, ..Outcome::default() }
    })
}

/// Checks a manifest. The first check, without bindings, collects facts about claims. The second
/// check also reports the findings that depend on the bindings.
pub(super) fn check_file(
    file: &Arc<File>,
    role: &Role,
    options: &Options<'_>,
    bindings: Option<&Bindings>,
) -> Outcome {
    let name = file.path.as_str();
    let mut outcome = Outcome::default();
    outcome.counts.files = 1;
    outcome.counts.kustomizations = usize::from(is_kustomization(name) && *role != Role::Kustomization);
    let contains = |word: &[u8]| memchr::memmem::find(file.text().as_bytes(), word).is_some();
    let checker = Checker {
        options,
        bindings,
        file,
        path: name.into(),
        is_patch: *role == Role::Patch,
        is_rendered: matches!(role, Role::Chart(_) | Role::Kustomization),
        may_contain_patch: contains(b"$patch"),
        may_contain_ignores: options.with_ignores && contains(b"volcheck"),
    };
    let chunks = source::split_documents(file.text());
    let mut ignores = FileIgnores::default();
    if let [chunk] = chunks.as_slice() {
        let (part, found) = checker.for_chunk(chunk, role).check_chunk(chunk);
        outcome.merge(part);
        ignores.extend(found);
    } else {
        // Check documents in parallel, because a single file may contain most of a run's input.
        let check = |chunk: &Chunk| checker.for_chunk(chunk, role).check_chunk(chunk);
        let parts: Vec<_> = chunks.par_iter().map(check).collect();
        for (part, found) in parts {
            outcome.merge(part);
            ignores.extend(found);
        }
    }
    if checker.may_contain_ignores {
        suppress::file_comments(file.text(), options.policy.rules(), &mut ignores.file);
        let chunk_at = |offset: usize| {
            let index = chunks.partition_point(|chunk| chunk.range.start <= offset).saturating_sub(1);
            chunks.get(index)
        };
        let chunk_start = |offset| chunk_at(offset).map_or(0, |chunk| chunk.range.start);
        let located = |finding: Finding| {
            let chunk = finding.primary.mark().and_then(|mark| chunk_at(mark.range().start));
            match chunk {
                Some(chunk) => checker.for_chunk(chunk, role).locate_text(finding),
                None => checker.locate_text(finding),
            }
        };
        ignores.apply(options, chunk_start, located, &mut outcome);
    }
    outcome
}

fn undecodable_text(name: &str, error: &TextError, options: &Options<'_>) -> UncheckedInput {
    let primary = Some(Span { start: error.position, end: error.position });
    let location = Location { primary, ..Location::of_file(name) };
    let unchecked = Unchecked::NotText { message: &error.to_string(), help: error.kind.help() };
    unchecked_input(&unchecked, options, |finding| LocatedFinding::new(finding, location))
}

/// Returns the finding about unchecked input. `locate` adds the location.
pub(super) fn unchecked_input(
    unchecked: &Unchecked<'_>,
    options: &Options<'_>,
    locate: impl FnOnce(Finding) -> LocatedFinding,
) -> UncheckedInput {
    let located = locate(unchecked_finding(unchecked, options));
    UncheckedInput { located, is_raw_template: matches!(unchecked, Unchecked::RawTemplate { .. }) }
}

/// Returns the finding about unchecked input. The rules report exactly one.
pub(super) fn unchecked_finding(unchecked: &Unchecked<'_>, options: &Options<'_>) -> Finding {
    let findings = judge(Subject::Unchecked(unchecked), options.policy, options.today).findings;
    debug_assert_eq!(findings.len(), 1, "{unchecked:?}");
    findings.into_iter().next().expect("a rule reports each kind of unchecked input")
}

/// A checker of the documents in a file.
#[derive(Clone)]
struct Checker<'c> {
    options: &'c Options<'c>,
    /// The bindings of claims; `None` in the first check.
    bindings: Option<&'c Bindings>,
    file: &'c Arc<File>,
    path: Arc<str>,
    /// Whether the text was rendered from the file at `path`.
    is_rendered: bool,
    /// Whether a kustomization uses the file as a patch.
    is_patch: bool,
    /// Whether the word `$patch` occurs in the file.
    may_contain_patch: bool,
    /// Whether ignores are applied and the word `volcheck` occurs in the file.
    may_contain_ignores: bool,
}

impl Checker<'_> {
    /// Returns the checker for a document. If a comment by Helm names the template that the
    /// document was rendered from, the checker reports the template as the location.
    fn for_chunk(&self, chunk: &Chunk, role: &Role) -> Cow<'_, Self> {
        let template = match role {
            Role::Stream | Role::Chart(_) => source_comment(&self.file.text()[chunk.range.clone()]),
            Role::File | Role::Patch | Role::Kustomization => None,
        };
        let Some(template) = template else { return Cow::Borrowed(self) };
        let path = match role {
            // The path in the comment starts with the name of the chart, which may differ from the
            // name of its directory.
            Role::Chart(chart) if Path::new(chart).is_dir() => {
                let inner = template.split_once('/').map_or(template, |(_, inner)| inner);
                Path::new(chart).join(inner).to_string_lossy().into()
            }
            _ => template.into(),
        };
        Cow::Owned(Self { path, is_rendered: true, ..self.clone() })
    }

    /// Checks the documents in a chunk. Returns the result and the ignores in the documents.
    fn check_chunk(&self, chunk: &Chunk) -> (Outcome, FileIgnores) {
        let (mut outcome, mut ignores) = (Outcome::default(), FileIgnores::default());
        if let Some(separator) = &chunk.bad_separator {
            let unchecked = Unchecked::InvalidSeparator(separator.clone().into());
            outcome.unchecked.push(self.unchecked_text(&unchecked));
        }
        let text = &self.file.text()[chunk.range.clone()];
        // Always parse a file that may contain ignores, so that unused ignores are reported.
        if !self.options.parse_all
            && !self.may_contain_ignores
            && let Some(count) = count_skippable(text, policy::is_skipped_kind)
        {
            outcome.counts.objects += count;
            return (outcome, ignores);
        }
        if text.trim_start().starts_with('{')
            && let Ok(trees) = source::parse_json(self.file.text(), chunk.range.clone())
        {
            for tree in trees {
                self.check_document(&tree, &mut outcome, &mut ignores);
            }
            return (outcome, ignores);
        }
        match source::parse(self.file.text(), chunk.range.clone()) {
            Ok(None) => {}
            Ok(Some(tree)) => {
                if self.check_document(&tree, &mut outcome, &mut ignores) {
                    let dropped_text = text_facts::dropped_text(self.file.text(), &tree, chunk);
                    self.check_text(&TextFacts { dropped_text, ..TextFacts::default() }, None, &mut outcome);
                }
                if self.may_contain_ignores {
                    let (registry, set) = (self.options.policy.rules(), &mut ignores.comments);
                    suppress::comments(self.file.text(), chunk.range.clone(), &tree, registry, set);
                }
            }
            Err(_) if self.is_foreign_json(text) => outcome.counts.other_documents += 1,
            Err(error) => outcome.unchecked.push(self.invalid_yaml(&error, chunk)),
        }
        (outcome, ignores)
    }

    /// Checks whether the text is in a JSON dialect that kubectl does not support, such as compiler
    /// settings with comments, and cannot contain the key `kind`.
    fn is_foreign_json(&self, text: &str) -> bool {
        self.path.ends_with(".json") && !text.contains("kind") && !text.contains('\\')
    }

    fn invalid_yaml(&self, error: &ParseError, chunk: &Chunk) -> UncheckedInput {
        let text = &self.file.text()[chunk.range.clone()];
        if let Some(action) = template_action(text, error.span.start - chunk.range.start) {
            let action = chunk.range.start + action.start..chunk.range.start + action.end;
            let unchecked = Unchecked::RawTemplate { action: action.into(), others: None };
            return self.unchecked_text(&unchecked);
        }
        let is_tab = self.file.text().as_bytes().get(error.span.start) == Some(&b'\t');
        let location = error.span.clone().into();
        self.unchecked_text(&Unchecked::InvalidYaml { error: &error.to_string(), location, is_tab })
    }

    /// Checks a document, and returns whether it is a Kubernetes object.
    fn check_document(&self, tree: &Tree<'_>, outcome: &mut Outcome, ignores: &mut FileIgnores) -> bool {
        let before = outcome.counts.objects;
        self.check_object(tree, tree.root(), None, outcome, ignores);
        let is_object = outcome.counts.objects > before;
        if !is_object && !tree.is_null(tree.root()) {
            outcome.counts.other_documents += 1;
        }
        is_object
    }

    /// Checks the object at `node` or, if it is a list, the objects in it. `outer` is the type of
    /// the list that contains `node`, if any.
    fn check_object(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        outer: Option<&TypeMeta<'_>>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        if !matches!(tree.view(node), View::Mapping) {
            return;
        }
        let meta = match source::decode::<TypeMeta<'_>>(tree, node) {
            Ok(meta) => with_item_type(meta, outer),
            Err(error) => {
                if tree.get(node, "kind").is_some() && tree.get(node, "apiVersion").is_some() {
                    outcome.counts.objects += 1;
                    outcome.unchecked.push(self.invalid_field(tree, node, &error, None));
                }
                return;
            }
        };
        // kubectl replaces any object that has a list under `items` by the items.
        let items = tree.get(node, "items").filter(|items| matches!(tree.view(*items), View::Sequence(_)));
        if let Some(items) = items.filter(|_| !meta.kind.is_empty()) {
            for item in tree.items(items) {
                self.check_object(tree, *item, Some(&meta), outcome, ignores);
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
            error.path = FieldPath::from_keys(&["items"]);
            outcome.unchecked.push(self.invalid_field(tree, node, &error, Some(&meta)));
            return;
        }
        if policy::is_skipped_kind(&meta.api_version, &meta.kind) || meta.group() == "kustomize.config.k8s.io"
        {
            return;
        }
        let policy = self.options.policy;
        match model::decode_object(NodeRef { tree, node }, &meta, &policy.namespace, &policy.custom_workloads)
        {
            Ok(object) if !policy.heuristic && object.is_heuristic() => {}
            Ok(mut object) => {
                let is_part = self.is_patch
                    || (self.may_contain_patch && model::contains_patch_directive(NodeRef { tree, node }));
                if let (true, Body::Pods(pods)) = (is_part, &mut object.body) {
                    pods.iter_mut().for_each(|pod| pod.is_complete = false);
                }
                outcome.counts.objects_with_volumes += usize::from(has_volumes(&object));
                let result = judge(Subject::Object(&object), policy, self.options.today);
                self.add(tree, node, result, outcome);
                if !is_part {
                    self.check_claims(tree, node, &object, outcome);
                }
                self.check_patches(tree, node, &meta, &object, outcome);
                if !matches!(object.body, Body::Other) {
                    let facts = text_facts::repeated_keys(tree, node);
                    self.check_text(&facts, Some((tree, node, &object)), outcome);
                }
                if self.may_contain_ignores {
                    suppress::annotations(tree, node, &object, policy.rules(), &mut ignores.annotations);
                }
            }
            Err(error) => outcome.unchecked.push(self.invalid_field(tree, node, &error, Some(&meta))),
        }
    }

    /// Collects facts about claims in the first check. Applies the bindings in the second check.
    fn check_claims(&self, tree: &Tree<'_>, root: NodeId, object: &Object<'_>, outcome: &mut Outcome) {
        let source = bindings::Source { object, tree, root, file: self.file, path: &self.path };
        let Some(bindings) = self.bindings else {
            outcome.bindings.merge(source.facts());
            return;
        };
        let volumes = bindings.claimed_volumes(&source.uses(), &self.file.path);
        if !volumes.is_empty() {
            let subject = Subject::Claims(object, &volumes);
            let result = judge(subject, self.options.policy, self.options.today);
            self.add(tree, root, result, outcome);
        }
    }

    /// Checks the patches of pod specs that the object contains as strings.
    fn check_patches(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        meta: &TypeMeta<'_>,
        object: &Object<'_>,
        outcome: &mut Outcome,
    ) {
        let Options { policy, today, .. } = *self.options;
        for (path, text) in model::pod_spec_patches(NodeRef { tree, node }, meta, &policy.custom_workloads) {
            match patch::check(policy, today, object, &path, &text) {
                Ok(result) => self.add(tree, node, result, outcome),
                Err(message) => {
                    let unchecked =
                        Unchecked::InvalidPatch { path: &path, error: &message, kind: &meta.kind };
                    outcome.unchecked.push(self.unchecked_field(tree, node, &unchecked));
                }
            }
        }
    }

    /// Checks facts about the text of `object` or, if it is `None`, of the document.
    fn check_text(
        &self,
        facts: &TextFacts,
        object: Option<(&Tree<'_>, NodeId, &Object<'_>)>,
        outcome: &mut Outcome,
    ) {
        if facts.is_empty() {
            return;
        }
        let subject = Subject::Text(facts, object.map(|(_, _, object)| object));
        let result = judge(subject, self.options.policy, self.options.today);
        match object {
            Some((tree, node, _)) => self.add(tree, node, result, outcome),
            None => {
                outcome.findings.extend(result.findings.into_iter().map(|finding| self.locate_text(finding)));
            }
        }
    }

    /// Adds the findings about the object at `root` to `outcome`.
    fn add(&self, tree: &Tree<'_>, root: NodeId, result: CheckResult, outcome: &mut Outcome) {
        outcome.findings.extend(result.findings.into_iter().map(|finding| self.locate(tree, root, finding)));
        for (finding, exemption) in result.exempted {
            let mut located = self.locate(tree, root, finding);
            let reason = self.options.policy.exemption(exemption).reason.clone();
            located.suppressed = Some(Suppression { by: SuppressedBy::Exemption, reason });
            outcome.suppressed.push(located);
            outcome.used_exemptions.insert(exemption);
        }
    }

    fn invalid_field(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        error: &FieldError,
        meta: Option<&TypeMeta<'_>>,
    ) -> UncheckedInput {
        self.unchecked_field(
            tree,
            node,
            &Unchecked::InvalidField { error, kind: meta.map(|meta| &*meta.kind) },
        )
    }

    /// Returns the finding about a field that could not be checked in the object at `root`.
    fn unchecked_field(&self, tree: &Tree<'_>, root: NodeId, unchecked: &Unchecked<'_>) -> UncheckedInput {
        unchecked_input(unchecked, self.options, |finding| self.locate(tree, root, finding))
    }

    /// Returns the finding about a part of the text that could not be checked.
    fn unchecked_text(&self, unchecked: &Unchecked<'_>) -> UncheckedInput {
        unchecked_input(unchecked, self.options, |finding| self.locate_text(finding))
    }

    /// Locates a finding about the object at `root`.
    fn locate(&self, tree: &Tree<'_>, root: NodeId, finding: Finding) -> LocatedFinding {
        let span = |label: &Label| match label.target {
            Target::Value => locate(self.file, tree, root, &label.path),
            Target::Key => locate_key(self.file, tree, root, &label.path),
            Target::Mark(mark) => self.file.span(mark.range()),
            Target::Elsewhere(_) => locate(self.file, tree, root, &FieldPath::root()),
        };
        let location = self.location(&finding, span);
        LocatedFinding { object: Some(tree.range(root)), ..LocatedFinding::new(finding, location) }
    }

    /// Locates a finding about a range of the text.
    fn locate_text(&self, finding: Finding) -> LocatedFinding {
        let span = |label: &Label| {
            let range: Range<usize> = label.mark().map_or(0..0, |mark| mark.range());
            self.file.span(range)
        };
        let location = self.location(&finding, span);
        LocatedFinding::new(finding, location)
    }

    fn location(&self, finding: &Finding, span: impl Fn(&Label) -> Span) -> Location {
        let related = |label: &Label| match (label.target, self.bindings) {
            (Target::Elsewhere(place), Some(bindings)) => bindings.related_location(place, self.file),
            _ => RelatedLocation { span: span(label), other_file: None },
        };
        Location {
            path: Arc::clone(&self.path),
            file: Some(Arc::clone(self.file)),
            primary: Some(span(&finding.primary)),
            related: finding.related.iter().map(related).collect(),
            is_rendered: self.is_rendered,
        }
    }
}

/// Returns the path of the template that Helm writes in a comment before a document.
fn source_comment(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim);
    let mut head = lines.take_while(|line| line.is_empty() || line.starts_with(['#', '-']));
    head.find_map(|line| line.strip_prefix("# Source: "))
}

/// Returns the byte range of the template action (`{{…}}`) that causes a syntax error at the offset
/// `at`: the nearest action before the error or, if there is none, the first action.
fn template_action(text: &str, at: usize) -> Option<Range<usize>> {
    // The error is at one of the opening braces or after them.
    let before = text.get(..text.len().min(at + 1)).and_then(|head| head.rfind("{{"));
    let start = before.or_else(|| text.find("{{"))?;
    let length = text[start..].find("}}").map_or(2, |length| length + 2);
    Some(start..start + length)
}

/// Returns the type of a list item. In a typed list such as `PodList`, items may omit `kind` and
/// `apiVersion`.
fn with_item_type<'a>(mut meta: TypeMeta<'a>, list: Option<&TypeMeta<'a>>) -> TypeMeta<'a> {
    let Some(list) = list else { return meta };
    let kind = list.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    if let (true, Some(kind)) = (meta.kind.is_empty(), kind) {
        meta.kind = model::Str::owned(kind);
        if meta.api_version.is_empty() {
            meta.api_version = list.api_version.clone();
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
