//! The server's certificate: from files, read again when they change, or issued by volcheck's own authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::cluster::x509::{CertifiedKeyPem, Validity};
use crate::finding::digest;

/// The pair that is served, and the files that it comes from.
#[derive(Debug, Default)]
pub(super) struct Certificate {
    files: Option<Files>,
    pair: ArcSwapOption<Pair>,
    /// What stood in the files when it was served: links are swapped, and times lie.
    seen: AtomicU64,
    /// What stood there that was said to be of no use.
    refused: AtomicU64,
    /// Whether it was said that the pair is of no use now.
    is_said: AtomicBool,
}

/// Where a pair comes from.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificates, the server's own first, in PEM.
    pub cert: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The name by which clients ask, that the certificate must have therefore; where it is known.
    pub name: Option<ServerName<'static>>,
}

#[derive(Debug)]
struct Pair {
    certified: Arc<CertifiedKey>,
    validity: Validity,
}

impl Certificate {
    /// The pair in these files.
    pub(super) fn load(files: &Files) -> Result<Arc<Self>, String> {
        let (texts, content) = read(files)?;
        let pair = ArcSwapOption::from_pointee(Pair::parse(&texts, files.name.as_ref())?);
        let (files, seen) = (Some(files.clone()), AtomicU64::new(content));
        Ok(Arc::new(Self { files, pair, seen, ..Self::default() }))
    }

    /// Serves this pair from now on.
    pub(super) fn serve(&self, pair: CertifiedKeyPem) -> Result<(), String> {
        let named = |name: &str, text: String| (name.to_owned(), text.into_bytes());
        let texts = Texts { cert: named("certificate", pair.cert), key: named("key", pair.key) };
        self.pair.store(Some(Arc::new(Pair::parse(&texts, None)?)));
        Ok(())
    }

    /// What is said to clients before HTTP: TLS 1.2 or newer, and HTTP/1.1 alone, as the API server speaks it with
    /// whatever isn't on its own host.
    pub(super) fn server_config(
        self: &Arc<Self>,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let are_known = clients.is_some();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if are_known {
            // A resumed session would not show its certificate again.
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(config)
    }

    /// Why the pair that is served is of no use now.
    pub(super) fn problem(&self) -> Option<String> {
        let Some(pair) = self.pair.load_full() else { return Some("there is no certificate yet".to_owned()) };
        pair.validity.problem(Timestamp::now())
    }

    /// Until when the pair that is served holds.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        self.pair.load().as_ref().map(|pair| pair.validity.not_after)
    }

    /// Serves what stands in the files now, where that is another pair, and a pair; else keeps the last good one. Says so,
    /// and, once, that what is served is of no use.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let Some(files) = &self.files else { return };
        self.read_again(files, metrics);
        match self.problem() {
            Some(problem) if !self.is_said.swap(true, Ordering::Relaxed) => {
                warn!(problem, "the certificate is of no use now");
            }
            Some(_) => {}
            None => self.is_said.store(false, Ordering::Relaxed),
        }
    }

    fn read_again(&self, files: &Files, metrics: &Metrics) {
        let read = read(files);
        let content = match &read {
            Ok((_, content)) => *content,
            Err(message) => digest(&[message]),
        };
        if content == self.seen.load(Ordering::Relaxed) {
            return self.refused.store(0, Ordering::Relaxed);
        }
        let pair = read.and_then(|(texts, _)| Pair::parse(&texts, files.name.as_ref()));
        match pair.and_then(|pair| self.better(pair)) {
            Ok(pair) => {
                let not_after = pair.validity.not_after;
                self.pair.store(Some(Arc::new(pair)));
                self.seen.store(content, Ordering::Relaxed);
                metrics.certificate_reloaded(true);
                info!(%not_after, "certificate reloaded");
            }
            // It is looked at again: it may hold from later on.
            Err(error) if content != self.refused.swap(content, Ordering::Relaxed) => {
                metrics.certificate_reloaded(false);
                warn!(error, "the new certificate can't be used; the last good one is served");
            }
            Err(_) => {}
        }
    }

    /// The new pair, unless it is of no use now and the one that is served is.
    fn better(&self, pair: Pair) -> Result<Pair, String> {
        match pair.validity.problem(Timestamp::now()).filter(|_| self.problem().is_none()) {
            Some(problem) => Err(problem),
            None => Ok(pair),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair.load().as_ref().map(|pair| Arc::clone(&pair.certified))
    }
}

impl Pair {
    /// The pair that stands there, which clients take for `name`.
    fn parse(texts: &Texts, name: Option<&ServerName<'_>>) -> Result<Self, String> {
        let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&texts.cert.1).collect();
        let (cert, key) = (&texts.cert.0, &texts.key.0);
        let certs = certs.map_err(|error| format!("{cert}: {error}"))?;
        let Some(first) = certs.first() else { return Err(format!("{cert}: no certificate in PEM")) };
        if let Some(name) = name {
            let is_for =
                ParsedCertificate::try_from(first).and_then(|first| verify_server_name(&first, name));
            is_for.map_err(|error| format!("{cert} is not for {}: {error}", name.to_str()))?;
        }
        let validity = String::from_utf8_lossy(&texts.cert.1);
        let validity = Validity::from_pem(&validity).map_err(|error| format!("{cert}: {error}"))?;
        let private =
            PrivateKeyDer::from_pem_slice(&texts.key.1).map_err(|error| format!("{key}: {error}"))?;
        let signer = ring::sign::any_supported_type(&private).map_err(|error| format!("{key}: {error}"))?;
        let certified = CertifiedKey::new(certs, signer);
        certified.keys_match().map_err(|_| format!("{key} is not the key of {cert}"))?;
        Ok(Self { certified: Arc::new(certified), validity })
    }
}

/// Two files, each with its name.
struct Texts {
    cert: (String, Vec<u8>),
    key: (String, Vec<u8>),
}

/// What stands in the files, and a number for it.
fn read(files: &Files) -> Result<(Texts, u64), String> {
    let text = |path: &Path| {
        let bytes = contents(path)?;
        Ok::<_, String>((path.display().to_string(), bytes))
    };
    let texts = Texts { cert: text(&files.cert)?, key: text(&files.key)? };
    let content = [&texts.cert.1, &texts.key.1].map(|bytes| String::from_utf8_lossy(bytes));
    let content = digest(&[&content[0], &content[1]]);
    Ok((texts, content))
}

/// What stands in a file.
pub(super) fn contents(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// ring, by name: two providers in one program have no default.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
