//! End-to-end tests: a real API server with the real controllers, and volcheck installed by Helm
//! behind its Service.
//!
//! The tests simulate the missing parts of a cluster: the scheduler and the kubelet of one node,
//! and kube-proxy. They share one cluster, so they run one after the other: `tests/e2e/run.sh
//! [TEST…]`.
#![cfg(all(target_os = "linux", feature = "server"))]
#![allow(unreachable_pub, dead_code, reason = "a test program has no public API")]
#![allow(clippy::disallowed_methods, reason = "all waiting has a deadline")]
#![allow(clippy::print_stderr, reason = "skipped tests are reported")]

mod apiserver;
mod attacks;
mod binder;
#[path = "../it/binding_cases.rs"]
mod binding_cases;
mod cert_manager;
mod control_plane;
mod docs;
mod events;
mod harness;
mod kubelet;
mod load;
mod monitoring;
#[path = "../it/monitoring_files.rs"]
mod monitoring_files;
mod namespaces;
mod page;
#[path = "../it/promql.rs"]
mod promql;
mod proxy;
mod registration;
mod self_signed;
mod static_registration;
#[path = "../it/support.rs"]
mod support;
mod user_certs;
mod verdicts;
mod walkthrough;
#[path = "../slow/worst_reviews.rs"]
mod worst_reviews;
