//! Arguments into sources: files, folders, globs and standard input.
//!
//! It finds and reads; what the bytes mean is for `source`.

mod git;
mod render;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use globset::{Glob, GlobMatcher, GlobSet, GlobSetBuilder};
use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::source::MAX_FILE_BYTES;

pub use git::Changes;
pub use render::{Rendering, is_kustomization};

/// More than this isn't read: one byte over what is taken, so that the rest is seen to be too much.
const MAX_BYTES: u64 = MAX_FILE_BYTES as u64 + 1;

/// The name of standard input where it is given none.
pub const STDIN: &str = "<stdin>";

/// Where the text of a manifest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, or whatever else can be read at a path.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// What a program of the user renders.
    Rendered(Rendering),
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name, as it is shown.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Something that can't be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// Its name, as it is shown.
    pub name: String,
    /// Why, in one clause.
    pub message: String,
}

/// How inputs are found.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What isn't read, even when it is named.
    pub exclude: GlobSet,
    /// Reads what ignore files such as `.gitignore` say not to.
    pub no_gitignore: bool,
    /// The endings of the files that are read in a folder.
    pub extensions: Vec<String>,
    /// The name of standard input.
    pub stdin_name: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What is to be read, in order of name, each once.
    pub inputs: Vec<Input>,
    /// What can't be.
    pub errors: Vec<InputError>,
    /// `Chart.yaml` files: charts that are not rendered.
    pub charts: Vec<PathBuf>,
}

/// A set of globs.
pub fn globs<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern)?);
    }
    set.build()
}

/// What `arguments` name: files, folders, globs, or `-` for standard input.
pub fn discover(arguments: &[String], settings: &Settings) -> Found {
    let mut found = Found::default();
    for argument in arguments {
        let path = Path::new(argument);
        if argument == "-" {
            let name = settings.stdin_name.clone().unwrap_or_else(|| STDIN.to_owned());
            found.inputs.push(Input { name, origin: Origin::Stdin });
        } else if path.is_dir() {
            walk(path, None, settings, &mut found);
        } else if path.exists() || !argument.contains(['*', '?', '[', '{']) {
            // What doesn't exist is found out by reading it.
            add(path, settings, &mut found);
        } else {
            match Glob::new(argument.strip_prefix("./").unwrap_or(argument)) {
                Ok(glob) => walk(&glob_base(argument), Some(&glob), settings, &mut found),
                Err(error) => {
                    found
                        .errors
                        .push(InputError { name: argument.clone(), message: error.kind().to_string() });
                }
            }
        }
    }
    found.inputs.sort_by(|a, b| a.name.cmp(&b.name));
    found.inputs.dedup();
    found.errors.sort_by(|a, b| a.name.cmp(&b.name));
    found.charts.sort();
    found
}

fn glob_base(pattern: &str) -> PathBuf {
    let plain = |part: &&str| !part.contains(['*', '?', '[', '{']);
    let base: PathBuf =
        Path::new(pattern).iter().map_while(|part| part.to_str().filter(|part| plain(part))).collect();
    if base.as_os_str().is_empty() { PathBuf::from(".") } else { base }
}

fn walk(folder: &Path, glob: Option<&Glob>, settings: &Settings, found: &mut Found) {
    let matcher = glob.map(Glob::compile_matcher);
    let before = found.inputs.len() + found.errors.len();
    let walker = WalkBuilder::new(folder)
        .hidden(false)
        .follow_links(true)
        .require_git(false)
        .ignore(!settings.no_gitignore)
        .git_ignore(!settings.no_gitignore)
        .git_global(!settings.no_gitignore)
        .git_exclude(!settings.no_gitignore)
        .parents(!settings.no_gitignore)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build_parallel();
    // The order in which entries come doesn't matter: the whole is sorted.
    let shared = Mutex::new(std::mem::take(found));
    walker.run(|| {
        let mut visitor =
            Visitor { folder, glob: matcher.as_ref(), settings, found: Found::default(), shared: &shared };
        Box::new(move |entry| {
            visitor.visit(entry);
            WalkState::Continue
        })
    });
    *found = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(glob) = glob.filter(|_| found.inputs.len() + found.errors.len() == before) {
        let name = glob.glob().to_owned();
        found.errors.push(InputError { name, message: "no file matches the glob".to_owned() });
    }
}

