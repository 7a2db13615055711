//! Edits of files, and atomic writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use similar::TextDiff;

/// A new content for a file.
#[derive(Clone, Debug)]
pub struct FileEdit {
    /// The path; `None` for standard input.
    pub path: Option<PathBuf>,
    /// The name of the file in reports.
    pub name: String,
    /// The old content; `None` if the file does not exist.
    pub before: Option<String>,
    pub after: String,
}

impl FileEdit {
    /// Returns the change as a unified diff.
    pub fn diff(&self) -> String {
        let (old, text) = match &self.before {
            Some(text) => (format!("a/{}", self.name), text.as_str()),
            None => ("/dev/null".to_owned(), ""),
        };
        let diff = TextDiff::from_lines(text, self.after.as_str());
        diff.unified_diff().header(&old, &format!("b/{}", self.name)).to_string()
    }

    /// Checks whether the file can be replaced. Returns the reason if it cannot.
    pub fn check(&self) -> Result<(), String> {
        let (Some(path), Some(before)) = (&self.path, &self.before) else { return Ok(()) };
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if metadata.permissions().readonly() {
            return Err("the file is read-only".to_owned());
        }
        if has_hard_links(&metadata) {
            return Err("the file has several hard links".to_owned());
        }
        match fs::read(path) {
            Ok(bytes) if bytes == before.as_bytes() => Ok(()),
            Ok(bytes) if std::str::from_utf8(&bytes).is_err() => Err("the file is not in UTF-8".to_owned()),
            Ok(_) => Err("the file has changed since it was read".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes the new content. Does nothing for standard input.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is read-only, has changed or has several hard links, or if the
    /// file system refuses to write it. If so, the file is unchanged.
    pub fn write(&self) -> Result<(), String> {
        self.check()?;
        match &self.path {
            Some(path) => write_atomically(path, &self.after).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}

#[cfg(unix)]
fn has_hard_links(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn has_hard_links(_: &fs::Metadata) -> bool {
    false
}

/// Resolves the symbolic links in the path of a file. The file need not exist. Returns the path
/// unchanged if its directory does not exist either.
pub fn resolved(file: &Path) -> PathBuf {
    let in_directory = || Some(directory_of(file).canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(in_directory).unwrap_or_else(|| file.to_owned())
}

/// Returns the directory of a file, which is `.` for a bare name.
pub fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `text` to a temporary file in the directory of `file`, and renames the temporary file to
/// `file`. Keeps the owner and the mode of an existing file. If `file` is a symbolic link, replaces
/// its target instead. If `file` is not a regular file but, for example, a pipe, writes to it
/// directly.
pub fn write_atomically(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(file).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return File::options().write(true).open(file)?.write_all(text.as_bytes());
    }
    let target = resolved(file);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary_path = target.with_file_name(format!(".{name}.{}", process::id()));
    let mut temporary = File::create_new(&temporary_path)?;
    // Set the owner and the mode before the content becomes readable. A change of the owner can
    // clear bits of the mode.
    let result = old
        .map_or(Ok(()), |old| {
            keep_owner(&temporary, &old)?;
            temporary.set_permissions(old.permissions())
        })
        .and_then(|()| temporary.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary_path, &target));
    if result.is_err() {
        let _ = fs::remove_file(&temporary_path);
    }
    result
}

#[cfg(unix)]
fn keep_owner(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}
