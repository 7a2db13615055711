//! volcheck on a real API server, with the real controllers: installed by helm, and asked by way of its Service.
//!
//! The tests play what a control plane has not: the scheduler and the kubelet of one node, and kube-proxy. They share
//! one cluster, so they run one after the other: `tests/e2e/run.sh [TEST…]`.
#![cfg(all(target_os = "linux", feature = "server"))]
#![allow(unreachable_pub, dead_code, reason = "the modules of a test program are its own")]
#![allow(clippy::disallowed_methods, reason = "nothing is waited for without an end")]
#![allow(clippy::print_stderr, reason = "what is left out is said")]

mod cert_manager;
mod control_plane;
mod facts;
mod given;
mod issued;
mod kubelet;
mod load;
mod proxy;
mod story;
#[path = "../it/support.rs"]
mod support;
mod verdicts;
mod world;
