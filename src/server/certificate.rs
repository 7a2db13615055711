//! The server's certificate: from files, read again when they change, or issued by volcheck's own authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::cluster::issue::{self, Validity};
use crate::finding::digest;

/// The pair that is served, and the files that it comes from.
#[derive(Debug, Default)]
pub(super) struct Certificate {
    /// The certificate's and the key's.
    files: Option<(PathBuf, PathBuf)>,
    pair: ArcSwapOption<Pair>,
    /// What stood in the files when they were last looked at: links are swapped, and times lie.
    seen: AtomicU64,
}

#[derive(Debug)]
struct Pair {
    certified: Arc<CertifiedKey>,
    validity: Validity,
}

impl Certificate {
    /// The pair in these files.
    pub(super) fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, String> {
        let (texts, content) = read(cert, key)?;
        let pair = ArcSwapOption::from_pointee(Pair::parse(&texts)?);
        let files = Some((cert.to_owned(), key.to_owned()));
        Ok(Arc::new(Self { files, pair, seen: AtomicU64::new(content) }))
    }

    /// Serves this pair from now on.
    pub(super) fn serve(&self, pair: issue::Pair) -> Result<(), String> {
        let named = |name: &str, text: String| (name.to_owned(), text.into_bytes());
        let texts = Texts { cert: named("certificate", pair.cert), key: named("key", pair.key) };
        self.pair.store(Some(Arc::new(Pair::parse(&texts)?)));
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
        let now = Timestamp::now();
        let Some(pair) = self.pair.load_full() else { return Some("there is no certificate yet".to_owned()) };
        if now < pair.validity.from {
            return Some(format!("the certificate holds from {} on", pair.validity.from));
        }
        (now > pair.validity.until)
            .then(|| format!("the certificate has expired: it held until {}", pair.validity.until))
    }

    /// Until when the pair that is served holds.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        self.pair.load().as_ref().map(|pair| pair.validity.until)
    }

    /// Serves what stands in the files now, where that is another pair, and a pair; else keeps the last good one.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let Some((cert, key)) = &self.files else { return };
        let read = read(cert, key);
        let content = match &read {
            Ok((_, content)) => *content,
            Err(message) => digest(&[message]),
        };
        if content == self.seen.swap(content, Ordering::Relaxed) {
            return;
        }
        match read.and_then(|(texts, _)| Pair::parse(&texts)) {
            Ok(pair) => {
                let not_after = pair.validity.until;
                self.pair.store(Some(Arc::new(pair)));
                metrics.certificate_reloaded(true);
                info!(%not_after, "certificate reloaded");
            }
            Err(error) => {
                metrics.certificate_reloaded(false);
                warn!(error, "the new certificate can't be used; the last good one is served");
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair.load().as_ref().map(|pair| Arc::clone(&pair.certified))
    }
}

impl Pair {
    fn parse(texts: &Texts) -> Result<Self, String> {
        let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&texts.cert.1).collect();
        let (cert, key) = (&texts.cert.0, &texts.key.0);
        let certs = certs.map_err(|error| format!("{cert}: {error}"))?;
        if certs.is_empty() {
            return Err(format!("{cert}: no certificate in PEM"));
        }
        let validity = String::from_utf8_lossy(&texts.cert.1);
        let validity = Validity::of(&validity).map_err(|error| format!("{cert}: {error}"))?;
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
fn read(cert: &Path, key: &Path) -> Result<(Texts, u64), String> {
    let text = |path: &Path| {
        let bytes = contents(path)?;
        Ok::<_, String>((path.display().to_string(), bytes))
    };
    let texts = Texts { cert: text(cert)?, key: text(key)? };
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
