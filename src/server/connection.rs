//! Connection handling: accepting, limiting, serving and closing connections.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{self, Instant};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::limits::{ClientId, ConnectionLimiter, ConnectionSlot, Trust};
use super::log::Rate;
use super::metrics::ErrorKind;
use super::shutdown::Phase;
use super::{Shared, handler};

/// The age after which the server closes a connection with its next response. The client then
/// reconnects, possibly to another replica, so its requests are distributed over all replicas. The
/// age varies randomly by up to 20 % per connection.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The maximum size in bytes of a connection's read buffer, and of its TLS write buffer. These
/// buffers are not part of the memory budget.
const MAX_BUFFER: usize = 8 << 10;

/// A TCP connection on which a write fails if the client reads nothing for the read timeout.
type Stream = Pin<Box<TimeoutStream<TcpStream>>>;

/// Serves the webhook port until the phase is `Closing`, then waits until all connections are
/// closed.
pub(super) async fn serve_webhook(shared: Arc<Shared>, listener: TcpListener, tls: ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let router = handler::router(Arc::clone(&shared));
    let max_connections = shared.settings.max_connections;
    let serve = {
        let shared = Arc::clone(&shared);
        move |stream: Stream, slot: Arc<ConnectionSlot>| {
            shared.accepted_connections.fetch_add(1, Ordering::Relaxed);
            let (shared, acceptor, router) = (Arc::clone(&shared), acceptor.clone(), router.clone());
            async move {
                match time::timeout(shared.settings.read_timeout, acceptor.accept(stream)).await {
                    Ok(Ok(mut stream)) => {
                        let tls = stream.get_mut().1;
                        tls.set_buffer_limit(Some(MAX_BUFFER));
                        if let Some(certificate) = tls.peer_certificates().and_then(<[_]>::first) {
                            let hash = shared.certificate_hasher.hash_one(certificate.as_ref());
                            slot.authenticate(ClientId::Certificate(hash));
                        }
                        let _open = shared.metrics.track_connection();
                        serve_http(shared, router, stream, slot).await;
                    }
                    Ok(Err(error)) => {
                        shared.trust.record_failure(slot.client());
                        record_failure(&shared, ErrorKind::Tls, &error.to_string());
                    }
                    Err(_) => {
                        shared.trust.record_failure(slot.client());
                        record_failure(&shared, ErrorKind::Tls, "TLS handshake timed out");
                    }
                }
            }
        }
    };
    accept_connections(&shared, listener, max_connections, Arc::clone(&shared.trust), serve).await;
}

/// Accepts connections until the phase is `Closing` and passes each to `serve`. Then waits until
/// all connections are closed.
///
/// At most `max_connections` are served concurrently. When the limit is reached and no other
/// connection can be evicted, up to `max_connections` more connections wait for at most the read
/// timeout. Further connections are closed.
pub(super) async fn accept_connections<T: Future<Output = ()> + Send>(
    shared: &Arc<Shared>,
    listener: TcpListener,
    max_connections: usize,
    trust: Arc<Trust>,
    serve: impl Fn(Stream, Arc<ConnectionSlot>) -> T + Clone + Send + 'static,
) {
    let limiter = ConnectionLimiter::new(max_connections, trust);
    let queue = Arc::new(Semaphore::new(max_connections));
    let max_wait = shared.settings.read_timeout;
    let mut phase = shared.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            // Accept before checking the phase: the clients of connections in the accept queue
            // expect a response.
            biased;
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase == Phase::Closing) => break,
        };
        let Ok((stream, client)) = accepted else {
            // The process has too many open files, or the client has disconnected. Both are
            // temporary.
            let _ = time::timeout(Duration::from_millis(10), limiter.closed()).await;
            continue;
        };
        let (limiter, serve, address) = (Arc::clone(&limiter), serve.clone(), client.ip().to_canonical());
        let permit = limiter.try_acquire(ClientId::Address(address));
        let queued = match permit {
            Some(_) => None,
            None => Arc::clone(&queue).try_acquire_owned().ok(),
        };
        if permit.is_none() && queued.is_none() {
            record_failure(shared, ErrorKind::ConnectionLimit, "connection limit reached");
            continue;
        }
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let permit = match permit {
                Some(permit) => Ok(permit),
                None => time::timeout(max_wait, limiter.acquire(ClientId::Address(address))).await,
            };
            drop(queued);
            let Ok((permit, has_evicted)) = permit else {
                return record_failure(
                    &shared,
                    ErrorKind::ConnectionLimit,
                    "connection limit reached, wait timed out",
                );
            };
            if has_evicted {
                shared.metrics.record_evicted_connection();
            }
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(max_wait));
            tokio::select! {
                () = permit.slot.evicted() => debug!(%address, "connection evicted"),
                () = serve(Box::pin(stream), Arc::clone(&permit.slot)) => {}
            }
        });
    }
    drop(listener);
    let _ = queue.acquire_many(u32::try_from(max_connections).unwrap_or(u32::MAX)).await;
    limiter.all_closed().await;
}

