//! What a webhook can't do without: a server of the same crates that reads each review and answers a constant at
//! `/validate`; and at `/uid`, what the API server would take, which is the uid of the review back.
//!
//! `bare ADDRESS CERT KEY`; `bare FOLDER` writes the reviews.

#![allow(clippy::print_stderr, reason = "a program of the benchmarks")]

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

const ANSWER: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true}}"#;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, cert, key] = match arguments.as_slice() {
        [folder] => {
            for (name, size) in reviews::SIZES {
                fs::write(Path::new(folder).join(format!("{name}.json")), reviews::review(size))?;
            }
            return Ok(());
        }
        [address, cert, key] => [address, cert, key],
        _ => anyhow::bail!("bare ADDRESS CERT KEY, or bare FOLDER"),
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
    let read = |body: Bytes| async move {
        std::hint::black_box(body.len());
        ([(header::CONTENT_TYPE, "application/json")], ANSWER)
    };
    let answer = |body: Bytes| async move {
        let review: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let answer = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": review["request"]["uid"], "allowed": true}
        });
        Ok::<_, StatusCode>(([(header::CONTENT_TYPE, "application/json")], answer.to_string()))
    };
    let limit = axum::extract::DefaultBodyLimit::max(7 << 20);
    let router = Router::new().route("/validate", post(read)).route("/uid", post(answer)).layer(limit);
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
