//! Requests, one after the other on several connections, while something happens to volcheck.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::control_plane::until;
use crate::world::{BAD, GOOD, World, pod};

#[derive(Default)]
pub struct Load {
    asked: AtomicUsize,
    failures: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Load {
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn has_failed(&self) -> bool {
        !self.failures.lock().expect("a lock").is_empty()
    }

    /// Waits until so many more were asked.
    pub fn wait_for(&self, more: usize) {
        let enough = self.asked() + more;
        until("requests", || (self.asked() >= enough).then_some(()));
    }

    async fn ask(&self, client: Client, paths: &[(&str, bool)]) {
        let pods: Api<Pod> = Api::namespaced(client, "shop");
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let known: Vec<(Pod, bool)> =
            paths.iter().map(|(path, is_good)| (volcheck_pod(&pod("load", path)), *is_good)).collect();
        for (pod, is_good) in known.iter().cycle() {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let failure = match pods.create(&parameters, pod).await {
                Ok(_) if *is_good => None,
                Err(kube::Error::Api(status))
                    if !is_good && status.message.contains("volcheck: 1 problem") =>
                {
                    None
                }
                Ok(_) => Some("admitted".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.failures.lock().expect("a lock").extend(failure);
        }
    }
}

fn volcheck_pod(text: &str) -> Pod {
    serde_yaml::from_str(text).expect("a Pod")
}

/// How many were asked while `happens` happened, and what went wrong.
pub fn under_load(world: &World, happens: impl FnOnce(&Load)) -> (usize, Vec<String>) {
    run(world, &[(GOOD, true), (BAD, false)], happens)
}

/// As `under_load`, with nothing that volcheck would deny.
pub fn under_good_load(world: &World, happens: impl FnOnce(&Load)) -> (usize, Vec<String>) {
    run(world, &[(GOOD, true)], happens)
}

fn run(
    world: &World,
    paths: &'static [(&'static str, bool)],
    happens: impl FnOnce(&Load),
) -> (usize, Vec<String>) {
    let load = Arc::new(Load::default());
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (load, client) = (Arc::clone(&load), world.client());
            world.runtime.spawn(async move { load.ask(client, paths).await })
        })
        .collect();
    happens(&load);
    load.is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        world.block(task).expect("an end");
    }
    let failures = std::mem::take(&mut *load.failures.lock().expect("a lock"));
    (load.asked(), failures)
}
