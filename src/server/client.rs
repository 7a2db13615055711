//! Clients that show who they are: by an authority in a file, read again when it changes, and by their names.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use tracing::{info, warn};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::ClientSettings;
use super::certificate::{contents, provider};
use super::metrics::Metrics;
use crate::finding::digest;

/// Who may ask.
#[derive(Debug)]
pub(super) struct Clients {
    settings: ClientSettings,
    verifier: ArcSwap<Verifier>,
    /// What stood in the file when it was last looked at.
    seen: AtomicU64,
}

/// By the authorities of the file. Of a type with a size, for the swap.
#[derive(Debug)]
struct Verifier(Arc<dyn ClientCertVerifier>);

impl Clients {
    /// By the authorities that stand in the file now.
    pub(super) fn load(settings: ClientSettings) -> Result<Self, String> {
        let text = contents(&settings.ca);
        let seen = AtomicU64::new(content(&text));
        let verifier = ArcSwap::from_pointee(Verifier::parse(&settings.ca, &text?)?);
        Ok(Self { settings, verifier, seen })
    }

    /// Believes the authorities that stand in the file now, where they are others, and some; else those of before.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let text = contents(&self.settings.ca);
        let content = content(&text);
        if content == self.seen.swap(content, Ordering::Relaxed) {
            return;
        }
        let verifier = text.and_then(|text| Verifier::parse(&self.settings.ca, &text));
        metrics.certificate_reloaded(verifier.is_ok());
        match verifier {
            Ok(verifier) => {
                self.verifier.store(Arc::new(verifier));
                info!("authorities of clients reloaded");
            }
            Err(error) => {
                warn!(error, "the new authorities of clients can't be used; those of before are believed");
            }
        }
    }

    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier.load().0)
    }

    /// Whether the certificate has one of the names that may ask; all do where none is named.
    fn knows(&self, cert: &CertificateDer<'_>) -> bool {
        let known = &self.settings.names;
        if known.is_empty() {
            return true;
        }
        let Ok((_, cert)) = X509Certificate::from_der(cert) else { return false };
        let common = cert.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let alternative = cert.subject_alternative_name().ok().flatten();
        let alternative = alternative.iter().flat_map(|names| &names.value.general_names);
        let dns = alternative.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        });
        common.chain(dns).any(|name| known.iter().any(|known| known == name))
    }
}

impl Verifier {
    fn parse(file: &Path, text: &[u8]) -> Result<Self, String> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let mut roots = RootCertStore::empty();
        for cert in CertificateDer::pem_slice_iter(text) {
            let cert = cert.map_err(|error| named(&error))?;
            roots.add(cert).map_err(|error| named(&error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        Ok(Self(verifier.map_err(|error| named(&error))?))
    }
}

/// A number for what stands in a file, or for why it can't be read.
fn content(text: &Result<Vec<u8>, String>) -> u64 {
    match text {
        Ok(text) => digest(&[&String::from_utf8_lossy(text)]),
        Err(error) => digest(&[error]),
    }
}

impl ClientCertVerifier for Clients {
    /// None: the authorities may be others by the next connection, and clients without hints show what they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.now().verify_client_cert(cert, intermediates, now)?;
        let is_known = self.knows(cert);
        is_known.then_some(verified).ok_or(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}
