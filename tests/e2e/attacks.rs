//! Attacks by clients that can connect to the webhook's port, while the API server sends reviews.
//!
//! The reviews of the API server come from one address, that of the simulated kube-proxy. The
//! attackers connect from up to 1,024 other addresses.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::PostParams;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::control_plane::{ip, wait_for};
use crate::harness::{GOOD, Harness, NAMESPACE, harness, pod};
use crate::self_signed::VALUES;
use crate::worst_reviews::worst_case_reviews;

/// The duration of each attack while reviews are measured.
const DURATION: Duration = Duration::from_secs(5);

/// The time between two reviews of the API server.
const REVIEW_INTERVAL: Duration = Duration::from_millis(50);

/// The maximum peak of resident memory during an attack, in MiB. The limit of the chart is 128 MiB.
const MAX_MEMORY: usize = 96;

/// The name of an attack, the numbers of connections with each behavior, and the number of
/// addresses from which the attackers connect.
type Scenario = (&'static str, &'static [(Attack, usize)], usize);

/// The target of the attackers.
struct Target {
    address: SocketAddr,
    /// The number of addresses from which the attackers connect.
    addresses: usize,
    tls: TlsConnector,
    bodies: Vec<String>,
    is_over: AtomicBool,
    connected: AtomicUsize,
}

/// The behavior of an attacker on one connection.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// Connects and sends nothing.
    HalfOpen,
    /// Sends bytes that are not TLS.
    Garbage,
    /// Sends the head of a request, one byte at a time.
    SlowHead,
    /// Sends a head that never ends.
    HeaderFlood,
    /// Sends a body except for its last bytes. The number is its size.
    PromisedBody(usize),
    /// Announces a body and sends one byte of it at a time.
    SlowBody,
    /// Sends many requests without reading the responses.
    Pipelining,
    /// Sends complete reviews that need much memory.
    WorstReviews,
    /// Sends reviews with an identifier of several megabytes.
    LongIdentifier,
    /// Sends reviews that are denied, so that each is logged.
    Denials,
}

impl Target {
    /// Opens the connection with this number. The connections share the addresses evenly.
    async fn connect(&self, number: usize) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        let [high, low] = u16::try_from(number % self.addresses).ok()?.to_be_bytes();
        socket.bind(SocketAddr::from((Ipv4Addr::new(10, 9, high, low), 0))).ok()?;
        let stream = time::timeout(Duration::from_secs(5), socket.connect(self.address)).await.ok()?.ok()?;
        self.connected.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    async fn connect_tls(&self, number: usize) -> Option<TlsStream<TcpStream>> {
        let stream = self.connect(number).await?;
        let name = ServerName::try_from("volcheck.volcheck.svc").ok()?;
        time::timeout(Duration::from_secs(10), self.tls.connect(name, stream)).await.ok()?.ok()
    }

