//! Limits that keep the webhook responsive under load: open connections, memory for request bodies,
//! and concurrent large reviews.
//!
//! With `failurePolicy: Fail`, an unresponsive webhook blocks the creation of Pods. Without limits,
//! any client that can connect to the port could overload it. This module only issues permits. It
//! does not depend on TLS, HTTP or reviews.

mod connections;
mod large_reviews;
mod memory;

pub(super) use connections::{ConnectionLimiter, ConnectionSlot};
pub(super) use large_reviews::LargeReviewLimiter;
pub(super) use memory::{BodyBudget, BodyPermit, GROWTH_MARGIN, LARGE_BODY};
