//! Paths on a node. They are compared by segment, after cleaning and alias resolution.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// The syntax of a path. Paths with different syntaxes are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Syntax {
    Posix,
    /// `C:\…`, `\\server\share`, `\\.\pipe\…`. Case-insensitive; `/` and `\` are equivalent.
    Windows,
}

/// A path on a node, after cleaning and resolving aliases, which are well-known symbolic links and
/// bind mounts.
///
/// For example, `/var/run//docker.sock/` and `/proc/1/root/run/docker.sock` both become
/// `/run/docker.sock`. The API server stores paths unchanged, so any spelling may occur.
///
/// Two paths are equal if they are the same after cleaning and resolving aliases.
#[derive(Clone, Debug)]
pub struct HostPath {
    syntax: Syntax,
    segments: Vec<Box<str>>,
    is_relative: bool,
    has_backstep: bool,
}

impl PartialEq for HostPath {
    fn eq(&self, other: &Self) -> bool {
        self.syntax == other.syntax && self.segments == other.segments
    }
}

impl Eq for HostPath {}

impl PartialOrd for HostPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HostPath {
    /// Sorts a directory directly before everything inside it.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.syntax, &self.segments).cmp(&(other.syntax, &other.segments))
    }
}

/// The relation of a path to another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The paths are equal.
    Equal,
    /// The path contains the other path, so mounting it exposes both.
    Ancestor,
    /// The path is inside the other path.
    Descendant,
    /// Neither path contains the other.
    Unrelated,
}

impl HostPath {
    /// Parses a path on a node: cleans it and resolves aliases.
    ///
    /// Relative paths are resolved against `/`, the working directory of the kubelet and
    /// containerd. `..` is resolved lexically: the API server rejects it between slashes, and a
    /// rule reports it. `\var` counts as relative, because it has no drive. The kubelet adds the
    /// prefix `C:` to it.
    pub fn new(text: &str) -> Self {
        let (syntax, is_relative, body) = match normalize_windows(text) {
            Some(body) => (Syntax::Windows, false, body),
            None if text.starts_with('\\') => {
                (Syntax::Windows, true, format!("c:{}", normalize_windows_part(text)))
            }
            None => (Syntax::Posix, !text.starts_with('/'), text.to_owned()),
        };
        let mut path = Self { syntax, segments: Vec::new(), is_relative, has_backstep: false };
        path.push(&body);
        path.resolve_aliases();
        path
    }

    /// Parses a path inside a container: cleans it, but does not resolve aliases, which exist only
    /// on nodes.
    pub fn in_container(text: &str) -> Self {
        let windows = normalize_windows(text);
        let syntax = if windows.is_some() { Syntax::Windows } else { Syntax::Posix };
        let mut path = Self { syntax, segments: Vec::new(), is_relative: false, has_backstep: false };
        path.push(windows.as_deref().unwrap_or(text));
        path
    }

    /// Returns the path of `sub_path` inside this path.
    #[must_use]
    pub fn join(&self, sub_path: &str) -> Self {
        let mut path = self.clone();
        let body = match self.syntax {
            Syntax::Windows => normalize_windows_part(sub_path),
            Syntax::Posix => sub_path.to_owned(),
        };
        path.push(&body);
        path.resolve_aliases();
        path
    }

