//! Which lines of which files have changed since a commit, as `git` itself says.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What has changed in a working tree since a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// By file, links in its path followed: the lines that are new, from 1.
    files: HashMap<PathBuf, Vec<RangeInclusive<usize>>>,
}

impl Changes {
    /// What has changed since `reference` in the repository that holds `folder`: committed or not, and what git
    /// doesn't know yet. Or why that can't be said.
    pub fn since(reference: &str, folder: &Path) -> Result<Self, String> {
        // A reference that begins with a dash would be a flag.
        if reference.is_empty() || reference.starts_with('-') {
            return Err(format!("`{reference}` is no commit"));
        }
        let root = git(folder, &["rev-parse", "--show-toplevel"])?;
        let root = PathBuf::from(root.trim_end_matches(['\n', '\r']));
        let commit = git(
            folder,
            &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{reference}^{{commit}}")],
        )
        .map_err(|error| if error.is_empty() { format!("`{reference}` is no commit") } else { error })?;
        let diff = git(
            &root,
            &[
                "-c",
                "core.quotePath=true",
                "diff",
                "--unified=0",
                "--find-renames",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                "--src-prefix=a/",
                "--dst-prefix=b/",
                "--ignore-submodules",
                commit.trim(),
                "--",
            ],
        )?;
        let mut files: HashMap<PathBuf, Vec<RangeInclusive<usize>>> = HashMap::new();
        for (name, lines) in read_diff(&diff) {
            files.entry(real(&root.join(name))).or_default().extend(lines);
        }
        let untracked = git(&root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        for name in untracked.split('\0').filter(|name| !name.is_empty()) {
            files.insert(real(&root.join(name)), vec![1..=usize::MAX]);
        }
        Ok(Self { files })
    }

    /// Whether any of these lines of a file is new.
    pub fn touch(&self, path: &Path, lines: &RangeInclusive<usize>) -> bool {
        let Some(changed) = self.files.get(&real(path)) else { return false };
        changed.iter().any(|new| new.start() <= lines.end() && lines.start() <= new.end())
    }

    /// Whether a file has changed at all.
    pub fn touch_file(&self, path: &Path) -> bool {
        self.files.contains_key(&real(path))
    }
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn git<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let output = output.map_err(|error| format!("git can't be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned());
    }
    String::from_utf8(output.stdout).map_err(|_| "git says what isn't UTF-8".to_owned())
}

/// The files of a diff without context, and the lines that are new in each.
fn read_diff(diff: &str) -> Vec<(String, Vec<RangeInclusive<usize>>)> {
    let mut files: Vec<(String, Vec<RangeInclusive<usize>>)> = Vec::new();
    // Only in the head of a file; what is taken away or added may look like one.
    let mut left = 0;
    for line in diff.lines() {
        if left > 0 && line.starts_with(['+', '-', '\\']) {
            left -= usize::from(!line.starts_with('\\'));
            continue;
        }
        if let Some(name) = line.strip_prefix("+++ ") {
            let name = unquoted(name.trim_end_matches('\t'));
            files.push((name.strip_prefix("b/").unwrap_or_default().to_owned(), Vec::new()));
        } else if let Some(name) = line.strip_prefix("rename to ") {
            // A file that is only renamed has no hunks, and none of its lines is new.
            files.push((unquoted(name), Vec::new()));
        } else if let Some(hunk) = line.strip_prefix("@@ -") {
            let Some((old, new)) = hunk.split(" @@").next().and_then(|hunk| hunk.split_once(" +")) else {
                continue;
            };
            let numbers = |text: &str| -> (usize, usize) {
                let (start, count) = text.split_once(',').unwrap_or((text, "1"));
                (start.parse().unwrap_or(0), count.parse().unwrap_or(0))
            };
            let ((_, removed), (start, added)) = (numbers(old), numbers(new));
            left = removed + added;
            // Where lines are only gone, what stands around them has changed.
            let last = if added == 0 { start + 1 } else { start + added - 1 };
            if let Some((_, lines)) = files.last_mut() {
                lines.push(start.max(1)..=last);
            }
        }
    }
    files.retain(|(name, _)| !name.is_empty());
    files
}

/// A file's name as git writes it: in quotes where it holds odd characters (`quote.c`).
fn unquoted(name: &str) -> String {
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
    fn reads_what_git_writes() {
        let diff = "diff --git a/a.yaml b/a.yaml\n--- a/a.yaml\n+++ b/a.yaml\n@@ -1 +1 @@ kind: Pod\n-old\n+new\n\
                    @@ -3,2 +3,0 @@\n---- looks like a head\n--- and another\n@@ -9,0 +8,3 @@\n+++ b/none.yaml\n+x\n+y\n\
                    diff --git a/b.yaml b/c d.yaml\nsimilarity index 100%\nrename from b.yaml\nrename to c d.yaml\n\
                    diff --git \"a/\\303\\274\\\".yaml\" \"b/\\303\\274\\\".yaml\"\n--- /dev/null\n+++ \"b/\\303\\274\\\".yaml\"\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n\
                    diff --git a/gone.yaml b/gone.yaml\n--- a/gone.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n";
        let files = read_diff(diff);
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
