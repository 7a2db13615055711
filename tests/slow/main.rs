//! What takes long: roll-outs under load, overload, and a connection that was idle for long.
#![cfg(all(unix, feature = "server"))]
#![allow(unreachable_pub, dead_code, reason = "the modules of a test program are its own")]
#![allow(clippy::disallowed_methods, reason = "how long something took is said where it fails")]

mod balancer;
#[path = "../it/server.rs"]
mod server;
#[path = "../it/support.rs"]
mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use balancer::Balancer;
use serde_json::{Value, json};
use server::{Authority, BAD, Client, GOOD, Server, post, review};

/// What came of a load.
#[derive(Default)]
struct Load {
    asked: AtomicUsize,
    failures: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Load {
    /// Asks on one connection after another, as the API server does: a connection is kept until an answer says that it
    /// closes, and what fails isn't tried again.
    fn ask(&self, balancer: &Balancer, authority: &Authority) {
        let mut kept: Option<Client> = None;
        let mut is_bad = false;
        while !self.is_over.load(Ordering::Relaxed) {
            let was_kept = kept.is_some();
            let connection =
                kept.take().map_or_else(|| Client::connect(balancer.address, authority, None), Ok);
            is_bad = !is_bad;
            let body = review(if is_bad { BAD } else { GOOD });
            let answer = connection.and_then(|mut client| Ok((client.review(&body)?, client)));
            self.asked.fetch_add(1, Ordering::Relaxed);
            match answer {
                Ok((answer, client)) => {
                    assert_eq!((answer.status, answer.allowed()), (200, !is_bad), "{answer:?}");
                    kept = Some(client).filter(|_| answer.header("connection") != Some("close"));
                }
                Err(error) => {
                    let way = if was_kept { "kept" } else { "new" };
                    self.failures.lock().expect("a lock").push(format!("{error} on a {way} connection"));
                }
            }
        }
    }

    fn wait_for(&self, asked: usize) {
        while self.asked.load(Ordering::Relaxed) < asked {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Two replicas are replaced one after the other while requests come; how many were
/// asked, and why some of these failed.
fn roll_out(drain: &str, requests: usize) -> (usize, Vec<String>) {
    let authority = Arc::new(Authority::new());
    let start = || Server::start_under(&authority, &["--drain", drain]);
    let balancer = Balancer::start();
    let load = Load::default();
    // They outlive who asks them.
    let (mut old, mut new) = (vec![start(), start()], Vec::new());
    old.iter().for_each(|server| balancer.add(server.address, server.admin));
    balancer.wait_for_ready(2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| load.ask(&balancer, &authority));
        }
        for (turn, mut server) in old.drain(..).enumerate() {
            load.wait_for(requests * (turn + 1) / 4);
            let fresh = start();
            balancer.add(fresh.address, fresh.admin);
            balancer.wait_for_ready(3);
            new.push(fresh);
            server.signal("-TERM");
            assert_eq!(server.exit_code(), Some(0));
            balancer.remove(server.address);
        }
        load.wait_for(requests);
        load.is_over.store(true, Ordering::Relaxed);
    });
    (load.asked.into_inner(), load.failures.into_inner().expect("a lock"))
}

#[test]
fn a_roll_out_under_load_fails_no_request() {
    let (asked, failures) = roll_out("6", 10_000);
    assert!(asked >= 10_000);
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
}

/// The negative control: the test above finds what it looks for.
#[test]
fn without_draining_a_roll_out_fails_requests() {
    // Whether a request meets a process that has just gone is chance; of some roll-outs one does.
    let has_failed = |_| !roll_out("0.001", 1_000).1.is_empty();
    assert!((0..10).any(has_failed));
}

#[test]
fn a_connection_that_was_idle_for_longer_than_the_api_server_keeps_one_still_works() {
    let server = Server::start(&[]);
    let mut client = server.client();
    assert!(client.review(&review(GOOD)).expect("an answer").allowed());
    thread::sleep(Duration::from_secs(95));
    assert!(!client.review(&review(BAD)).expect("an answer").allowed());
}

/// The most memory that a process has had, in MiB.
fn peak(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") >> 10
}

#[test]
fn overload_is_shed_in_time_and_within_bounds() {
    let server = Server::start(&[]);
    // As large as an update of a large object is.
    let large = review(GOOD).replacen(
        "\"name\":\"p\"}",
        &format!("\"name\":\"p\",\"x\":\"{}\"}}", "x".repeat(3 << 20)),
        1,
    );
    let head = post("/validate?timeout=2s", "application/json");
    let (served, shed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (address, authority) = (server.address, &server.authority);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let mut client = Client::connect(address, authority, None).expect("a connection");
                    let began = Instant::now();
                    let answer = client.ask(&head, &large).expect("an answer, whatever it says");
                    match answer.status {
                        200 => {
                            assert!(answer.allowed());
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        429 => {
                            assert_eq!(answer.header("retry-after"), Some("1"));
                            shed.fetch_add(1, Ordering::Relaxed);
                        }
                        // Its body did not come in time, or its verdict did not: on two cores that are busy.
                        408 | 504 => {}
                        status => panic!("{status} after {:?}", began.elapsed()),
                    }
                }
            });
        }
    });
    let (served, shed) = (served.into_inner(), shed.into_inner());
    assert!(served > 0 && shed > 0, "{served} served, {shed} shed");
    let peak = peak(&server);
    assert!(peak < 32 + 48, "{peak} MiB");
    // Afterwards it is as it was.
    assert!(!server.client().review(&review(BAD)).expect("an answer").allowed());
}

