//! The lines that changed since a commit, according to `git`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::exclude::normalized;

/// The lines of a working tree that changed since a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The directory that paths are relative to.
    directory: PathBuf,
    /// The changed lines of each file. The first line is 1. The keys are canonical paths.
    files: HashMap<PathBuf, Vec<RangeInclusive<usize>>>,
    /// The absolute paths of new and changed symbolic links.
    links: Vec<PathBuf>,
    /// The paths of all changed files, including deleted ones, and the old paths of renamed ones.
    paths: Vec<PathBuf>,
}

impl Changes {
    /// Returns the changes of the working tree that contains `directory`, since the point that
    /// `revision` describes:
    ///
    /// - `REF` or `REF...`: since the checked-out branch forked from `REF`
    /// - `REF..`: since the commit `REF`
    ///
    /// The dots may be followed by a reference to the commit that is checked out. The changes
    /// include uncommitted changes, and untracked files that Git does not ignore.
    ///
    /// Returns an error if `revision` is invalid or git fails. The error is a message for the user.
    pub fn since(revision: &str, directory: &Path) -> Result<Self, String> {
        let root = git(directory, &["rev-parse", "--show-toplevel"])?;
        let root = PathBuf::from(root.trim_end_matches(['\n', '\r']));
        let commit = start_of_changes(revision, &root)?;
        let diff = git(
            &root,
            &[
                "-c",
                "core.quotePath=true",
                "diff",
                "--raw",
                "--patch",
                "-z",
                "--unified=0",
                "--find-renames",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                "--src-prefix=a/",
                "--dst-prefix=b/",
                "--ignore-submodules",
                &commit,
                "--",
            ],
        )?;
        let untracked = git(&root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        let untracked = || untracked.split('\0').filter(|name| !name.is_empty());
        let (names, diff) = split_raw(&diff);
        let paths: Vec<_> = names.into_iter().chain(untracked()).map(|name| root.join(name)).collect();
        // Another file could have this name after the replacement of invalid bytes.
        if let Some(path) = paths.iter().find(|path| path.to_string_lossy().contains('\u{fffd}')) {
            return Err(format!("the name of the changed file `{}` is not UTF-8", path.display()));
        }
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|own| own.is_symlink());
        let links: Vec<_> = paths.iter().filter(|path| is_link(path)).cloned().collect();
        let mut files: HashMap<PathBuf, Vec<RangeInclusive<usize>>> = HashMap::new();
        let all_lines = |name: &str| (name.to_owned(), vec![1..=usize::MAX]);
        for (name, lines) in parse_diff(diff).into_iter().chain(untracked().map(all_lines)) {
            let path = root.join(name);
            // A changed link does not change the file that it leads to.
            if !links.contains(&path) {
                files.entry(canonical(&path)).or_default().extend(lines);
            }
        }
        Ok(Self { directory: canonical(directory), files, links, paths })
    }

    /// Checks whether any of the given lines of a file changed, or a symbolic link in its path.
    pub fn touches(&self, path: &Path, lines: &RangeInclusive<usize>) -> bool {
        let mut changed = self.files.get(&canonical(path)).into_iter().flatten();
        changed.any(|new| new.start() <= lines.end() && lines.start() <= new.end()) || self.is_linked(path)
    }

    /// Checks whether lines of a file changed, or the file was renamed, or a symbolic link in its
    /// path changed.
    pub fn touches_file(&self, path: &Path) -> bool {
        self.files.contains_key(&canonical(path)) || self.is_linked(path)
    }

    /// Checks whether the file at `path` or, if `path` is a directory, a file below it was changed,
    /// added, deleted or renamed, or a symbolic link in the path changed.
    pub(super) fn touches_below(&self, path: &Path) -> bool {
        let real = canonical(path);
        self.paths.iter().any(|changed| changed.starts_with(&real)) || self.is_linked(path)
    }

    /// Checks whether the path contains a changed symbolic link.
    fn is_linked(&self, path: &Path) -> bool {
        let path = normalized(&self.directory.join(path));
        self.links.iter().any(|link| path.starts_with(link))
    }
}

/// Returns the commit at which the changes that `revision` describes start.
fn start_of_changes(revision: &str, root: &Path) -> Result<String, String> {
    let (base, dots, end) = match (revision.split_once("..."), revision.split_once("..")) {
        (Some((base, end)), _) => (base, "...", end),
        (None, Some((base, end))) => (base, "..", end),
        (None, None) => (revision, "...", ""),
    };
    let base = commit(base, root)?;
    let head = commit("HEAD", root)?;
    if !end.is_empty() && commit(end, root)? != head {
        return Err(format!("`{end}` is not the commit that is checked out"));
    }
    if dots == ".." {
        return Ok(base);
    }
    let fork = git(root, &["merge-base", &base, &head]).unwrap_or_default();
    match fork.trim() {
        "" if is_shallow(root) => Err(format!("no common ancestor with HEAD {IN_SHALLOW_CLONE}")),
        "" => Err("no common ancestor with HEAD".to_owned()),
        fork => Ok(fork.to_owned()),
    }
}

/// The end of error messages about shallow clones.
const IN_SHALLOW_CLONE: &str =
    "in this shallow clone; fetch the history, for example with `git fetch --unshallow`";