    fn push(&mut self, body: &str) {
        for segment in body.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    self.has_backstep = true;
                    self.segments.pop();
                }
                name => self.segments.push(name.into()),
            }
        }
    }

    fn resolve_aliases(&mut self) {
        if self.syntax == Syntax::Windows {
            return;
        }
        // Terminates because each iteration makes the path shorter or yields a path without an
        // alias.
        while let Some((length, target)) = alias(&self.segments) {
            self.segments.splice(..length, target.iter().map(|name| Box::from(*name)));
        }
    }

    /// Returns the number of segments.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Checks whether this is the root of the node's filesystem or of a drive.
    pub fn is_root(&self) -> bool {
        match self.syntax {
            Syntax::Posix => self.segments.is_empty(),
            Syntax::Windows => matches!(self.segments.as_slice(), [drive] if is_drive(drive)),
        }
    }

    /// Checks whether the original path was relative, so that the node resolves it against a
    /// working directory.
    pub fn is_relative(&self) -> bool {
        self.is_relative
    }

    /// Checks whether the original path had a `..` segment.
    pub fn has_backstep(&self) -> bool {
        self.has_backstep
    }

    /// Checks whether this is a Windows named pipe. No `hostPath.type` exists for pipes.
    pub fn is_named_pipe(&self) -> bool {
        self.syntax == Syntax::Windows
            && matches!(self.segments.as_slice(), [devices, pipe, ..] if **devices == *DEVICES && **pipe == *"pipe")
    }

    /// Removes redundant slashes and `.` segments from `text`. Keeps everything else, including
    /// case.
    pub fn simplify(text: &str) -> String {
        let bytes = text.as_bytes();
        let slashes = slashes(text);
        let is_slash = |at: usize| bytes.get(at).is_some_and(|byte| slashes.contains(&char::from(*byte)));
        let prefix = match (slashes.len(), is_slash(0) && is_slash(1)) {
            (1, _) | (_, false) => usize::from(is_slash(0)),
            (_, true) if matches!(bytes.get(2), Some(b'?' | b'.')) && is_slash(3) => 4,
            (_, true) => 2,
        };
        let mut simple = text[..prefix].to_owned();
        for piece in text[prefix..].split_inclusive(slashes) {
            if !matches!(piece.trim_end_matches(slashes), "" | ".") {
                simple.push_str(piece);
            }
        }
        match simple[prefix..].strip_suffix(slashes) {
            // `C:\` is the root of the drive, `C:` its working directory.
            Some(drive) if slashes.len() > 1 && drive.ends_with(':') && !drive.contains(slashes) => {}
            Some(_) => simple.truncate(simple.len() - 1),
            None => {}
        }
        simple
    }

    /// Checks whether `text` ends in a slash or in `/.`, which is valid only for a directory.
    pub fn has_directory_suffix(text: &str) -> bool {
        let end = text.strip_suffix('.').unwrap_or(text);
        end.ends_with(slashes(text))
    }

    /// Checks whether this is a Windows path.
    pub fn is_windows(&self) -> bool {
        self.syntax == Syntax::Windows
    }

    /// Returns the first segment, or `None` if the path is the root.
    pub(super) fn first_segment(&self) -> Option<&str> {
        self.segments.first().map(|name| &**name)
    }

    /// Returns the last segment, or `None` if the path is the root.
    pub fn name(&self) -> Option<&str> {
        self.segments.last().map(|name| &**name)
    }

    /// Checks whether the path looks like a socket: it ends in `.sock`, or it is a Windows named
    /// pipe.
    pub fn is_socket(&self) -> bool {
        match self.segments.as_slice() {
            [devices, pipe, _, ..] if **devices == *DEVICES && **pipe == *"pipe" => true,
            segments => segments.last().is_some_and(|name| name.ends_with(".sock")),
        }
    }

    /// Returns the relation of this path to the paths that match `pattern`.
    pub fn relation(&self, pattern: &PathPattern) -> Relation {
        if self.syntax != pattern.syntax {
            return Relation::Unrelated;
        }
        let matches = self.segments.iter().zip(&pattern.segments).all(|(name, part)| part.matches(name));
        relation(matches, self.segments.len(), pattern.segments.len())
    }

    /// Returns the relation of this path to `other`.
    pub fn relation_to(&self, other: &Self) -> Relation {
        if self.syntax != other.syntax {
            return Relation::Unrelated;
        }
        let matches = self.segments.iter().zip(&other.segments).all(|(a, b)| a == b);
        relation(matches, self.segments.len(), other.segments.len())
    }
}

/// Cleans a path inside a container. Borrows paths that are already clean, as most are.
pub fn clean_container_path(text: &str) -> Cow<'_, str> {
    let is_clean = match text.strip_prefix('/') {
        Some(below) => below.is_empty() || below.split('/').all(|name| !matches!(name, "" | "." | "..")),
        None => false,
    };
    if is_clean { Cow::Borrowed(text) } else { Cow::Owned(HostPath::in_container(text).to_string()) }
}

/// Returns the relation of a path with `len` segments to a path with `other_len` segments.
/// `matches` tells whether all segments up to the shorter length match.
fn relation(matches: bool, len: usize, other_len: usize) -> Relation {
    match (matches, len.cmp(&other_len)) {
        (false, _) => Relation::Unrelated,
        (true, Ordering::Equal) => Relation::Equal,
        (true, Ordering::Less) => Relation::Ancestor,
        (true, Ordering::Greater) => Relation::Descendant,
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = self.segments.join("/");
        let backslashed = |from: usize| self.segments[from..].join("\\");
        match (self.syntax, self.segments.first().map(|first| &**first)) {
            (Syntax::Posix, _) => write!(f, "/{joined}"),
            (Syntax::Windows, Some(DEVICES)) if self.is_named_pipe() => {
                write!(f, "//.{}", &joined[DEVICES.len()..])
            }
            (Syntax::Windows, Some(DEVICES)) => write!(f, r"\\.\{}", backslashed(1)),
            (Syntax::Windows, Some(drive)) if is_drive(drive) => f.write_str(&joined),
            (Syntax::Windows, _) => write!(f, r"\\{}", backslashed(0)),
        }
    }
}

