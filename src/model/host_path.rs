//! Paths of a node, and how they relate: by segments, in every spelling, aliases resolved.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// How a path is written; paths of different forms never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Posix,
    /// `C:\…`, `\\server\share`, `\\.\pipe\…`: case and the kind of slash don't count.
    Windows,
}

/// A path of a node: cleaned, and with the aliases that every node has resolved.
///
/// `/var/run//docker.sock/` and `/proc/1/root/run/docker.sock` are both `/run/docker.sock`.
/// The API server stores paths exactly as sent, so all spellings occur.
///
/// Two are equal where they lead to the same place, however they were written.
#[derive(Clone, Debug)]
pub struct HostPath {
    form: Form,
    segments: Vec<Box<str>>,
    relative: bool,
    backstep: bool,
}

impl PartialEq for HostPath {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && self.segments == other.segments
    }
}

impl Eq for HostPath {}

impl PartialOrd for HostPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HostPath {
    /// What is inside a path comes right after it.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.form, &self.segments).cmp(&(other.form, &other.segments))
    }
}

/// How a path P stands to another, S.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// P is S.
    Equal,
    /// P is above S, so it exposes S.
    Ancestor,
    /// P is inside S.
    Descendant,
    /// Neither is inside the other.
    Apart,
}

impl HostPath {
    /// The path that `text` means on a node.
    ///
    /// A relative one is taken from `/`, the working directory of the usual container runtimes; `..` is
    /// resolved as text, since neither the API server nor a rule lets it pass. `\var` is as good as relative: it
    /// is on whatever drive comes to it, and that is `C:`, which the kubelet puts before it.
    pub fn new(text: &str) -> Self {
        let (form, relative, body) = match windows(text) {
            Some(body) => (Form::Windows, false, body),
            None if text.starts_with('\\') => (Form::Windows, true, format!("c:{}", lower(text))),
            None => (Form::Posix, !text.starts_with('/'), text.to_owned()),
        };
        let mut path = Self { form, segments: Vec::new(), relative, backstep: false };
        path.push(&body);
        path.resolve_aliases();
        path
    }

    /// The path that `text` means inside a container: what is an alias on a node isn't one there.
    pub fn of_container(text: &str) -> Self {
        let mut path = Self { form: Form::Posix, segments: Vec::new(), relative: false, backstep: false };
        match windows(text) {
            Some(body) => {
                path.form = Form::Windows;
                path.push(&body);
            }
            None => path.push(text),
        }
        path
    }

