//! Checks of objects, and of the objects nested in them.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::checker::Checker;
use super::claim_facts::Source;
use super::patch::{CheckedPart, IstioAnnotations, PatchError};
use super::suppression::FileIgnores;
use super::{Options, Outcome, UnknownHostPath, embedded, inventory, not_object, patch, text_facts};
use crate::engine::judge;
use crate::input::is_kustomization;
use crate::model::{
    self, Body, Decoded, FieldError, FieldPath, Object, Origin, PathOwner, Pod, Str, TypeMeta,
};
use crate::policy;
use crate::rules::{ClaimedVolume, NotObject, Subject, TextFacts, Unchecked};
use crate::source::{self, NodeId, NodeRef, Tree, View, locate};
use crate::suppress;

/// The maximum number of placeholders, such as `${REPLICAS}`, to report per object. After each, the
/// object is decoded again.
const MAX_PLACEHOLDERS: usize = 64;

/// The noun for a string that becomes YAML only after another program has rendered it.
pub(super) const EMBEDDED_TEMPLATE: &str = "embedded template";

/// The API group of kustomizations.
pub(super) const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io";

/// The context of an object.
#[derive(Clone, Copy)]
pub(super) enum Outer<'a> {
    /// The object is a document.
    Document,
    /// The object is an item of a list of this type. `is_embedded` is true if another object
    /// contains the list.
    List { list: &'a TypeMeta<'a>, is_embedded: bool },
    /// The object is a mapping in another object.
    Object,
}

/// An object that contains strings with manifests.
pub(super) struct Owner<'a> {
    pub(super) node: NodeRef<'a>,
    pub(super) meta: &'a TypeMeta<'a>,
    /// The decoded object, or `None` if it is invalid. Computed only if a string needs it.
    pub(super) object: OnceCell<Option<Object<'a>>>,
}

impl<'a> Owner<'a> {
    pub(super) fn new(node: NodeRef<'a>, meta: &'a TypeMeta<'a>) -> Self {
        Self { node, meta, object: OnceCell::new() }
    }
}

