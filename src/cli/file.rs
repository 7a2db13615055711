//! Atomic writes of files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Resolves the symbolic links in the path of a file. The file need not exist. Returns the path
/// unchanged if its directory does not exist either.
pub(super) fn resolved(file: &Path) -> PathBuf {
    let in_directory = || Some(directory_of(file).canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(in_directory).unwrap_or_else(|| file.to_owned())
}

/// Returns the directory of a file, which is `.` for a bare name.
pub(super) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `text` to a temporary file in the directory of `file`, and renames the temporary file to
/// `file`. If `file` is a symbolic link, replaces its target instead. If `file` is not a regular
/// file but, for example, a pipe, writes to it directly.
pub(super) fn write_atomically(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(file).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return File::options().write(true).open(file)?.write_all(text.as_bytes());
    }
    let target = resolved(file);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary_path = target.with_file_name(format!(".{name}.{}", process::id()));
    let mut temporary = File::create_new(&temporary_path)?;
    // Set the permissions before the content becomes readable.
    let result = old
        .map_or(Ok(()), |old| temporary.set_permissions(old.permissions()))
        .and_then(|()| temporary.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary_path, &target));
    if result.is_err() {
        let _ = fs::remove_file(&temporary_path);
    }
    result
}
