//! The admin port: probes, metrics and the version, over plain HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::CertificateRole;
use super::{Shared, connection};

const MAX_CONNECTIONS: usize = 64;

pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let router = Router::new()
        // The liveness probe always succeeds: a restart does not fix an invalid policy or
        // certificate.
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(|| async { concat!(env!("CARGO_PKG_VERSION"), "\n") }))
        .with_state(Arc::clone(&shared));
    let serve = {
        let shared = Arc::clone(&shared);
        move |stream, slot| connection::serve_http(Arc::clone(&shared), router.clone(), stream, slot)
    };
    connection::accept_connections(&shared, listener, MAX_CONNECTIONS, Arc::default(), serve).await;
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.not_ready_reason() {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(not_after) = shared.certificate.not_after() {
        shared.metrics.set_certificate_expiration(CertificateRole::Serving, not_after);
    }
    let text = shared.metrics.encode(&shared.policies.active().hash);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
