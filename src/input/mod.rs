//! Arguments into sources: files, folders, globs and standard input.
//!
//! It finds and reads; what the bytes mean is for `source`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;

/// More than this isn't read.
const MAX_BYTES: u64 = (256 << 20) + 1;

/// Where the text of a manifest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, or whatever else can be read at a path.
    Path(PathBuf),
    /// Standard input.
    Stdin,
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
            let name = settings.stdin_name.clone().unwrap_or_else(|| "<stdin>".to_owned());
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
    let glob = glob.map(Glob::compile_matcher);
    let before = found.inputs.len();
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
        .build();
    for entry in walker {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.errors.push(walk_error(folder, &error));
                continue;
            }
        };
        let path = entry.path();
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name() == "Chart.yaml" {
            found.charts.push(path.to_owned());
        }
        let wanted = match &glob {
            Some(glob) => glob.is_match(path.strip_prefix("./").unwrap_or(path)),
            None => has_extension(path, &settings.extensions),
        };
        if !wanted {
            continue;
        }
        match entry.file_type() {
            Some(kind) if kind.is_file() => add(path, settings, found),
            // A pipe in a folder would keep the run waiting for whoever writes to it.
            _ => found
                .errors
                .push(InputError { name: shown(path), message: "neither a file nor a folder".to_owned() }),
        }
    }
    if glob.is_some() && found.inputs.len() == before {
        found.errors.push(InputError { name: shown(folder), message: "no file matches the glob".to_owned() });
    }
}

fn walk_error(folder: &Path, error: &ignore::Error) -> InputError {
    let (path, message) = match error {
        ignore::Error::WithDepth { err, .. } => return walk_error(folder, err),
        ignore::Error::WithPath { path, err } => (path.as_path(), err.to_string()),
        ignore::Error::Loop { ancestor, child } => {
            (child.as_path(), format!("a link to {}, which it is in: a loop", shown(ancestor)))
        }
        other => (folder, other.to_string()),
    };
    InputError { name: shown(path), message }
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

fn shown(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

/// The bytes of an input.
pub fn read(input: &Input) -> Result<Vec<u8>, InputError> {
    let failed = |message: String| InputError { name: input.name.clone(), message };
    let mut bytes = Vec::new();
    match &input.origin {
        Origin::Stdin => {
            io::stdin()
                .lock()
                .take(MAX_BYTES)
                .read_to_end(&mut bytes)
                .map_err(|error| failed(reason(&error)))?;
        }
        Origin::Path(path) => {
            let file = fs::File::open(path).map_err(|error| failed(reason(&error)))?;
            let metadata = file.metadata().map_err(|error| failed(reason(&error)))?;
            if is_device(&metadata) {
                return Err(failed("a device, not a file".to_owned()));
            }
            bytes.reserve(metadata.len().min(MAX_BYTES) as usize + 1);
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
        _ => error.to_string(),
    }
}

#[cfg(unix)]
fn is_device(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_char_device() || metadata.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &fs::Metadata) -> bool {
    false
}
