//! The paths to exclude from a run, by patterns with the semantics of `.gitignore` files.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::policy::ExcludePattern;

/// A pattern of a run.
#[derive(Clone, Debug)]
struct Pattern {
    declared: ExcludePattern,
    /// Whether the pattern excluded or included a path.
    is_used: Arc<AtomicBool>,
}

/// A pattern in the syntax of `.gitignore` files.
#[derive(Clone, Debug)]
struct Line {
    /// The directory to which the pattern is relative.
    directory: PathBuf,
    text: String,
    /// See [`Pattern::is_used`].
    is_used: Arc<AtomicBool>,
}

impl Line {
    /// Checks whether the line matches `directory` or one of its parent directories.
    fn matches_parent_of(&self, directory: &Path) -> bool {
        let Ok(inner) = directory.strip_prefix(&self.directory) else { return false };
        let mut builder = GitignoreBuilder::new(".");
        let matcher = builder.add_line(None, &self.text).ok().and_then(|builder| builder.build().ok());
        let outer = |path: &&Path| !path.as_os_str().is_empty();
        matcher.is_some_and(|matcher| {
            inner.ancestors().filter(outer).any(|path| !matcher.matched(path, true).is_none())
        })
    }
}

impl Pattern {
    /// Returns the lines of `.gitignore` files that match the paths of this pattern. In addition to
    /// the syntax of these files, a pattern may start with `./` or `../`, or be an absolute path.
    fn lines(&self) -> Vec<Line> {
        let (mark, mut inner) = match self.declared.text.strip_prefix('!') {
            Some(inner) => ("!", inner),
            None => ("", self.declared.text.as_str()),
        };
        let line = |directory, text| Line { directory, text, is_used: Arc::clone(&self.is_used) };
        let mut directory =
            real_path(&self.declared.directory).unwrap_or_else(|| self.declared.directory.clone());
        let mut is_anchored = false;
        while let Some((first @ ("." | ".."), rest)) = inner.split_once('/').or(Some((inner, ""))) {
            if first == ".." {
                directory.pop();
            }
            (inner, is_anchored) = (rest, true);
        }
        if is_anchored {
            // `.` and `..` match everything in these directories.
            let inner = if inner.is_empty() { "**" } else { inner };
            return vec![line(directory, format!("{mark}/{inner}"))];
        }
        // In a `.gitignore` file, `#` starts a comment.
        let escape = if mark.is_empty() && inner.starts_with('#') { "\\" } else { "" };
        let mut lines = vec![line(directory, format!("{mark}{escape}{inner}"))];
        if inner.starts_with('/') {
            let (base, rest) = split_literal(inner);
            let base = real_path(Path::new(base)).unwrap_or_else(|| normalized(Path::new(base)));
            let absolute = line(base, format!("{mark}/{rest}"));
            // As an absolute path, a pattern such as `/*` or `/home` could match the directory that
            // it is relative to.
            if !absolute.matches_parent_of(&lines[0].directory) {
                lines.push(absolute);
            }
        }
        lines
    }

    /// Checks whether the pattern matched no path, although the run searched the directory in which
    /// it can match. Returns false if the pattern has no wildcards and names an existing path,
    /// because Git may ignore that path.
    fn is_unused(&self, searched: &[PathBuf]) -> bool {
        let lines = self.lines();
        let text = &self.declared.text;
        let is_literal = !text.contains(WILDCARDS) && !text.starts_with('!');
        let exists = |line: &Line| line.directory.join(line.text.trim_start_matches('/')).exists();
        let is_searched = |line: &Line| {
            let (base, _) = split_literal(line.text.trim_start_matches('!'));
            let base = line.directory.join(base.trim_start_matches('/'));
            searched.iter().any(|directory| base.starts_with(directory))
        };
        !self.is_used.load(Ordering::Relaxed)
            && lines.iter().any(is_searched)
            && !(is_literal && lines.iter().any(exists))
    }
}

/// Characters with a special meaning in patterns.
const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

