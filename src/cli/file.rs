//! Writes files atomically.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Returns the path of a file, which need not exist, with symbolic links resolved.
pub(super) fn resolved(file: &Path) -> PathBuf {
    let in_directory = || Some(directory_of(file).canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(in_directory).unwrap_or_else(|| file.to_owned())
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a temporary file in the same directory and renames it. Writes directly if the path is not
/// a regular file, such as a pipe.
pub(super) fn write_atomically(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(file).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return File::options().write(true).open(file)?.write_all(text.as_bytes());
    }
    let target = resolved(file);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = target.with_file_name(format!(".{name}.{}", process::id()));
    let mut written = File::create_new(&temporary)?;
    // Permissions are set before the content is written.
    let moved = old
        .map_or(Ok(()), |old| written.set_permissions(old.permissions()))
        .and_then(|()| written.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, &target));
    if moved.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    moved
}
