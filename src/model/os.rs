//! The operating systems of nodes.

/// The operating system of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    Linux,
    Windows,
}

impl Os {
    /// Parses the value of `os.name` or of the label `kubernetes.io/os`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "linux" => Some(Self::Linux),
            "windows" => Some(Self::Windows),
            _ => None,
        }
    }
}
