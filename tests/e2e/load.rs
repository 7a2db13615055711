//! Load: sends requests on several connections while a test changes the release.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::control_plane::wait_for;
use crate::harness::{BAD, GOOD, Harness, pod};

/// The number of connections. Each sends one request at a time.
const CONNECTIONS: usize = 4;

#[derive(Default)]
pub struct Load {
    sent: AtomicUsize,
    failures: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Load {
    /// Returns the number of completed requests, including failed ones.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn has_failed(&self) -> bool {
        !self.failures.lock().expect("a lock").is_empty()
    }

    /// Waits until `more` additional requests are completed.
    pub fn wait_for_requests(&self, more: usize) {
        let enough = self.sent() + more;
        wait_for("requests", || (self.sent() >= enough).then_some(()));
    }

    /// Creates Pods with these paths in dry runs until the load is over. The flag of a path is true
    /// if volcheck must admit the Pod.
    async fn send(&self, client: Client, paths: &[(&str, bool)]) {
        let pods: Api<Pod> = Api::namespaced(client, "shop");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let manifests: Vec<(Pod, bool)> =
            paths.iter().map(|(path, is_good)| (parse_pod(&pod("load", path)), *is_good)).collect();
        for (pod, is_good) in manifests.iter().cycle() {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let failure = match pods.create(&params, pod).await {
                Ok(_) if *is_good => None,
                Err(kube::Error::Api(status))
                    if !is_good && status.message.contains("volcheck: 1 problem") =>
                {
                    None
                }
                Ok(_) => Some("admitted".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            self.sent.fetch_add(1, Ordering::Relaxed);
            self.failures.lock().expect("a lock").extend(failure);
        }
    }
}

fn parse_pod(text: &str) -> Pod {
    serde_yaml::from_str(text).expect("a Pod")
}

/// Runs `action` while good and bad Pods are created. Returns the number of requests, and the
/// failures: good Pods that were not admitted and bad ones that volcheck did not deny.
pub fn under_load(harness: &Harness, action: impl FnOnce(&Load)) -> (usize, Vec<String>) {
    run(harness, &[(GOOD, true), (BAD, false)], action)
}

/// Runs `action` like [`under_load`], but creates only good Pods, so volcheck may be unregistered
/// at times.
pub fn under_good_load(harness: &Harness, action: impl FnOnce(&Load)) -> (usize, Vec<String>) {
    run(harness, &[(GOOD, true)], action)
}

fn run(
    harness: &Harness,
    paths: &'static [(&'static str, bool)],
    action: impl FnOnce(&Load),
) -> (usize, Vec<String>) {
    let load = Arc::new(Load::default());
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (load, client) = (Arc::clone(&load), harness.client());
            harness.runtime.spawn(async move { load.send(client, paths).await })
        })
        .collect();
    action(&load);
    load.is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        harness.block(task).expect("no panic");
    }
    let failures = std::mem::take(&mut *load.failures.lock().expect("a lock"));
    (load.sent(), failures)
}