/// One thread of a walk; what it has found is given over when it ends.
struct Visitor<'w> {
    folder: &'w Path,
    glob: Option<&'w GlobMatcher>,
    settings: &'w Settings,
    found: Found,
    shared: &'w Mutex<Found>,
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.inputs.append(&mut self.found.inputs);
        shared.errors.append(&mut self.found.errors);
        shared.charts.append(&mut self.found.charts);
    }
}

impl Visitor<'_> {
    fn is_wanted(&self, path: &Path) -> bool {
        match self.glob {
            Some(glob) => glob.is_match(path.strip_prefix("./").unwrap_or(path)),
            None => has_extension(path, &self.settings.extensions),
        }
    }

    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let (path, message) = walk_error(self.folder, &error);
                // What a link that leads nowhere isn't called by can't be missed.
                let is_gone = error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
                if !is_gone || self.is_wanted(path) {
                    fail(path, message, self.settings, &mut self.found);
                }
                return;
            }
        };
        let path = entry.path();
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            return;
        }
        if entry.file_name() == "Chart.yaml" {
            self.found.charts.push(path.to_owned());
        }
        if !self.is_wanted(path) {
            return;
        }
        match entry.file_type() {
            Some(kind) if kind.is_file() => add(path, self.settings, &mut self.found),
            // A pipe in a folder would keep the run waiting for whoever writes to it.
            _ => fail(path, "neither a file nor a folder".to_owned(), self.settings, &mut self.found),
        }
    }
}

fn walk_error<'e>(folder: &'e Path, error: &'e ignore::Error) -> (&'e Path, String) {
    match error {
        ignore::Error::WithDepth { err, .. } => walk_error(folder, err),
        ignore::Error::WithPath { path, err } => walk_error(path, err),
        ignore::Error::Loop { ancestor, child } => {
            (child, format!("a link to {}, which it is in: a loop", shown(ancestor)))
        }
        ignore::Error::Io(error) => (folder, reason(error)),
        other => (folder, other.to_string()),
    }
}

fn has_extension(path: &Path, extensions: &[String]) -> bool {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else { return false };
    extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

fn add(path: &Path, settings: &Settings, found: &mut Found) {
    let name = shown(path);
    if !settings.exclude.is_match(&name) {
        found.inputs.push(Input { name, origin: Origin::Path(path.to_owned()) });
    }
}

fn fail(path: &Path, message: String, settings: &Settings, found: &mut Found) {
    let name = shown(path);
    if !settings.exclude.is_match(&name) {
        found.errors.push(InputError { name, message });
    }
}

fn shown(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let name = path.to_string_lossy();
    // Elsewhere a backslash is a letter of a name.
    if cfg!(windows) { name.replace('\\', "/") } else { name.into_owned() }
}

/// Whether the input is a file, which can be read as often as one likes.
pub fn is_file(input: &Input) -> bool {
    match &input.origin {
        Origin::Path(path) => path.is_file(),
        Origin::Stdin | Origin::Rendered(_) => false,
    }
}

/// The bytes of an input.
pub fn read(input: &Input) -> Result<Vec<u8>, InputError> {
    let failed = |message: String| InputError { name: input.name.clone(), message };
    let mut bytes = Vec::new();
    match &input.origin {
        Origin::Rendered(rendering) => bytes = rendering.run(MAX_BYTES).map_err(failed)?,
        Origin::Stdin => {
            io::stdin()
                .lock()
                .take(MAX_BYTES)
                .read_to_end(&mut bytes)
                .map_err(|error| failed(reason(&error)))?;
        }
        Origin::Path(path) => {
            // To open a device may do something already, or wait for somebody.
            let metadata = fs::metadata(path).map_err(|error| failed(reason(&error)))?;
            if let Some(noun) = unreadable(metadata.file_type()) {
                return Err(failed(format!("{noun}, not a file")));
            }
            bytes.reserve(metadata.len().min(MAX_BYTES) as usize + 1);
            let file = fs::File::open(path).map_err(|error| failed(reason(&error)))?;
            file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| failed(reason(&error)))?;
        }
    }
    Ok(bytes)
}

/// An error of the system without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "a folder, not a file".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error ").next().unwrap_or_default().to_owned()
        }
    }
}

/// What can't be read as a file can, if it is of that kind.
#[cfg(unix)]
fn unreadable(kind: fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_socket() {
        return Some("a socket");
    }
    (kind.is_char_device() || kind.is_block_device()).then_some("a device")
}

#[cfg(not(unix))]
fn unreadable(_: fs::FileType) -> Option<&'static str> {
    None
}
