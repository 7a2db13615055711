//! From files to layers: reading, `extends`, and what is wrong with a text before it is a document.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builtin;
use super::document::Document;
use super::layer::{Layer, Problem, Text};
use super::profile::Profile;
use crate::model::{FieldPath, meant};
use crate::source::{self, File, decode, split_documents};

/// The name of the policy's file.
pub const FILE_NAME: &str = "volcheck.yaml";

/// Larger policies are refused: a ConfigMap holds 1 MiB.
const MAX_BYTES: u64 = 1 << 20;

/// The policy file that holds in `folder`, seen from there: the nearest one in it or in a folder above, up to the
/// root of the repository.
pub fn discover(folder: &Path) -> Option<PathBuf> {
    for (up, folder) in folder.ancestors().enumerate() {
        // What can't be read is a policy, too: passing it over would change the verdict in silence.
        if fs::symlink_metadata(folder.join(FILE_NAME)).is_ok() {
            let above: PathBuf = std::iter::repeat_n("..", up).collect();
            return Some(above.join(FILE_NAME));
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// The documents of the policy at `path`: what it extends first, itself last. Or all that is wrong with them.
pub(super) fn load(path: &Path) -> Result<Vec<Layer>, Vec<Problem>> {
    let mut loader = Loader::default();
    loader.file(path, path.to_string_lossy().into(), None);
    if loader.problems.is_empty() { Ok(loader.layers) } else { Err(loader.problems) }
}

#[derive(Default)]
struct Loader {
    layers: Vec<Layer>,
    problems: Vec<Problem>,
    /// The files that are being read, each extended by the one before it.
    open: Vec<PathBuf>,
    done: Vec<PathBuf>,
}

impl Loader {
    /// Reads a file, which an entry of another one may have named: problems with the reading are said there.
    fn file(&mut self, path: &Path, name: Arc<str>, entry: Option<(&Text<'_>, FieldPath)>) {
        let failed = |loader: &mut Self, message: String| {
            let problem = match &entry {
                Some((text, at)) => text.problem(at, format!("can't be read: {message}")),
                None => Problem {
                    path: Arc::clone(&name),
                    place: None,
                    message: format!("can't be read: {message}"),
                },
            };
            loader.problems.push(problem);
        };
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => return failed(self, reason(&error)),
        };
        if self.open.contains(&real) {
            if let Some((text, at)) = &entry {
                let problem = text.problem(at, "extends itself, by way of the files between");
                self.problems.push(problem);
            }
            return;
        }
        if self.done.contains(&real) {
            return;
        }
        let bytes = match fs::metadata(&real) {
            Ok(metadata) if metadata.len() > MAX_BYTES => {
                return failed(self, format!("larger than {} MiB", MAX_BYTES >> 20));
            }
            Ok(metadata) if !metadata.is_file() => return failed(self, "not a file".to_owned()),
            Ok(_) => fs::read(&real),
            Err(error) => Err(error),
        };
        let file = match bytes {
            Ok(bytes) => File::decode(&*name, bytes),
            Err(error) => return failed(self, reason(&error)),
        };
        let file = match file {
            Ok(file) => Arc::new(file),
            Err(error) => return failed(self, error.to_string()),
        };
        self.open.push(real);
        self.text(&file, name, path.parent().unwrap_or(Path::new("")));
        self.done.extend(self.open.pop());
    }

    fn text(&mut self, file: &Arc<File>, name: Arc<str>, folder: &Path) {
        let mut report = |range: std::ops::Range<usize>, message: String| {
            let place = Some((Arc::clone(file), file.span(range)));
            self.problems.push(Problem { path: Arc::clone(&name), place, message });
        };
        let chunks: Vec<_> = split_documents(file.text()).into_iter().map(|chunk| chunk.range).collect();
        let mut trees = Vec::new();
        for chunk in chunks {
            match source::parse(file.text(), chunk) {
                Ok(tree) => trees.extend(tree),
                Err(error) => return report(error.span, error.kind.to_string()),
            }
        }
        let tree = match trees.as_slice() {
            [tree] => tree,
            [] => return report(0..0, "empty: a policy has at least `version: 1`".to_owned()),
            [_, second, ..] => {
                return report(second.range(second.root()), "a policy is one document".to_owned());
            }
        };
        let text = Text { name, file, tree };
        for &mapping in tree.irregular_mappings() {
            for duplicate in tree.duplicate_keys(mapping) {
                let key = tree.key(duplicate.kept.key).into_owned();
                let place = Some((Arc::clone(file), file.span(tree.range(duplicate.kept.key))));
                let message = format!("key `{key}` stands twice in one mapping");
                self.problems.push(Problem { path: Arc::clone(&text.name), place, message });
            }
        }
        let document: Document = match decode(tree, tree.root()) {
            Ok(document) => document,
            Err(error) if error.is_key => {
                self.problems.push(text.problem_of_key(&error.path, error.message));
                return;
            }
            Err(mut error) => {
                // `n` is a namespace to people, and false to YAML.
                if error.message.starts_with("expected a string") && error.message.contains("found the ") {
                    error.message.push_str(": put it in quotes");
                }
                return self.problems.push(text.problem(&error.path, error.message));
            }
        };
        match document.version {
            Some(1) => {}
            Some(other) => {
                let message = format!("version {other} is not known: this volcheck reads version 1");
                self.problems.push(text.problem(&FieldPath::of(&["version"]), message));
                return;
            }
            None => self
                .problems
                .push(text.problem(&FieldPath::root(), "missing key `version`; this is version 1")),
        }
        for (index, entry) in document.extends.iter().enumerate() {
            self.extend(&text, FieldPath::of(&["extends"]).index(index), entry, folder);
        }
        let layer = Layer::new(document, &text, folder, &mut self.problems);
        self.layers.push(layer);
    }

    fn extend(&mut self, text: &Text<'_>, at: FieldPath, entry: &str, folder: &Path) {
        if let Some(pack) = builtin::pack(entry) {
            return self.layers.push(pack);
        }
        let is_file = entry.contains('/') && !entry.starts_with(builtin::NODE_AGENTS)
            || [".yaml", ".yml"].iter().any(|end| entry.ends_with(end));
        if is_file {
            let path = folder.join(entry);
            let name: Arc<str> = path.to_string_lossy().into();
            return self.file(&path, name, Some((text, at)));
        }
        let message = match entry.parse::<Profile>() {
            Ok(profile) => format!("`{entry}` is a profile: write `profile: {profile}`"),
            Err(_) => format!(
                "unknown pack `{entry}`{}; a file has a `/` or ends in `.yaml`",
                meant(entry, builtin::packs())
            ),
        };
        self.problems.push(text.problem(&at, message));
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
