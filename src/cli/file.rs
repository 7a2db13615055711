//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Where a file is or will be, links followed.
pub(super) fn place(file: &Path) -> PathBuf {
    let folder = || Some(folder_of(file).canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(folder).unwrap_or_else(|| file.to_owned())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file beside its place and moves it there; into what is no file, such as a pipe, at once.
pub(super) fn put(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(file).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return File::options().write(true).open(file)?.write_all(text.as_bytes());
    }
    let place = place(file);
    let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = place.with_file_name(format!(".{name}.{}", process::id()));
    let mut written = File::create_new(&beside)?;
    // Its rights first: what only some may read, nobody else reads in between.
    let moved = old
        .map_or(Ok(()), |old| written.set_permissions(old.permissions()))
        .and_then(|()| written.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, &place));
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved
}
