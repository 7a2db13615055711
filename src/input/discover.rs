//! Finds the inputs that are named on the command line.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use globset::{Glob, GlobMatcher, GlobSet, GlobSetBuilder};
use ignore::{DirEntry, WalkBuilder, WalkState};
use rayon::prelude::*;

use super::{Input, InputError, InputErrorKind, InputSource, STDIN, is_kustomization};

/// Options of [`discover`].
#[derive(Clone, Debug, Default)]
pub struct DiscoveryOptions {
    /// Paths to exclude, even if they are named explicitly.
    pub exclude: GlobSet,
    /// Whether to read files that `.gitignore` and similar files exclude.
    pub no_gitignore: bool,
    /// The extensions of the files to read in directories, without a dot. Case does not matter.
    pub extensions: Vec<String>,
    /// The name of standard input; `None` for [`STDIN`].
    pub stdin_name: Option<String>,
}

/// The result of [`discover`].
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// The inputs, sorted by name, without duplicates.
    pub inputs: Vec<Input>,
    /// Errors about paths that cannot be read, and about globs that are invalid or match no file,
    /// sorted by name.
    pub errors: Vec<InputError>,
    /// The `Chart.yaml` files that were found in directories. Their charts are not rendered.
    pub charts: Vec<PathBuf>,
    /// The kustomizations that were found in directories, even if they are not inputs.
    pub kustomizations: Vec<Input>,
    /// The arguments that are directories. Their subdirectories were searched, too. The path of the
    /// current directory is empty.
    pub searched: Vec<PathBuf>,
}

impl Discovery {
    fn add_input(&mut self, path: &Path, source: fn(PathBuf) -> InputSource, options: &DiscoveryOptions) {
        // `./a` and `a` are the same input.
        let path = path.strip_prefix("./").unwrap_or(path);
        let name = display_name(path);
        if !options.exclude.is_match(&name) {
            self.inputs.push(Input { name, source: source(path.to_owned()) });
        }
    }

    fn add_error(&mut self, path: &Path, kind: InputErrorKind, options: &DiscoveryOptions) {
        let name = display_name(path);
        if !options.exclude.is_match(&name) {
            self.errors.push(InputError { name, kind });
        }
    }

    /// Reads standard input, charts and kustomizations, so that several runs check the same text.
    /// Inputs that cannot be read are unchanged.
    pub fn read_streams(&mut self) {
        self.inputs.par_iter_mut().for_each(|input| {
            if matches!(input.source, InputSource::Stdin | InputSource::Rendered(_))
                && let Ok(bytes) = input.read()
            {
                input.set_content(bytes);
            }
        });
    }

    /// Returns the same inputs, with new contents for the inputs with these names.
    pub fn with_contents<'c>(&self, contents: impl Iterator<Item = (&'c str, &'c str)>) -> Self {
        let mut edited = self.clone();
        for (name, content) in contents {
            let inputs = edited.inputs.iter_mut().filter(|input| input.name == name);
            inputs.for_each(|input| input.set_content(content.into()));
        }
        edited
    }

    fn append(&mut self, other: &mut Self) {
        self.inputs.append(&mut other.inputs);
        self.errors.append(&mut other.errors);
        self.charts.append(&mut other.charts);
        self.kustomizations.append(&mut other.kustomizations);
    }
}

/// Builds a set of globs. Returns an error if one of the patterns is invalid.
pub fn glob_set<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern)?);
    }
    set.build()
}