/// Converts a Windows path to lower case with `/` as the separator. A device path then starts with
/// [`DEVICES`]. Returns `None` if `text` is not a Windows path.
fn normalize_windows(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_slash = |at: usize| matches!(bytes.get(at), Some(b'/' | b'\\'));
    let is_drive = |at: usize| {
        bytes.get(at).is_some_and(u8::is_ascii_alphabetic)
            && bytes.get(at + 1) == Some(&b':')
            && (is_slash(at + 2) || bytes.len() == at + 2)
    };
    if is_drive(0) {
        return Some(normalize_windows_part(text));
    }
    // Windows device and UNC paths start with two equal slashes. `/\?` is a POSIX path.
    if !(is_slash(0) && bytes.get(1) == bytes.first()) {
        return None;
    }
    // `\\?\C:\x` is the same as `C:\x`. `\\.\pipe\x` and `//./pipe/x` are devices.
    if matches!(bytes.get(2), Some(b'?' | b'.')) && is_slash(3) {
        let rest = &text[4..];
        if is_drive(4) {
            return Some(normalize_windows_part(rest));
        }
        let rest = normalize_windows_part(rest);
        let is_pipe = rest.trim_start_matches('/').split('/').next() == Some("pipe");
        // `//./run` is a POSIX path.
        return (is_pipe || bytes.starts_with(b"\\\\")).then(|| format!("{DEVICES}/{rest}"));
    }
    bytes.starts_with(b"\\\\").then(|| normalize_windows_part(text))
}

/// Converts part of a Windows path to lower case with `/` as the separator.
fn normalize_windows_part(text: &str) -> String {
    text.replace('\\', "/").to_lowercase()
}

/// Returns the characters that separate the segments of `text`.
fn slashes(text: &str) -> &'static [char] {
    match text.starts_with('\\') || normalize_windows(text).is_some() {
        true => &['/', '\\'],
        false => &['/'],
    }
}

/// The first segment of a Windows device path, in place of `\\.\`. It is not a valid server name,
/// so it cannot collide with one.
const DEVICES: &str = "{devices}";

/// Checks whether a segment is a Windows drive such as `c:`.
fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

