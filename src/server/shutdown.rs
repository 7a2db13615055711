//! Graceful shutdown: signals, phases and draining.

use std::sync::atomic::Ordering;

use tokio::time;

use super::Shared;

/// The phases of the server, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Requests are served, but each response closes its connection. The client then reconnects,
    /// usually to another replica.
    Draining,
    /// New connections are no longer accepted, except those that are already in the accept queue.
    /// Idle connections are closed.
    Closing,
}

/// The signals that shut the server down: SIGTERM and SIGINT on Unix, and Ctrl-C on other systems.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Installs the signal handlers. Without handlers, the signals would have no effect in a
    /// container in which the server has the process ID 1.
    pub(super) fn new() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next signal.
    pub(super) async fn recv(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Waits until the server has been idle for a third of the drain timeout, but at most for the drain
/// timeout. The server is idle if no connection is open, and no connection has been accepted since
/// the last check.
///
/// Connections without a request in progress stay open during this time, because their clients may
/// still send requests. If the server closed the connections, those requests would fail.
pub(super) async fn drain(shared: &Shared) {
    /// The number of consecutive checks that must find the server idle.
    const IDLE_CHECKS: u32 = 5;
    let drain_timeout = shared.settings.drain_timeout;
    // Load balancers need some time to notice that the server is not ready, and send connections
    // until then. A third of the drain timeout should be longer than this delay.
    let interval = drain_timeout / 3 / IDLE_CHECKS;
    let deadline = time::Instant::now() + drain_timeout;
    let mut idle_checks = 0;
    let mut last_accepted = usize::MAX;
    while time::Instant::now() < deadline && idle_checks < IDLE_CHECKS {
        time::sleep(interval).await;
        let accepted = shared.accepted_connections.load(Ordering::Relaxed);
        let is_idle = accepted == last_accepted && shared.metrics.open_connections() == 0;
        idle_checks = if is_idle { idle_checks + 1 } else { 0 };
        last_accepted = accepted;
    }
}