    /// Attacks on one connection after the other until the attack is over.
    async fn attack(&self, attack: Attack, number: usize) {
        while !self.is_over.load(Ordering::Relaxed) {
            let _ = time::timeout(DURATION, self.attack_once(attack, number)).await;
            time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn attack_once(&self, attack: Attack, number: usize) -> Option<()> {
        const HEAD: &str =
            "POST /validate?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        let head = |size: usize| format!("{HEAD}Content-Length: {size}\r\n\r\n");
        match attack {
            Attack::HalfOpen => {
                let mut stream = self.connect(number).await?;
                stream.read_u8().await.ok().map(drop)
            }
            Attack::Garbage => {
                let mut stream = self.connect(number).await?;
                stream.write_all(&[b'x'; 4096]).await.ok()?;
                stream.read_to_end(&mut Vec::new()).await.ok().map(drop)
            }
            Attack::SlowHead => {
                let mut stream = self.connect_tls(number).await?;
                for byte in HEAD.bytes() {
                    stream.write_all(&[byte]).await.ok()?;
                    stream.flush().await.ok()?;
                    time::sleep(Duration::from_millis(500)).await;
                }
                Some(())
            }
            Attack::HeaderFlood => {
                let mut stream = self.connect_tls(number).await?;
                stream.write_all(HEAD.as_bytes()).await.ok()?;
                loop {
                    stream
                        .write_all(format!("X-{number}: {}\r\n", "x".repeat(1000)).as_bytes())
                        .await
                        .ok()?;
                    stream.flush().await.ok()?;
                }
            }
            Attack::PromisedBody(size) => {
                let mut stream = self.connect_tls(number).await?;
                stream.write_all(head(size).as_bytes()).await.ok()?;
                stream.write_all(&vec![b' '; size - 10]).await.ok()?;
                stream.flush().await.ok()?;
                stream.read_to_end(&mut Vec::new()).await.ok().map(drop)
            }
            Attack::SlowBody => {
                let mut stream = self.connect_tls(number).await?;
                stream.write_all(head(7_000_000).as_bytes()).await.ok()?;
                loop {
                    stream.write_all(b"{").await.ok()?;
                    stream.flush().await.ok()?;
                    time::sleep(Duration::from_millis(200)).await;
                }
            }
            Attack::Pipelining => {
                let mut stream = self.connect_tls(number).await?;
                let body = &self.bodies[0];
                loop {
                    stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.ok()?;
                    stream.flush().await.ok()?;
                }
            }
            Attack::WorstReviews => {
                let body = &self.bodies[1 + number % (self.bodies.len() - 1)];
                self.send_review(number, body).await
            }
            Attack::LongIdentifier => {
                let uid = "\\u0000".repeat(1_100_000);
                self.send_review(
                    number,
                    &self.bodies[0].replacen("\"uid\":\"u\"", &format!("\"uid\":\"{uid}\""), 1),
                )
                .await
            }
            Attack::Denials => self.send_review(number, &self.bodies[0]).await,
        }
    }

    async fn send_review(&self, number: usize, body: &str) -> Option<()> {
        let mut stream = self.connect_tls(number).await?;
        let head = "POST /validate?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        stream.read_to_end(&mut Vec::new()).await.ok().map(drop)
    }
}

/// The reviews of the API server during an attack.
struct Reviews {
    sent: usize,
    /// The number of Pods that were admitted within a second.
    in_time: usize,
    /// The duration that 99 % of the reviews did not exceed.
    p99: Duration,
}

/// Creates Pods in dry runs at a constant rate.
async fn measure(client: kube::Client) -> Reviews {
    let pods: Api<Pod> = Api::namespaced(client, "shop");
    let good: Pod = serde_yaml::from_str(&pod("measured", GOOD)).expect("a Pod");
    let started_at = Instant::now();
    let mut tasks = Vec::new();
    while started_at.elapsed() < DURATION {
        let (pods, good) = (pods.clone(), good.clone());
        tasks.push(tokio::spawn(async move {
            let started_at = Instant::now();
            let params = PostParams { dry_run: true, ..PostParams::default() };
            let is_admitted = pods.create(&params, &good).await.is_ok();
            (is_admitted, started_at.elapsed())
        }));
        time::sleep(REVIEW_INTERVAL).await;
    }
    let mut durations = Vec::new();
    let mut in_time = 0;
    for task in tasks {
        let (is_admitted, duration) = task.await.expect("no panic");
        in_time += usize::from(is_admitted && duration < Duration::from_secs(1));
        durations.push(duration);
    }
    durations.sort();
    Reviews { sent: durations.len(), in_time, p99: durations[durations.len() * 99 / 100] }
}

/// The process of volcheck's only Pod.
struct Process {
    directory: String,
}

impl Process {
    /// Waits until only one replica is running, and returns its process.
    fn find() -> Self {
        let is_server = |path: &String| {
            let text = |name: &str| fs::read_to_string(format!("{path}/{name}")).unwrap_or_default();
            text("comm") == "volcheck\n" && text("cmdline").contains("serve")
        };
        wait_for("one replica", || {
            let directories = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
            let paths = directories.map(|entry| entry.path().display().to_string());
            let servers: Vec<_> = paths.filter(is_server).collect();
            let [directory] = servers.try_into().ok()?;
            Some(Self { directory })
        })
    }

    fn reset_peak_memory(&self) {
        fs::write(format!("{}/clear_refs", self.directory), "5").expect("reset");
    }

    /// Returns the peak resident memory in MiB.
    fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("{}/status", self.directory)).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") >> 10
    }
}

async fn target(harness: &Harness, addresses: usize) -> Target {
    let secrets: Api<Secret> = Api::namespaced(harness.client(), NAMESPACE);
    let ByteString(ca) =
        secrets.get("volcheck-ca").await.expect("a Secret").data.expect("data")["ca.crt"].clone();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&ca).expect("a certificate")).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let denied = pod("attacker", "/etc/kubernetes");
    let denied: serde_json::Value = serde_yaml::from_str(&denied).expect("a Pod");
    let review = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "namespace": "shop", "name": "attacker", "object": denied,
            "resource": {"group": "", "version": "v1", "resource": "pods"},
        },
    });
    let address = harness.pod_ips()[0].parse().expect("an address");
    Target {
        address: SocketAddr::new(address, 10250),
        addresses,
        tls: TlsConnector::from(Arc::new(config)),
        bodies: [review.to_string()].into_iter().chain(worst_case_reviews()).collect(),
        is_over: AtomicBool::new(false),
        connected: AtomicUsize::new(0),
    }
}

