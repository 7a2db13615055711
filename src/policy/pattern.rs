//! Patterns in policies, which match names or paths.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;

use crate::model::{HostPath, PathPattern, Relation};

/// A pattern for whole names: a name, a glob (`*` matches any text, `?` any single character), or a
/// regular expression between slashes.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Any,
    Exact(String),
    Glob(GlobMatcher),
    Regex(Regex),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if let Some(expression) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return whole_regex(expression).map(Self::Regex);
        }
        if text.is_empty() {
            return Err("an empty string never matches".to_owned());
        }
        if let Some(unsupported) = text.chars().find(|c| matches!(c, '[' | ']' | '{' | '}' | '/' | '\\')) {
            return Err(format!(
                "`{unsupported}` is not supported in globs: use `*`, `?`, or a regular expression between slashes"
            ));
        }
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.contains(['*', '?']) {
            let glob =
                GlobBuilder::new(text).build().map_err(|error| format!("invalid glob: {}", error.kind()))?;
            return Ok(Self::Glob(glob.compile_matcher()));
        }
        Ok(Self::Exact(text.to_owned()))
    }

    /// Compiles a pattern for the name of a user or a group. Such a name can contain any character,
    /// for example slashes if it comes from an identity provider. Therefore, all characters of a
    /// glob except `*` and `?` are literal.
    pub(super) fn of_user(text: &str) -> Result<Self, String> {
        let is_regex = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
        if is_regex || text.is_empty() || text == "*" {
            return Self::new(text);
        }
        if !text.contains(['*', '?']) {
            return Ok(Self::Exact(text.to_owned()));
        }
        let expression = |c: char| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            c => regex::escape(c.encode_utf8(&mut [0; 4])),
        };
        whole_regex(&text.chars().map(expression).collect::<String>()).map(Self::Regex)
    }

    /// Returns the pattern that matches only this text.
    pub(super) fn literal(text: &str) -> String {
        match Self::new(text) {
            Ok(Self::Exact(_)) => text.to_owned(),
            _ => format!("/{}/", regex::escape(text)),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => own == text,
            Self::Glob(glob) => glob.is_match(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// Checks whether a text that the pattern does not match resembles a name that it matches. The
    /// text differs only in case or in a few characters, or contains the name, or the name contains
    /// the text. Returns false for a glob and a regular expression.
    pub(super) fn resembles(&self, text: &str) -> bool {
        /// The length of the shortest name to search for in other names.
        const MIN_CONTAINED: usize = 3;
        let Self::Exact(own) = self else { return false };
        let contains = |outer: &str, inner: &str| inner.len() >= MIN_CONTAINED && outer.contains(inner);
        contains(own, text) || contains(text, own) || is_similar(own, text)
    }
}

/// Checks whether two texts differ only in case or in a few characters.
fn is_similar(a: &str, b: &str) -> bool {
    let max_distance = (a.len().min(b.len()) / 4).min(2);
    a.eq_ignore_ascii_case(b)
        || (a.len().abs_diff(b.len()) <= max_distance && strsim::damerau_levenshtein(a, b) <= max_distance)
}

/// Compiles a regular expression so that it matches only whole strings.
fn whole_regex(expression: &str) -> Result<Regex, String> {
    // Compile the unchanged expression first. An invalid expression such as `a)(?:b` could be valid
    // within the group.
    let compiled = Regex::new(expression).and_then(|_| Regex::new(&format!("^(?:{expression})$")));
    compiled.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!("invalid regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
    })
}

/// A pattern for effective paths.
#[derive(Clone, Debug)]
pub enum PathGlob {
    Any,
    /// The paths that the pattern matches. The text is that of the pattern.
    Exact(PathPattern, String),
    /// The paths that the pattern matches, and all paths below them. The text is that of the
    /// pattern.
    Subtree(PathPattern, String),
    Regex(Regex),
}

impl PathGlob {
    /// Compiles a value of the key `path` of an exemption.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > 1
            && let Some(expression) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'))
        {
            if !expression.starts_with('^') {
                let path = text.trim_end_matches('/');
                return Err(format!(
                    "ambiguous trailing slash: write `{path}`, `{path}/**` or, for a regular expression, `/^…/`"
                ));
            }
            return whole_regex(expression).map(Self::Regex);
        }
        if matches!(text, "**" | "/**") {
            return Ok(Self::Any);
        }
        let (literal, is_subtree) = match text.strip_suffix("/**").or_else(|| text.strip_suffix("\\**")) {
            Some(literal) => (literal, true),
            None => (text, false),
        };
        let pattern = PathPattern::new(literal).filter(|_| !literal.contains(['?', '[', '{']));
        match pattern {
            Some(pattern) if is_subtree => Ok(Self::Subtree(pattern, literal.to_owned())),
            Some(pattern) => Ok(Self::Exact(pattern, literal.to_owned())),
            None if literal.contains("**") => {
                Err(format!("`{text}` never matches: `**` is supported only as the last part of a path"))
            }
            None => Err(format!("`{text}` never matches: {}", why_unreachable(literal))),
        }
    }

    /// Returns the pattern that matches only this path.
    pub(super) fn literal(path: &str) -> String {
        match Self::new(path) {
            Ok(Self::Exact(..)) if !path.contains('*') => path.to_owned(),
            _ => format!("/^{}/", regex::escape(path)),
        }
    }

    pub fn matches(&self, path: &str) -> bool {
        let relation = |pattern: &PathPattern| HostPath::new(path).relation(pattern);
        match self {
            Self::Any => true,
            Self::Exact(pattern, _) => relation(pattern) == Relation::Equal,
            Self::Subtree(pattern, _) => matches!(relation(pattern), Relation::Equal | Relation::Descendant),
            Self::Regex(regex) => regex.is_match(path),
        }
    }

    /// Checks whether a path that the pattern does not match is above or below a path that it
    /// matches, or differs from it only in a few characters. The root of the filesystem, which is
    /// above all paths, does not count. Returns false for a regular expression.
    pub(super) fn resembles(&self, path: &str) -> bool {
        let (Self::Exact(pattern, text) | Self::Subtree(pattern, text)) = self else { return false };
        let host_path = HostPath::new(path);
        let is_related = host_path.relation(pattern) != Relation::Unrelated && !host_path.is_root();
        is_related || is_similar(text, path)
    }
}

/// Explains why the path pattern `text` cannot match any effective path.
pub(super) fn why_unreachable(text: &str) -> String {
    let effective = HostPath::new(text);
    if !text.contains(['*', '?', '[', '{']) && !effective.is_relative() && !effective.has_backstep() {
        return format!("the effective path is `{effective}`");
    }
    if !Path::new(text).is_absolute() && !effective.is_windows() {
        return "the path must be absolute".to_owned();
    }
    "the path must be absolute and clean, with `*` as the only wildcard, at most once per segment".to_owned()
}
