//! Walks directories. Does not follow symbolic links: the caller decides which ones to follow.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use globset::GlobMatcher;
use ignore::{DirEntry, WalkBuilder, WalkState};

use super::discover::DiscoveryOptions;
use super::exclude::Excludes;
use super::{InputErrorKind, is_kustomization};

/// A directory to walk.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The path that the names of its files start with. The path of the working directory is empty.
    pub path: PathBuf,
    /// The absolute path, without symbolic links.
    pub real: PathBuf,
}

/// The entries of a directory and its subdirectories.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// The selected files.
    pub(super) files: Vec<PathBuf>,
    /// The symbolic links to files and directories.
    pub(super) links: Vec<PathBuf>,
    /// The real paths of the directories.
    pub(super) directories: Vec<PathBuf>,
    pub(super) errors: Vec<(PathBuf, InputErrorKind)>,
    pub(super) charts: Vec<PathBuf>,
    pub(super) kustomizations: Vec<PathBuf>,
    /// Whether a selected file or a directory is excluded.
    pub(super) has_excluded: bool,
}

impl Entries {
    fn append(&mut self, other: &mut Self) {
        self.files.append(&mut other.files);
        self.links.append(&mut other.links);
        self.directories.append(&mut other.directories);
        self.errors.append(&mut other.errors);
        self.charts.append(&mut other.charts);
        self.kustomizations.append(&mut other.kustomizations);
        self.has_excluded |= other.has_excluded;
    }

    /// Adds a file, unless it is excluded.
    pub(super) fn add_file(&mut self, path: &Path, is_excluded: bool, is_selected: bool) {
        // Even an excluded chart or kustomization determines how other files are used.
        if path.file_name().is_some_and(|name| name == "Chart.yaml") {
            self.charts.push(path.to_owned());
        }
        if path.to_str().is_some_and(is_kustomization) {
            self.kustomizations.push(path.to_owned());
        }
        if is_selected && is_excluded {
            self.has_excluded = true;
        } else if is_selected {
            self.files.push(path.to_owned());
        }
    }
}

/// The files to select in a directory.
#[derive(Clone, Copy)]
pub(super) struct Selection<'s> {
    /// The glob of the files; `None` for the files with one of the configured extensions.
    pub(super) glob: Option<&'s GlobMatcher>,
    pub(super) options: &'s DiscoveryOptions,
}

impl Selection<'_> {
    pub(super) fn contains(&self, path: &Path) -> bool {
        match self.glob {
            Some(glob) => glob.is_match(path.strip_prefix("./").unwrap_or(path)),
            None => has_extension(path, &self.options.extensions),
        }
    }
}