/// Returns the hash of the commit `reference`.
fn commit(reference: &str, root: &Path) -> Result<String, String> {
    let not_a_commit = || match is_shallow(root) {
        true => format!("`{reference}` is not a commit {IN_SHALLOW_CLONE}"),
        false => format!("`{reference}` is not a commit"),
    };
    // git would interpret a reference that starts with a dash as a flag.
    if reference.is_empty() || reference.starts_with('-') {
        return Err(not_a_commit());
    }
    let revision = format!("{reference}^{{commit}}");
    let hash = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &revision])
        .map_err(|error| if error.is_empty() { not_a_commit() } else { error })?;
    Ok(hash.trim().to_owned())
}

/// Checks whether the history of the repository is incomplete.
fn is_shallow(root: &Path) -> bool {
    git(root, &["rev-parse", "--is-shallow-repository"]).is_ok_and(|text| text.trim() == "true")
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Runs git in a directory and returns its standard output, in which invalid UTF-8 is replaced.
/// Returns an error if git cannot be run or fails. If it fails, the error is the first line of its
/// standard error, without `fatal: `.
fn git<A: AsRef<OsStr>>(directory: &Path, arguments: &[A]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output();
    let output = output.map_err(|error| format!("failed to run `git`: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(stderr.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Splits the output of `git diff --raw --patch -z` into the names of all changed files, including
/// the old names of renamed files, and the patch.
fn split_raw(output: &str) -> (Vec<&str>, &str) {
    let (mut names, mut rest) = (Vec::new(), output);
    while let Some((status, tail)) = rest.strip_prefix(':').and_then(|rest| rest.split_once('\0')) {
        let is_renamed = status.rsplit(' ').next().is_some_and(|status| status.starts_with(['R', 'C']));
        rest = tail;
        for _ in 0..=usize::from(is_renamed) {
            let Some((name, tail)) = rest.split_once('\0') else { break };
            names.push(name);
            rest = tail;
        }
    }
    (names, rest.trim_start_matches('\0'))
}

/// Parses a diff without context lines. Returns the names of the files and the changed lines of
/// each. Omits deleted files. A file that was renamed and changed occurs twice.
fn parse_diff(diff: &str) -> Vec<(String, Vec<RangeInclusive<usize>>)> {
    let mut files: Vec<(String, Vec<RangeInclusive<usize>>)> = Vec::new();
    // The number of remaining lines in the hunk, because a line in a hunk may look like a header.
    let mut lines_left = 0;
    for line in diff.lines() {
        if lines_left > 0 && line.starts_with(['+', '-', '\\']) {
            lines_left -= usize::from(!line.starts_with('\\'));
            continue;
        }
        if let Some(name) = line.strip_prefix("+++ ") {
            let name = unquote(name.trim_end_matches('\t'));
            files.push((name.strip_prefix("b/").unwrap_or_default().to_owned(), Vec::new()));
        } else if let Some(name) = line.strip_prefix("rename to ") {
            // A renamed file without other changes has no hunks and no changed lines.
            files.push((unquote(name), Vec::new()));
        } else if let Some(hunk) = line.strip_prefix("@@ -") {
            let Some((old, new)) = hunk.split(" @@").next().and_then(|hunk| hunk.split_once(" +")) else {
                continue;
            };
            let numbers = |text: &str| -> (usize, usize) {
                let (start, count) = text.split_once(',').unwrap_or((text, "1"));
                (start.parse().unwrap_or(0), count.parse().unwrap_or(0))
            };
            let ((_, removed), (start, added)) = (numbers(old), numbers(new));
            lines_left = removed + added;
            // If a hunk only removes lines, the lines before and after them count as changed.
            let last = if added == 0 { start + 1 } else { start + added - 1 };
            if let Some((_, lines)) = files.last_mut() {
                lines.push(start.max(1)..=last);
            }
        }
    }
    files.retain(|(name, _)| !name.is_empty());
    files
}

/// Removes the quotes and escapes that git adds to names with special characters (`quote.c` in the
/// source of git).
fn unquote(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(first @ b'0'..=b'3') => {
                let digits = [Some(first), rest.next(), rest.next()];
                let value = digits
                    .into_iter()
                    .flatten()
                    .fold(0_u8, |sum, digit| sum.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0')));
                bytes.push(value);
            }
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b'a') => bytes.push(7),
            Some(b'b') => bytes.push(8),
            Some(b'v') => bytes.push(11),
            Some(b'f') => bytes.push(12),
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_git_diffs() {
        let diff = "diff --git a/a.yaml b/a.yaml\n--- a/a.yaml\n+++ b/a.yaml\n@@ -1 +1 @@ kind: Pod\n-old\n+new\n\
                    @@ -3,2 +3,0 @@\n---- looks like a head\n--- and another\n@@ -9,0 +8,3 @@\n+++ b/none.yaml\n+x\n+y\n\
                    diff --git a/b.yaml b/c d.yaml\nsimilarity index 100%\nrename from b.yaml\nrename to c d.yaml\n\
                    diff --git \"a/\\303\\274\\\".yaml\" \"b/\\303\\274\\\".yaml\"\n--- /dev/null\n+++ \"b/\\303\\274\\\".yaml\"\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n\
                    diff --git a/gone.yaml b/gone.yaml\n--- a/gone.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n";
        let files = parse_diff(diff);
        assert_eq!(
            files,
            [
                ("a.yaml".to_owned(), vec![1..=1, 3..=4, 8..=10]),
                ("c d.yaml".to_owned(), vec![]),
                ("ü\".yaml".to_owned(), vec![1..=2]),
            ]
        );
    }
}
