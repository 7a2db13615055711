//! Checks of the manifests, volumes and Helm values that an object contains as strings.

use std::ops::Range;
use std::sync::Arc;

use super::checker::{Checker, Detached};
use super::embedded::Purpose;
use super::objects::{EMBEDDED_TEMPLATE, KUSTOMIZE_GROUP, Outer, Owner, kustomization_type};
use super::suppression::FileIgnores;
use super::{Outcome, embedded, template};
use crate::model::{
    self, Body, CustomWorkload, Map, Object, ObjectId, Origin, Part, TypeMeta, Workload, YamlString,
};
use crate::rules::Unchecked;
use crate::source::{self, NodeId, NodeRef, ParseError, Tree, View};
use crate::suppress;

impl<'c> Checker<'c> {
    /// Checks a string of `object` that contains volumes or Helm values as YAML.
    pub(super) fn check_yaml_string(
        &self,
        NodeRef { tree, node }: NodeRef<'_>,
        meta: &TypeMeta<'_>,
        object: &Object<'_>,
        YamlString { field, is_from_values }: &YamlString,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let Some(string) = source::find_node(tree, node, field) else { return };
        let Some(text) = tree.as_str(string) else { return };
        if self.depth == embedded::MAX_DEPTH {
            return self.add_unknown_host_paths(tree, node, object, std::slice::from_ref(field), outcome);
        }
        let (inner, documents) = self.enter_string(tree, node, string, &text);
        for document in documents {
            let values = match source::parse(inner.text(), document.clone()) {
                Ok(Some(values)) => values,
                Ok(None) => continue,
                Err(error) => {
                    let text = &inner.text()[document.clone()];
                    // A template with manifests has already been counted.
                    let is_counted = text.contains("{{") && embedded::is_relevant_text(text);
                    if !is_counted && (*is_from_values || looks_like_yaml(text)) {
                        inner.add_invalid_text(text, &error, error_location(document, text, &error), outcome);
                    }
                    continue;
                }
            };
            let values = NodeRef { tree: &values, node: values.root() };
            match model::decode_part(values, object, Part::Yaml { is_from_values: *is_from_values }) {
                Ok(decoded) => inner.check_volumes(values, meta, decoded, true, outcome, ignores),
                Err(error) => {
                    inner.add_unknown_host_paths(values.tree, values.node, object, &[error.path], outcome);
                }
            }
        }
    }

    /// Returns the checker for the documents in a string of the object at `root`, and the byte
    /// ranges of the documents in the checker's [`text`](Self::text).
    pub(super) fn enter_string(
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

    /// Checks the manifests in the strings of the value at `root`. The value is the object `owner`
    /// or a part of it. `owner` is `None` if the value does not belong to an object.
    pub(super) fn check_embedded(
        &self,
        NodeRef { tree, node: root }: NodeRef<'_>,
        owner: Option<&Owner<'_>>,
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
            inner.is_patch |= key.as_deref() == Some(embedded::PATCH)
                || owner.is_some_and(|owner| owner.meta.group() == KUSTOMIZE_GROUP);
            let purpose = embedded::purpose(key.as_deref(), &value);
            for document in documents {
                inner.check_embedded_document(document, purpose, owner, outcome, ignores);
            }
        }
    }

    /// Checks a file with a JSON patch that a kustomization uses, as if the kustomization contained
    /// it.
    pub(super) fn check_json_patch(
        &self,
        patch: NodeRef<'_>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let meta = kustomization_type();
        let id = ObjectId {
            group: meta.group().to_owned(),
            version: meta.version().to_owned(),
            kind: meta.kind.to_string(),
            namespace: self.namespace.to_string(),
            name: String::new(),
        };
        let (workload, annotations) = (Workload::default(), Map::default());
        let object = Object { id, workload, origin: Origin::Manifest, annotations, body: Body::Other };
        self.check_fields(patch, None, (&object, &meta), outcome, ignores);
    }

    /// Checks the objects that the value at `root` contains as mappings, and the manifests in its
    /// strings. The value is not an object. `owner` is the object that contains it, or `None` if
    /// there is no such object.
    pub(super) fn check_contents(
        &self,
        root: NodeRef<'_>,
        owner: Option<&Owner<'_>>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        self.check_embedded(root, owner, outcome, ignores);
        for node in embedded::objects(self.text(), root) {
            self.check_object(root.tree, node, Outer::Object, outcome, ignores);
        }
    }

