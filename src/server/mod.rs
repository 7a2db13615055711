//! The webhook's server: HTTP/1.1 over TLS for the API server, and plain HTTP for who runs it.
//!
//! It moves bytes and says when there are too many; what is in them is for `admission`. It knows no file of a
//! policy: where the policy comes from, and when it is another, its caller knows.

mod admin;
mod admit;
mod certificate;
mod client;
mod connection;
mod issued;
mod memory;
mod metrics;
mod places;
mod policy;
mod room;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time;
use tracing::info;

use certificate::Certificate;
use client::Clients;
use metrics::Metrics;
use policy::Policies;
use room::Rooms;

use crate::cluster::{Registrar, RegistrarSettings};

pub use certificate::Files;
pub use policy::Source;

/// One thread answers some ten thousand reviews in a second, and what each may need for the worst is bounded by their number:
/// replicas, not threads, are for more.
const MOST_THREADS: usize = 2;

/// Large reviews that are judged at the same time.
const LARGE_AT_A_TIME: usize = 2;

/// Large reviews that wait for that; others are to be asked again.
const LARGE_WAITING: usize = 32;

/// How the server behaves. Nothing of the verdict is here: that is the policy's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API server asks.
    pub listen: SocketAddr,
    /// Where probes and metrics are asked for, without TLS.
    pub admin_listen: SocketAddr,
    /// Where its certificate comes from.
    pub identity: Identity,
    /// Who may ask; without this, whoever reaches the port.
    pub clients: Option<ClientSettings>,
    /// Larger requests are refused: a review holds two objects of at most 3 MiB each.
    pub max_body: usize,
    /// At most so many connections are open; more wait with the system.
    pub max_connections: usize,
    /// How long a handshake, a first request or a body may take.
    pub read_timeout: Duration,
    /// How long a connection may be idle: longer than the 90 seconds of the API server, which doesn't repeat a
    /// request that meets a closed connection (`k8s.io/apimachinery/pkg/util/net`).
    pub idle_timeout: Duration,
    /// How long it goes on after it is told to end, unless all connections have gone before.
    pub drain: Duration,
    /// How often files are looked at for changes.
    pub reload: Duration,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Files in PEM, read again when they change.
    Files(Files),
    /// volcheck's own authority, which registers it, too.
    Issued {
        /// How the authority and the registration are kept.
        cluster: RegistrarSettings,
        /// How long a certificate holds.
        lifetime: SignedDuration,
    },
}

/// Who may ask.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The file of the authorities of their certificates, in PEM, read again when it changes.
    pub ca: PathBuf,
    /// The names of which a certificate has one, as common name or for DNS; empty for any.
    pub names: Vec<String>,
}

/// What the server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// It answers, and asks each client to come on another connection, which leads elsewhere.
    Draining,
    /// It takes no connection any more, and closes those that are idle.
    Closing,
}

/// What all connections share.
struct Shared {
    settings: Settings,
    policies: Policies,
    certificate: Arc<Certificate>,
    clients: Option<Arc<Clients>>,
    metrics: Metrics,
    phase: watch::Sender<Phase>,
    rooms: Rooms,
    /// Room for judging large reviews at the same time; small ones are judged by the threads that answer.
    judging: Arc<Semaphore>,
    /// Room for waiting for that.
    queue: Semaphore,
    /// How many connections have come.
    arrivals: AtomicUsize,
}

impl Shared {
    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Why it should get no requests; none where it should.
    fn unready(&self) -> Option<String> {
        if self.phase() != Phase::Serving {
            return Some("it is ending".to_owned());
        }
        self.certificate.problem()
    }
}

/// Runs the server until it is told to end.
pub fn run(settings: Settings, source: Source) -> anyhow::Result<()> {
    memory::give_back();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(serve(settings, source))?;
    // What still blocks a thread is given up with the program.
    runtime.shutdown_background();
    Ok(())
}

