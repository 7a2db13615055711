//! Finds the inputs that are named on the command line.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf, is_separator};
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use rayon::prelude::*;

use super::exclude::{Excludes, real_path};
use super::walk::{Directory, Entries, Selection, walk};
use super::{Input, InputError, InputErrorKind, InputSource, STDIN};

/// Options of [`discover`].
#[derive(Clone, Debug, Default)]
pub struct DiscoveryOptions {
    /// Paths to exclude, even if they are named explicitly.
    pub excludes: Arc<Excludes>,
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
    /// The inputs, sorted by name, without duplicates. If several paths lead to a file, its input
    /// is the path without symbolic links or, if this path is not one of them, the first one by
    /// name.
    pub inputs: Vec<Input>,
    /// Errors about paths that cannot be read, and about globs that are invalid or match no file,
    /// sorted by name.
    pub errors: Vec<InputError>,
    /// The `Chart.yaml` files that were found in directories, except for those of rendered charts.
    pub charts: Vec<PathBuf>,
    /// The kustomizations that were found in directories, even if they are not inputs.
    pub kustomizations: Vec<Input>,
    /// The arguments that are directories. Their subdirectories were searched, too.
    pub searched: Vec<Directory>,
    /// The real path of each input whose name contains a symbolic link, by the name of the input.
    pub links: HashMap<String, PathBuf>,
    /// Whether symbolic links were found: directories of arguments, or entries in them.
    pub has_links: bool,
    /// Whether the charts and kustomizations in the searched directories are rendered.
    pub renders_searched: bool,
}

impl Discovery {
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
}

/// A file that was found.
struct Found {
    path: PathBuf,
    source: fn(PathBuf) -> InputSource,
    /// The absolute path without symbolic links; `None` if `path` contains no symbolic links, is
    /// relative and is normalized.
    real: Option<PathBuf>,
}

impl Found {
    fn into_input(self) -> Input {
        Input { name: display_name(&self.path), source: (self.source)(self.path) }
    }
}

/// Finds the inputs that `arguments` name: files, directories, globs, or `-` for standard input.
pub fn discover(arguments: &[String], options: &DiscoveryOptions) -> Discovery {
    let mut search = Search {
        options,
        discovery: Discovery::default(),
        files: Vec::new(),
        real_directories: HashMap::new(),
    };
    arguments.iter().for_each(|argument| search.argument(argument));
    search.finish()
}

struct Search<'o> {
    options: &'o DiscoveryOptions,
    /// The result, without the files.
    discovery: Discovery,
    files: Vec<Found>,
    /// The real path of each directory that contains a file argument. It is kept because there are
    /// far fewer directories than files.
    real_directories: HashMap<PathBuf, Option<PathBuf>>,
}

