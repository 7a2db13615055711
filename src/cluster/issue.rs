//! Certificates: an authority's, and what it signs.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;
use x509_parser::pem::parse_x509_pem;

/// A certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key, which nobody else may see.
    pub key: String,
}

/// When a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Validity {
    /// Of the first certificate in PEM.
    pub fn of(cert: &str) -> Result<Self, String> {
        let (_, pem) = parse_x509_pem(cert.as_bytes()).map_err(|error| error.to_string())?;
        let parsed = pem.parse_x509().map_err(|error| error.to_string())?;
        let second = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| error.to_string())
        };
        let validity = parsed.validity();
        Ok(Self { from: second(validity.not_before)?, until: second(validity.not_after)? })
    }

    /// Why the certificate is of no use at `now`.
    pub fn problem(&self, now: Timestamp) -> Option<String> {
        match (now < self.from, now > self.until) {
            (true, _) => Some(format!("the certificate holds from {} on", self.from)),
            (_, true) => Some(format!("the certificate has expired: it held until {}", self.until)),
            (false, false) => None,
        }
    }
}

/// A new authority.
pub fn authority(validity: Validity) -> Result<Pair, rcgen::Error> {
    let mut params = params(Vec::new(), validity)?;
    // Each has a name of its own: by it a client finds the one that signed.
    params.distinguished_name.push(DnType::CommonName, format!("volcheck from {}", validity.from));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    Ok(Pair { cert: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// A certificate of a server that is called `name`, signed by `authority`.
pub fn server(name: &str, authority: &Pair, validity: Validity) -> Result<Pair, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&authority.cert, KeyPair::from_pem(&authority.key)?)?;
    let mut params = params(vec![name.to_owned()], validity)?;
    params.distinguished_name.push(DnType::CommonName, "volcheck");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok(Pair { cert: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

fn params(names: Vec<String>, validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let time = |at: Timestamp| {
        // Every second that jiff knows is one that `time` knows.
        OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|_| rcgen::Error::Time)
    };
    params.not_before = time(validity.from)?;
    params.not_after = time(validity.until)?;
    Ok(params)
}
