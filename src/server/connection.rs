//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{self, Instant};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::metrics::Trouble;
use super::places::{Place, Places};
use super::{Phase, Shared, admit};

/// After this the client is asked to come again, so that the requests of one don't stay with one replica for ever.
const OLD: Duration = Duration::from_secs(300);

/// Takes the connections of reviews until the server closes, then waits for those that are open.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener, tls: ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let router = admit::router(Arc::clone(&shared));
    let most = shared.settings.max_connections;
    let talk = {
        let shared = Arc::clone(&shared);
        move |stream: TcpStream, place| {
            shared.arrivals.fetch_add(1, Ordering::Relaxed);
            let (shared, acceptor, router) = (Arc::clone(&shared), acceptor.clone(), router.clone());
            async move {
                let _ = stream.set_nodelay(true);
                match time::timeout(shared.settings.read_timeout, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let _open = shared.metrics.connection();
                        serve(shared, router, stream, place).await;
                    }
                    Ok(Err(error)) => came_to_nothing(&shared, Trouble::Tls, &error.to_string()),
                    Err(_) => came_to_nothing(&shared, Trouble::Tls, "no handshake in time"),
                }
            }
        }
    };
    take(&shared, listener, most, talk).await;
}

/// Takes connections until the server closes, each to its `talk`, at most so many at a time, then waits for those that are
/// open. Where nobody gives a place up, they wait, as many again: none of these is reset.
pub(super) async fn take<T: Future<Output = ()> + Send>(
    shared: &Arc<Shared>,
    listener: TcpListener,
    most: usize,
    talk: impl Fn(TcpStream, Arc<Place>) -> T + Clone + Send + 'static,
) {
    let places = Places::new(most);
    let waiting = Arc::new(Semaphore::new(most));
    let patience = shared.settings.read_timeout;
    let mut phase = shared.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            // Those that have come before the end are served, too: nobody told them.
            biased;
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase == Phase::Closing) => break,
        };
        let Ok((stream, client)) = accepted else {
            // Out of files, or a client that is gone already: a moment later it may be better.
            time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (places, talk, address) = (Arc::clone(&places), talk.clone(), client.ip());
        let held = places.take(address);
        let waits = match held {
            Some(_) => None,
            None => Arc::clone(&waiting).try_acquire_owned().ok(),
        };
        if held.is_none() && waits.is_none() {
            came_to_nothing(shared, Trouble::Crowded, "no place");
            continue;
        }
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let held = match held {
                Some(held) => Ok(held),
                None => time::timeout(patience, places.wait(address)).await,
            };
            drop(waits);
            let Ok(held) = held else {
                return came_to_nothing(&shared, Trouble::Crowded, "no place in time");
            };
            tokio::select! {
                () = held.place.lost() => debug!(%address, "a connection gave way to another"),
                () = talk(stream, Arc::clone(&held.place)) => {}
            }
        });
    }
    drop(listener);
    let _ = waiting.acquire_many(u32::try_from(most).unwrap_or(u32::MAX)).await;
    places.all_free().await;
}

fn came_to_nothing(shared: &Shared, trouble: Trouble, why: &str) {
    shared.metrics.trouble(trouble);
    if shared.metrics.is_news(trouble) {
        info!(why, "a connection came to nothing");
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    shared: Arc<Shared>,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: Arc<Place>,
) {
    let has_asked = Arc::new(AtomicBool::new(false));
    let old = Instant::now() + OLD.mul_f64(0.8 + 0.4 * fraction());
    let service = {
        let (shared, has_asked) = (Arc::clone(&shared), Arc::clone(&has_asked));
        let router = TowerToHyperService::new(router);
        service_fn(move |mut request: Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            let place = Arc::clone(&place);
            request.extensions_mut().insert(Arc::clone(&place));
            let (shared, answer) = (Arc::clone(&shared), router.call(request));
            async move {
                let Ok(mut response): Result<Response<Body>, Infallible> = answer.await;
                place.set_judged(false);
                let is_last = shared.phase() != Phase::Serving
                    || Instant::now() > old
                    || response.status().is_client_error() && response.status() != 429;
                if is_last {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(shared.settings.idle_timeout);
    // What is read before anybody asks for it is in no budget.
    builder.max_buf_size(16 << 10);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut phase = shared.phase.subscribe();
    let (mut is_closing, mut is_watched) = (false, true);
    let mut patience = pin!(time::sleep(shared.settings.read_timeout));
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                match result {
                    Err(error) if error.is_parse() => {
                        came_to_nothing(&shared, Trouble::Connection, &error.to_string());
                    }
                    Err(error) => debug!(%error, "a connection ended"),
                    Ok(()) => {}
                }
                return;
            }
            // Who opens a connection asks at once; one that is only held open is a client's mistake, or worse.
            () = patience.as_mut(), if is_watched => {
                is_watched = false;
                if !has_asked.load(Ordering::Relaxed) {
                    return came_to_nothing(&shared, Trouble::Connection, "nothing was asked");
                }
            }
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if !is_closing => {
                is_closing = true;
                // What has not asked yet is about to, and is told to go with its answer.
                if has_asked.load(Ordering::Relaxed) {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// A number from 0 to 1 that is another one each time.
fn fraction() -> f64 {
    let number = RandomState::new().hash_one(0_u8) >> 11;
    number as f64 / (1_u64 << 53) as f64
}
