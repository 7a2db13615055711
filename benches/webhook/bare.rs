//! A minimal webhook server built from the same crates as volcheck, as the reference for the
//! webhook benchmark.
//!
//! `/validate` reads the review and sends a constant response. `/uid` also parses the review and
//! sends a response with its uid, which the API server requires in a response.
//!
//! `bare ADDRESS CERT KEY` runs the server; `bare DIRECTORY` writes the reviews of the benchmark.

#![allow(clippy::print_stderr, reason = "a benchmark program")]

mod reviews;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const RESPONSE: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true}}"#;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, cert, key] = match arguments.as_slice() {
        [directory] => {
            for (name, size) in reviews::SIZES {
                fs::write(Path::new(directory).join(format!("{name}.json")), reviews::review(size))?;
            }
            return Ok(());
        }
        [address, cert, key] => [address, cert, key],
        _ => anyhow::bail!("usage: bare ADDRESS CERT KEY, or bare DIRECTORY"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(address, cert, key))
}

async fn serve(address: &str, cert: &str, key: &str) -> anyhow::Result<()> {
    let certs = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certs, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let constant = |body: Bytes| async move {
        std::hint::black_box(body.len());
        ([(header::CONTENT_TYPE, "application/json")], RESPONSE)
    };
    let uid = |body: Bytes| async move {
        let review: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let response = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": review["request"]["uid"], "allowed": true}
        });
        Ok::<_, StatusCode>(([(header::CONTENT_TYPE, "application/json")], response.to_string()))
    };
    let limit = axum::extract::DefaultBodyLimit::max(7 << 20);
    let router = Router::new().route("/validate", post(constant)).route("/uid", post(uid)).layer(limit);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = TowerToHyperService::new(router);
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
