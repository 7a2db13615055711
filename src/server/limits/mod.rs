//! Limits that keep the webhook responsive under load: open connections, memory for request bodies,
//! and concurrent large reviews.
//!
//! With `failurePolicy: Fail`, a webhook that does not respond blocks the creation of Pods, and any
//! client that reaches the port could cause that. This module hands out permits and slots. It knows
//! nothing about TLS, HTTP or reviews.

mod connections;
mod large_reviews;
mod memory;

pub(super) use connections::{ConnectionLimiter, ConnectionSlot};
pub(super) use large_reviews::LargeReviewLimiter;
pub(super) use memory::{BodyBudget, BodyPermit, GROWTH_MARGIN, LARGE_BODY};