/// Returns the number of leading segments that form an alias, and the segments that replace them.
/// Returns `None` if the path does not start with an alias.
fn alias(segments: &[Box<str>]) -> Option<(usize, &'static [&'static str])> {
    let name = |at: usize| segments.get(at).map(|name| &**name);
    let is_process = |name: &str| {
        matches!(name, "self" | "thread-self")
            || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Some(match (name(0)?, name(1)) {
        ("dev", Some("fd")) => (2, &["proc", "self", "fd"]),
        ("dev", Some("core")) => (2, &["proc", "kcore"]),
        ("proc", Some(process)) if is_process(process) => match (name(2)?, name(4)) {
            ("root" | "cwd", _) => (3, &[]),
            ("task", Some("root" | "cwd")) => (5, &[]),
            _ => return None,
        },
        ("var", Some("run")) => (2, &["run"]),
        ("var", Some("lock")) => (2, &["run", "lock"]),
        ("bin", _) => (1, &["usr", "bin"]),
        ("sbin", _) => (1, &["usr", "sbin"]),
        ("lib", _) => (1, &["usr", "lib"]),
        ("lib64", _) => (1, &["usr", "lib64"]),
        // On ostree systems, /home, /root and similar directories are symbolic links into /var, and
        // /ostree is a symbolic link to /sysroot/ostree.
        ("var", Some("home")) => (2, &["home"]),
        ("var", Some("roothome")) => (2, &["root"]),
        ("var", Some("opt")) => (2, &["opt"]),
        ("var", Some("mnt")) => (2, &["mnt"]),
        ("var", Some("srv")) => (2, &["srv"]),
        ("var", Some("usrlocal")) => (2, &["usr", "local"]),
        ("ostree", _) => (1, &["sysroot", "ostree"]),
        // Container-Optimized OS and Bottlerocket bind-mount these directories at the target paths.
        ("mnt", Some("stateful_partition")) if matches!(name(2), Some("var" | "home")) => (2, &[]),
        ("local", Some("var" | "opt" | "mnt")) => (1, &[]),
        _ => return None,
    })
}

/// A pattern of paths. Each segment can contain one `*`, which matches any text within the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    syntax: Syntax,
    segments: Vec<SegmentPattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SegmentPattern {
    Literal(Box<str>),
    /// A segment with a `*`.
    Wildcard {
        prefix: Box<str>,
        suffix: Box<str>,
    },
}

impl SegmentPattern {
    fn new(segment: Box<str>) -> Self {
        match segment.split_once('*') {
            Some((prefix, suffix)) => Self::Wildcard { prefix: prefix.into(), suffix: suffix.into() },
            None => Self::Literal(segment),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *name,
            Self::Wildcard { prefix, suffix } => {
                name.strip_prefix(&**prefix).is_some_and(|rest| rest.ends_with(&**suffix))
            }
        }
    }
}

impl PathPattern {
    /// Parses a pattern of node paths.
    ///
    /// Returns `None` if the pattern can never match, because it is relative, not clean, or starts
    /// with an alias.
    pub fn new(text: &str) -> Option<Self> {
        Self::from_path(HostPath::new(text), text)
    }

    /// Parses a pattern of paths inside a container. Returns `None` if it can never match.
    pub fn in_container(text: &str) -> Option<Self> {
        Self::from_path(HostPath::in_container(text), text)
    }

    /// Converts `path` to a pattern. Returns `None` if parsing changed it, so that it differs from
    /// `text`.
    fn from_path(path: HostPath, text: &str) -> Option<Self> {
        let source = match path.syntax {
            Syntax::Posix => text.to_owned(),
            Syntax::Windows => normalize_windows(text)?,
        };
        let segments = source.split('/').filter(|name| !name.is_empty());
        if path.is_relative || !segments.eq(path.segments.iter().map(|name| &**name)) {
            return None;
        }
        if path.syntax == Syntax::Posix && path.to_string() != text {
            return None;
        }
        let segments = path.segments.into_iter().map(SegmentPattern::new).collect();
        Some(Self { syntax: path.syntax, segments })
    }

    /// Returns the first segment, or `None` if it contains a wildcard or the pattern is the root.
    pub(super) fn first_segment(&self) -> Option<&str> {
        match self.segments.first()? {
            SegmentPattern::Literal(name) => Some(name),
            SegmentPattern::Wildcard { .. } => None,
        }
    }

    /// Checks whether the pattern contains a `*`.
    pub fn has_wildcard(&self) -> bool {
        self.segments.iter().any(|part| matches!(part, SegmentPattern::Wildcard { .. }))
    }

    /// Returns the number of segments. If two patterns match a path, the deeper one is more
    /// specific.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }
}

#[cfg(test)]
mod tests {
    use super::HostPath;

    #[test]
    fn simplify_removes_redundant_slashes_and_dots() {
        let cases = [
            ("/", "/"),
            ("///", "/"),
            ("/.", "/"),
            ("//a", "/a"),
            ("/a/./b//c/", "/a/b/c"),
            ("/a/../b", "/a/../b"),
            ("/a\\b/", "/a\\b"),
            ("./a/", "a"),
            ("", ""),
            ("//./run", "/run"),
            ("C:", "C:"),
            ("C:\\", "C:\\"),
            ("C:/", "C:/"),
            ("C:\\\\", "C:\\"),
            ("C:\\A/.\\b/", "C:\\A/b"),
            ("\\\\?\\C:\\a\\\\b", "\\\\?\\C:\\a\\b"),
            ("\\\\.\\pipe\\x", "\\\\.\\pipe\\x"),
            ("//./pipe/x", "//./pipe/x"),
            ("\\\\server\\share\\", "\\\\server\\share"),
            ("\\", "\\"),
            ("\\a\\\\b/", "\\a\\b"),
        ];
        for (text, expected) in cases {
            assert_eq!(HostPath::simplify(text), expected, "{text}");
        }
    }

    #[test]
    fn detects_directory_suffixes() {
        for text in ["/", "/a/", "/a/.", "C:\\a\\"] {
            assert!(HostPath::has_directory_suffix(text), "{text}");
        }
        for text in ["/a", "/a.", "/a\\", "", "."] {
            assert!(!HostPath::has_directory_suffix(text), "{text}");
        }
    }

    #[test]
    fn recognizes_named_pipes() {
        assert!(HostPath::new("\\\\.\\pipe\\docker_engine").is_named_pipe());
        assert!(HostPath::new("//./pipe/docker_engine").is_named_pipe());
        assert!(!HostPath::new("/pipe/x").is_named_pipe());
    }
}
