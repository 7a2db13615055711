//! The forms of Windows paths: drives, UNC paths, devices, short names and streams.

use std::net::Ipv4Addr;
use std::ops::Range;

/// A Windows path, recognized by its form.
pub(super) struct WindowsPath {
    /// The path in lower case with `/` as the separator. A device path starts with [`DEVICES`].
    pub(super) body: String,
    pub(super) is_relative: bool,
    pub(super) is_uncertain: bool,
}

impl WindowsPath {
    /// Parses `text`. Returns `None` if it is not a Windows path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(path) = Self::with_drive(text) {
            return Some(path);
        }
        let bytes = text.as_bytes();
        let is_slash = |at: usize| matches!(bytes.get(at), Some(b'/' | b'\\'));
        // Windows device and UNC paths start with two equal slashes. `/\?` is a POSIX path.
        let has_device_prefix = bytes.starts_with(br"\??\")
            || (is_slash(0)
                && bytes.get(1) == bytes.first()
                && matches!(bytes.get(2), Some(b'?' | b'.'))
                && is_slash(3));
        if has_device_prefix {
            return Self::device(&text[4..], text.starts_with('\\'));
        }
        if text.starts_with(r"\\") {
            return Some(Self::share(&normalize_windows_part(text)));
        }
        text.starts_with('\\').then(|| {
            let body = format!("c:{}", normalize_windows_part(text));
            Self { is_relative: true, ..Self::absolute(body) }
        })
    }

    fn absolute(body: String) -> Self {
        Self { body, is_relative: false, is_uncertain: false }
    }

    /// Parses a path that starts with a drive, such as `C:\x` or, relative to the current directory
    /// of the drive, `C:x`. The drive itself counts as absolute.
    fn with_drive(text: &str) -> Option<Self> {
        let (drive, rest) = text.split_at_checked(2).filter(|(drive, _)| is_drive(drive))?;
        let is_relative = !(rest.is_empty() || rest.starts_with(['/', '\\']));
        let body = format!("{}/{}", normalize_windows_part(drive), normalize_windows_part(rest));
        Some(Self { is_relative, ..Self::absolute(body) })
    }

    /// Parses the part of a path after `\\?\` or `\\.\`. `\\?\C:\x` is the same as `C:\x`, and
    /// `\\?\UNC\server\share` the same as `\\server\share`. `\\.\pipe\x` and `//./pipe/x` are
    /// devices. Returns `None` for a POSIX path, such as `//./run`.
    fn device(rest: &str, has_backslashes: bool) -> Option<Self> {
        if let Some(path) = Self::with_drive(rest) {
            return Some(Self { is_relative: false, ..path });
        }
        let rest = normalize_windows_part(rest);
        if let Some(share) = rest.strip_prefix("unc/") {
            return Some(Self::share(share));
        }
        let is_pipe = rest.trim_start_matches('/').split('/').next() == Some("pipe");
        // `//./run` is a POSIX path.
        (is_pipe || has_backslashes).then(|| Self::absolute(format!("{DEVICES}/{rest}")))
    }

    /// Parses a UNC path in lower case with `/` as the separator. Resolves shares that Windows
    /// creates for the drives (`C$`), for `C:\Windows` (`ADMIN$`) and for named pipes.
    fn share(text: &str) -> Self {
        let split = |text: &str| {
            let (name, rest) = text.split_once('/').unwrap_or((text, ""));
            (name.to_owned(), rest.trim_start_matches('/').to_owned())
        };
        let (server, rest) = split(text.trim_start_matches('/'));
        let (share, rest) = split(&rest);
        let is_local = is_local_server(&server);
        let target = match share.strip_suffix('$') {
            Some("admin") => "c:/windows".to_owned(),
            Some(drive) if is_drive(&format!("{drive}:")) => format!("{drive}:"),
            _ if is_local && share == "pipe" => format!("{DEVICES}/pipe"),
            _ => return Self::absolute(text.to_owned()),
        };
        Self { is_uncertain: !is_local, ..Self::absolute(format!("{target}/{rest}")) }
    }
}

/// Checks whether a server in a UNC path is the node itself. The name must be in lower case.
pub(super) fn is_local_server(server: &str) -> bool {
    let name = server.split('@').next().unwrap_or_default().trim_end_matches('.');
    matches!(name, "localhost" | "::1" | "[::1]" | "0--1.ipv6-literal.net")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the part of a normalized path below `/c`, or `None` if the path is elsewhere.
pub(super) fn below_drive_directory(body: &str) -> Option<&str> {
    body.strip_prefix("/c").filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Removes trailing dots and spaces from a name, as Windows does. Keeps names that have only dots,
/// such as `...`.
pub(super) fn trim_windows_name(name: &str) -> &str {
    match name.trim_end_matches(' ') {
        step @ ("" | "." | "..") => step,
        _ => match name.trim_end_matches(['.', ' ']) {
            "" => name,
            trimmed => trimmed,
        },
    }
}

/// Returns the name of the file in a segment of a Windows path, without an NTFS stream such as
/// `::$INDEX_ALLOCATION`.
pub(super) fn without_stream(segment: &str) -> &str {
    match segment.split(':').next().unwrap_or_default() {
        "" => segment,
        name => trim_windows_name(name),
    }
}

/// Converts part of a Windows path to lower case with `/` as the separator.
pub(super) fn normalize_windows_part(text: &str) -> String {
    text.replace('\\', "/").to_lowercase()
}

/// Returns the characters that separate the segments of `text`.
pub(super) fn slashes(text: &str) -> &'static [char] {
    match WindowsPath::parse(text) {
        Some(_) => &['/', '\\'],
        None => &['/'],
    }
}

/// The first segment of a Windows device path, in place of `\\.\`. It is not a valid server name,
/// so it cannot collide with one.
pub(super) const DEVICES: &str = "{devices}";

/// Checks whether a segment is a Windows drive such as `c:` or `C:`.
pub(super) fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

/// Directories in the root of a Windows drive, in lower case.
pub(super) const WINDOWS_DIRECTORIES: &[&str] =
    &["documents and settings", "program files", "program files (x86)", "programdata", "users", "windows"];

/// Returns a range of segments that form an alias in a Windows path, and the segments that replace
/// them. Returns `None` if there is none.
///
/// The short names are those that Windows creates during its installation. `Documents and Settings`
/// and `All Users` are links that exist for compatibility.
pub(super) fn windows_alias(segments: &[Box<str>]) -> Option<(Range<usize>, &'static [&'static str])> {
    let name = |at: usize| segments.get(at).map(|name| &**name);
    if !is_drive(name(0)?) {
        return None;
    }
    Some(match (name(1)?, name(2)) {
        ("progra~1", _) => (1..2, &["program files"]),
        ("progra~2", _) => (1..2, &["program files (x86)"]),
        ("progra~3", _) => (1..2, &["programdata"]),
        ("docume~1" | "documents and settings", _) => (1..2, &["users"]),
        ("users", Some("all users" | "alluse~1")) => (1..3, &["programdata"]),
        ("users", Some("admini~1")) => (2..3, &["administrator"]),
        _ => return None,
    })
}