/// Returns the entries of `directory` in an arbitrary order. Omits the directories in `visited` and
/// the excluded directories.
pub(super) fn walk(
    directory: &Directory,
    selection: Selection<'_>,
    visited: &Arc<HashSet<PathBuf>>,
) -> Entries {
    let options = selection.options;
    let root = if directory.path.as_os_str().is_empty() { Path::new(".") } else { &directory.path };
    let paths = Arc::new(Paths {
        root: root.to_owned(),
        real: directory.real.clone(),
        absolute: options.excludes.absolute(root),
        excludes: Arc::clone(&options.excludes),
    });
    let shared = Arc::new(Mutex::new(Entries::default()));
    let filter = {
        let (paths, shared, visited) = (Arc::clone(&paths), Arc::clone(&shared), Arc::clone(visited));
        move |entry: &DirEntry| {
            if entry.file_name() == ".git" {
                return false;
            }
            if !entry.file_type().is_some_and(|file_type| file_type.is_dir()) {
                return true;
            }
            let is_excluded = paths.is_excluded(entry.path(), true);
            let is_link = entry.path_is_symlink();
            if is_excluded || is_link {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                shared.has_excluded |= is_excluded;
                if !is_excluded {
                    shared.links.push(entry.path().to_owned());
                }
                return false;
            }
            visited.is_empty() || !visited.contains(&paths.real(entry.path()))
        }
    };
    let walker = WalkBuilder::new(root)
        .hidden(false)
        // The filter skips links to directories. Git patterns such as `generated/` match them only
        // if they are followed.
        .follow_links(true)
        .require_git(false)
        .ignore(!options.no_gitignore)
        .git_ignore(!options.no_gitignore)
        .git_global(!options.no_gitignore)
        .git_exclude(!options.no_gitignore)
        .parents(!options.no_gitignore)
        .filter_entry(filter)
        .build_parallel();
    walker.run(|| {
        let mut visitor = Visitor { selection, paths: &paths, entries: Entries::default(), shared: &shared };
        Box::new(move |entry| {
            visitor.visit(entry);
            WalkState::Continue
        })
    });
    std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The paths of a walked directory, and the paths to exclude.
struct Paths {
    root: PathBuf,
    /// The real path of the directory.
    real: PathBuf,
    /// The absolute path of the directory, which may contain symbolic links.
    absolute: PathBuf,
    excludes: Arc<Excludes>,
}

impl Paths {
    /// Returns the real path of an entry.
    fn real(&self, path: &Path) -> PathBuf {
        self.real.join(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// Checks whether a pattern excludes an entry, which is not in an excluded directory.
    fn is_excluded(&self, path: &Path, is_dir: bool) -> bool {
        if self.excludes.is_empty() {
            return false;
        }
        let inner = path.strip_prefix(&self.root).unwrap_or(path);
        self.excludes.matches(&self.real.join(inner), is_dir)
            || self.absolute != self.real && self.excludes.matches(&self.absolute.join(inner), is_dir)
    }
}

/// The visitor of one thread of a walk. When it is dropped, it adds its results to `shared`.
struct Visitor<'w> {
    selection: Selection<'w>,
    paths: &'w Paths,
    entries: Entries,
    shared: &'w Mutex<Entries>,
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.entries);
    }
}

impl Visitor<'_> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return self.add_error(&error),
        };
        let path = entry.path();
        let Some(file_type) = entry.file_type() else { return };
        if file_type.is_dir() {
            self.entries.directories.push(self.paths.real(path));
            return;
        }
        let is_excluded = self.paths.is_excluded(path, false);
        let is_selected = self.selection.contains(path);
        if !file_type.is_file() {
            // Reading a pipe would block until another process writes to it.
            if is_selected && !is_excluded {
                self.entries.errors.push((path.to_owned(), InputErrorKind::NotRegular));
            }
        } else if entry.path_is_symlink() && !is_excluded {
            self.entries.links.push(path.to_owned());
        } else {
            self.entries.add_file(path, is_excluded, is_selected);
        }
    }

    fn add_error(&mut self, error: &ignore::Error) {
        let Some((path, kind)) = walk_error(&self.paths.root, error) else { return };
        // Ignore a symbolic link without a target, unless its path is selected.
        let has_no_target = matches!(kind, InputErrorKind::NotFound | InputErrorKind::LinkLoop);
        if (!has_no_target || self.selection.contains(path)) && !self.paths.is_excluded(path, false) {
            self.entries.errors.push((path.to_owned(), kind));
        }
    }
}

/// Returns the path that an error is about, and the reason for the error. If the error does not
/// contain a path, returns `path`. Returns `None` for a symbolic link to a parent directory, whose
/// entries the walk visits anyway.
fn walk_error<'e>(path: &'e Path, error: &'e ignore::Error) -> Option<(&'e Path, InputErrorKind)> {
    match error {
        ignore::Error::WithDepth { err, .. } => walk_error(path, err),
        ignore::Error::WithPath { path, err } => walk_error(path, err),
        ignore::Error::Loop { .. } => None,
        ignore::Error::Io(error) => Some((path, error.into())),
        other => Some((path, InputErrorKind::Other(other.to_string()))),
    }
}

fn has_extension(path: &Path, extensions: &[String]) -> bool {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else { return false };
    extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
}
