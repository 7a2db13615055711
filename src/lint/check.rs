//! Checks of single manifests.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::bindings::Bindings;
use super::checker::{Checker, undecodable_text};
use super::objects::Outer;
use super::suppression::FileIgnores;
use super::{Counts, Manifest, Options, Outcome, Role, UncheckedInput};
use super::{embedded, kustomize, not_object, template, template_location, text_facts, word};
use crate::finding::Finding;
use crate::input::{chart_template, is_kustomization, is_template_path};
use crate::policy;
use crate::rules::{TextFacts, Unchecked};
use crate::source::{self, Chunk, File, NodeRef, ParseError, Tree, View};
use crate::suppress;

/// The length of the shortest file whose documents are checked in parallel, in bytes. For a shorter
/// file, starting other threads takes longer than it saves.
const MIN_PARALLEL_LEN: usize = 64 << 10;

/// Checks a manifest. Considers only the claims and PersistentVolumes in this manifest.
pub fn check(manifest: Manifest<'_>, options: &Options<'_>) -> Outcome {
    let Manifest { name, bytes, role } = manifest;
    let file = match decode(name, bytes, options) {
        Ok(file) => file,
        Err(outcome) => return *outcome,
    };
    let mut outcome = check_file(&file, &role, options, None);
    let mut facts = std::mem::take(&mut outcome.bindings);
    let uses = std::mem::take(&mut facts.uses);
    match Bindings::new(facts, &options.policy.options) {
        Some(bindings) if bindings.concern(&uses, name) => check_file(&file, &role, options, Some(&bindings)),
        _ => outcome,
    }
}

/// Decodes the text of a manifest. If the file is too large or not valid text, returns an outcome
/// that reports the problem as an error.
pub(super) fn decode(name: &str, bytes: Vec<u8>, options: &Options<'_>) -> Result<Arc<File>, Box<Outcome>> {
    File::decode(name, bytes).map(Arc::new).map_err(|error| {
        let counts = Counts { files: 1, ..Counts::default() };
        let unchecked = vec![undecodable_text(name, &error, options)];
        Box::new(Outcome { counts, files: [name.into()].into(), unchecked, ..Outcome::default() })
    })
}

/// Checks a manifest. Without `bindings`, as in the first check, collects facts about claims. With
/// `bindings`, as in the second check, also reports the findings that depend on them.
pub(super) fn check_file(
    file: &Arc<File>,
    role: &Role,
    options: &Options<'_>,
    bindings: Option<&Bindings>,
) -> Outcome {
    let name = file.path.as_str();
    let mut checker = Checker {
        options,
        bindings,
        file,
        path: name.into(),
        is_patch: *role == Role::Patch,
        is_rendered: matches!(role, Role::Chart { .. } | Role::Kustomization),
        may_contain_patch: false,
        may_contain_ignores: options.with_ignores && word::VOLCHECK.is_in(file.text()),
        head_len: 0,
        template: None,
        namespace: options.policy.namespace.as_str().into(),
        depth: 0,
        outer_objects: 0,
        detached: None,
    };
    if checker.may_contain_ignores {
        checker.head_len = suppress::head_len(file.text());
    }
    let chunks = source::split_documents(file.text());
    let is_one_file = matches!(role, Role::File | Role::Patch);
    let check = |chunk: &Chunk| {
        let checker = checker.for_chunk(chunk, role);
        if checker.is_excluded() {
            return Default::default();
        }
        let (mut outcome, ignores) = checker.check_chunk(chunk);
        if !is_one_file && !file.text()[chunk.range.clone()].trim().is_empty() {
            outcome.files.insert(Arc::clone(&checker.path));
        }
        (outcome, ignores)
    };
    let (mut outcome, ignores) = match chunks.as_slice() {
        [chunk] => check(chunk),
        // A single file may contain most of a run's input.
        chunks if file.text().len() >= MIN_PARALLEL_LEN => {
            merge(chunks.par_iter().map(check).collect::<Vec<_>>())
        }
        chunks => merge(chunks.iter().map(check)),
    };
    if outcome.files.is_empty() {
        outcome.files.insert(Arc::clone(&checker.path));
    }
    outcome.counts.files = outcome.files.len();
    outcome.counts.kustomizations = usize::from(is_kustomization(name) && *role != Role::Kustomization);
    if checker.may_contain_ignores {
        let chunk_at = |offset: usize| {
            let index = chunks.partition_point(|chunk| chunk.range.start <= offset).saturating_sub(1);
            chunks.get(index)
        };
        let document_at = |offset| {
            chunk_at(offset).map_or((0, None), |chunk| {
                (chunk.range.start, template_of(&file.text()[chunk.range.clone()]))
            })
        };
        let located = |finding: Finding| {
            let chunk = finding.primary.mark().and_then(|mark| chunk_at(mark.range().start));
            match chunk {
                Some(chunk) => checker.for_chunk(chunk, role).locate_text(finding),
                None => checker.locate_text(finding),
            }
        };
        ignores.apply(options, document_at, located, &mut outcome);
    }
    let is_from_template = |text: &str| template_of(text).is_some();
    match role {
        Role::Stream => template_location::add(&mut outcome, file, &chunks, is_from_template, None),
        Role::Chart { directory, values } => {
            let values = Some((directory.as_str(), values.as_slice()));
            template_location::add(&mut outcome, file, &chunks, is_from_template, values);
        }
        Role::File | Role::Patch | Role::Kustomization => {}
    }
    outcome
}

