//! Checks of the manifests, volumes and Helm values that an object contains as strings.

use std::ops::Range;
use std::sync::Arc;

use super::checker::{Checker, Detached};
use super::objects::{KUSTOMIZE_GROUP, Outer};
use super::suppression::FileIgnores;
use super::{Outcome, embedded};
use crate::model::{self, Object, Part, TypeMeta, YamlString};
use crate::rules::Unchecked;
use crate::source::{self, NodeId, NodeRef, Tree, View};
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
                // The program that uses the string reports invalid YAML.
                Err(_) => {
                    if inner.text()[document].contains("hostPath") {
                        let fields = std::slice::from_ref(field);
                        self.add_unknown_host_paths(tree, node, object, fields, outcome);
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

    /// Checks the manifests in the strings of the object at `root`.
    pub(super) fn check_embedded(
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
                let outer = (NodeRef { tree, node: root }, meta);
                inner.check_embedded_document(document, is_manifest, outer, outcome, ignores);
            }
        }
    }

    /// Checks a JSON patch, or the configuration of the local-path-provisioner, as a part of the
    /// object `outer`. Other data is ignored.
    fn check_part(
        &self,
        part: NodeRef<'_>,
        (outer, meta): (NodeRef<'_>, &TypeMeta<'_>),
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let is_patch = matches!(part.tree.view(part.node), View::Sequence(_));
        let has_key = |key| part.tree.get(part.node, key).is_some();
        if !is_patch && !has_key(embedded::NODE_PATHS) && !has_key("storageClassConfigs") {
            return;
        }
        let workloads = &self.options.policy.custom_workloads;
        let Ok(outer) = model::decode_object(outer, meta, &self.namespace, workloads) else { return };
        let workload = workloads.get(meta.group(), &meta.kind).filter(|_| !is_patch);
        match model::decode_part(part, &outer.object, Part::Fields(workload)) {
            Ok(decoded) => self.check_volumes(part, meta, decoded, true, outcome, ignores),
            Err(error) => {
                let fields = [error.path];
                self.add_unknown_host_paths(part.tree, part.node, &outer.object, &fields, outcome);
            }
        }
    }

    /// Checks a document in a string of the object `outer`. If `is_manifest` is true, reports a
    /// document that is not valid YAML.
    fn check_embedded_document(
        &self,
        range: Range<usize>,
        is_manifest: bool,
        outer: (NodeRef<'_>, &TypeMeta<'_>),
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let before = outcome.counts.objects;
        match source::parse(self.text(), range.clone()) {
            Ok(None) => {}
            Ok(Some(tree)) => {
                self.check_object(&tree, tree.root(), Outer::Document, outcome, ignores);
                if outcome.counts.objects == before {
                    self.check_part(NodeRef { tree: &tree, node: tree.root() }, outer, outcome, ignores);
                }
                let has_comments = self.may_contain_ignores && self.detached.is_none();
                if has_comments && outcome.counts.objects > before {
                    let registry = self.options.policy.rules();
                    suppress::comments(self.text(), range, &tree, false, registry, &mut ignores.comments);
                }
            }
            Err(_) if self.text()[range].contains("{{") => {
                outcome.counts.add_unrendered("embedded template");
            }
            Err(error) if is_manifest => {
                let location = error.span.clone().into();
                let unchecked = Unchecked::InvalidManifest { error: &error.to_string(), location };
                outcome.findings.push(self.unchecked_text(&unchecked).located);
            }
            Err(_) => {}
        }
    }
}