impl Search<'_> {
    fn argument(&mut self, argument: &str) {
        let path = Path::new(argument);
        if argument == "-" {
            let name = self.options.stdin_name.as_deref();
            if !name.is_some_and(|name| self.options.excludes.is_excluded(Path::new(name), false)) {
                let name = name.unwrap_or(STDIN).to_owned();
                self.discovery.inputs.push(Input { name, source: InputSource::Stdin });
            }
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                self.directory(path, None);
            }
            Ok(metadata) if metadata.is_file() => self.file(path, InputSource::File),
            // If the file is missing, reading it reports the error.
            Err(_) if is_glob(argument) => self.glob(argument),
            _ => self.file(path, InputSource::Path),
        }
    }

    fn glob(&mut self, argument: &str) {
        let kind = match Glob::new(argument.strip_prefix("./").unwrap_or(argument)) {
            Ok(glob) => {
                let base = glob_base(argument);
                if base.is_dir() && self.directory(&base, Some(&glob.compile_matcher())) {
                    return;
                }
                InputErrorKind::NoMatch
            }
            Err(error) => InputErrorKind::InvalidGlob(error.kind().to_string()),
        };
        let name = argument.strip_prefix("./").unwrap_or(argument).to_owned();
        self.discovery.errors.push(InputError { name, kind });
    }

    /// Adds a file that an argument names.
    fn file(&mut self, path: &Path, source: fn(PathBuf) -> InputSource) {
        let absolute = self.options.excludes.absolute(path);
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        let real = if is_link { real_path(path) } else { self.real_path(path) };
        let real = real.unwrap_or_else(|| absolute.clone());
        if !self.is_excluded(&absolute, &real, false) {
            let path = path.strip_prefix("./").unwrap_or(path);
            let real = (real != absolute || !is_plain(path)).then_some(real);
            self.files.push(Found { path: path.to_owned(), source, real });
        }
    }

    /// Checks whether one of the paths of a file or directory is excluded.
    fn is_excluded(&self, absolute: &Path, real: &Path, is_dir: bool) -> bool {
        let excludes = &self.options.excludes;
        excludes.is_excluded(real, is_dir) || absolute != real && excludes.is_excluded(absolute, is_dir)
    }

    /// Returns the absolute path without symbolic links of a file that is not a symbolic link.
    /// Returns `None` if its directory does not exist.
    fn real_path(&mut self, path: &Path) -> Option<PathBuf> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        if !self.real_directories.contains_key(parent) {
            self.real_directories.insert(parent.to_owned(), real_path(parent));
        }
        Some(self.real_directories.get(parent)?.as_ref()?.join(name))
    }

    /// Adds the files in a directory that match `glob`. Without a glob, adds the files with one of
    /// the configured extensions. Also adds the charts and kustomizations in the directory, and the
    /// errors about its entries. Follows symbolic links, but visits each directory only once.
    /// Returns true if an entry was added or is excluded.
    fn directory(&mut self, path: &Path, glob: Option<&GlobMatcher>) -> bool {
        let absolute = self.options.excludes.absolute(path);
        let real = real_path(path).unwrap_or_else(|| absolute.clone());
        if self.is_excluded(&absolute, &real, true) {
            return true;
        }
        self.discovery.has_links |= real != absolute;
        let selection = Selection { glob, options: self.options };
        // Names of inputs have no leading `./`.
        let path = path.strip_prefix(".").unwrap_or(path).to_owned();
        let directory = Directory { path, real };
        if glob.is_none() {
            self.discovery.searched.push(directory.clone());
        }
        let mut visited = Arc::new(HashSet::new());
        let mut links = BTreeSet::new();
        let mut has_match = self.walk(&directory, selection, &mut visited, &mut links);
        while let Some(link) = links.pop_first() {
            let Some(real) = real_path(&link) else { continue };
            self.discovery.has_links = true;
            let is_dir = real.is_dir();
            if self.options.excludes.is_excluded(&real, is_dir) {
                has_match = true;
            } else if !is_dir {
                let mut entries = Entries::default();
                entries.add_file(&link, false, selection.contains(&link));
                has_match |= self.add_entries(entries, |_| Some(real.clone()));
            } else if !visited.contains(&real) {
                let directory = Directory { path: link, real };
                has_match |= self.walk(&directory, selection, &mut visited, &mut links);
            }
        }
        has_match
    }

    /// Adds the entries of a directory, and adds its links to `links`. Returns true if an entry was
    /// added or is excluded.
    fn walk(
        &mut self,
        directory: &Directory,
        selection: Selection<'_>,
        visited: &mut Arc<HashSet<PathBuf>>,
        links: &mut BTreeSet<PathBuf>,
    ) -> bool {
        let mut entries = walk(directory, selection, visited);
        Arc::make_mut(visited).extend(std::mem::take(&mut entries.directories));
        links.extend(std::mem::take(&mut entries.links).into_iter().map(|link| plain(&link)));
        let Directory { path, real } = directory;
        let is_real = is_plain(path) && self.options.excludes.absolute(path) == *real;
        self.add_entries(entries, |file| {
            (!is_real).then(|| real.join(file.strip_prefix(path).unwrap_or(file)))
        })
    }

    fn add_entries(&mut self, entries: Entries, real: impl Fn(&Path) -> Option<PathBuf>) -> bool {
        let has_match = entries.has_excluded || !entries.files.is_empty() || !entries.errors.is_empty();
        for path in entries.files {
            let path = plain(&path);
            self.files.push(Found { real: real(&path), path, source: InputSource::File });
        }
        let errors = entries.errors.into_iter();
        let discovery = &mut self.discovery;
        discovery.errors.extend(errors.map(|(path, kind)| InputError { name: display_name(&path), kind }));
        discovery.charts.extend(entries.charts);
        let kustomizations = entries.kustomizations.into_iter();
        discovery.kustomizations.extend(
            kustomizations.map(|path| Input { name: display_name(&path), source: InputSource::File(path) }),
        );
        has_match
    }

    /// Returns the result, with one input for each file.
    fn finish(mut self) -> Discovery {
        if self.files.iter().any(|file| file.real.is_some()) {
            self.merge_links();
        }
        let mut discovery = self.discovery;
        discovery.inputs.extend(self.files.into_iter().map(Found::into_input));
        discovery.inputs.sort_by(|a, b| a.name.cmp(&b.name));
        discovery.inputs.dedup();
        discovery.errors.sort_by(|a, b| a.name.cmp(&b.name));
        discovery.errors.dedup();
        discovery.charts.sort();
        discovery.charts.dedup();
        discovery
    }

    /// Keeps one path for each file.
    fn merge_links(&mut self) {
        let files = std::mem::take(&mut self.files);
        let mut ranked: Vec<Ranked> = files.into_iter().map(|file| self.ranked(file)).collect();
        // Comparing the text of paths is much faster than comparing their components.
        ranked.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        ranked.dedup_by(|later, first| later.real == first.real);
        for Ranked { real, is_linked, file } in ranked {
            if is_linked {
                self.discovery.links.insert(display_name(&file.path), PathBuf::from(real));
            }
            self.files.push(file);
        }
    }

    fn ranked(&self, file: Found) -> Ranked {
        let path = file.path.as_os_str();
        let (real, is_linked) = match &file.real {
            Some(real) if real.as_os_str() == path => (path.to_owned(), false),
            Some(real) => {
                let is_linked = self.options.excludes.absolute(&file.path) != *real;
                (real.clone().into_os_string(), is_linked)
            }
            None => (self.options.excludes.absolute(&file.path).into_os_string(), false),
        };
        Ranked { real, is_linked, file }
    }
}