    /// The path of `sub_path` inside of this one.
    #[must_use]
    pub fn join(&self, sub_path: &str) -> Self {
        let mut path = self.clone();
        let body = match self.form {
            Form::Windows => lower(sub_path),
            Form::Posix => sub_path.to_owned(),
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
                    self.backstep = true;
                    self.segments.pop();
                }
                name => self.segments.push(name.into()),
            }
        }
    }

    fn resolve_aliases(&mut self) {
        if self.form == Form::Windows {
            return;
        }
        // Each round makes the path shorter, or ends with a name that no alias begins with.
        while let Some((length, target)) = alias(&self.segments) {
            self.segments.splice(..length, target.iter().map(|name| Box::from(*name)));
        }
    }

    /// Whether it is the root of a node's file system, or of a drive.
    pub fn is_root(&self) -> bool {
        match self.form {
            Form::Posix => self.segments.is_empty(),
            Form::Windows => matches!(self.segments.as_slice(), [drive] if is_drive(drive)),
        }
    }

    /// Whether it was written without a beginning: the node resolves it against some working directory.
    pub fn is_relative(&self) -> bool {
        self.relative
    }

    /// Whether a `..` stood in it, between the slashes that count in its form.
    pub fn has_backstep(&self) -> bool {
        self.backstep
    }

    /// Whether it is a named pipe of Windows: the kubelet knows no type for these.
    pub fn is_named_pipe(&self) -> bool {
        self.form == Form::Windows
            && matches!(self.segments.as_slice(), [devices, pipe, ..] if **devices == *DEVICES && **pipe == *"pipe")
    }

    /// `text` without the slashes and the `.` that say nothing; all else, case included, as it is written.
    pub fn tidied(text: &str) -> String {
        let bytes = text.as_bytes();
        let slashes = slashes(text);
        let is_slash = |at: usize| bytes.get(at).is_some_and(|byte| slashes.contains(&char::from(*byte)));
        let prefix = match (slashes.len(), is_slash(0) && is_slash(1)) {
            (1, _) | (_, false) => usize::from(is_slash(0)),
            (_, true) if matches!(bytes.get(2), Some(b'?' | b'.')) && is_slash(3) => 4,
            (_, true) => 2,
        };
        let mut tidy = text[..prefix].to_owned();
        for piece in text[prefix..].split_inclusive(slashes) {
            if !matches!(piece.trim_end_matches(slashes), "" | ".") {
                tidy.push_str(piece);
            }
        }
        match tidy[prefix..].strip_suffix(slashes) {
            // The root of a drive isn't the drive.
            Some(drive) if slashes.len() > 1 && drive.ends_with(':') && !drive.contains(slashes) => {}
            Some(_) => tidy.truncate(tidy.len() - 1),
            None => {}
        }
        tidy
    }

    /// Whether `text` ends as only the path of a folder can: in a slash, or in `/.`.
    pub fn names_folder(text: &str) -> bool {
        let end = text.strip_suffix('.').unwrap_or(text);
        end.ends_with(slashes(text))
    }

    /// Whether it has one of the forms of Windows.
    pub fn is_windows(&self) -> bool {
        self.form == Form::Windows
    }

    /// The first name; none for the root.
    pub(super) fn first_name(&self) -> Option<&str> {
        self.segments.first().map(|name| &**name)
    }

    /// The last name; none for the root.
    pub fn name(&self) -> Option<&str> {
        self.segments.last().map(|name| &**name)
    }

    /// Whether it is a socket, by its name: it ends in `.sock`, or is a named pipe of Windows.
    pub fn is_socket(&self) -> bool {
        match self.segments.as_slice() {
            [devices, kind, _, ..] if **devices == *DEVICES && **kind == *"pipe" => true,
            segments => segments.last().is_some_and(|name| name.ends_with(".sock")),
        }
    }

    /// How this path stands to the paths that `pattern` means.
    pub fn relation(&self, pattern: &PathPattern) -> Relation {
        if self.form != pattern.form {
            return Relation::Apart;
        }
        let fits = self.segments.iter().zip(&pattern.segments).all(|(name, part)| part.matches(name));
        relation(fits, self.segments.len(), pattern.segments.len())
    }

    /// How this path stands to `other`.
    pub fn relation_to(&self, other: &Self) -> Relation {
        if self.form != other.form {
            return Relation::Apart;
        }
        let fits = self.segments.iter().zip(&other.segments).all(|(a, b)| a == b);
        relation(fits, self.segments.len(), other.segments.len())
    }
}

/// A path inside a container, cleaned: what most of them are already.
pub fn container_path(text: &str) -> Cow<'_, str> {
    let is_clean = match text.strip_prefix('/') {
        Some(below) => below.is_empty() || below.split('/').all(|name| !matches!(name, "" | "." | "..")),
        None => false,
    };
    if is_clean { Cow::Borrowed(text) } else { Cow::Owned(HostPath::of_container(text).to_string()) }
}

fn relation(fits: bool, own: usize, other: usize) -> Relation {
    match (fits, own.cmp(&other)) {
        (false, _) => Relation::Apart,
        (true, Ordering::Equal) => Relation::Equal,
        (true, Ordering::Less) => Relation::Ancestor,
        (true, Ordering::Greater) => Relation::Descendant,
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = self.segments.join("/");
        let backslashed = |from: usize| self.segments[from..].join("\\");
        match (self.form, self.segments.first().map(|first| &**first)) {
            (Form::Posix, _) => write!(f, "/{joined}"),
            (Form::Windows, Some(DEVICES)) if self.is_named_pipe() => {
                write!(f, "//.{}", &joined[DEVICES.len()..])
            }
            (Form::Windows, Some(DEVICES)) => write!(f, r"\\.\{}", backslashed(1)),
            (Form::Windows, Some(drive)) if is_drive(drive) => f.write_str(&joined),
            (Form::Windows, _) => write!(f, r"\\{}", backslashed(0)),
        }
    }
}

/// The body of a path in one of the Windows forms, in lower case and with `/`; none for any other path.
fn windows(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let slash = |at: usize| matches!(bytes.get(at), Some(b'/' | b'\\'));
    let drive = |at: usize| {
        bytes.get(at).is_some_and(u8::is_ascii_alphabetic)
            && bytes.get(at + 1) == Some(&b':')
            && (slash(at + 2) || bytes.len() == at + 2)
    };
    if drive(0) {
        return Some(lower(text));
    }
    // `/\?` is a POSIX name behind a slash: no program of Windows takes the two for a device's.
    if !(slash(0) && bytes.get(1) == bytes.first()) {
        return None;
    }
    // `\\?\C:\x` is `C:\x`; `\\.\pipe\x` and `//./pipe/x` are a device.
    if matches!(bytes.get(2), Some(b'?' | b'.')) && slash(3) {
        let rest = &text[4..];
        if drive(4) {
            return Some(lower(rest));
        }
        let rest = lower(rest);
        let is_pipe = rest.trim_start_matches('/').split('/').next() == Some("pipe");
        // `//./run` is a POSIX path with a dot in it.
        return (is_pipe || bytes.starts_with(b"\\\\")).then(|| format!("{DEVICES}/{rest}"));
    }
    bytes.starts_with(b"\\\\").then(|| lower(text))
}

