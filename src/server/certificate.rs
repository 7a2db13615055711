//! The serving certificate. It is either read from files, and reloaded when they change, or issued
//! by volcheck's own CA.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::cluster::x509::{CertifiedKeyPem, Validity};

/// The files of a serving certificate.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate followed by its intermediates, in PEM.
    pub cert: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
    /// The server name that the certificate must be valid for. If `None`, the name is not checked.
    pub server_name: Option<ServerName<'static>>,
}

/// The TLS protocol versions and cipher suites of the webhook port.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    min_version: TlsVersion,
    /// The cipher suites. If empty, all suites that volcheck supports.
    cipher_suites: Vec<CipherSuite>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// A cipher suite that volcheck supports.
#[derive(Clone, Copy, Debug)]
pub struct CipherSuite(SupportedCipherSuite);

impl TlsSettings {
    /// Returns an error if the minimum version excludes one of the cipher suites. If there are no
    /// cipher suites, all suites that volcheck supports are used.
    pub fn new(min_version: TlsVersion, cipher_suites: Vec<CipherSuite>) -> Result<Self, String> {
        match cipher_suites.iter().find(|suite| suite.version() < min_version) {
            None => Ok(Self { min_version, cipher_suites }),
            Some(suite) => {
                Err(format!("`{suite}` is a cipher suite of TLS 1.2, but the minimum version is 1.3"))
            }
        }
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match self.min_version {
            TlsVersion::Tls12 => vec![&version::TLS13, &version::TLS12],
            TlsVersion::Tls13 => vec![&version::TLS13],
        }
    }

    fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = ring::default_provider();
        if !self.cipher_suites.is_empty() {
            provider.cipher_suites = self.cipher_suites.iter().map(|suite| suite.0).collect();
        }
        Arc::new(provider)
    }
}

impl FromStr for TlsVersion {
    type Err = String;

    fn from_str(version: &str) -> Result<Self, String> {
        match version {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err("unknown TLS version, expected 1.2 or 1.3".to_owned()),
        }
    }
}

impl CipherSuite {
    fn version(self) -> TlsVersion {
        if self.0.tls13().is_some() { TlsVersion::Tls13 } else { TlsVersion::Tls12 }
    }

    /// Returns all cipher suites that volcheck supports.
    fn all() -> impl Iterator<Item = Self> {
        ring::ALL_CIPHER_SUITES.iter().copied().map(Self)
    }
}

impl fmt::Display for CipherSuite {
    /// Writes the IANA name. For TLS 1.3, the names in rustls start with `TLS13_` instead of
    /// `TLS_`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:?}", self.0.suite()).replacen("TLS13_", "TLS_", 1))
    }
}

impl FromStr for CipherSuite {
    type Err = String;

    /// Parses an IANA name, such as `TLS_AES_128_GCM_SHA256`.
    fn from_str(name: &str) -> Result<Self, String> {
        Self::all().find(|suite| suite.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = Self::all().map(|suite| suite.to_string()).collect();
            format!("unknown cipher suite, expected one of {}", names.join(", "))
        })
    }
}

/// The certificate that the server presents to clients.
#[derive(Default)]
pub(super) struct ServingCertificate {
    files: Option<CertificateFiles>,
    active: ArcSwapOption<ActiveCertificate>,
    reload_state: Mutex<ReloadState>,
}

struct ActiveCertificate {
    certified_key: Arc<CertifiedKey>,
    validity: Validity,
}

/// The state of reloading. The server detects changes by comparing contents. Modification times are
/// unreliable, because the kubelet updates a Secret volume by replacing a symbolic link.
#[derive(Default)]
struct ReloadState {
    /// The contents of the files of the active certificate.
    active: Option<PemPair>,
    /// The contents that were last rejected and logged, or the error of reading the files.
    rejected: Option<Result<PemPair, String>>,
    /// Whether a warning about the active certificate has been logged.
    is_problem_logged: bool,
}

/// A certificate chain and its private key.
#[derive(PartialEq, Eq)]
struct PemPair {
    cert: PemFile,
    key: PemFile,
}

#[derive(PartialEq, Eq)]
struct PemFile {
    /// The name of the file in error messages.
    name: String,
    bytes: Vec<u8>,
}

impl ServingCertificate {
    pub(super) fn load(files: &CertificateFiles) -> Result<Arc<Self>, String> {
        let pem = PemPair::read(files)?;
        let active = ActiveCertificate::parse(&pem, files.server_name.as_ref())?;
        let reload_state = ReloadState { active: Some(pem), ..ReloadState::default() };
        Ok(Arc::new(Self {
            files: Some(files.clone()),
            active: ArcSwapOption::from_pointee(active),
            reload_state: Mutex::new(reload_state),
        }))
    }

    /// Activates a certificate that volcheck's own CA has issued.
    pub(super) fn replace(&self, pair: CertifiedKeyPem) -> Result<(), String> {
        let file = |name: &str, text: String| PemFile { name: name.to_owned(), bytes: text.into_bytes() };
        let pem = PemPair { cert: file("certificate", pair.cert), key: file("key", pair.key) };
        self.active.store(Some(Arc::new(ActiveCertificate::parse(&pem, None)?)));
        Ok(())
    }

