//! The webhook server: HTTPS for the API server, and plain HTTP for probes and metrics.
//!
//! This module handles transport, certificates and load limits. The `admission` module checks the
//! reviews, and the caller provides the policy.

mod admin;
mod allocator;
mod body;
mod certificate;
mod client_auth;
mod connection;
mod deadline;
mod error;
mod handler;
mod limits;
mod log;
mod metrics;
mod open_files;
mod policy_store;
mod registration_metrics;
mod renewal;
mod review_events;
mod shutdown;
mod would_deny;

use std::hash::RandomState;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::time;
use tracing::info;

use certificate::ServingCertificate;
use client_auth::ClientVerifier;
use limits::{LargeReviewLimiter, MemoryBudget, Trust};
use log::LogLimiter;
use metrics::Metrics;
use open_files::OpenFiles;
use policy_store::PolicyStore;
use shutdown::{Phase, Signals};

use crate::cluster::{self, EventRecorder, Registrar};

pub use certificate::{CertificateFiles, CipherSuite, TlsSettings, TlsVersion};
pub use log::LogWriter;
pub use policy_store::PolicySource;

/// The maximum number of worker threads. One thread serves about ten thousand small reviews (5 KB)
/// per second, and each thread increases the worst-case memory usage. To scale further, add
/// replicas.
const MAX_WORKER_THREADS: usize = 2;

/// The configuration of the server, except the policy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the webhook port.
    pub listen: SocketAddr,
    /// The address of the admin port, which serves probes and metrics without TLS.
    pub admin_listen: SocketAddr,
    pub certificate_source: CertificateSource,
    pub tls: TlsSettings,
    /// The clients that may send reviews. If `None`, any client may.
    pub client_auth: Option<ClientAuthSettings>,
    /// The maximum size of a request body in bytes. A review contains up to two objects, and the
    /// API server accepts objects of up to 3 MiB.
    pub max_body: usize,
    /// The maximum number of open connections to the webhook port.
    pub max_connections: usize,
    /// The timeout for a TLS handshake, the first request of a connection, and a request body.
    pub read_timeout: Duration,
    /// The timeout of idle connections. It should exceed the API server's own idle timeout of 90
    /// seconds. Otherwise, the API server could send a request on a connection that volcheck is
    /// closing. The API server does not retry such a request (`k8s.io/apimachinery/pkg/util/net`).
    pub idle_timeout: Duration,
    /// The maximum time for which the server continues to accept requests after a shutdown signal.
    /// The server stops earlier if it has been idle for a third of this time.
    pub drain_timeout: Duration,
    /// The interval at which files and the registration are checked for changes.
    pub reload_interval: Duration,
    /// Whether to record Events about objects that are denied, or would be denied in mode `deny`.
    pub records_events: bool,
    /// The text or link from `--message`, which ends the messages of denials. If `None`, these
    /// messages refer to `volcheck explain`.
    pub message: Option<String>,
}

/// The source of the serving certificate.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// PEM files, which are reloaded when they change.
    Files(CertificateFiles),
    /// A certificate issued by volcheck's own CA. The server also registers the webhook.
    OwnCa {
        cluster: cluster::RegistrarSettings,
        /// The lifetime of serving certificates.
        lifetime: SignedDuration,
    },
}

/// The settings of client authentication.
#[derive(Clone, Debug)]
pub struct ClientAuthSettings {
    /// A PEM file with the certificates of the CAs that sign client certificates. It is reloaded
    /// when it changes.
    pub ca: PathBuf,
    /// The allowed common names and DNS names. A client certificate must have at least one of them.
    /// If empty, any name is allowed.
    pub allowed_names: Vec<String>,
}

/// The state that all connections share.
struct Shared {
    settings: Settings,
    policies: PolicyStore,
    certificate: Arc<ServingCertificate>,
    client_verifier: Option<Arc<ClientVerifier>>,
    metrics: Metrics,
    log: LogLimiter,
    phase: watch::Sender<Phase>,
    trust: Arc<Trust>,
    memory: Arc<MemoryBudget>,
    large_reviews: Arc<LargeReviewLimiter>,
    /// The number of connections accepted on the webhook port since the start.
    accepted_connections: AtomicUsize,
    /// Records Events about reviews; `None` if they are not recorded.
    review_events: Option<EventRecorder>,
    /// Hashes client certificates.
    certificate_hasher: RandomState,
}

impl Shared {
    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Returns the reason why the server is not ready, or `None` if it is ready.
    fn not_ready_reason(&self) -> Option<String> {
        if self.phase() != Phase::Serving {
            return Some("shutting down".to_owned());
        }
        self.certificate.problem()
    }
}

/// Runs the server until it receives a signal to shut down, and then drains its connections.
pub fn run(settings: Settings, policy_source: PolicySource) -> anyhow::Result<()> {
    allocator::configure();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKER_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(serve(settings, policy_source))?;
    // Do not wait for blocking threads: nothing needs their results.
    runtime.shutdown_background();
    Ok(())
}