/// Splits a pattern after the last slash before its first wildcard or, if it has no wildcards,
/// before its last name.
fn split_literal(text: &str) -> (&str, &str) {
    let end = text.find(WILDCARDS).unwrap_or(text.trim_end_matches('/').len());
    text.split_at(text[..end].rfind('/').map_or(0, |slash| slash + 1))
}

/// The paths to exclude from a run. If several patterns match a path, the last one decides. A path
/// in an excluded directory is excluded, too.
#[derive(Debug)]
pub struct Excludes {
    /// The absolute path of the working directory, without symbolic links.
    working_directory: PathBuf,
    patterns: Vec<Pattern>,
    layers: Vec<Layer>,
}

/// Consecutive patterns that are relative to the same directory.
#[derive(Debug)]
struct Layer {
    directory: PathBuf,
    matcher: Gitignore,
    /// The lines of the matcher.
    lines: Vec<Line>,
}

impl Default for Excludes {
    fn default() -> Self {
        let working_directory = real_path(Path::new(".")).unwrap_or_default();
        Self { working_directory, patterns: Vec::new(), layers: Vec::new() }
    }
}

impl Excludes {
    /// Compiles patterns. Later ones take precedence. Returns a message if they are too large.
    pub fn new(patterns: impl IntoIterator<Item = ExcludePattern>) -> Result<Self, String> {
        let patterns = patterns.into_iter();
        Self::compile(patterns.map(|declared| Pattern { declared, is_used: Arc::default() }).collect())
    }

    fn compile(patterns: Vec<Pattern>) -> Result<Self, String> {
        let lines: Vec<Line> = patterns.iter().flat_map(Pattern::lines).collect();
        let layer = |lines: &[Line]| {
            let mut builder = GitignoreBuilder::new(".");
            for line in lines {
                builder.add_line(None, &line.text)?;
            }
            let directory = lines[0].directory.clone();
            Ok(Layer { directory, matcher: builder.build()?, lines: lines.to_vec() })
        };
        let same_directory = lines.chunk_by(|a, b| a.directory == b.directory);
        let layers = same_directory.map(layer).collect::<Result<_, ignore::Error>>();
        let layers = layers.map_err(|error| error.to_string())?;
        Ok(Self { patterns, layers, ..Self::default() })
    }

    /// Returns these excludes without the patterns that exclude `path`.
    #[must_use]
    pub fn without(&self, path: &Path) -> Self {
        let excludes_path = |pattern: &Pattern| {
            Self::compile(vec![pattern.clone()]).is_ok_and(|alone| alone.is_excluded(path, false))
        };
        let patterns = self.patterns.iter().filter(|pattern| !excludes_path(pattern)).cloned().collect();
        Self::compile(patterns).expect("fewer patterns than before")
    }

    /// Returns true if there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Returns the absolute path for a path that may be relative to the working directory. Does not
    /// resolve symbolic links.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        normalized(&self.working_directory.join(path))
    }

    /// Checks whether a path or one of its parent directories is excluded. A relative path is
    /// relative to the working directory.
    pub fn is_excluded(&self, path: &Path, is_dir: bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let path = self.absolute(path);
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        parents.iter().rev().any(|parent| self.matches(parent, true)) || self.matches(&path, is_dir)
    }

    /// Checks whether a path is excluded, without regard to its parent directories. The path must
    /// be absolute.
    pub fn matches(&self, path: &Path, is_dir: bool) -> bool {
        for layer in self.layers.iter().rev() {
            let Ok(inner) = path.strip_prefix(&layer.directory) else { continue };
            if inner.as_os_str().is_empty() {
                continue;
            }
            let (glob, is_excluded) = match layer.matcher.matched(inner, is_dir) {
                Match::None => continue,
                Match::Ignore(glob) => (glob, true),
                Match::Whitelist(glob) => (glob, false),
            };
            let is_own = |text: &str| text.trim_end() == glob.original().trim_end();
            for line in layer.lines.iter().filter(|line| is_own(&line.text)) {
                line.is_used.store(true, Ordering::Relaxed);
            }
            return is_excluded;
        }
        false
    }

    /// Returns the patterns that matched no path, although the run searched the directory in which
    /// they can match. `searched` are the absolute paths of the searched directories, without
    /// symbolic links.
    pub fn unused(&self, searched: Vec<PathBuf>) -> impl Iterator<Item = &ExcludePattern> {
        let unused = self.patterns.iter().filter(move |pattern| pattern.is_unused(&searched));
        unused.map(|pattern| &pattern.declared)
    }
}