/// Returns a runtime whose threads have a low priority. Attackers would have processors of their
/// own, and here, they would otherwise also slow down the API server and its proxy.
fn attackers_runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().on_thread_start(|| {
        rustix::process::nice(10).expect("a lower priority");
    });
    builder.build().expect("a runtime")
}

/// Runs attackers with these behaviors while reviews are measured.
fn run(harness: &Harness, attacks: &[(Attack, usize)], addresses: usize) -> (Reviews, usize) {
    let process = Process::find();
    process.reset_peak_memory();
    let target = Arc::new(harness.block(target(harness, addresses)));
    let mut tasks = Vec::new();
    let attackers = attackers_runtime();
    for (attack, connections) in attacks {
        for number in 0..*connections {
            let (target, attack) = (Arc::clone(&target), *attack);
            tasks.push(attackers.spawn(async move { target.attack(attack, number).await }));
        }
    }
    let reviews = harness.block(async {
        // The attackers use up the limits before the first review.
        time::sleep(Duration::from_secs(2)).await;
        measure(harness.client()).await
    });
    let peak = process.peak_memory();
    target.is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.abort();
        let _ = attackers.block_on(task);
    }
    let connected = target.connected.load(Ordering::Relaxed);
    assert!(attacks.is_empty() || connected >= 5, "{attacks:?}: the attackers cannot connect");
    (reviews, peak)
}

#[test]
fn attacks_do_not_delay_the_api_server() {
    let harness = harness();
    harness.install(&format!("{VALUES}replicas: 1\n"));
    ip(&["route", "replace", "local", "10.9.0.0/22", "dev", "lo"]);
    const LARGE: Attack = Attack::PromisedBody(7_000_000);
    const SMALL: Attack = Attack::PromisedBody(200_000);
    let attacks: &[Scenario] = &[
        ("no attack", &[], 1),
        ("1,500 half-open connections from 1 address", &[(Attack::HalfOpen, 1500)], 1),
        ("1,500 half-open connections from 1,024 addresses", &[(Attack::HalfOpen, 1500)], 1024),
        ("TLS garbage from 200 addresses", &[(Attack::Garbage, 200)], 200),
        ("1,100 slow heads from 1,024 addresses", &[(Attack::SlowHead, 1100)], 1024),
        ("header floods from 100 addresses", &[(Attack::HeaderFlood, 100)], 100),
        ("7 large and 1,000 small promised bodies from 1 address", &[(LARGE, 7), (SMALL, 1000)], 1),
        ("7 large and 1,000 small promised bodies from 1,024 addresses", &[(LARGE, 7), (SMALL, 1000)], 1024),
        ("1,000 slow bodies from 1,000 addresses", &[(Attack::SlowBody, 1000)], 1000),
        ("pipelining without reading from 50 addresses", &[(Attack::Pipelining, 50)], 50),
        ("long identifiers from 20 addresses", &[(Attack::LongIdentifier, 20)], 20),
        ("worst reviews from 20 addresses", &[(Attack::WorstReviews, 20)], 20),
        ("worst reviews on 1,000 connections from 1 address", &[(Attack::WorstReviews, 1000)], 1),
        ("denied reviews from 20 addresses", &[(Attack::Denials, 20)], 20),
        (
            "all of these",
            &[
                (Attack::HalfOpen, 500),
                (Attack::SlowHead, 200),
                (LARGE, 7),
                (SMALL, 300),
                (Attack::WorstReviews, 5),
            ],
            1024,
        ),
    ];
    let mut failures = Vec::new();
    eprintln!("| attack | peak memory | answered within 1 s | p99 |\n|---|---|---|---|");
    for (name, behaviors, addresses) in attacks {
        let (Reviews { sent, in_time, p99 }, peak) = run(&harness, behaviors, *addresses);
        let share = in_time as f64 * 100.0 / sent as f64;
        eprintln!("| {name} | {peak} MiB | {share:.1} % | {} ms |", p99.as_millis());
        if share < 99.0 || peak > MAX_MEMORY {
            failures.push(*name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}