fn record_failure(shared: &Shared, kind: ErrorKind, reason: &str) {
    shared.metrics.record_error(kind);
    if shared.log.admits(kind.as_str(), "", Rate { burst: 1.0, per_second: 1.0 }) {
        info!(reason, "connection failed");
    }
}

/// Serves HTTP on one connection until it closes.
pub(super) async fn serve_http(
    shared: Arc<Shared>,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    slot: Arc<ConnectionSlot>,
) {
    let has_request = Arc::new(AtomicBool::new(false));
    let reconnect_at = Instant::now() + MAX_AGE.mul_f64(0.8 + 0.4 * random_fraction());
    let service = {
        let (shared, has_request) = (Arc::clone(&shared), Arc::clone(&has_request));
        let router = TowerToHyperService::new(router);
        service_fn(move |mut request: Request<Incoming>| {
            has_request.store(true, Ordering::Relaxed);
            let slot = Arc::clone(&slot);
            if request.body().is_end_stream() {
                slot.start_request();
            }
            request.extensions_mut().insert(Arc::clone(&slot));
            let (shared, response) = (Arc::clone(&shared), router.call(request));
            async move {
                let Ok(mut response): Result<Response<Body>, Infallible> = response.await;
                slot.finish_request();
                let status = response.status();
                let is_last = shared.phase() != Phase::Serving
                    || Instant::now() > reconnect_at
                    || status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
                if is_last {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(shared.settings.idle_timeout);
    builder.max_buf_size(MAX_BUFFER);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut phase = shared.phase.subscribe();
    let (mut is_closing, mut is_first_request_due) = (false, true);
    let mut first_request_timeout = pin!(time::sleep(shared.settings.read_timeout));
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                match result {
                    Err(error) if error.is_parse() => {
                        record_failure(&shared, ErrorKind::Connection, &error.to_string());
                    }
                    Err(error) => debug!(%error, "connection closed"),
                    Ok(()) => {}
                }
                return;
            }
            // The API server sends a request as soon as it is connected. Other clients may not, so
            // close connections that have received no request in time.
            () = first_request_timeout.as_mut(), if is_first_request_due => {
                is_first_request_due = false;
                if !has_request.load(Ordering::Relaxed) {
                    return record_failure(&shared, ErrorKind::Connection, "no request received");
                }
            }
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if !is_closing => {
                is_closing = true;
                // A connection without a request is new, and its first request is about to arrive.
                // The response to that request closes the connection.
                if has_request.load(Ordering::Relaxed) {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Returns a random number from 0 (inclusive) to 1 (exclusive).
fn random_fraction() -> f64 {
    let number = RandomState::new().hash_one(0_u8) >> 11;
    number as f64 / (1_u64 << 53) as f64
}