/// Returns the path with symbolic links resolved, or `None` if it does not exist.
pub fn real_path(path: &Path) -> Option<PathBuf> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::canonicalize(path).ok()
}

/// Resolves `.` and `..` in the path without access to files.
pub fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => _ = out.pop(),
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_parent_directories() {
        for (path, expected) in [
            ("a/./b/../c", "a/c"),
            ("a/../b", "b"),
            ("../../base/patch.yaml", "../../base/patch.yaml"),
            ("../overlay/../../base", "../../base"),
            ("/../a", "/a"),
        ] {
            assert_eq!(normalized(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn patterns_have_the_semantics_of_gitignore() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = real_path(directory.path()).expect("a path");
        let absolute = format!("{}/a/b.yaml", root.display());
        let other = format!("{}/../other", root.display());
        // Each line contains patterns, excluded paths and other paths.
        for (patterns, excluded, included) in [
            (&["sub"][..], &["sub/a.yaml", "x/sub/a.yaml", "x/sub"][..], &["subs/a.yaml"][..]),
            (&["sub/"], &["sub/a.yaml", "x/sub/a.yaml"], &["x/sub"]),
            (&["./sub/**"], &["sub/a.yaml", "sub/x/a.yaml"], &["sub", "x/sub/a.yaml"]),
            (&["./sub"], &["sub/a.yaml"], &["x/sub/a.yaml"]),
            (&["/sub"], &["sub/a.yaml", "sub"], &["x/sub/a.yaml"]),
            (&["/*", "!/x"], &["sub/a.yaml", "a.yaml"], &["x/a.yaml"]),
            (&["x/sub"], &["x/sub/a.yaml"], &["y/x/sub/a.yaml", "sub/a.yaml"]),
            (&["*.yaml", "!b.yaml"], &["a.yaml", "x/a.yaml"], &["b.yaml", "x/b.yaml"]),
            (&["sub/", "!sub/b.yaml"], &["sub/b.yaml"], &[]),
            (&["sub/*", "!sub/b.yaml"], &["sub/a.yaml"], &["sub/b.yaml"]),
            (&["x/*.yaml"], &["x/a.yaml"], &["x/y/a.yaml", "a.yaml"]),
            (&["x/**/a.yaml"], &["x/a.yaml", "x/y/z/a.yaml"], &["x/b.yaml"]),
            (&["{a,b}.yaml"], &["a.yaml", "x/b.yaml"], &["c.yaml"]),
            (&["#a.yaml"], &["#a.yaml"], &["a.yaml"]),
            (&["\\!a.yaml"], &["!a.yaml"], &["a.yaml"]),
            (&["."], &["a.yaml", "x/a.yaml"], &["../a.yaml"]),
            (&["../x/"], &["../x/a.yaml"], &["x/a.yaml"]),
            (&[&absolute], &["a/b.yaml"], &["a/c.yaml", "b.yaml"]),
            (&[&other], &["../other", "../other/a"], &["other"]),
        ] {
            let patterns = patterns
                .iter()
                .map(|text| ExcludePattern::new(&root, text, String::new()).expect("a valid pattern"));
            let excludes = Excludes::new(patterns).expect("valid patterns");
            let is_excluded = |path: &&str| excludes.is_excluded(&root.join(path), false);
            assert!(excluded.iter().all(is_excluded), "{:?}", excludes.patterns);
            assert!(!included.iter().any(is_excluded), "{:?}", excludes.patterns);
        }
        for invalid in ["", " ", "a[", "{a"] {
            assert!(ExcludePattern::new(&root, invalid, String::new()).is_err(), "{invalid}");
        }
    }
}
