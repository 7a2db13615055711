//! What probes and metrics ask for, without TLS and without secrets.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Shared, connection};

/// At most so many connections are open here.
const MOST_CONNECTIONS: usize = 64;

pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let router = Router::new()
        // That it answers is all there is to say: a policy or a certificate that can't be used is no reason to restart.
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/version", get(|| async { concat!(env!("CARGO_PKG_VERSION"), "\n") }))
        .with_state(Arc::clone(&shared));
    let talk = {
        let shared = Arc::clone(&shared);
        move |stream, place| connection::serve(Arc::clone(&shared), router.clone(), stream, place)
    };
    connection::take(&shared, listener, MOST_CONNECTIONS, talk).await;
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.unready() {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(until) = shared.certificate.not_after() {
        shared.metrics.holds("server", until);
    }
    let text = shared.metrics.text(&shared.policies.now().hash);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
