//! One policy document, checked: every text in it is what it should be, or a problem with a place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Level;
use super::builtin::named;
use super::document::{Document, Ignores, Mode, WorkloadMode};
use super::exemption::{Exemption, ExemptionPlace, Pattern, unreachable_path};
use super::profile::Profile;
use crate::model::{CustomWorkload, FieldPath, PathPattern, Quantity, did_you_mean};
use crate::rules::{self, AllowedHostPath, Entry, NamedPath};
use crate::source::{File, Span, Tree, locate, locate_key};

/// What is wrong with a policy, and where.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The file's name, as it is shown.
    pub path: Arc<str>,
    /// The place in its text; none where there is no text.
    pub place: Option<(Arc<File>, Span)>,
    /// What is wrong, in one clause.
    pub message: String,
}

/// A document's part of a policy.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) name: Arc<str>,
    /// The document as it is written.
    pub(super) document: Document,
    pub(super) profile: Option<Profile>,
    /// The rule's id, `"*"` for all, and the line that says so.
    pub(super) levels: Vec<(String, Level, usize)>,
    /// What `sizeLimit` the fixes of a rule write.
    pub(super) default_sizes: Vec<(&'static str, String)>,
    pub(super) allow: Option<Vec<AllowedHostPath>>,
    pub(super) catalogue: Vec<Entry>,
    pub(super) data_directories: Vec<NamedPath>,
    pub(super) scratch_directories: Vec<NamedPath>,
    pub(super) modes: Vec<NamespaceMode>,
    pub(super) workload_mode: Option<WorkloadMode>,
    pub(super) ignores: Option<Ignores>,
    pub(super) exemptions: Vec<Exemption>,
    pub(super) workloads: Vec<CustomWorkload>,
    pub(super) heuristic: Option<bool>,
    pub(super) controllers: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) exclude: Vec<String>,
    pub(super) namespace: Option<String>,
    pub(super) baseline: Option<PathBuf>,
}

/// What admission does in the namespaces that a pattern fits.
#[derive(Clone, Debug)]
pub(super) struct NamespaceMode {
    pub(super) text: String,
    pub(super) pattern: Pattern,
    pub(super) mode: Mode,
}

/// The text that a document stands in.
pub(super) struct Text<'t> {
    pub(super) name: Arc<str>,
    pub(super) file: &'t Arc<File>,
    pub(super) tree: &'t Tree<'t>,
}

impl Text<'_> {
    /// A problem with the value at `path`.
    pub(super) fn problem(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
        self.at(locate(self.file, self.tree, self.tree.root(), path), message)
    }

    /// A problem with the key at `path`.
    pub(super) fn problem_of_key(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
        self.at(locate_key(self.file, self.tree, self.tree.root(), path), message)
    }

    fn at(&self, span: Span, message: impl Into<String>) -> Problem {
        let place = Some((Arc::clone(self.file), span));
        Problem { path: Arc::clone(&self.name), place, message: message.into() }
    }
}