/// What is small as a text and much as an object, from many at a time: a Pod of the chart isn't killed for its memory.
#[test]
fn what_costs_the_most_stays_within_the_memory_of_a_pod() {
    let server = Server::start(&[]);
    server.put("volcheck.yaml", "version: 1\nrules: {\"*\": error}\n");
    server.logged("policy reloaded");
    let created = |spec: Value| {
        let mut review: Value = serde_json::from_str(&review(GOOD)).expect("JSON");
        review["request"]["object"]["spec"] = spec;
        review.to_string()
    };
    let volumes = |count: usize, name: &str| {
        (0..count).map(|at| json!({"name": format!("v{at}{name}"), "emptyDir": {}})).collect::<Vec<_>>()
    };
    let mounts = (0..1000)
        .map(|at| json!({"name": "v", "mountPath": format!("/{at}"), "subPathExpr": format!("$(V{at})")}));
    let variables = (0..3900)
        .map(|at: i32| json!({"name": format!("V{at}"), "value": format!("$(V{})$(V{})", at - 1, at - 2)}));
    let texts = [
        created(json!({"containers": vec![json!({}); 2_000_000]})),
        created(json!({"containers": vec![Value::Null; 1_200_000]})),
        created(json!({"containers": [], "volumes": volumes(4900, "")})),
        created(json!({"containers": [], "volumes": volumes(4900, &"x".repeat(248))})),
        created(json!({"containers": [], "volumes": volumes(4900, &"x".repeat(1300))})),
        created(json!({
            "containers": [{"name": "c", "env": variables.collect::<Vec<_>>(), "volumeMounts": mounts.collect::<Vec<_>>()}],
            "volumes": [{"name": "v", "hostPath": {"path": "/srv"}}],
        })),
    ];
    let head = post("/validate?timeout=10s", "application/json");
    let mounted = |mounts: Vec<Value>, variables: Vec<Value>| {
        created(json!({
            "containers": [{"name": "c", "env": variables, "volumeMounts": mounts}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        }))
    };
    // As many values as there may be, as long as one may be; findings with long texts, for each mount.
    let value = |at: usize| if at == 0 { "w".repeat(4096) } else { "$(W0)".to_owned() };
    let same = (0..4000).map(|at| json!({"name": format!("W{at}"), "value": value(at)}));
    let long = |at: usize, expression: &str| {
        let path = format!("/etc/{}//{at}", "x".repeat(1300));
        json!({"name": "v", "mountPath": path, "subPathExpr": expression})
    };
    let texts: Vec<_> = texts
        .into_iter()
        .chain([
            mounted(vec![json!({"name": "v", "mountPath": "/m", "subPathExpr": "$(W9)"})], same.collect()),
            mounted((0..900).map(|at| long(at, "$(N)")).collect(), Vec::new()),
            mounted((0..4900).map(|at| long(at, "")).collect(), Vec::new()),
        ])
        .collect();
    let judged = AtomicUsize::new(0);
    let (address, authority) = (server.address, &server.authority);
    thread::scope(|scope| {
        for at in 0..60 {
            let (text, head, judged) = (&texts[at % texts.len()], &head, &judged);
            scope.spawn(move || {
                for _ in 0..3 {
                    let mut client = Client::connect(address, authority, None).expect("a connection");
                    let answer = client.ask(head, text).expect("an answer, whatever it says");
                    assert!([200, 408, 429, 504].contains(&answer.status), "{answer:?}");
                    judged.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(judged.into_inner() > texts.len());
    let peak = peak(&server);
    assert!(peak < 128, "{peak} MiB");
}