async fn serve(mut settings: Settings, policy_source: PolicySource) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let open_files = OpenFiles::raise();
    settings.max_connections = open_files.max_connections(settings.max_connections);
    let (certificate, registrar) = match &settings.certificate_source {
        CertificateSource::Files(files) => {
            (ServingCertificate::load(files).map_err(anyhow::Error::msg)?, None)
        }
        CertificateSource::OwnCa { cluster, lifetime } => {
            let client = cluster::in_cluster_client().context("cannot register the webhook")?;
            (Arc::default(), Some((Registrar::new(cluster.clone(), client), *lifetime)))
        }
    };
    // Reviews and the registration do not share a recorder. A flood of Events about reviews
    // therefore does not displace Events about the registration.
    let review_events = match settings.records_events {
        true => {
            let client = cluster::in_cluster_client().context("cannot record Events")?;
            Some(EventRecorder::start(client, instance()))
        }
        false => None,
    };
    let client_verifier =
        settings.client_auth.clone().map(ClientVerifier::load).transpose().map_err(anyhow::Error::msg)?;
    let client_verifier = client_verifier.map(Arc::new);
    let tls =
        certificate.server_config(&settings.tls, client_verifier.clone().map(|verifier| verifier as _))?;
    let policies = PolicyStore::load(policy_source)?;
    let listener = bind(settings.listen)?;
    let admin_listener = bind(settings.admin_listen)?;
    let shared = Arc::new(Shared {
        metrics: Metrics::new(registrar.is_some()),
        log: LogLimiter::default(),
        policies,
        certificate,
        client_verifier,
        phase: watch::Sender::new(Phase::Serving),
        trust: Arc::default(),
        memory: MemoryBudget::new(settings.max_body),
        large_reviews: LargeReviewLimiter::new(),
        accepted_connections: AtomicUsize::new(0),
        review_events,
        certificate_hasher: RandomState::new(),
        settings,
    });
    shared.metrics.set_max_open_files(open_files.limit);
    info!(
        address = %listener.local_addr()?,
        admin_address = %admin_listener.local_addr()?,
        policy = shared.policies.active().hash,
        "listening"
    );
    info!(
        initial_limit = open_files.initial,
        hard_limit = open_files.hard,
        limit = open_files.limit,
        max_connections = shared.settings.max_connections,
        "open files"
    );
    let reload_task = tokio::spawn(reload(Arc::clone(&shared)));
    let renewal_task = registrar
        .map(|(registrar, lifetime)| tokio::spawn(renewal::run(Arc::clone(&shared), registrar, lifetime)));
    let admin_task = tokio::spawn(admin::serve(Arc::clone(&shared), admin_listener));
    let webhook_task = tokio::spawn(connection::serve_webhook(Arc::clone(&shared), listener, tls));
    signals.recv().await;
    shared.phase.send_replace(Phase::Draining);
    info!("shutting down, draining connections");
    tokio::select! {
        () = shutdown::drain(&shared) => {}
        () = signals.recv() => {
            info!("stopped before draining finished");
            return Ok(());
        }
    }
    shared.phase.send_replace(Phase::Closing);
    // Wait for requests in flight, at most for the read timeout.
    let closed = time::timeout(shared.settings.read_timeout, webhook_task);
    tokio::select! {
        _ = closed => {}
        () = signals.recv() => {}
    }
    reload_task.abort();
    if let Some(task) = renewal_task {
        task.abort();
    }
    admin_task.abort();
    shared.log.report_suppressed();
    info!("stopped");
    Ok(())
}

/// Returns the name of the Pod, or `volcheck` outside of a Pod.
fn instance() -> String {
    let name = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "volcheck".to_owned())
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let mut listener = listen(address);
    // On a host without IPv6, `[::]` cannot be bound. Bind all IPv4 addresses instead.
    if let (Err(_), SocketAddr::V6(v6)) = (&listener, address)
        && v6.ip().is_unspecified()
        && UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err()
    {
        listener = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
    }
    listener.with_context(|| format!("cannot listen on {address}"))
}

/// The maximum number of connections that wait in the accept queue.
///
/// When the queue is full, Linux drops new connections, and the operating system of the client
/// tries again after a second. Linux limits the queue to `net.core.somaxconn`, by default 4096.
const ACCEPT_QUEUE: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // A restarted server can use the address at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE)
}

/// Reloads the certificates and the policy at each reload interval. Also logs the number of
/// suppressed log lines.
async fn reload(shared: Arc<Shared>) {
    let mut interval = time::interval(shared.settings.reload_interval);
    interval.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        shared.log.report_suppressed();
        let shared = Arc::clone(&shared);
        // Reading files and compiling a policy would block the worker threads.
        let _ = tokio::task::spawn_blocking(move || {
            shared.certificate.reload(&shared.metrics);
            if let Some(verifier) = &shared.client_verifier {
                verifier.reload(&shared.metrics);
            }
            shared.policies.reload(&shared.metrics);
        })
        .await;
    }
}