/// Finds the inputs that `arguments` name: files, directories, globs, or `-` for standard input.
pub fn discover(arguments: &[String], options: &DiscoveryOptions) -> Discovery {
    let mut discovery = Discovery::default();
    for argument in arguments {
        let path = Path::new(argument);
        if argument == "-" {
            let name = options.stdin_name.clone().unwrap_or_else(|| STDIN.to_owned());
            discovery.inputs.push(Input { name, source: InputSource::Stdin });
        } else if path.is_dir() {
            walk(path, None, options, &mut discovery);
            // Names of inputs have no leading `./`.
            let name = display_name(path);
            discovery.searched.push(PathBuf::from(if name == "." { "" } else { &name }));
        } else if path.exists() || !is_glob(argument) {
            // If the file is missing, reading it reports the error.
            let source = if path.is_file() { InputSource::File } else { InputSource::Path };
            discovery.add_input(path, source, options);
        } else {
            match Glob::new(argument.strip_prefix("./").unwrap_or(argument)) {
                Ok(glob) => walk(&glob_base(argument), Some(&glob), options, &mut discovery),
                Err(error) => {
                    let kind = InputErrorKind::InvalidGlob(error.kind().to_string());
                    discovery.errors.push(InputError { name: argument.clone(), kind });
                }
            }
        }
    }
    discovery.inputs.sort_by(|a, b| a.name.cmp(&b.name));
    discovery.inputs.dedup();
    discovery.errors.sort_by(|a, b| a.name.cmp(&b.name));
    discovery.charts.sort();
    discovery
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Returns a directory that contains all matches of a glob: the part of the path before the first
/// segment with a wildcard.
fn glob_base(pattern: &str) -> PathBuf {
    let literal = Path::new(pattern).iter().map_while(|part| part.to_str().filter(|part| !is_glob(part)));
    let base: PathBuf = literal.collect();
    if base.as_os_str().is_empty() { PathBuf::from(".") } else { base }
}

/// Adds the files in a directory that match `glob`, or an error if no file matches. Without a glob,
/// adds the files with one of the configured extensions. Also adds the charts and kustomizations in
/// the directory, and the errors about its entries.
fn walk(directory: &Path, glob: Option<&Glob>, options: &DiscoveryOptions, discovery: &mut Discovery) {
    let matcher = glob.map(Glob::compile_matcher);
    let count_before = discovery.inputs.len() + discovery.errors.len();
    let walker = WalkBuilder::new(directory)
        .hidden(false)
        .follow_links(true)
        .require_git(false)
        .ignore(!options.no_gitignore)
        .git_ignore(!options.no_gitignore)
        .git_global(!options.no_gitignore)
        .git_exclude(!options.no_gitignore)
        .parents(!options.no_gitignore)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build_parallel();
    // The walk visits the entries in an arbitrary order. `discover` sorts the results.
    let shared = Mutex::new(std::mem::take(discovery));
    walker.run(|| {
        let found = Discovery::default();
        let mut visitor = Visitor { directory, glob: matcher.as_ref(), options, found, shared: &shared };
        Box::new(move |entry| {
            visitor.visit(entry);
            WalkState::Continue
        })
    });
    *discovery = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(glob) = glob.filter(|_| discovery.inputs.len() + discovery.errors.len() == count_before) {
        let name = glob.glob().to_owned();
        discovery.errors.push(InputError { name, kind: InputErrorKind::NoMatch });
    }
}

/// The visitor of one thread of a walk. When it is dropped, it adds its results to `shared`.
struct Visitor<'w> {
    directory: &'w Path,
    glob: Option<&'w GlobMatcher>,
    options: &'w DiscoveryOptions,
    found: Discovery,
    shared: &'w Mutex<Discovery>,
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.found);
    }
}

impl Visitor<'_> {
    fn is_selected(&self, path: &Path) -> bool {
        match self.glob {
            Some(glob) => glob.is_match(path.strip_prefix("./").unwrap_or(path)),
            None => has_extension(path, &self.options.extensions),
        }
    }

    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let (path, kind) = walk_error(self.directory, &error);
                // Ignore a dangling symbolic link, unless its path is selected.
                if kind != InputErrorKind::NotFound || self.is_selected(path) {
                    self.found.add_error(path, kind, self.options);
                }
                return;
            }
        };
        let path = entry.path();
        if entry.file_type().is_some_and(|file_type| file_type.is_dir()) {
            return;
        }
        if entry.file_name() == "Chart.yaml" {
            self.found.charts.push(path.to_owned());
        }
        let is_file = entry.file_type().is_some_and(|file_type| file_type.is_file());
        if is_file && entry.file_name().to_str().is_some_and(is_kustomization) {
            let source = InputSource::File(path.to_owned());
            self.found.kustomizations.push(Input { name: display_name(path), source });
        }
        if !self.is_selected(path) {
            return;
        }
        match entry.file_type() {
            Some(file_type) if file_type.is_file() => {
                self.found.add_input(path, InputSource::File, self.options);
            }
            // Reading a pipe would block until another process writes to it.
            _ => self.found.add_error(path, InputErrorKind::NotRegular, self.options),
        }
    }
}

/// Returns the path that an error is about, and the reason for the error. If the error does not
/// contain a path, returns `path`.
fn walk_error<'e>(path: &'e Path, error: &'e ignore::Error) -> (&'e Path, InputErrorKind) {
    match error {
        ignore::Error::WithDepth { err, .. } => walk_error(path, err),
        ignore::Error::WithPath { path, err } => walk_error(path, err),
        ignore::Error::Loop { ancestor, child } => (child, InputErrorKind::LinkLoop(display_name(ancestor))),
        ignore::Error::Io(error) => (path, error.into()),
        other => (path, InputErrorKind::Other(other.to_string())),
    }
}

fn has_extension(path: &Path, extensions: &[String]) -> bool {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else { return false };
    extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// Returns a path for display: without a leading `./`, and with slashes on Windows.
fn display_name(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let name = path.to_string_lossy();
    // On Unix, a backslash is an ordinary character.
    if cfg!(windows) { name.replace('\\', "/") } else { name.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::{DiscoveryOptions, discover};

    #[test]
    fn finds_a_file_once_with_and_without_a_leading_dot() {
        let arguments = ["./build.rs", "build.rs"].map(str::to_owned);
        assert_eq!(discover(&arguments, &DiscoveryOptions::default()).inputs.len(), 1);
    }
}
