//! Client authentication. A client certificate must be signed by a CA in the CA file. If there is a
//! list of allowed names, the certificate must also have one of them. The CA file is reloaded when
//! it changes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

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

use super::ClientAuthSettings;
use super::certificate::{crypto_provider, read_file};
use super::metrics::Metrics;

/// A verifier of client certificates.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    settings: ClientAuthSettings,
    ca_verifier: ArcSwap<CaVerifier>,
    /// The contents of the CA file when it was last read, or the error of reading it.
    last_read: Mutex<Result<Vec<u8>, String>>,
}

/// A verifier that accepts certificates signed by a CA in the file. It wraps the trait object
/// because `ArcSwap` needs a sized type.
#[derive(Debug)]
struct CaVerifier(Arc<dyn ClientCertVerifier>);

impl ClientVerifier {
    pub(super) fn load(settings: ClientAuthSettings) -> Result<Self, String> {
        let pem = read_file(&settings.ca)?;
        let ca_verifier = ArcSwap::from_pointee(CaVerifier::parse(&settings.ca, &pem)?);
        Ok(Self { settings, ca_verifier, last_read: Mutex::new(Ok(pem)) })
    }

    /// Reloads the CA file if it has changed. Keeps the active CAs if the file cannot be used.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let pem = read_file(&self.settings.ca);
        if pem == *last_read {
            return;
        }
        let verifier = match &pem {
            Ok(pem) => CaVerifier::parse(&self.settings.ca, pem),
            Err(error) => Err(error.clone()),
        };
        *last_read = pem;
        metrics.record_certificate_reload(verifier.is_ok());
        match verifier {
            Ok(verifier) => {
                self.ca_verifier.store(Arc::new(verifier));
                info!("client CA reloaded");
            }
            Err(error) => warn!(error, "failed to reload client CA, keeping the last valid one"),
        }
    }

    fn ca_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.ca_verifier.load().0)
    }

    /// Checks whether the certificate has an allowed name. An empty list allows all names.
    fn has_allowed_name(&self, cert: &CertificateDer<'_>) -> bool {
        let allowed_names = &self.settings.allowed_names;
        if allowed_names.is_empty() {
            return true;
        }
        let Ok((_, cert)) = X509Certificate::from_der(cert) else { return false };
        let common_names = cert.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let alternative_names = cert.subject_alternative_name().ok().flatten();
        let alternative_names = alternative_names.iter().flat_map(|names| &names.value.general_names);
        let dns_names = alternative_names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        });
        common_names.chain(dns_names).any(|name| allowed_names.iter().any(|allowed| allowed == name))
    }
}

impl CaVerifier {
    fn parse(file: &Path, pem: &[u8]) -> Result<Self, String> {
        let file_error = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let mut roots = RootCertStore::empty();
        for cert in CertificateDer::pem_slice_iter(pem) {
            let cert = cert.map_err(|error| file_error(&error))?;
            roots.add(cert).map_err(|error| file_error(&error))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto_provider()).build();
        Ok(Self(verifier.map_err(|error| file_error(&error))?))
    }
}

impl ClientCertVerifier for ClientVerifier {
    /// Returns no names of CAs, because the CAs can change. Clients that get no names send any
    /// certificate that they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.ca_verifier().verify_client_cert(cert, intermediates, now)?;
        let is_allowed = self.has_allowed_name(cert);
        is_allowed.then_some(verified).ok_or(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ca_verifier().verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ca_verifier().verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ca_verifier().supported_verify_schemes()
    }
}