    /// Checks the document `root` in a string of the object `owner`. The document is not an object.
    fn check_data(
        &self,
        root: NodeRef<'_>,
        purpose: Purpose,
        owner: Option<&Owner<'_>>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let is_patch = is_json_patch(root);
        let has_key = |key| root.tree.get(root.node, key).is_some();
        let is_part = is_patch || has_key(embedded::NODE_PATHS) || has_key(embedded::CLASS_CONFIGS);
        match owner {
            Some(owner) if is_part => {
                self.check_embedded(root, Some(owner), outcome, ignores);
                self.check_part(root, is_patch, owner, outcome, ignores);
            }
            // The values may contain objects. Their volumes are checked together with the other
            // volumes of the values, and not here.
            owner if purpose == Purpose::Values => self.check_embedded(root, owner, outcome, ignores),
            owner => self.check_contents(root, owner, outcome, ignores),
        }
    }

    /// Checks a JSON patch, or the configuration of the local-path-provisioner, as a part of the
    /// object `owner`.
    fn check_part(
        &self,
        part: NodeRef<'_>,
        is_patch: bool,
        owner: &Owner<'_>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let workloads = &self.options.policy.custom_workloads;
        let decode = || model::decode_object(owner.node, owner.meta, &self.namespace, workloads);
        let object = owner.object.get_or_init(|| decode().ok().map(|decoded| decoded.object));
        let Some(object) = object else { return };
        let workload = workloads.get(owner.meta.group(), &owner.meta.kind).filter(|_| !is_patch);
        self.check_fields(part, workload, (object, owner.meta), outcome, ignores);
    }

    /// Checks the volumes in a part of `object`. If `workload` is given, includes the volumes at
    /// its paths.
    fn check_fields(
        &self,
        part: NodeRef<'_>,
        workload: Option<&CustomWorkload>,
        (object, meta): (&Object<'_>, &TypeMeta<'_>),
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        match model::decode_part(part, object, Part::Fields(workload)) {
            Ok(decoded) => self.check_volumes(part, meta, decoded, true, outcome, ignores),
            Err(error) => self.add_unknown_host_paths(part.tree, part.node, object, &[error.path], outcome),
        }
    }

    /// Checks a document in a string of the object `owner`.
    fn check_embedded_document(
        &self,
        range: Range<usize>,
        purpose: Purpose,
        owner: Option<&Owner<'_>>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let before = outcome.counts.objects;
        match source::parse(self.text(), range.clone()) {
            Ok(None) => {}
            Ok(Some(tree)) if template::ytt_directive(self.text(), range.clone(), &tree).is_some() => {
                outcome.counts.add_unrendered(EMBEDDED_TEMPLATE);
            }
            Ok(Some(tree)) => {
                self.check_object(&tree, tree.root(), Outer::Document, outcome, ignores);
                if outcome.counts.objects == before {
                    let root = NodeRef { tree: &tree, node: tree.root() };
                    self.check_data(root, purpose, owner, outcome, ignores);
                }
                let has_comments = self.may_contain_ignores && self.detached.is_none();
                if has_comments && outcome.counts.objects > before {
                    let registry = self.options.policy.rules();
                    suppress::comments(self.text(), range, &tree, false, registry, &mut ignores.comments);
                }
            }
            Err(error) => {
                let text = &self.text()[range.clone()];
                if purpose == Purpose::Manifest || text.contains("{{") {
                    self.add_invalid_text(text, &error, error_location(range, text, &error), outcome);
                }
            }
        }
    }

    /// Reports `text`, the content of a string that is not valid YAML. If it contains `{{`, only
    /// counts it as a template.
    pub(super) fn add_invalid_text(
        &self,
        text: &str,
        error: &ParseError,
        location: Range<usize>,
        outcome: &mut Outcome,
    ) {
        if text.contains("{{") {
            outcome.counts.add_unrendered(EMBEDDED_TEMPLATE);
            return;
        }
        let unchecked = Unchecked::InvalidText { error: &error.to_string(), location: location.into() };
        outcome.findings.push(self.unchecked_text(&unchecked).located);
    }
}

/// Checks whether a document is a list that contains an operation of a JSON patch.
fn is_json_patch(NodeRef { tree, node }: NodeRef<'_>) -> bool {
    let is_operation = |item: &NodeId| tree.get(*item, "op").is_some();
    matches!(tree.view(node), View::Sequence(items) if items.iter().any(is_operation))
}

/// Checks whether a string is probably meant as YAML, and not as prose that describes a field.
fn looks_like_yaml(text: &str) -> bool {
    text.trim_end().contains('\n') || text.trim_start().starts_with(['-', '[', '{'])
}

/// Returns the location of an error in the document `text`. The parser reports some errors at an
/// offset after the document, in another part of the file. For such an error, returns the location
/// of the last character of the document.
fn error_location(document: Range<usize>, text: &str, error: &ParseError) -> Range<usize> {
    let text = text.trim_end();
    let end = document.start + text.len();
    let last = text.chars().next_back().map_or(0, char::len_utf8);
    if error.span.start < end { error.span.clone() } else { end - last..end }
}
