//! Tests that take minutes: rollouts under load, overload, and idle connections.
#![cfg(all(unix, feature = "server"))]
#![allow(unreachable_pub, dead_code, reason = "modules are shared with other test programs")]
#![allow(clippy::disallowed_methods, reason = "failures report durations")]

mod balancer;
#[path = "../it/support.rs"]
mod support;
#[path = "../it/webhook_server.rs"]
mod webhook_server;
mod worst_reviews;

use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use balancer::Balancer;
use webhook_server::{ALLOWED_PATH, Client, DENIED_PATH, Response, TestCa, WebhookServer, pod_review, post};
use worst_reviews::worst_case_reviews;

/// A load of review requests, and the failures among them.
#[derive(Default)]
struct Load {
    requests: AtomicUsize,
    failures: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Load {
    /// Sends reviews as the API server does: it reuses a connection until a response closes it, and
    /// does not retry failed requests.
    fn send_reviews(&self, balancer: &Balancer, ca: &TestCa) {
        let mut persistent: Option<Client> = None;
        let mut is_denied = false;
        while !self.is_over.load(Ordering::Relaxed) {
            let is_reused = persistent.is_some();
            let connection =
                persistent.take().map_or_else(|| Client::connect(balancer.address, ca, None), Ok);
            is_denied = !is_denied;
            let body = pod_review(if is_denied { DENIED_PATH } else { ALLOWED_PATH });
            let result = connection.and_then(|mut client| Ok((client.review(&body)?, client)));
            self.requests.fetch_add(1, Ordering::Relaxed);
            match result {
                Ok((response, client)) => {
                    assert_eq!((response.status, response.is_allowed()), (200, !is_denied), "{response:?}");
                    persistent = Some(client).filter(|_| response.header("connection") != Some("close"));
                }
                Err(error) => {
                    let connection = if is_reused { "reused" } else { "new" };
                    let failure = format!("{error} on a {connection} connection");
                    self.failures.lock().expect("a lock").push(failure);
                }
            }
        }
    }

    fn wait_for_requests(&self, count: usize) {
        while self.requests.load(Ordering::Relaxed) < count {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Replaces two replicas one after the other under load. Returns the number of requests and the
/// failures.
fn roll_out(drain_timeout: &str, min_requests: usize) -> (usize, Vec<String>) {
    let ca = Arc::new(TestCa::new());
    let start = || WebhookServer::start_with_ca(&ca, &["--drain-timeout", drain_timeout]);
    let balancer = Balancer::start();
    let load = Load::default();
    // Declared before the scope, so that the servers outlive the clients.
    let (mut old, mut new) = (vec![start(), start()], Vec::new());
    old.iter().for_each(|server| balancer.add(server));
    balancer.wait_for_ready(2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| load.send_reviews(&balancer, &ca));
        }
        for (index, mut server) in old.drain(..).enumerate() {
            load.wait_for_requests(min_requests * (index + 1) / 4);
            let replacement = start();
            balancer.add(&replacement);
            balancer.wait_for_ready(3);
            new.push(replacement);
            server.signal("-TERM");
            assert_eq!(server.exit_code(), Some(0));
            balancer.remove(&server);
        }
        load.wait_for_requests(min_requests);
        load.is_over.store(true, Ordering::Relaxed);
    });
    (load.requests.into_inner(), load.failures.into_inner().expect("a lock"))
}

#[test]
fn rollout_under_load_causes_no_failed_requests() {
    let (requests, failures) = roll_out("6", 10_000);
    assert!(requests >= 10_000);
    assert!(failures.is_empty(), "of {requests}: {failures:#?}");
}

/// The negative control for `rollout_under_load_causes_no_failed_requests`: the load detects failed
/// requests.
#[test]
fn rollout_without_draining_causes_failed_requests() {
    // Whether a request reaches a process that has just stopped depends on timing, so the test
    // makes several attempts.
    let has_failed = |_| !roll_out("0.001", 1_000).1.is_empty();
    assert!((0..10).any(has_failed));
}

/// The API server closes idle connections after 90 seconds.
#[test]
fn idle_connections_outlive_the_api_server_timeout() {
    let server = WebhookServer::start(&[]);
    let mut client = server.connect();
    assert!(client.review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
    thread::sleep(Duration::from_secs(95));
    assert!(!client.review(&pod_review(DENIED_PATH)).expect("a response").is_allowed());
}

/// Returns the peak resident memory of the server in MiB.
fn peak_memory(server: &WebhookServer) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") >> 10
}

/// Sends a request. Returns `None` if the server closes the connection before it has read the body:
/// on a slow machine, the body may miss its deadline.
fn request(client: &mut Client, head: &str, body: &str) -> Option<Response> {
    match client.request(head, body) {
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => None,
        response => Some(response.expect("a response")),
    }
}

#[test]
fn overload_is_rejected_within_time_and_memory_bounds() {
    let server = WebhookServer::start(&[]);
    // The size of an update of a large object.
    let large = pod_review(ALLOWED_PATH).replacen(
        "\"name\":\"p\"}",
        &format!("\"name\":\"p\",\"x\":\"{}\"}}", "x".repeat(3 << 20)),
        1,
    );
    let head = post("/validate?timeout=2s", "application/json");
    let (served, rejected) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (address, ca) = (server.address, &server.ca);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let mut client = Client::connect(address, ca, None).expect("a connection");
                    let started_at = Instant::now();
                    let Some(response) = request(&mut client, &head, &large) else { continue };
                    match response.status {
                        200 => {
                            assert!(response.is_allowed());
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        429 => {
                            assert_eq!(response.header("retry-after"), Some("1"));
                            rejected.fetch_add(1, Ordering::Relaxed);
                        }
                        // On a slow machine, the body or the verdict may miss its deadline.
                        408 | 504 => {}
                        status => panic!("{status} after {:?}", started_at.elapsed()),
                    }
                }
            });
        }
    });
    let (served, rejected) = (served.into_inner(), rejected.into_inner());
    assert!(served > 0 && rejected > 0, "{served} served, {rejected} rejected");
    let peak = peak_memory(&server);
    assert!(peak < 32 + 48, "{peak} MiB");
    assert!(!server.connect().review(&pod_review(DENIED_PATH)).expect("a response").is_allowed());
}

/// Many clients send the reviews that need the most memory for their size. The memory limit of the
/// chart is 128 MiB.
#[test]
fn worst_case_reviews_fit_in_the_memory_limit() {
    let server = WebhookServer::start(&[]);
    server.replace_file("volcheck.yaml", "version: 1\nrules: {\"*\": error}\n");
    server.wait_for_log("policy reloaded");
    let reviews = worst_case_reviews();
    let head = post("/validate?timeout=10s", "application/json");
    let checked = AtomicUsize::new(0);
    let (address, ca) = (server.address, &server.ca);
    thread::scope(|scope| {
        for index in 0..60 {
            let (review, head, checked) = (&reviews[index % reviews.len()], &head, &checked);
            scope.spawn(move || {
                for _ in 0..3 {
                    let mut client = Client::connect(address, ca, None).expect("a connection");
                    let Some(response) = request(&mut client, head, review) else { continue };
                    assert!([200, 408, 429, 504].contains(&response.status), "{response:?}");
                    checked.fetch_add(usize::from(response.status == 200), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(checked.into_inner() > reviews.len());
    let peak = peak_memory(&server);
    assert!(peak <= 96, "{peak} MiB");
}