impl Layer {
    /// What `document` says, which stands in `text`, in a file of the folder `folder`; its problems go to
    /// `problems`.
    pub(super) fn new(
        document: Document,
        text: &Text<'_>,
        folder: &Path,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut reader = Reader { text, problems };
        let mut layer = Self {
            name: Arc::clone(&text.name),
            profile: document.profile,
            workload_mode: document.workload_mode,
            ignores: document.ignores,
            workloads: document.workloads.clone(),
            heuristic: document.heuristic,
            controllers: document.controllers.clone(),
            folder: folder.to_owned(),
            namespace: document.lint.namespace.clone(),
            baseline: document.lint.baseline.as_ref().map(|path| folder.join(path)),
            ..Self::default()
        };
        for (id, setting) in &document.rules {
            reader.rule(&mut layer, id, setting);
        }
        layer.allow = document.host_paths.allow.as_ref().map(|entries| {
            let at = FieldPath::from_keys(&["hostPaths", "allow"]);
            let allowed = entries.iter().enumerate().filter_map(|(index, entry)| {
                let pattern = reader.path(&at.index(index), &entry.path, PathPattern::new)?;
                Some(AllowedHostPath { pattern, is_read_only: entry.read_only })
            });
            allowed.collect()
        });
        let at = FieldPath::from_keys(&["hostPaths", "catalogue"]);
        for (index, entry) in document.host_paths.catalogue.iter().enumerate() {
            match entry.clone().checked() {
                Ok(entry) => layer.catalogue.push(entry),
                Err(message) => reader.report(&at.index(index), message),
            }
        }
        let mut directories = |key, entries: &[super::document::Directory]| {
            let at = FieldPath::from_keys(&[key]);
            let directory = |(index, entry): (usize, &super::document::Directory)| {
                let pattern = reader.path(&at.index(index), &entry.path, PathPattern::in_container)?;
                Some(named(entry.clone(), pattern))
            };
            entries.iter().enumerate().filter_map(directory).collect()
        };
        layer.data_directories = directories("dataDirectories", &document.data_directories);
        layer.scratch_directories = directories("scratchDirectories", &document.scratch_directories);
        for (text, mode) in &document.modes {
            match Pattern::new(text) {
                Ok(pattern) => layer.modes.push(NamespaceMode { text: text.clone(), pattern, mode: *mode }),
                Err(message) => {
                    reader.report_key(&FieldPath::from_keys(&["modes"]).key(text.clone()), message);
                }
            }
        }
        let at = FieldPath::from_keys(&["exemptions"]);
        for (index, entry) in document.exemptions.iter().enumerate() {
            let at = at.index(index);
            let span = locate(text.file, text.tree, text.tree.root(), &at);
            let place = ExemptionPlace { path: Arc::clone(&text.name), file: Arc::clone(text.file), span };
            let origin = format!("{}:{}", text.name, span.start.line);
            match Exemption::new(entry, Some(place), origin) {
                Ok(exemption) => layer.exemptions.push(exemption),
                Err(mistakes) => {
                    mistakes.iter().for_each(|(path, message)| reader.report(&at.join(path), message));
                }
            }
        }
        let at = FieldPath::from_keys(&["lint", "exclude"]);
        for (index, glob) in document.lint.exclude.iter().enumerate() {
            match globset::Glob::new(glob) {
                Ok(_) => layer.exclude.push(glob.clone()),
                Err(error) => reader.report(&at.index(index), format!("no glob: {}", error.kind())),
            }
        }
        layer.document = document;
        layer
    }
}

struct Reader<'r, 't> {
    text: &'r Text<'t>,
    problems: &'r mut Vec<Problem>,
}

impl Reader<'_, '_> {
    fn report(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.problems.push(self.text.problem(path, message));
    }

    fn report_key(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.problems.push(self.text.problem_of_key(path, message));
    }

    fn path(
        &mut self,
        at: &FieldPath,
        path: &str,
        parse: fn(&str) -> Option<PathPattern>,
    ) -> Option<PathPattern> {
        let pattern = parse(path);
        if pattern.is_none() {
            self.report(&at.key("path"), format!("`{path}` fits nothing: {}", unreachable_path(path)));
        }
        pattern
    }

    fn rule(&mut self, layer: &mut Layer, id: &str, setting: &super::document::RuleSetting) {
        let at = FieldPath::from_keys(&["rules"]).key(id.to_owned());
        let known = rules::find(id).map(rules::Rule::meta);
        if known.is_none() && id != "*" {
            return self.report_key(&at, super::UnknownRule(id.to_owned()).to_string());
        }
        // What has a key of its own in a policy is no option of one rule.
        let options =
            known.into_iter().flat_map(|meta| meta.options).filter(|option| !option.name.contains('.'));
        let options: Vec<&str> = options.map(|option| option.name).collect();
        for (name, value) in &setting.options {
            let at = at.key("options").key(name.clone());
            match known.filter(|_| options.contains(&name.as_str())) {
                Some(meta) if Quantity::parse(value).is_some_and(|size| size.is_positive()) => {
                    layer.default_sizes.push((meta.id, value.clone()));
                }
                Some(_) => self.report(&at, format!("`{value}` is no size such as `1Gi`")),
                None if options.is_empty() => {
                    self.report_key(&at, format!("unknown option `{name}`: `{id}` has none"));
                }
                None => {
                    let known = did_you_mean(name, options.iter().copied());
                    self.report_key(&at, format!("unknown option `{name}` of `{id}`{known}"));
                }
            }
        }
        if let Some(level) = setting.level {
            if known.is_some_and(|meta| rules::cannot_be_excused(meta.id)) {
                return self.report(
                    &at,
                    format!("`{id}` is no finding, but what can't be judged: it has no severity"),
                );
            }
            let line = locate_key(self.text.file, self.text.tree, self.text.tree.root(), &at).start.line;
            layer.levels.push((id.to_owned(), level, line));
        }
    }
}
