//! The certificate authority (CA) of `certs.mode=self`: API servers trust every served certificate,
//! even while the CA is rotated.
#![cfg(feature = "server")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use volcheck::cluster::ca::{CertificateAuthority, SecretData, needs_renewal};
use volcheck::cluster::x509::Validity;

const CA_LIFETIME: SignedDuration = SignedDuration::from_secs(900);
const CERTIFICATE_LIFETIME: SignedDuration = SignedDuration::from_secs(120);
/// The time for which a new CA is trusted before it signs certificates, in seconds.
const CA_OVERLAP: i64 = 60;
/// The longest time until an API server notices a changed registration, in seconds.
const MAX_PROPAGATION: i64 = 50;
/// The longest time between two reconciliations of a replica, in seconds.
const MAX_PERIOD: i64 = 10;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

#[derive(Default)]
struct Replica {
    /// The registered trust bundle, and the second in which the replica first saw it.
    registered: Option<(String, i64)>,
    /// The served certificate, and the certificate of the CA that signed it.
    served: Option<(String, String)>,
}

impl Replica {
    /// Simulates one iteration of `Registrar` and of the server's renewal loop. Returns the
    /// registered bundle.
    fn reconcile(&mut self, secret: &mut Option<CertificateAuthority>, now: i64) -> String {
        let is_trusted = |ca: &CertificateAuthority| {
            let registered = self.registered.as_ref().filter(|(bundle, _)| *bundle == ca.trust_bundle());
            registered.is_some_and(|(_, since)| now - since >= CA_OVERLAP)
        };
        let rotated = match &*secret {
            None => Some(CertificateAuthority::generate(at(now), CA_LIFETIME).expect("a CA")),
            Some(ca) => ca.rotate(at(now), CA_LIFETIME, is_trusted(ca)).expect("a rotation"),
        };
        if rotated.is_some() {
            *secret = rotated;
        }
        let ca = secret.as_ref().expect("a CA");
        let is_current = |(cert, signer): &(String, String)| {
            *signer == ca.current.cert && !needs_renewal(cert, at(now)).expect("a certificate")
        };
        if !self.served.as_ref().is_some_and(is_current) {
            let issued = ca.issue("volcheck.volcheck.svc", at(now), CERTIFICATE_LIFETIME);
            self.served = Some((issued.expect("a certificate").cert, ca.current.cert.clone()));
        }
        let bundle = ca.trust_bundle();
        if self.registered.as_ref().is_none_or(|(registered, _)| *registered != bundle) {
            self.registered = Some((bundle.clone(), now));
        }
        bundle
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Replicas reconcile in any order and sometimes restart, and API servers notice changes late.
    #[test]
    fn api_servers_trust_every_served_certificate(
        steps in prop::collection::vec((1..=MAX_PERIOD, 0..3_usize, prop::bool::weighted(0.02)), 300),
    ) {
        let mut replicas = [Replica::default(), Replica::default(), Replica::default()];
        let (mut secret, mut now) = (None, 0);
        // Every registered bundle, and when it was registered.
        let mut registrations: Vec<(i64, String)> = Vec::new();
        let mut cas = std::collections::BTreeSet::new();
        for (gap, first, restarts) in steps {
            now += gap;
            if restarts {
                replicas[first] = Replica::default();
            }
            let others = (0..3).filter(|other| *other != first);
            for index in std::iter::once(first).chain(others) {
                let bundle = replicas[index].reconcile(&mut secret, now);
                if registrations.last().is_none_or(|(_, last)| *last != bundle) {
                    registrations.push((now, bundle));
                }
            }
            cas.insert(secret.as_ref().expect("a CA").current.cert.clone());
            // An API server uses the registration from `MAX_PROPAGATION` seconds ago or a later
            // one.
            let oldest =
                registrations.iter().rposition(|(since, _)| now - since >= MAX_PROPAGATION).unwrap_or(0);
            for (_, bundle) in &registrations[oldest..] {
                for (cert, signer) in replicas.iter().filter_map(|replica| replica.served.as_ref()) {
                    prop_assert!(bundle.contains(signer.as_str()), "at {now}");
                    prop_assert!(Validity::from_pem(cert).expect("a certificate").not_after > at(now));
                    prop_assert!(Validity::from_pem(signer).expect("a CA").not_after > at(now));
                }
            }
        }
        // The test is meaningful only if the CA was rotated.
        prop_assert!(cas.len() >= now.unsigned_abs() as usize / 800);
    }
}

#[test]
fn secret_round_trips_and_rejects_incomplete_data() {
    let ca = CertificateAuthority::generate(at(0), CA_LIFETIME).expect("a CA");
    let due = at(CA_LIFETIME.as_secs() * 2 / 3);
    let with_next = ca.rotate(due, CA_LIFETIME, false).expect("a rotation").expect("the next CA");
    let with_previous = with_next.rotate(due, CA_LIFETIME, true).expect("a rotation").expect("a new signer");
    assert_eq!(with_previous.previous.as_ref(), Some(&ca.current.cert));
    assert_eq!(
        with_previous.trust_bundle(),
        with_next.trust_bundle(),
        "the signer changes, but the trust bundle does not"
    );
    for ca in [&ca, &with_next, &with_previous] {
        let read = CertificateAuthority::from_secret(&ca.to_secret()).expect("a CA");
        assert_eq!(read.as_ref(), Some(ca));
    }
    assert_eq!(CertificateAuthority::from_secret(&SecretData::new()).expect("no error"), None);
    for (key, value) in [("ca.crt", "garbage"), ("next.key", ""), ("ca.key", "")] {
        let mut data = with_next.to_secret();
        if value.is_empty() {
            data.remove(key);
        } else {
            data.insert(key.to_owned(), k8s_openapi::ByteString(value.into()));
        }
        let error = CertificateAuthority::from_secret(&data).expect_err("rejected").to_string();
        assert!(error.contains(key.split('.').next().expect("a name")), "{error}");
    }
}

/// A CA expires before it is replaced, for example, if the cluster is shut down for longer than the
/// CA is valid.
#[test]
fn expired_ca_is_replaced_immediately() {
    let ca = CertificateAuthority::generate(at(0), CA_LIFETIME).expect("a CA");
    let expired = at(CA_LIFETIME.as_secs());
    let replaced = ca.rotate(expired, CA_LIFETIME, false).expect("a rotation").expect("a new CA");
    assert!(Validity::from_pem(&replaced.current.cert).expect("a certificate").not_after > expired);
    assert_eq!((replaced.next, replaced.previous), (None, None));
}
