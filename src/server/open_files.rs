//! The limit on open files, which bounds the number of connections.

use tracing::warn;

/// The number of open files that the webhook port cannot use. They remain available for the admin
/// port with its waiting connections, for the connections to the Kubernetes API, and for the
/// certificates and the policy.
const RESERVED: usize = 256;

/// The minimum number of connections to the webhook port.
const MIN_CONNECTIONS: usize = 16;

/// The limits on open files. A limit is `None` if it does not exist.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OpenFiles {
    /// The soft limit at the start of the process.
    pub(super) initial: Option<u64>,
    /// The hard limit.
    pub(super) hard: Option<u64>,
    /// The soft limit after it was raised.
    pub(super) limit: Option<u64>,
}

impl OpenFiles {
    /// Raises the soft limit to the hard limit. Does nothing on systems without such limits.
    #[cfg(unix)]
    pub(super) fn raise() -> Self {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current: initial, maximum: hard } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }) {
            warn!(%error, "failed to raise the limit on open files");
        }
        Self { initial, hard, limit: getrlimit(Resource::Nofile).current }
    }

    #[cfg(not(unix))]
    pub(super) fn raise() -> Self {
        Self::default()
    }

    /// Returns the maximum number of connections to the webhook port. This is `requested`, or less
    /// if the limit on open files is too low. Up to the same number of connections can wait in
    /// addition, so twice as many files can be open.
    pub(super) fn max_connections(self, requested: usize) -> usize {
        let Some(limit) = self.limit else { return requested };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let available = (limit.saturating_sub(RESERVED) / 2).max(MIN_CONNECTIONS);
        if available < requested {
            warn!(limit, requested, available, "limit on open files allows fewer connections than requested");
        }
        requested.min(available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserves_files_for_other_uses() {
        let max = |limit| OpenFiles { limit, ..OpenFiles::default() }.max_connections(1024);
        assert_eq!(max(None), 1024);
        assert_eq!(max(Some(1 << 20)), 1024);
        assert_eq!(max(Some(1024)), 384);
        assert_eq!(max(Some(100)), 16);
    }
}