impl<'c> Checker<'c> {
    /// Checks the object at `node` or, if it is a list, the objects in it. Also checks the objects
    /// that it contains as mappings or in strings. Ignores a value that is not an object, except
    /// for a list item that kubectl rejects.
    pub(super) fn check_object(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        outer: Outer<'_>,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        if !matches!(tree.view(node), View::Mapping) {
            if !tree.is_null(node) {
                self.add_rejected_item(tree, node, outer, NotObject::Item, outcome);
            }
            return;
        }
        let is_embedded = matches!(outer, Outer::Object | Outer::List { is_embedded: true, .. });
        let meta = match source::decode::<TypeMeta<'_>>(tree, node) {
            Ok(meta) => with_item_type(meta, outer),
            Err(error) => {
                // `apiVersion` or `kind` is not a string. If the document is in a string, it is
                // other data and not a manifest.
                let is_object = tree.get(node, "kind").is_some() && tree.get(node, "apiVersion").is_some();
                if is_object && self.depth == 0 {
                    outcome.counts.objects += 1;
                    self.add_invalid_field(tree, node, &error, None, false, outcome);
                }
                return;
            }
        };
        // kubectl treats any object that has a list under `items` as a list of objects.
        let items = tree.get(node, "items").filter(|items| matches!(tree.view(*items), View::Sequence(_)));
        if let Some(items) = items.filter(|_| !meta.kind.is_empty()) {
            let items = tree.items(items);
            outcome.counts.empty_lists += usize::from(items.is_empty());
            for item in items {
                self.check_object(tree, *item, Outer::List { list: &meta, is_embedded }, outcome, ignores);
            }
            return;
        }
        if meta.kind.is_empty() && meta.api_version.is_empty() && is_kustomization(&self.path) {
            // Both fields are optional in a kustomization.
            let object = NodeRef { tree, node };
            self.check_embedded(object, Some(&Owner::new(object, &kustomization_type())), outcome, ignores);
        }
        if meta.kind.is_empty() || meta.api_version.is_empty() {
            let reason = NotObject::NoType(not_object::spelling(tree, node));
            return self.add_rejected_item(tree, node, outer, reason, outcome);
        }
        outcome.counts.objects += 1;
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
        // The strings of an embedded object are also strings of the outer object, which have
        // already been checked.
        if !is_embedded && (!is_skipped || embedded::is_config_map_or_secret(&meta.api_version, &meta.kind)) {
            let object = NodeRef { tree, node };
            self.check_embedded(object, Some(&Owner::new(object, &meta)), outcome, ignores);
        }
        if is_skipped || meta.group() == KUSTOMIZE_GROUP {
            return;
        }
        self.check_decoded(tree, node, &meta, is_embedded, outcome, ignores);
    }

    /// Reports the value at `node`, which kubectl rejects, if it is an item of a list that is
    /// applied with kubectl. Ignores any other value.
    fn add_rejected_item(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        outer: Outer<'_>,
        reason: NotObject,
        outcome: &mut Outcome,
    ) {
        let Outer::List { list, is_embedded: false } = outer else { return };
        if self.depth == 0 && !self.is_patch && !list.api_version.is_empty() {
            self.add_rejected(tree, node, reason, outcome);
        }
    }

    /// Reports the value at `node`, which kubectl rejects.
    pub(super) fn add_rejected(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        reason: NotObject,
        outcome: &mut Outcome,
    ) {
        outcome.unchecked.push(self.unchecked_field(tree, node, &Unchecked::NotObject(reason)));
    }

    /// Decodes and checks the object at `node`. If a field of another type than string, such as a
    /// number field, contains a placeholder, reports the placeholder and treats the field as
    /// absent.
    pub(super) fn check_decoded(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        meta: &TypeMeta<'_>,
        is_embedded: bool,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let policy = self.options.policy;
        let mut placeholders = 0..MAX_PLACEHOLDERS;
        loop {
            let object = NodeRef { tree, node };
            let error = match model::decode_object(object, meta, &self.namespace, &policy.custom_workloads) {
                Ok(decoded) => {
                    return self.check_volumes(object, meta, decoded, is_embedded, outcome, ignores);
                }
                Err(error) => error,
            };
            let field = source::find_node(tree, node, &error.path);
            let value = field.and_then(|field| tree.as_str(field));
            let placeholder = value.as_deref().and_then(model::placeholder);
            let (Some(field), Some(placeholder), Some(_)) = (field, placeholder, placeholders.next()) else {
                let meta = Some(meta);
                return self.add_invalid_field(tree, node, &error, meta, is_embedded, outcome);
            };
            let unchecked = Unchecked::Placeholder { path: &error.path, text: placeholder, kind: &meta.kind };
            self.add_warning(tree, node, &unchecked, outcome);
            tree.set_null(field);
        }
    }

    /// Checks the volumes of a decoded object, and the objects and strings with YAML that it
    /// contains.
    pub(super) fn check_volumes(
        &self,
        NodeRef { tree, node }: NodeRef<'_>,
        meta: &TypeMeta<'_>,
        decoded: Decoded<'_, NodeRef<'_>>,
        is_embedded: bool,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        let policy = self.options.policy;
        let Decoded { mut object, embedded, mut unknown_host_paths, yaml_strings } = decoded;
        let is_embedded = is_embedded || self.depth > 0;
        let owner = match is_embedded {
            _ if object.id.has_variable() => PathOwner::NamedByVariable,
            true => PathOwner::Template,
            false => PathOwner::Manifest,
        };
        let mut volumes = match self.options.with_volumes {
            true => self.volume_rows(NodeRef { tree, node }, &object),
            false => Vec::new(),
        };
        let removed = object.remove_placeholders(owner);
        inventory::mark_unknown(&mut volumes, &removed);
        outcome.volumes.append(&mut volumes);
        unknown_host_paths.extend(removed);
        if is_embedded {
            object.origin = Origin::Embedded;
        }
        if !policy.heuristic {
            object.retain_pods(|pod| !pod.is_heuristic);
        }
        let is_part = self.is_patch
            || (self.may_contain_patch && model::contains_patch_directive(NodeRef { tree, node }));
        if is_part {
            object.mark_as_part();
        }
        self.check_spelling(NodeRef { tree, node }, meta, is_part, outcome);
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
            self.check_inner_object(tree, inner.node, outcome, ignores);
        }
        for string in yaml_strings {
            self.check_yaml_string(NodeRef { tree, node }, meta, &object, &string, outcome, ignores);
        }
    }

    /// Reports misspelled keys, a type that does not exist, and a missing pod template. A patch
    /// (`is_part`) may lack any field.
    fn check_spelling(&self, object: NodeRef<'_>, meta: &TypeMeta<'_>, is_part: bool, outcome: &mut Outcome) {
        let (NodeRef { tree, node }, kind) = (object, &*meta.kind);
        for key in &model::misspelled_keys(object, meta, &self.options.policy.custom_workloads) {
            self.add_warning(tree, node, &Unchecked::MisspelledKey { key, kind }, outcome);
        }
        if let Some(intended) = model::intended_type(meta) {
            let unknown = Unchecked::UnknownType { api_version: &meta.api_version, kind, intended };
            self.add_warning(tree, node, &unknown, outcome);
        }
        if let Some(missing) = model::missing_field(object, meta).filter(|_| !is_part) {
            self.add_warning(tree, node, &Unchecked::MissingField { missing: &missing, kind }, outcome);
        }
    }

    /// Checks an object that another object contains as a mapping.
    fn check_inner_object(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        outcome: &mut Outcome,
        ignores: &mut FileIgnores,
    ) {
        if self.outer_objects == MAX_OUTER_OBJECTS {
            let unchecked = Unchecked::DeepManifest(tree.range(node).into());
            outcome.findings.push(self.unchecked_text(&unchecked).located);
            return;
        }
        let inner = Self { outer_objects: self.outer_objects + 1, ..self.clone() };
        inner.check_object(tree, node, Outer::Object, outcome, ignores);
    }

    /// Returns the volumes whose claims a rule may report. A file is checked twice if its findings
    /// may depend on claims. In the first check, this method only collects facts about claims, and
    /// returns no volumes.
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
            is_rendered: self.is_rendered,
            string: self.detached.as_ref().map(|detached| &detached.string),
        };
        let Some(bindings) = self.bindings else {
            outcome.bindings.merge(source.facts());
            return Vec::new();
        };
        bindings.claimed_volumes(&source.uses(), &self.file.path)
    }

    /// Checks the patches of pod specs that the object contains as strings, and the volumes that
    /// Istio adds to its pods.
    pub(super) fn check_patches(
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
                Ok(checked) => self.add_checked(tree, node, object, path, checked, outcome),
                Err(PatchError::Template) => outcome.counts.add_unrendered(EMBEDDED_TEMPLATE),
                Err(PatchError::TooLarge(kind)) => {
                    let error = FieldError { path, kind };
                    self.add_invalid_field(tree, node, &error, Some(meta), true, outcome);
                }
                Err(PatchError::Invalid(message)) => {
                    let unchecked =
                        Unchecked::InvalidPatch { path: &path, error: &message, kind: &meta.kind };
                    outcome.unchecked.push(self.unchecked_field(tree, node, &unchecked));
                }
            }
        }
        for pod in object.pods() {
            self.check_istio_volumes(tree, node, object, pod, outcome);
        }
    }

    /// Checks the volumes that Istio adds to a pod because of its annotations.
    fn check_istio_volumes(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        object: &Object<'_>,
        pod: &Pod<'_>,
        outcome: &mut Outcome,
    ) {
        let Options { policy, today, .. } = *self.options;
        let Some(annotations) = IstioAnnotations::new(pod) else { return };
        for (path, text, error) in annotations.invalid() {
            let Some(string) = source::find_node(tree, node, &path) else { continue };
            self.add_invalid_text(text, &error, tree.range(string), outcome);
        }
        let Some((path, text)) = annotations.valid() else { return };
        match patch::check_part(policy, today, object, &path, &text) {
            Some(checked) => self.add_checked(tree, node, object, path, checked, outcome),
            None => self.add_unknown_host_paths(tree, node, object, &[path], outcome),
        }
    }

    /// Adds the result of checking the string at `path` of `object`.
    fn add_checked(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        object: &Object<'_>,
        path: FieldPath,
        checked: CheckedPart,
        outcome: &mut Outcome,
    ) {
        self.add(tree, node, checked.result, outcome);
        if checked.has_unknown_host_paths {
            self.add_unknown_host_paths(tree, node, object, &[path], outcome);
        }
    }

    /// Checks facts about the text of `object` or, if `object` is `None`, about the text of the
    /// document.
    pub(super) fn check_text(
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

    /// Adds the fields of the object at `node` that may contain host paths, but are not checked.
    pub(super) fn add_unknown_host_paths(
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
}

/// Returns the `apiVersion` and `kind` of a kustomization.
pub(super) fn kustomization_type() -> TypeMeta<'static> {
    TypeMeta { api_version: Str::owned("kustomize.config.k8s.io/v1beta1"), kind: Str::owned("Kustomization") }
}