/// Merges the results of the documents of a file.
fn merge(parts: impl IntoIterator<Item = (Outcome, FileIgnores)>) -> (Outcome, FileIgnores) {
    let (mut outcome, mut ignores) = <(Outcome, FileIgnores)>::default();
    for (part, found) in parts {
        outcome.merge(part);
        ignores.extend(found);
    }
    (outcome, ignores)
}

impl<'c> Checker<'c> {
    /// Returns the checker for a document. In rendered text and on standard input, a comment by
    /// Helm or an annotation by kustomize may name the file that the document was rendered from. If
    /// so, the checker reports that file as the location.
    fn for_chunk(&self, chunk: &Chunk, role: &Role) -> Cow<'_, Self> {
        let file: &'c File = self.file;
        let text = &file.text()[chunk.range.clone()];
        let template = template_of(text);
        let path: Arc<str> = match (template, role) {
            (Some(template), Role::Chart { directory, .. }) if Path::new(directory).is_dir() => {
                chart_template(Path::new(directory), template).to_string_lossy().into()
            }
            (Some(template), Role::Stream | Role::Chart { .. }) => template.into(),
            // If a file contains the output of Helm, findings are reported in that file.
            (Some(_), _) => return Cow::Owned(Self { template, ..self.clone() }),
            (None, Role::Stream | Role::Kustomization) => {
                let origin = kustomize::origin(text).map(|origin| kustomize::resolve(&self.path, origin));
                // On standard input, the directory of the kustomization is unknown, so the path may
                // not exist.
                match origin.filter(|path| path.exists()) {
                    Some(path) => path.to_string_lossy().into(),
                    None => return Cow::Borrowed(self),
                }
            }
            (None, _) => return Cow::Borrowed(self),
        };
        Cow::Owned(Self { template, path, is_rendered: true, ..self.clone() })
    }

    /// Checks whether the documents were rendered from an excluded file.
    fn is_excluded(&self) -> bool {
        let excludes = self.options.excludes.filter(|_| self.is_rendered);
        excludes.is_some_and(|excludes| excludes.is_excluded(Path::new(&*self.path), false))
    }

    /// Checks the documents in a chunk. Returns the outcome, and the ignores that the documents
    /// contain.
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
        let may_contain_mode_label = self.options.as_admission && word::VOLCHECK.is_in(text);
        if !self.options.parse_all
            && !self.may_contain_ignores
            && !may_contain_mode_label
            && let Some(count) = count_skippable(text)
        {
            outcome.counts.objects += count;
            return (outcome, ignores);
        }
        match word::PATCH_DIRECTIVE.is_in(text) {
            true => Self { may_contain_patch: true, ..self.clone() }.parse_chunk(
                chunk,
                &mut outcome,
                &mut ignores,
            ),
            false => self.parse_chunk(chunk, &mut outcome, &mut ignores),
        }
        (outcome, ignores)
    }

    /// Parses and checks the documents in a chunk.
    fn parse_chunk(&self, chunk: &Chunk, outcome: &mut Outcome, ignores: &mut FileIgnores) {
        let text = &self.file.text()[chunk.range.clone()];
        if text.trim_start().starts_with('{')
            && let Ok(trees) = source::parse_json(self.file.text(), chunk.range.clone())
        {
            for tree in trees {
                self.check_document(&tree, outcome, ignores);
            }
            return;
        }
        match source::parse(self.file.text(), chunk.range.clone()) {
            Ok(None) => {}
            Ok(Some(tree)) => {
                if let Some(directive) = template::ytt_directive(self.file.text(), chunk.range.clone(), &tree)
                {
                    let unchecked = Unchecked::YttTemplate(directive.into());
                    outcome.unchecked.push(self.unchecked_text(&unchecked));
                    return;
                }
                if self.check_document(&tree, outcome, ignores) {
                    let dropped_text = text_facts::dropped_text(self.file.text(), &tree, chunk);
                    self.check_text(&TextFacts { dropped_text, ..TextFacts::default() }, None, outcome);
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
    }

    /// Checks whether an `ignore-file` comment is allowed before the content of a chunk. This is
    /// the case at the start of the file and, in the output of Helm, at the start of each document
    /// that names its template.
    fn may_ignore_file(&self, chunk: &Chunk) -> bool {
        self.template.is_some() || chunk.range.start <= self.head_len
    }

    /// Checks whether text that is not valid YAML is certain to be JSON of another program, such as
    /// compiler settings with comments. This is the case if the file has the extension `.json`, and
    /// the text cannot contain the key `kind`, not even with escapes.
    fn is_foreign_json(&self, text: &str) -> bool {
        self.path.ends_with(".json") && !text.contains("kind") && !text.contains('\\')
    }

    fn invalid_yaml(&self, error: &ParseError, chunk: &Chunk) -> UncheckedInput {
        let text = &self.file.text()[chunk.range.clone()];
        if let Some(action) = template_action(text, error.span.start - chunk.range.start) {
            let action = chunk.range.start + action.start..chunk.range.start + action.end;
            let is_chart = self.file.text()[action.clone()].starts_with("{{");
            let unchecked = Unchecked::RawTemplate { action: action.into(), is_chart, others: None };
            return self.unchecked_text(&unchecked);
        }
        let is_tab = self.file.text().as_bytes().get(error.span.start) == Some(&b'\t');
        let location = error.span.clone().into();
        self.unchecked_text(&Unchecked::InvalidYaml { error: &error.to_string(), location, is_tab })
    }

    /// Checks a document. Returns true if it contains a Kubernetes object.
    fn check_document(&self, tree: &Tree<'_>, outcome: &mut Outcome, ignores: &mut FileIgnores) -> bool {
        let (objects, unchecked) = (outcome.counts.objects, outcome.unchecked.len());
        if self.is_patch && matches!(tree.view(tree.root()), View::Sequence(_)) {
            self.check_json_patch(NodeRef { tree, node: tree.root() }, outcome, ignores);
        }
        self.check_object(tree, tree.root(), Outer::Document, outcome, ignores);
        if outcome.counts.objects > objects {
            return true;
        }
        if outcome.unchecked.len() > unchecked {
            return false;
        }
        if let Some(reason) = not_object::reason(tree, tree.root()).filter(|_| !self.is_patch) {
            self.add_rejected(tree, tree.root(), reason, outcome);
            return false;
        }
        if let Some(lookalike) = not_object::lookalike(tree, tree.root()).filter(|_| !self.is_patch) {
            self.add_warning(tree, tree.root(), &Unchecked::Lookalike(&lookalike), outcome);
        }
        outcome.counts.other_documents += usize::from(!tree.is_null(tree.root()));
        // The patches in a kustomization without `kind` have already been checked by
        // `check_object`.
        if !self.is_patch && !is_kustomization(&self.path) {
            self.check_contents(NodeRef { tree, node: tree.root() }, None, outcome, ignores);
        }
        false
    }
}

/// Counts the objects in a document if it can be skipped, because none of the objects contains a
/// volume or a manifest in a string. Returns `None` if the document must be parsed.
fn count_skippable(text: &str) -> Option<usize> {
    let has_config_map_or_secret = Cell::new(false);
    let count = source::count_skippable(text, |api_version, kind| {
        let is_relevant = embedded::is_config_map_or_secret(api_version, kind);
        has_config_map_or_secret.set(has_config_map_or_secret.get() || is_relevant);
        policy::is_skipped_kind(api_version, kind)
    })?;
    // If there are several objects, they are in a list object, which also has an `apiVersion`.
    let own = if count > 1 { count + 1 } else { count };
    (!has_config_map_or_secret.get() || !embedded::may_contain_manifest(text, own)).then_some(count)
}

/// Returns the path of the template that a document was rendered from, if the first line is a
/// comment by Helm such as `# Source: shop/templates/pod.yaml`. Returns `None` for any other line,
/// such as `# Source: https://example.com/pod.yaml`.
fn template_of(text: &str) -> Option<&str> {
    let path = text.lines().next()?.strip_prefix("# Source: ")?.trim_end();
    is_template_path(path).then_some(path)
}

/// Returns the byte range of the template action (`{{…}}`, `{%…%}` or `<%…%>`) that causes a syntax
/// error at the offset `at`. This is the last action that starts at or before the error or, if
/// there is none, the first action. Returns `None` if the text contains no action.
fn template_action(text: &str, at: usize) -> Option<Range<usize>> {
    const DELIMITERS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("<%", "%>")];
    // The error may be at the first of the two opening characters, so include two more bytes.
    let head = (at..=at + 2).rev().find_map(|end| text.get(..end))?;
    let before = DELIMITERS.iter().filter_map(|(open, close)| Some((head.rfind(open)?, close)));
    let first = DELIMITERS.iter().filter_map(|(open, close)| Some((text.find(open)?, close)));
    let (start, close) = before.max().or_else(|| first.min())?;
    let length = text[start..].find(close).map_or(2, |length| length + close.len());
    Some(start..start + length)
}
