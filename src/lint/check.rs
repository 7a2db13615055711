//! Checks of single manifests.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::de::IgnoredAny;

use super::bindings::Bindings;
use super::claim_facts::Source;
use super::suppression::FileIgnores;
use super::{
    Counts, LocatedFinding, Location, Manifest, Options, Outcome, RelatedLocation, Role, UncheckedInput,
    UnknownHostPath,
};
use super::{embedded, kustomize, not_object, patch, template, text_facts};
use crate::engine::{CheckResult, judge};
use crate::finding::{Finding, Label, SuppressedBy, Suppression, Target};
use crate::input::{chart_template, is_kustomization};
use crate::model::{self, Body, Decoded, FieldError, FieldPath, Object, TypeMeta};
use crate::policy;
use crate::rules::{ClaimedVolume, Subject, TextFacts, Unchecked};
use crate::source::{
    self, Chunk, File, NodeId, NodeRef, ParseError, Span, TextError, Tree, View, locate, locate_key,
};
use crate::suppress;

/// The maximum number of placeholders to report per object. Each requires a copy of the tree.
const MAX_PLACEHOLDERS: usize = 16;

/// The API group of kustomizations.
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io";

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
    let mut checker = Checker {
        options,
        bindings,
        file,
        path: name.into(),
        is_patch: *role == Role::Patch,
        is_rendered: matches!(role, Role::Chart(_) | Role::Kustomization),
        may_contain_patch: contains(b"$patch"),
        may_contain_ignores: options.with_ignores && contains(b"volcheck"),
        head_len: 0,
        template: None,
        namespace: options.policy.namespace.as_str().into(),
        depth: 0,
        detached: None,
    };
    if checker.may_contain_ignores {
        checker.head_len = suppress::head_len(file.text());
    }
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
        let chunk_at = |offset: usize| {
            let index = chunks.partition_point(|chunk| chunk.range.start <= offset).saturating_sub(1);
            chunks.get(index)
        };
        let section = |offset| {
            chunk_at(offset).map_or((0, None), |chunk| {
                (chunk.range.start, template_of(&file.text()[chunk.range.clone()], role))
            })
        };
        let located = |finding: Finding| {
            let chunk = finding.primary.mark().and_then(|mark| chunk_at(mark.range().start));
            match chunk {
                Some(chunk) => checker.for_chunk(chunk, role).locate_text(finding),
                None => checker.locate_text(finding),
            }
        };
        ignores.apply(options, section, located, &mut outcome);
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

/// The place of an object.
#[derive(Clone, Copy)]
enum Outer<'a> {
    /// A document that consists of the object.
    Document,
    /// A list of this type.
    List(&'a TypeMeta<'a>),
    /// Any field of another object.
    Object,
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
    /// The length of the text before the content of the first document. Computed only if the file
    /// may contain ignores.
    head_len: usize,
    /// The template that the document was rendered from, if a comment by Helm names it.
    template: Option<&'c str>,
    /// The namespace of objects that do not set one.
    namespace: Arc<str>,
    /// The number of strings that contain the documents; 0 for documents of the file itself.
    depth: usize,
    /// Set if the documents are in a string that cannot be parsed in place.
    detached: Option<Detached>,
}

/// The value of a string with manifests, of which only the location as a whole is known.
#[derive(Clone)]
struct Detached {
    value: Arc<str>,
    /// The byte range of the string in the file.
    string: Range<usize>,
    /// The byte range of the object in the file.
    object: Range<usize>,
}

