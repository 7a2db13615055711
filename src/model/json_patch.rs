//! Operations of JSON patches that set volumes or host paths.

use super::decode::Node;
use super::host_mount::text;

/// An operation of a JSON patch (RFC 6902).
pub(super) struct Operation<N> {
    pub(super) node: N,
    pub(super) target: Target,
    /// The `value` of an `add` or `replace` operation; `None` if it is absent, and for all other
    /// operations.
    pub(super) value: Option<N>,
}

/// The target of an operation, according to the last keys of its path.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// A list of volumes, or an item of it.
    Volumes,
    /// A host path, or the mapping with it.
    HostPath,
    Other,
}

impl<'a, N: Node<'a>> Operation<N> {
    /// Decodes an operation. Returns `None` if `node` is not an operation.
    pub(super) fn new(node: N) -> Option<Self> {
        let operation = text(node, "op")?;
        let path = text(node, "path").filter(|path| path.starts_with('/'))?;
        let value = match &*operation {
            "add" | "replace" => node.get("value"),
            "remove" | "move" | "copy" | "test" => None,
            _ => return None,
        };
        Some(Self { node, target: Target::new(&path), value })
    }
}

impl Target {
    fn new(path: &str) -> Self {
        let is_key = |segment: &&str| *segment != "-" && !segment.bytes().all(|byte| byte.is_ascii_digit());
        let mut keys = path.rsplit('/').filter(is_key);
        match (keys.next(), keys.next()) {
            (Some("hostPath"), _) | (Some("path"), Some("hostPath")) => Self::HostPath,
            (Some(key), _) if key.to_ascii_lowercase().contains("volumes") => Self::Volumes,
            _ => Self::Other,
        }
    }
}
