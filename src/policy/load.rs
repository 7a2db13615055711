//! Loads policies: finds and reads the files, resolves `extends`, and merges the documents.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builtin;
use super::document::Document;
use super::merged::{MergedPolicy, Problem, Text};
use super::profile::Profile;
use crate::model::{ExpectedType, FieldErrorKind, FieldPath, did_you_mean};
use crate::rules::Registry;
use crate::source::{self, File, Tree, decode, split_documents};

/// The name of a new policy file.
pub const FILE_NAME: &str = "volcheck.yaml";

/// The names of policy files that are found without `--policy`.
pub const FILE_NAMES: [&str; 4] = [FILE_NAME, "volcheck.yml", ".volcheck.yaml", ".volcheck.yml"];

/// The maximum size of a policy file, in bytes. It equals the maximum size of a ConfigMap.
const MAX_BYTES: u64 = 1 << 20;

/// Returns the path of the policy file for `directory`: the nearest one in the directory or its
/// parents, up to the repository root. The path is relative to `directory`. Returns `None` if there
/// is no policy file, and a problem if the nearest directory contains more than one.
pub fn discover(directory: &Path) -> Result<Option<PathBuf>, Problem> {
    for (up, directory) in directory.ancestors().enumerate() {
        // A file that cannot be read is returned, too: skipping it would silently apply another
        // policy.
        let exists = |name: &&&str| fs::symlink_metadata(directory.join(name)).is_ok();
        let names: Vec<&str> = FILE_NAMES.iter().filter(exists).copied().collect();
        let above: PathBuf = std::iter::repeat_n("..", up).collect();
        match names[..] {
            [] if directory.join(".git").exists() => return Ok(None),
            [] => {}
            [name] => return Ok(Some(above.join(name))),
            [first, second, ..] => {
                let path = above.join(second).to_string_lossy().into();
                let message = format!(
                    "another policy file, `{first}`, is in the same directory; remove one, or select one with `--policy`"
                );
                return Err(Problem { path, location: None, message });
            }
        }
    }
    Ok(None)
}

/// Loads the policy at `path` and the documents that it extends, or returns all problems in them.
pub(super) fn load(path: &Path, registry: Registry) -> Result<MergedPolicy, Vec<Problem>> {
    let mut loader = Loader::new(registry);
    loader.file(path, path.to_string_lossy().into(), None);
    if loader.problems.is_empty() { Ok(loader.merged) } else { Err(loader.problems) }
}

/// Loads the policy whose file `path` has this text, like [`load`]. The file need not exist.
pub(super) fn load_text(path: &Path, text: &str, registry: Registry) -> Result<MergedPolicy, Vec<Problem>> {
    let mut loader = Loader::new(registry);
    loader.open.extend(fs::canonicalize(path));
    loader.bytes(text.into(), path.to_string_lossy().into(), path.parent().unwrap_or(Path::new("")));
    if loader.problems.is_empty() { Ok(loader.merged) } else { Err(loader.problems) }
}

/// Returns all problems in the text of a policy. Files that it extends are relative to the current
/// directory.
pub fn problems(name: &str, text: &str) -> Vec<Problem> {
    let mut loader = Loader::new(Registry::built_in());
    loader.bytes(text.into(), name.into(), Path::new(""));
    loader.problems
}

struct Loader {
    /// The documents loaded so far. Each is merged after the documents that it extends.
    merged: MergedPolicy,
    registry: Registry,
    problems: Vec<Problem>,
    /// The files being loaded. Each file extends the next one in the list.
    open: Vec<PathBuf>,
    done: Vec<PathBuf>,
}