    /// Returns the TLS configuration of the webhook port, with HTTP/1.1 only. The API server uses
    /// HTTP/1.1 for all webhooks that are not on localhost.
    pub(super) fn server_config(
        self: &Arc<Self>,
        settings: &TlsSettings,
        client_verifier: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(settings.provider())
            .with_protocol_versions(&settings.versions())?;
        let verifies_clients = client_verifier.is_some();
        let builder = match client_verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if verifies_clients {
            // Disable session resumption, because it skips the verification of client certificates.
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(config)
    }

    /// Returns the reason why there is no valid certificate, or `None` if the active one is valid.
    pub(super) fn problem(&self) -> Option<String> {
        let Some(active) = self.active.load_full() else { return Some("no certificate yet".to_owned()) };
        active.validity.problem(Timestamp::now())
    }

    /// Returns the expiration time of the active certificate, or `None` if there is no certificate
    /// yet.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        self.active.load().as_ref().map(|active| active.validity.not_after)
    }

    /// Reloads the files if they have changed. Keeps the active certificate if the new one cannot
    /// be used. Logs a warning once if the active certificate is not valid. Does nothing if the
    /// certificate is not read from files.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let Some(files) = &self.files else { return };
        let mut state = self.reload_state.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload_files(files, &mut state, metrics);
        let problem = self.problem();
        if let Some(problem) = &problem
            && !state.is_problem_logged
        {
            warn!(reason = problem, "serving certificate is not valid");
        }
        state.is_problem_logged = problem.is_some();
    }

    fn reload_files(&self, files: &CertificateFiles, state: &mut ReloadState, metrics: &Metrics) {
        let pem = PemPair::read(files);
        if pem.as_ref().ok() == state.active.as_ref() {
            state.rejected = None;
            return;
        }
        let certificate = match &pem {
            Ok(pem) => ActiveCertificate::parse(pem, files.server_name.as_ref()),
            Err(error) => Err(error.clone()),
        };
        match certificate.and_then(|certificate| self.accept(certificate)) {
            Ok(certificate) => {
                let not_after = certificate.validity.not_after;
                self.active.store(Some(Arc::new(certificate)));
                state.active = pem.ok();
                metrics.record_certificate_reload(true);
                info!(%not_after, "certificate reloaded");
            }
            // Check rejected contents again at each reload: the certificate may become valid later.
            Err(error) => {
                let rejected = Some(pem);
                if state.rejected != rejected {
                    metrics.record_certificate_reload(false);
                    warn!(error, "failed to reload certificate, keeping the last valid one");
                    state.rejected = rejected;
                }
            }
        }
    }

    /// Returns `certificate`, or an error if it is not valid now but the active certificate is.
    fn accept(&self, certificate: ActiveCertificate) -> Result<ActiveCertificate, String> {
        match certificate.validity.problem(Timestamp::now()) {
            Some(problem) if self.problem().is_none() => Err(problem),
            _ => Ok(certificate),
        }
    }
}

impl fmt::Debug for ServingCertificate {
    /// Omits the contents, which include the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.active.load().as_ref().map(|active| Arc::clone(&active.certified_key))
    }
}

impl ActiveCertificate {
    /// Parses a certificate and its key. Checks that they match and that the certificate is valid
    /// for `server_name`, but does not check its period of validity.
    fn parse(pem: &PemPair, server_name: Option<&ServerName<'_>>) -> Result<Self, String> {
        let (cert, key) = (&pem.cert.name, &pem.key.name);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.cert.bytes).collect();
        let chain = chain.map_err(|error| format!("{cert}: {error}"))?;
        let Some(leaf) = chain.first() else { return Err(format!("{cert}: no PEM certificate")) };
        if let Some(name) = server_name {
            ParsedCertificate::try_from(leaf)
                .and_then(|leaf| verify_server_name(&leaf, name))
                .map_err(|error| format!("{cert} is not valid for {}: {error}", name.to_str()))?;
        }
        let validity = Validity::from_pem(&String::from_utf8_lossy(&pem.cert.bytes))
            .map_err(|error| format!("{cert}: {error}"))?;
        let private_key =
            PrivateKeyDer::from_pem_slice(&pem.key.bytes).map_err(|error| format!("{key}: {error}"))?;
        let signing_key =
            ring::sign::any_supported_type(&private_key).map_err(|error| format!("{key}: {error}"))?;
        let certified_key = CertifiedKey::new(chain, signing_key);
        certified_key.keys_match().map_err(|_| format!("{key} does not match {cert}"))?;
        Ok(Self { certified_key: Arc::new(certified_key), validity })
    }
}

impl PemPair {
    fn read(files: &CertificateFiles) -> Result<Self, String> {
        let file = |path: &Path| {
            Ok::<_, String>(PemFile { name: path.display().to_string(), bytes: read_file(path)? })
        };
        Ok(Self { cert: file(&files.cert)?, key: file(&files.key)? })
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Returns the `ring` crypto provider. It must be passed explicitly, because rustls has no default
/// if several providers are compiled in.
pub(super) fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