/// A text of Windows, to compare with.
fn lower(text: &str) -> String {
    text.replace('\\', "/").to_lowercase()
}

/// The characters that part the names of a path.
fn slashes(text: &str) -> &'static [char] {
    match text.starts_with('\\') || windows(text).is_some() {
        true => &['/', '\\'],
        false => &['/'],
    }
}

/// Stands for the `\\.\` of a device's path: no server can have this name.
const DEVICES: &str = "{devices}";

/// Whether a segment is the drive that a path of Windows begins with.
fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

/// How many leading segments are an alias, and what they stand for.
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
        // ostree keeps what a machine may change under /var.
        ("var", Some("home")) => (2, &["home"]),
        ("var", Some("roothome")) => (2, &["root"]),
        ("var", Some("opt")) => (2, &["opt"]),
        ("var", Some("mnt")) => (2, &["mnt"]),
        ("var", Some("srv")) => (2, &["srv"]),
        ("var", Some("usrlocal")) => (2, &["usr", "local"]),
        ("ostree", _) => (1, &["sysroot", "ostree"]),
        // Where Container-Optimized OS and Bottlerocket keep what they mount at these.
        ("mnt", Some("stateful_partition")) if matches!(name(2), Some("var" | "home")) => (2, &[]),
        ("local", Some("var" | "opt" | "mnt")) => (1, &[]),
        _ => return None,
    })
}

/// A path of a catalogue: a segment may hold one `*`, which is any text within a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    form: Form,
    segments: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Name(Box<str>),
    /// What stands before the `*`, and behind it.
    Around(Box<str>, Box<str>),
}

impl Part {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => **own == *name,
            Self::Around(before, behind) => {
                let rest = name.strip_prefix(&**before);
                rest.is_some_and(|rest| rest.ends_with(&**behind))
            }
        }
    }
}

impl PathPattern {
    /// The pattern that `text` writes; none where it isn't absolute, clean, and free of aliases, since
    /// nothing would ever match it.
    pub fn new(text: &str) -> Option<Self> {
        Self::of(HostPath::new(text), text)
    }

    /// The same for paths inside a container.
    pub fn of_container(text: &str) -> Option<Self> {
        Self::of(HostPath::of_container(text), text)
    }

    fn of(path: HostPath, text: &str) -> Option<Self> {
        let written = match path.form {
            Form::Posix => text.to_owned(),
            Form::Windows => windows(text)?,
        };
        let reached = written.split('/').filter(|name| !name.is_empty());
        if path.relative || !reached.eq(path.segments.iter().map(|name| &**name)) {
            return None;
        }
        if path.form == Form::Posix && path.to_string() != text {
            return None;
        }
        let part = |name: Box<str>| match name.split_once('*') {
            Some((before, behind)) => Part::Around(before.into(), behind.into()),
            None => Part::Name(name),
        };
        Some(Self { form: path.form, segments: path.segments.into_iter().map(part).collect() })
    }

    /// The first name; none for the root, and where it may be one of several.
    pub(super) fn first_name(&self) -> Option<&str> {
        match self.segments.first()? {
            Part::Name(name) => Some(name),
            Part::Around(..) => None,
        }
    }

    /// Whether it means more than one path.
    pub fn has_wildcard(&self) -> bool {
        self.segments.iter().any(|part| matches!(part, Part::Around(..)))
    }

    /// How many names it has: of two patterns that fit a path, the one with more is nearer.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }
}

#[cfg(test)]
mod tests {
    use super::HostPath;

    #[test]
    fn is_tidied_in_its_own_spelling() {
        let tidy = [
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
        for (text, expected) in tidy {
            assert_eq!(HostPath::tidied(text), expected, "{text}");
        }
    }

    #[test]
    fn a_slash_at_the_end_names_a_folder() {
        for text in ["/", "/a/", "/a/.", "C:\\a\\"] {
            assert!(HostPath::names_folder(text), "{text}");
        }
        for text in ["/a", "/a.", "/a\\", "", "."] {
            assert!(!HostPath::names_folder(text), "{text}");
        }
    }

    #[test]
    fn pipes_are_known_in_both_spellings() {
        assert!(HostPath::new("\\\\.\\pipe\\docker_engine").is_named_pipe());
        assert!(HostPath::new("//./pipe/docker_engine").is_named_pipe());
        assert!(!HostPath::new("/pipe/x").is_named_pipe());
    }
}
