//! Limits that keep the webhook responsive under load: open connections, memory for requests, and
//! concurrent large reviews.
//!
//! With `failurePolicy: Fail`, an unresponsive webhook blocks the creation of Pods. Without limits,
//! any client that can connect to the port could overload it. This module only issues permits. It
//! does not depend on TLS, HTTP or reviews.

mod connections;
mod large_reviews;
mod memory;
mod trust;

use std::net::IpAddr;

pub(super) use connections::{ConnectionLimiter, ConnectionSlot};
pub(super) use large_reviews::LargeReviewLimiter;
pub(super) use memory::{LARGE_BODY, MemoryBudget, MemoryError, MemoryPermit};
pub(super) use trust::Trust;

/// The identity of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ClientId {
    /// The IP address of a client without a client certificate.
    Address(IpAddr),
    /// The hash of the client certificate. It identifies a client independently of its address.
    Certificate(u64),
}

impl ClientId {
    fn is_authenticated(self) -> bool {
        matches!(self, Self::Certificate(_))
    }
}