/// A file that may have several paths.
struct Ranked {
    /// The absolute path without symbolic links.
    real: OsString,
    /// Whether the path contains symbolic links.
    is_linked: bool,
    file: Found,
}

impl Ranked {
    /// Returns the key by which the files are sorted. Of several paths to a file, the first one is
    /// kept. It is in the working directory, if possible.
    fn order(&self) -> (&OsStr, bool, bool, &OsStr) {
        (&self.real, self.is_linked, !is_plain(&self.file.path), self.file.path.as_os_str())
    }
}

/// Checks whether a path is relative and contains neither `.` nor `..` nor repeated slashes.
fn is_plain(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    // `Path::components` omits the dots and slashes in the middle of a path.
    let mut names = text.split(|byte| is_separator(char::from(*byte)));
    let is_normalized = text.is_empty() || names.all(|name| !name.is_empty() && name != b".");
    is_normalized && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Returns the path of an entry without a leading `./`.
fn plain(path: &Path) -> PathBuf {
    path.strip_prefix("./").unwrap_or(path).to_owned()
}

pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Returns a directory that contains all matches of a glob: the part of the path before the first
/// segment with a wildcard.
pub(super) fn glob_base(pattern: &str) -> PathBuf {
    let literal = Path::new(pattern).iter().map_while(|part| part.to_str().filter(|part| !is_glob(part)));
    let base: PathBuf = literal.collect();
    if base.as_os_str().is_empty() { PathBuf::from(".") } else { base }
}

/// Returns a path for display: without a leading `./`, and with slashes on Windows.
pub(super) fn display_name(path: &Path) -> String {
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
        let arguments = ["./build.rs", "build.rs", "src/../build.rs"].map(str::to_owned);
        let inputs = discover(&arguments, &DiscoveryOptions::default()).inputs;
        assert_eq!(inputs.iter().map(|input| &input.name).collect::<Vec<_>>(), ["build.rs"]);
    }
}