impl<'c> Checker<'c> {
    /// Returns the checker for a document. If a comment by Helm or an annotation by kustomize names
    /// the file that the document was rendered from, the checker reports that file as the location.
    fn for_chunk(&self, chunk: &Chunk, role: &Role) -> Cow<'_, Self> {
        let file: &'c File = self.file;
        let text = &file.text()[chunk.range.clone()];
        let template = template_of(text, role);
        let path: Arc<str> = match (template, role) {
            (Some(template), Role::Chart(chart)) if Path::new(chart).is_dir() => {
                chart_template(Path::new(chart), template).to_string_lossy().into()
            }
            // The chart is an archive.
            (Some(_), Role::Chart(chart)) if Path::new(chart).is_file() => chart.as_str().into(),
            (Some(template), _) => template.into(),
            (None, Role::Stream | Role::Kustomization) => match kustomize::origin(text) {
                Some(origin) => kustomize::resolve(&self.path, origin).to_string_lossy().into(),
                None => return Cow::Borrowed(self),
            },
            (None, _) => return Cow::Borrowed(self),
        };
        Cow::Owned(Self { template, path, is_rendered: true, ..self.clone() })
    }

    /// Checks the documents in a chunk. Returns the result and the ignores in the documents.
    fn check_chunk(&self, chunk: &Chunk) -> (Outcome, FileIgnores) {
        let (mut outcome, mut ignores) = (Outcome::default(), FileIgnores::default());
        if self.may_contain_ignores && self.may_ignore_file(chunk) {
            let (text, registry) = (self.file.text(), self.options.policy.rules());
            suppress::file_comments(text, chunk.range.clone(), self.template, registry, &mut ignores.file);
        }
        if let Some(separator) = &chunk.bad_separator {
            let unchecked = Unchecked::InvalidSeparator(separator.clone().into());
            outcome.unchecked.push(self.unchecked_text(&unchecked));
        }
        let text = &self.file.text()[chunk.range.clone()];
        // Always parse a file that may contain ignores, so that unused ignores are reported.
        if !self.options.parse_all
            && !self.may_contain_ignores
            && let Some(count) = count_skippable(text)
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
                if let Some(directive) = template::ytt_directive(self.file.text(), chunk.range.clone(), &tree)
                {
                    let unchecked = Unchecked::YttTemplate(directive.into());
                    outcome.unchecked.push(self.unchecked_text(&unchecked));
                    return (outcome, ignores);
                }
                if self.check_document(&tree, &mut outcome, &mut ignores) {
                    let dropped_text = text_facts::dropped_text(self.file.text(), &tree, chunk);
                    self.check_text(&TextFacts { dropped_text, ..TextFacts::default() }, None, &mut outcome);
                }
                if self.may_contain_ignores {
                    let (registry, set) = (self.options.policy.rules(), &mut ignores.comments);
                    let may_ignore_file = self.may_ignore_file(chunk);
                    suppress::comments(
                        self.file.text(),
                        chunk.range.clone(),
                        &tree,
                        may_ignore_file,
                        registry,
                        set,
                    );
                }
            }
            Err(_) if self.is_foreign_json(text) => outcome.counts.other_documents += 1,
            Err(error) => outcome.unchecked.push(self.invalid_yaml(&error, chunk)),
        }
        (outcome, ignores)
    }

    /// Checks whether an `ignore-file` comment is allowed before the content of a chunk: at the
    /// start of the file or, in the output of a rendered chart, of each template.
    fn may_ignore_file(&self, chunk: &Chunk) -> bool {
        self.template.is_some() || chunk.range.start <= self.head_len
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
        self.check_object(tree, tree.root(), Outer::Document, outcome, ignores);
        if outcome.counts.objects > before {
            return true;
        }
        match not_object::reason(tree, tree.root()).filter(|_| !self.is_patch) {
            Some(reason) => {
                let unchecked = self.unchecked_field(tree, tree.root(), &Unchecked::NotObject(reason));
                outcome.unchecked.push(unchecked);
            }
            None => outcome.counts.other_documents += usize::from(!tree.is_null(tree.root())),
        }
        false
    }

    /// Checks the object at `node` or, if it is a list, the objects in it. Then checks the objects
    /// that it contains as mappings.
    fn check_object(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        outer: Outer<'_>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        if !matches!(tree.view(node), View::Mapping) {
            return;
        }
        let meta = match source::decode::<TypeMeta<'_>>(tree, node) {
            Ok(meta) => with_item_type(meta, outer),
            Err(error) => {
                // A string in which these fields are not strings is not a manifest.
                let is_object = tree.get(node, "kind").is_some() && tree.get(node, "apiVersion").is_some();
                if is_object && self.depth == 0 {
                    outcome.counts.objects += 1;
                    self.add_invalid_field(tree, node, &error, None, false, outcome);
                }
                return;
            }
        };
        // kubectl replaces any object that has a list under `items` by the items.
        let items = tree.get(node, "items").filter(|items| matches!(tree.view(*items), View::Sequence(_)));
        if let Some(items) = items.filter(|_| !meta.kind.is_empty()) {
            for item in tree.items(items) {
                self.check_object(tree, *item, Outer::List(&meta), outcome, ignores);
            }
            return;
        }
        if meta.kind.is_empty() || meta.api_version.is_empty() {
            return;
        }
        outcome.counts.objects += 1;
        let is_embedded = matches!(outer, Outer::Object);
        if let Some(items) = tree.get(node, "items")
            && let Err(mut error) = source::decode::<Vec<IgnoredAny>>(tree, items)
        {
            error.path = FieldPath::from_keys(&["items"]);
            self.add_invalid_field(tree, node, &error, Some(&meta), is_embedded, outcome);
            return;
        }
        if let Some(noun) = unrendered_noun(&meta) {
            outcome.counts.add_unrendered(noun);
        }
        let is_skipped = policy::is_skipped_kind(&meta.api_version, &meta.kind);
        // The strings of an embedded object are also strings of the outer object.
        if !is_embedded && (!is_skipped || embedded::is_container(&meta.api_version, &meta.kind)) {
            self.check_embedded(tree, node, &meta, outcome, ignores);
        }
        if is_skipped || meta.group() == KUSTOMIZE_GROUP {
            return;
        }
        self.check_decoded(Cow::Borrowed(tree), node, &meta, is_embedded, outcome, ignores);
    }

    /// Decodes and checks the object at `node`. Treats placeholders in fields that are not strings
    /// as absent, and reports them.
    fn check_decoded(
        &self,
        mut tree: Cow<'_, Tree<'_>>,
        node: NodeId,
        meta: &TypeMeta<'_>,
        is_embedded: bool,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let policy = self.options.policy;
        let mut placeholders = 0..MAX_PLACEHOLDERS;
        loop {
            let object = NodeRef { tree: &*tree, node };
            let error = match model::decode_object(object, meta, &self.namespace, &policy.custom_workloads) {
                Ok(decoded) => {
                    return self.check_volumes(object, meta, decoded, is_embedded, outcome, ignores);
                }
                Err(error) => error,
            };
            let field = source::find_node(&tree, node, &error.path);
            let value = field.and_then(|field| tree.as_str(field));
            let placeholder = value.as_deref().and_then(template::placeholder);
            let (Some(field), Some(placeholder), Some(_)) = (field, placeholder, placeholders.next()) else {
                let meta = Some(meta);
                return self.add_invalid_field(&tree, node, &error, meta, is_embedded, outcome);
            };
            let unchecked = Unchecked::Placeholder { path: &error.path, text: placeholder, kind: &meta.kind };
            outcome.findings.push(self.unchecked_field(&tree, node, &unchecked).located);
            tree = Cow::Owned(tree.with_null(field));
        }
    }

    /// Checks the volumes of the object at `object`, and the objects that it contains as mappings.
    fn check_volumes(
        &self,
        NodeRef { tree, node }: NodeRef<'_>,
        meta: &TypeMeta<'_>,
        decoded: Decoded<'_, NodeRef<'_>>,
        is_embedded: bool,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let policy = self.options.policy;
        let Decoded { mut object, embedded, mut unknown_host_paths, values_texts } = decoded;
        if is_embedded {
            unknown_host_paths.extend(object.remove_placeholders());
        }
        if !policy.heuristic {
            object.retain_pods(|pod| !pod.is_heuristic);
        }
        let is_part = self.is_patch
            || (self.may_contain_patch && model::contains_patch_directive(NodeRef { tree, node }));
        if let (true, Body::Pods(pods)) = (is_part, &mut object.body) {
            pods.iter_mut().for_each(|pod| pod.is_complete = false);
        }
        outcome.counts.objects_with_volumes += usize::from(has_volumes(&object));
        let claimed_volumes = match is_part {
            true => Vec::new(),
            false => self.claimed_volumes(tree, node, &object, outcome),
        };
        let subject = Subject::Claims(&object, &claimed_volumes);
        self.add(tree, node, judge(subject, policy, self.options.today), outcome);
        self.check_patches(tree, node, meta, &object, outcome);
        if !matches!(object.body, Body::Other) {
            let facts = text_facts::repeated_keys(tree, node, &embedded);
            self.check_text(&facts, Some((tree, node, &object)), outcome);
        }
        if self.may_contain_ignores {
            suppress::annotations(tree, node, &object, policy.rules(), &mut ignores.annotations);
        }
        self.add_unknown_host_paths(tree, node, &object, &unknown_host_paths, outcome);
        for inner in embedded {
            self.check_object(tree, inner.node, Outer::Object, outcome, ignores);
        }
        for field in values_texts {
            self.check_values(NodeRef { tree, node }, meta, &object, &field, outcome, ignores);
        }
    }

    /// Checks the values of a Helm chart that `object` contains as text in a field.
    fn check_values(
        &self,
        NodeRef { tree, node }: NodeRef<'_>,
        meta: &TypeMeta<'_>,
        object: &Object<'_>,
        field: &FieldPath,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let Some(string) = source::find_node(tree, node, field) else { return };
        let Some(text) = tree.as_str(string) else { return };
        let (inner, documents) = self.enter_string(tree, node, string, &text);
        for document in documents {
            // Invalid values have no volumes. The program that renders the chart reports them.
            let Ok(Some(values)) = source::parse(inner.text(), document) else { continue };
            let values = NodeRef { tree: &values, node: values.root() };
            if let Ok(decoded) = model::decode_values(values, object) {
                inner.check_volumes(values, meta, decoded, true, outcome, ignores);
            }
        }
    }

    /// Returns the checker for the documents in a string of the object at `root`, and the byte
    /// ranges of these documents in the text of that checker.
    fn enter_string(
        &self,
        tree: &Tree<'_>,
        root: NodeId,
        string: NodeId,
        value: &str,
    ) -> (Self, Vec<Range<usize>>) {
        let mut inner = Self { depth: self.depth + 1, ..self.clone() };
        let range = tree.range(string);
        let documents = embedded::literal_documents(self.text(), range.clone()).unwrap_or_else(|| {
            let (string, object) = match &self.detached {
                Some(outer) => (outer.string.clone(), outer.object.clone()),
                None => (range, tree.range(root)),
            };
            inner.detached = Some(Detached { value: value.into(), string, object });
            embedded::documents(value)
        });
        (inner, documents)
    }

    /// Checks the manifests in the strings of the object at `root`.
    fn check_embedded(
        &self,
        tree: &Tree<'_>,
        root: NodeId,
        meta: &TypeMeta<'_>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let strings = embedded::find(self.text(), tree, root);
        if strings.is_empty() {
            return;
        }
        let namespace = tree.get(root, "metadata").and_then(|metadata| tree.get(metadata, "namespace"));
        let namespace = namespace.and_then(|node| tree.as_str(node));
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let namespace = namespace.map_or_else(|| Arc::clone(&self.namespace), Arc::from);
        for text in strings {
            let Some(value) = tree.as_str(text.value) else { continue };
            if self.depth == embedded::MAX_DEPTH {
                let unchecked = Unchecked::DeepManifest(tree.range(text.value).into());
                outcome.findings.push(self.unchecked_text(&unchecked).located);
                continue;
            }
            let key = text.key.map(|key| tree.key(key));
            let (mut inner, documents) = self.enter_string(tree, root, text.value, &value);
            inner.namespace = Arc::clone(&namespace);
            inner.is_patch |= meta.group() == KUSTOMIZE_GROUP || key.as_deref() == Some("patch");
            let is_manifest = embedded::is_manifest(key.as_deref(), &value);
            for document in documents {
                inner.check_embedded_document(document, is_manifest, outcome, ignores);
            }
        }
    }

    /// Checks a document in a string. If `is_manifest` is true, reports a document that is not
    /// valid YAML.
    fn check_embedded_document(
        &self,
        range: Range<usize>,
        is_manifest: bool,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let before = outcome.counts.objects;
        match source::parse(self.text(), range.clone()) {
            Ok(None) => {}
            Ok(Some(tree)) => {
                self.check_object(&tree, tree.root(), Outer::Document, outcome, ignores);
                let has_comments = self.may_contain_ignores && self.detached.is_none();
                if has_comments && outcome.counts.objects > before {
                    let registry = self.options.policy.rules();
                    suppress::comments(self.text(), range, &tree, false, registry, &mut ignores.comments);
                }
            }
            Err(_) if self.text()[range.clone()].contains("{{") => {
                outcome.counts.add_unrendered("embedded template")
            }
            Err(error) if is_manifest => {
                let location = error.span.clone().into();
                let unchecked = Unchecked::InvalidManifest { error: &error.to_string(), location };
                outcome.findings.push(self.unchecked_text(&unchecked).located);
            }
            Err(_) => {}
        }
    }

    /// Adds the fields of the object at `node` that may contain host paths, but are not checked.
    fn add_unknown_host_paths(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        object: &Object<'_>,
        fields: &[FieldPath],
        outcome: &mut Outcome,
    ) {
        outcome.counts.unknown_host_paths += fields.len();
        outcome.unknown_host_paths.extend(fields.iter().map(|field| UnknownHostPath {
            path: Arc::clone(&self.path),
            line: match &self.detached {
                Some(detached) => self.file.span(detached.string.clone()).start.line,
                None => locate(self.file, tree, node, field).start.line,
            },
            object: object.id.clone(),
            field: field.clone(),
        }));
    }

    /// Collects facts about claims in the first check. In the second check, returns the volumes of
    /// pods whose claims concern the rules.
    fn claimed_volumes(
        &self,
        tree: &Tree<'_>,
        root: NodeId,
        object: &Object<'_>,
        outcome: &mut Outcome,
    ) -> Vec<ClaimedVolume> {
        let source = Source {
            object,
            tree,
            root,
            file: self.file,
            path: &self.path,
            string: self.detached.as_ref().map(|detached| &detached.string),
        };
        let Some(bindings) = self.bindings else {
            outcome.bindings.merge(source.facts());
            return Vec::new();
        };
        bindings.claimed_volumes(&source.uses(), &self.file.path)
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
        outcome.used_exemptions.extend(result.lowered_by);
    }

    /// Adds the finding about a field that could not be decoded. For an object in another object or
    /// in a string, it is only a warning, because another program may change the object.
    fn add_invalid_field(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        error: &FieldError,
        meta: Option<&TypeMeta<'_>>,
        is_embedded: bool,
        outcome: &mut Outcome,
    ) {
        let (kind, is_embedded) = (meta.map(|meta| &*meta.kind), is_embedded || self.depth > 0);
        let unchecked =
            self.unchecked_field(tree, node, &Unchecked::InvalidField { error, kind, is_embedded });
        match is_embedded {
            true => outcome.findings.push(unchecked.located),
            false => outcome.unchecked.push(unchecked),
        }
    }

    /// Returns the finding about a field that could not be checked in the object at `root`.
    fn unchecked_field(&self, tree: &Tree<'_>, root: NodeId, unchecked: &Unchecked<'_>) -> UncheckedInput {
        unchecked_input(unchecked, self.options, |finding| self.locate(tree, root, finding))
    }

    /// Returns the finding about a part of the text that could not be checked.
    fn unchecked_text(&self, unchecked: &Unchecked<'_>) -> UncheckedInput {
        unchecked_input(unchecked, self.options, |finding| self.locate_text(finding))
    }

    /// Returns the text that contains the documents.
    fn text(&self) -> &str {
        self.detached.as_ref().map_or(self.file.text(), |detached| &detached.value)
    }

    /// Locates a finding about the object at `root`.
    fn locate(&self, tree: &Tree<'_>, root: NodeId, finding: Finding) -> LocatedFinding {
        if let Some(detached) = &self.detached {
            return self.locate_detached(detached, finding);
        }
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
        if let Some(detached) = &self.detached {
            return self.locate_detached(detached, finding);
        }
        let span = |label: &Label| {
            let range: Range<usize> = label.mark().map_or(0..0, |mark| mark.range());
            self.file.span(range)
        };
        let location = self.location(&finding, span);
        LocatedFinding::new(finding, location)
    }

    /// Locates a finding about a manifest in a string at the string.
    fn locate_detached(&self, detached: &Detached, mut finding: Finding) -> LocatedFinding {
        finding.related.retain(|label| matches!(label.target, Target::Elsewhere(_)));
        finding.fix = None;
        let location = self.location(&finding, |_| self.file.span(detached.string.clone()));
        LocatedFinding { object: Some(detached.object.clone()), ..LocatedFinding::new(finding, location) }
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

/// Returns the kind of an object that refers to a chart or to manifests elsewhere, which another
/// program renders.
fn unrendered_noun(meta: &TypeMeta<'_>) -> Option<&'static str> {
    match (meta.group(), &*meta.kind) {
        ("helm.toolkit.fluxcd.io" | "helm.fluxcd.io", "HelmRelease") => Some("HelmRelease"),
        ("helm.cattle.io", "HelmChart") => Some("HelmChart"),
        ("helm.crossplane.io", "Release") => Some("Release"),
        ("argoproj.io", "Application") => Some("Application"),
        ("argoproj.io", "ApplicationSet") => Some("ApplicationSet"),
        _ => None,
    }
}

/// Counts the objects in a document that need not be parsed, because none of them contains a volume
/// or a manifest in a string. Returns `None` if the document must be parsed.
fn count_skippable(text: &str) -> Option<usize> {
    let has_container = Cell::new(false);
    let count = source::count_skippable(text, |api_version, kind| {
        has_container.set(has_container.get() || embedded::is_container(api_version, kind));
        policy::is_skipped_kind(api_version, kind)
    })?;
    // A list has an `apiVersion` too.
    let own = if count > 1 { count + 1 } else { count };
    (!has_container.get() || !embedded::may_contain_manifest(text, own)).then_some(count)
}

/// Returns the path of the template that Helm writes in a comment before a document.
fn template_of<'t>(text: &'t str, role: &Role) -> Option<&'t str> {
    if !matches!(role, Role::Stream | Role::Chart(_)) {
        return None;
    }
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
fn with_item_type<'a>(mut meta: TypeMeta<'a>, outer: Outer<'a>) -> TypeMeta<'a> {
    let Outer::List(list) = outer else { return meta };
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