/// The maximum number of objects that an object can be nested in. It limits the recursion.
const MAX_OUTER_OBJECTS: usize = 32;

/// Returns the kind of an object that refers to a chart or to manifests elsewhere, which another
/// program renders. Returns `None` for objects of other kinds.
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

/// Returns the `apiVersion` and `kind` of an object whose own fields are `meta`. In a typed list
/// such as `PodList`, items may omit both fields. The type of the list then determines them.
fn with_item_type<'a>(mut meta: TypeMeta<'a>, outer: Outer<'a>) -> TypeMeta<'a> {
    let Outer::List { list, .. } = outer else { return meta };
    let kind = list.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    if let (true, Some(kind)) = (meta.kind.is_empty(), kind) {
        meta.kind = Str::owned(kind);
        if meta.api_version.is_empty() {
            meta.api_version = list.api_version.clone();
        }
    }
    meta
}

/// Checks whether an object counts as an object with volumes in the report.
fn has_volumes(object: &Object<'_>) -> bool {
    match &object.body {
        Body::Pods(pods) => pods.iter().any(|pod| !pod.volumes.is_empty() || !pod.claim_templates.is_empty()),
        Body::PersistentVolume(_) | Body::Claim(_) | Body::StorageClass(_) => true,
        Body::Other => false,
    }
}
