//! Paths on a node. They are compared by segment, after cleaning and alias resolution.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::os::Os;
use super::windows_path::{
    DEVICES, WINDOWS_DIRECTORIES, WindowsPath, below_drive_directory, is_drive, is_local_server,
    normalize_windows_part, slashes, trim_windows_name, windows_alias, without_stream,
};

/// The syntax of a path. Paths with different syntaxes are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Syntax {
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
    pub(super) syntax: Syntax,
    pub(super) segments: Vec<Box<str>>,
    is_relative: bool,
    has_backstep: bool,
    is_uncertain: bool,
    /// Whether the node is known to run Linux, where `/c` is an ordinary directory.
    is_on_linux: bool,
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
    /// Parses a path on a node with the operating system `os`, which is `None` if unknown.
    pub fn on(os: Option<Os>, text: &str) -> Self {
        match (os, WindowsPath::parse(text)) {
            (Some(Os::Windows), _) => Self::on_windows(text),
            (_, Some(path)) => Self::windows(&path),
            (os, None) => Self::posix(text, os == Some(Os::Linux)),
        }
    }

    /// Parses a path on a node whose operating system is unknown: cleans it and resolves aliases.
    ///
    /// Relative paths are resolved against `/`, the working directory of the kubelet and
    /// containerd. `..` is resolved lexically. The rule `host-path-backstep` reports `..`. The API
    /// server also rejects `..`, but splits a path only at forward slashes. `\var` counts as
    /// relative, because it has no drive. The kubelet adds the prefix `C:` to it. `C:var` is
    /// relative to the current directory of the drive.
    pub fn new(text: &str) -> Self {
        Self::on(None, text)
    }

    /// Parses a path of a pod that runs on Windows nodes.
    ///
    /// The kubelet adds the prefix `c:` to a path that starts with a slash (`MakeAbsolutePath` in
    /// `pkg/volume/util/util.go`). `/c/x` counts as `C:\x`, as in shells that convert paths. Any
    /// other path without a drive is resolved against `C:\`.
    pub fn on_windows(text: &str) -> Self {
        let backslashed = text.starts_with("//").then(|| text.replace('/', r"\"));
        if let Some(path) = WindowsPath::parse(backslashed.as_deref().unwrap_or(text)) {
            return Self::windows(&path);
        }
        let body = normalize_windows_part(text);
        let drive_directory = below_drive_directory(&body);
        let body = format!("c:/{}", drive_directory.unwrap_or(&body));
        let is_uncertain = drive_directory.is_some();
        Self::windows(&WindowsPath { body, is_relative: !text.starts_with('/'), is_uncertain })
    }

    /// Parses a path inside a container: cleans it, but does not resolve aliases, which exist only
    /// on nodes.
    pub fn in_container(text: &str) -> Self {
        let windows = WindowsPath::parse(text).filter(|path| !path.is_relative);
        let syntax = if windows.is_some() { Syntax::Windows } else { Syntax::Posix };
        let mut path = Self::empty(syntax);
        path.push(windows.as_ref().map_or(text, |windows| windows.body.as_str()));
        path
    }

    fn windows(path: &WindowsPath) -> Self {
        let mut parsed = Self { is_relative: path.is_relative, ..Self::empty(Syntax::Windows) };
        parsed.push(&path.body);
        parsed.resolve_aliases();
        parsed.is_uncertain |= path.is_uncertain;
        parsed
    }

    fn posix(text: &str, is_on_linux: bool) -> Self {
        let mut path =
            Self { is_relative: !text.starts_with('/'), is_on_linux, ..Self::empty(Syntax::Posix) };
        path.push(text);
        path.resolve_aliases();
        path
    }

    fn empty(syntax: Syntax) -> Self {
        Self {
            syntax,
            segments: Vec::new(),
            is_relative: false,
            has_backstep: false,
            is_uncertain: false,
            is_on_linux: false,
        }
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
            let is_first = self.segments.is_empty();
            let segment = match self.syntax {
                Syntax::Windows if !is_first => without_stream(segment),
                _ => segment,
            };
            match segment {
                "" | "." => {}
                ".." => {
                    self.has_backstep = true;
                    if self.segments.len() > self.root_len() {
                        self.segments.pop();
                    }
                }
                name => self.segments.push(name.into()),
            }
        }
    }

    /// Returns the number of segments that `..` does not remove: the drive, the server and share,
    /// or the prefix of a device.
    fn root_len(&self) -> usize {
        match (self.syntax, self.segments.first()) {
            (Syntax::Posix, _) | (_, None) => 0,
            (Syntax::Windows, Some(first)) => 2 - usize::from(is_drive(first)),
        }
    }

    fn resolve_aliases(&mut self) {
        if self.syntax == Syntax::Posix {
            // The loop ends, because each iteration makes the path shorter or yields a path without
            // an alias.
            while let Some((length, target)) = alias(&self.segments) {
                self.segments.splice(..length, target.iter().map(|name| Box::from(*name)));
            }
            self.resolve_drive_directory();
        }
        if self.syntax == Syntax::Windows {
            // The loop ends, because no target contains an alias.
            while let Some((range, target)) = windows_alias(&self.segments) {
                self.segments.splice(range, target.iter().map(|name| Box::from(*name)));
                self.is_uncertain = true;
            }
        }
    }

    /// Converts `/c/Users` to `C:\Users`. Virtual machines on Windows mount the drive at `/c`, and
    /// Windows shells convert paths to this form.
    fn resolve_drive_directory(&mut self) {
        let [drive, directory, ..] = self.segments.as_slice() else { return };
        let is_drive_directory = !self.is_on_linux
            && drive.eq_ignore_ascii_case("c")
            && WINDOWS_DIRECTORIES.iter().any(|known| known.eq_ignore_ascii_case(directory));
        if is_drive_directory {
            let body = format!("c:/{}", self.segments[1..].join("/"));
            self.syntax = Syntax::Windows;
            self.is_uncertain = true;
            self.segments.clear();
            self.push(&normalize_windows_part(&body));
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

    /// Checks whether the original path may lead to another file, because the meaning of a part of
    /// it is not certain: a short name such as `PROGRA~3`, a share such as `\\server\C$`, or `/c`.
    pub fn is_uncertain(&self) -> bool {
        self.is_uncertain
    }

    /// Checks whether `text` starts with a drive and a slash, such as `C:\`.
    pub fn starts_with_drive(text: &str) -> bool {
        let drive = text.split_at_checked(2).filter(|(_, rest)| rest.starts_with(['/', '\\']));
        drive.is_some_and(|(drive, _)| is_drive(drive))
    }

    /// Checks whether the path starts with a drive such as `C:`, after resolving shares.
    pub fn has_drive(&self) -> bool {
        self.syntax == Syntax::Windows && self.segments.first().is_some_and(|first| is_drive(first))
    }

    /// Checks whether this is a share of the node itself, such as `\\localhost\data`. The directory
    /// that it shares is unknown.
    pub fn is_local_share(&self) -> bool {
        self.syntax == Syntax::Windows && self.segments.first().is_some_and(|first| is_local_server(first))
    }

    /// Checks whether this is a Windows named pipe. There is no `hostPath.type` for pipes.
    pub fn is_named_pipe(&self) -> bool {
        self.syntax == Syntax::Windows
            && matches!(self.segments.as_slice(), [devices, pipe, ..] if **devices == *DEVICES && **pipe == *"pipe")
    }

    /// Removes redundant slashes and `.` segments. In a Windows path without the prefix `\\?\`,
    /// also removes trailing dots and spaces from names. Keeps everything else, including case.
    pub fn simplify(text: &str) -> String {
        let bytes = text.as_bytes();
        let slashes = slashes(text);
        let is_slash = |at: usize| bytes.get(at).is_some_and(|byte| slashes.contains(&char::from(*byte)));
        let prefix = match (slashes.len(), is_slash(0) && is_slash(1)) {
            (1, _) | (_, false) => usize::from(is_slash(0)),
            (_, true) if matches!(bytes.get(2), Some(b'?' | b'.')) && is_slash(3) => 4,
            (_, true) => 2,
        };
        // After `\\?\`, Windows takes names literally.
        let is_literal = slashes.len() == 1 || (prefix == 4 && bytes.get(2) == Some(&b'?'));
        let mut simple = text[..prefix].to_owned();
        for piece in text[prefix..].split_inclusive(slashes) {
            let name = piece.trim_end_matches(slashes);
            let trimmed = if is_literal { name } else { trim_windows_name(name) };
            if !matches!(trimmed, "" | ".") {
                simple.push_str(trimmed);
                simple.push_str(&piece[name.len()..]);
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

    /// Returns the last segment, or `None` if the path is `/`.
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
pub(super) fn relation(matches: bool, len: usize, other_len: usize) -> Relation {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            (r"C:\a.\b \...\c. ", r"C:\a\b\...\c"),
            (r"\\?\C:\a.\b", r"\\?\C:\a.\b"),
            ("/a./b ", "/a./b "),
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