async fn serve(settings: Settings, source: Source) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let (certificate, keeper) = match &settings.identity {
        Identity::Files(files) => (Certificate::load(files).map_err(anyhow::Error::msg)?, None),
        Identity::Issued { cluster, lifetime } => {
            (Arc::default(), Some((Registrar::new(cluster.clone())?, *lifetime)))
        }
    };
    let clients = settings.clients.clone().map(Clients::load).transpose().map_err(anyhow::Error::msg)?;
    let clients = clients.map(Arc::new);
    let tls = certificate.server_config(clients.clone().map(|clients| clients as _))?;
    let policies = Policies::new(source)?;
    let listener = bind(settings.listen).await?;
    let admin = bind(settings.admin_listen).await?;
    let shared = Arc::new(Shared {
        metrics: Metrics::new(),
        policies,
        certificate,
        clients,
        phase: watch::Sender::new(Phase::Serving),
        rooms: Rooms::new(settings.max_body),
        judging: Arc::new(Semaphore::new(LARGE_AT_A_TIME)),
        queue: Semaphore::new(LARGE_WAITING),
        arrivals: AtomicUsize::new(0),
        settings,
    });
    info!(
        address = %listener.local_addr()?,
        admin_address = %admin.local_addr()?,
        policy = shared.policies.now().hash,
        "listening"
    );
    let reloading = tokio::spawn(reload(Arc::clone(&shared)));
    let keeping = tokio::spawn(issued::keep(Arc::clone(&shared), keeper));
    let administrating = tokio::spawn(admin::serve(Arc::clone(&shared), admin));
    let accepting = tokio::spawn(connection::accept(Arc::clone(&shared), listener, tls));
    signals.next().await;
    shared.phase.send_replace(Phase::Draining);
    info!("ending: answers ask for another connection from now on");
    tokio::select! {
        () = quiet(&shared) => {}
        () = signals.next() => {
            info!("ended at once");
            return Ok(());
        }
    }
    shared.phase.send_replace(Phase::Closing);
    // Each request has a deadline; none is longer than the API server's.
    let closed = time::timeout(shared.settings.read_timeout, accepting);
    tokio::select! {
        _ = closed => {}
        () = signals.next() => {}
    }
    reloading.abort();
    keeping.abort();
    administrating.abort();
    info!("ended");
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let mut bound = TcpListener::bind(address).await;
    // A node without IPv6 has no address for both families.
    if let (Err(_), SocketAddr::V6(v6)) = (&bound, address)
        && v6.ip().is_unspecified()
        && UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err()
    {
        bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await;
    }
    bound.with_context(|| format!("{address} can't be listened on"))
}

/// Ends when all connections have gone and no new one comes, and at the latest when the time to drain is over: a
/// connection that is only idle may be used again, and its client is told only then.
async fn quiet(shared: &Shared) {
    const PATIENCE: u32 = 5;
    let drain = shared.settings.drain;
    // What routes requests here learns of the end a while after the fact: a third of the time is for that.
    let step = drain / 3 / PATIENCE;
    let ended = time::Instant::now() + drain;
    let mut steps = 0;
    let mut seen = usize::MAX;
    while time::Instant::now() < ended && steps < PATIENCE {
        time::sleep(step).await;
        let arrivals = shared.arrivals.load(Ordering::Relaxed);
        let is_quiet = arrivals == seen && shared.metrics.open_connections() == 0;
        steps = if is_quiet { steps + 1 } else { 0 };
        seen = arrivals;
    }
}

/// Looks at the files for changes, for ever.
async fn reload(shared: Arc<Shared>) {
    let mut ticks = time::interval(shared.settings.reload);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let shared = Arc::clone(&shared);
        // Files are read, and a policy is compiled, off the threads that answer.
        let _ = tokio::task::spawn_blocking(move || {
            shared.certificate.reload(&shared.metrics);
            if let Some(clients) = &shared.clients {
                clients.reload(&shared.metrics);
            }
            shared.policies.reload(&shared.metrics);
        })
        .await;
    }
}

/// The signals to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on they are waited for, and don't end the process by themselves: as process 1 of a container it would
    /// not even be ended by them.
    fn new() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
