//! X.509 certificates of the CA and of the server.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;
use x509_parser::pem::parse_x509_pem;

/// A certificate and its private key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedKeyPem {
    pub cert: String,
    pub key: String,
}

/// The period of validity of a certificate, inclusive at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Validity {
    /// Returns the period of validity of the first certificate in `pem`.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
        let cert = pem.parse_x509().map_err(|error| error.to_string())?;
        let timestamp = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| error.to_string())
        };
        let validity = cert.validity();
        Ok(Self { not_before: timestamp(validity.not_before)?, not_after: timestamp(validity.not_after)? })
    }

    /// Returns the reason why the certificate is not valid at `now`, or `None` if it is valid.
    pub fn problem(&self, now: Timestamp) -> Option<String> {
        if now < self.not_before {
            return Some(format!("the certificate is not valid before {}", self.not_before));
        }
        (now > self.not_after).then(|| format!("the certificate expired at {}", self.not_after))
    }
}

/// Generates a CA with a self-signed certificate. The CA can sign serving certificates, but not
/// other CAs.
pub fn ca(validity: Validity) -> Result<CertifiedKeyPem, rcgen::Error> {
    let mut params = params(Vec::new(), validity)?;
    // Each CA has a different name, because clients find the issuer of a certificate by its name.
    params.distinguished_name.push(DnType::CommonName, format!("volcheck from {}", validity.not_before));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    Ok(CertifiedKeyPem { cert: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// Generates a serving certificate for these DNS names and IP addresses, signed by `ca`.
pub fn serving_certificate(
    names: &[String],
    ca: &CertifiedKeyPem,
    validity: Validity,
) -> Result<CertifiedKeyPem, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&ca.cert, KeyPair::from_pem(&ca.key)?)?;
    let mut params = params(names.to_vec(), validity)?;
    params.distinguished_name.push(DnType::CommonName, "volcheck");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok(CertifiedKeyPem { cert: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

fn params(names: Vec<String>, validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let time = |at: Timestamp| {
        // This never fails, because the `time` crate can represent every second that jiff can.
        OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|_| rcgen::Error::Time)
    };
    params.not_before = time(validity.not_before)?;
    params.not_after = time(validity.not_after)?;
    Ok(params)
}