impl Loader {
    fn new(registry: Registry) -> Self {
        Self {
            merged: MergedPolicy::default(),
            registry,
            problems: Vec::new(),
            open: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Loads a file, unless it has already been loaded. `entry` is the entry of `extends` that
    /// names the file; `None` for the policy file that is loaded first. Read errors are reported at
    /// that entry. Without an entry, they have no location.
    fn file(&mut self, path: &Path, name: Arc<str>, entry: Option<(&Text<'_>, FieldPath)>) {
        let failed = |loader: &mut Self, message: String| {
            let problem = match &entry {
                Some((text, at)) => text.problem(at, format!("could not be read: {message}")),
                None => Problem {
                    path: Arc::clone(&name),
                    location: None,
                    message: format!("could not be read: {message}"),
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
                let problem = text.problem(
                    at,
                    "cyclic `extends`: the named file extends this file, directly or indirectly",
                );
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

    fn bytes(&mut self, bytes: Vec<u8>, name: Arc<str>, directory: &Path) {
        match File::decode(&*name, bytes) {
            Ok(file) => self.text(&Arc::new(file), name, directory),
            Err(error) => {
                self.problems.push(Problem { path: name, location: None, message: error.to_string() });
            }
        }
    }

    fn text(&mut self, file: &Arc<File>, name: Arc<str>, directory: &Path) {
        let Some(tree) = parse_config(file, &name, "policy", &mut self.problems) else { return };
        let text = Text { name, file, tree: &tree };
        let Some(document) = decode_config::<Document>(&text, &mut self.problems) else { return };
        match document.version {
            Some(1) => {}
            Some(other) => {
                let message = format!("unsupported version {other}, expected 1");
                self.problems.push(text.problem(&FieldPath::from_keys(&["version"]), message));
                return;
            }
            None => self
                .problems
                .push(text.problem(&FieldPath::root(), "missing key `version`, expected `version: 1`")),
        }
        for (index, entry) in document.extends.iter().enumerate() {
            self.extend(&text, FieldPath::from_keys(&["extends"]).index(index), entry, directory);
        }
        let own = MergedPolicy::from_document(document, &text, directory, self.registry, &mut self.problems);
        self.merged.merge(own);
    }

    fn extend(&mut self, text: &Text<'_>, at: FieldPath, entry: &str, directory: &Path) {
        if let Some(pack) = builtin::pack(entry, self.registry) {
            return self.merged.merge(pack);
        }
        let is_file = entry.contains('/') && !entry.starts_with(builtin::NODE_AGENTS)
            || [".yaml", ".yml"].iter().any(|end| entry.ends_with(end));
        if is_file {
            let path = directory.join(entry);
            let name: Arc<str> = path.to_string_lossy().into();
            return self.file(&path, name, Some((text, at)));
        }
        let message = match entry.parse::<Profile>() {
            Ok(profile) => format!("`{entry}` is a profile, not a pack: write `profile: {profile}`"),
            Err(_) => format!(
                "unknown pack `{entry}`{}; the path of a file must contain `/`, or end in `.yaml` or `.yml`",
                did_you_mean(entry, builtin::packs())
            ),
        };
        self.problems.push(text.problem(&at, message));
    }
}

/// Parses the only document in a configuration file. `noun` names the kind of file. If the text is
/// not a single valid document, adds a problem and returns `None`. Also adds a problem for each
/// duplicate key.
pub fn parse_config<'f>(
    file: &'f Arc<File>,
    name: &Arc<str>,
    noun: &str,
    problems: &mut Vec<Problem>,
) -> Option<Tree<'f>> {
    let problem = |range: std::ops::Range<usize>, message: String| {
        let location = Some((Arc::clone(file), file.span(range)));
        Problem { path: Arc::clone(name), location, message }
    };
    let mut trees = Vec::new();
    for chunk in split_documents(file.text()) {
        match source::parse(file.text(), chunk.range) {
            Ok(tree) => trees.extend(tree),
            Err(error) => {
                problems.push(problem(error.span.clone(), error.to_string()));
                return None;
            }
        }
    }
    if let Some(second) = trees.get(1) {
        let message = format!("a {noun} must be a single document");
        problems.push(problem(second.range(second.root()), message));
        return None;
    }
    let Some(tree) = trees.pop() else {
        problems.push(problem(0..0, format!("empty {noun}: `version: 1` is required")));
        return None;
    };
    for &mapping in tree.irregular_mappings() {
        for duplicate in tree.duplicate_keys(mapping) {
            let key = tree.key(duplicate.kept.key);
            problems.push(problem(tree.range(duplicate.kept.key), format!("duplicate key `{key}`")));
        }
    }
    Some(tree)
}

/// Decodes a configuration file. If a key or a value is invalid, adds a problem and returns `None`.
pub fn decode_config<'t, T: serde::Deserialize<'t>>(
    text: &Text<'t>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let error = match decode(text.tree, text.tree.root()) {
        Ok(document) => return Some(document),
        Err(error) => error,
    };
    if matches!(error.kind, FieldErrorKind::UnknownKey { .. }) {
        let message = allow_list_advice(&error.path).map_or_else(|| error.kind.to_string(), str::to_owned);
        problems.push(text.problem_with_key(&error.path, message));
        return None;
    }
    let mut message = error.kind.to_string();
    // For example, YAML 1.1 parses an unquoted namespace `n` as the boolean `false`.
    if let FieldErrorKind::WrongType { expected: ExpectedType::String | ExpectedType::StringOrList, found } =
        &error.kind
        && found.is_scalar()
    {
        message.push_str(": quote it");
    }
    problems.push(text.problem(&error.path, message));
    None
}

/// Returns the message about a key named `allow`, or `None` for any other key. Its name would not
/// show that the list forbids everything else and exempts nothing.
fn allow_list_advice(path: &FieldPath) -> Option<&'static str> {
    match path.to_string().as_str() {
        "hostPaths.allow" => Some(
            "unknown key `allow`: to forbid all other host paths, write `allowOnly`; to accept findings about \
             a path, add an entry to `exemptions`",
        ),
        "volumeTypes.allow" => Some(
            "unknown key `allow`: to forbid all other volume types, write `allowOnly`; to accept findings about \
             a volume, add an entry to `exemptions`",
        ),
        _ => None,
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
