//! `volcheck certs`: an authority and a certificate for a cluster that has nobody else to issue one.
//!
//! The authority's key is thrown away: what can sign for the webhook can be the webhook.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::{ToSpan, civil::Date};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::args::CertsArgs;
use super::{CLEAN, complain};

pub(super) fn run(arguments: &CertsArgs) -> anyhow::Result<u8> {
    let folder = &arguments.folder;
    let files = ["ca.crt", "tls.crt", "tls.key"].map(|name| folder.join(name));
    if let Some(file) = files.iter().find(|file| file.exists()) {
        bail!("{} is there already", file.display());
    }
    let name = format!("{}.{}.svc", arguments.service, arguments.namespace);
    let today = crate::policy::today();
    let until = today.checked_add(i64::from(arguments.days).days()).context("--days")?;
    let [ca, cert, key] = issue(&name, today, until)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (path, text, is_secret) in [(&files[2], key, true), (&files[1], cert, false), (&files[0], ca, false)]
    {
        write(path, &text, is_secret).with_context(|| path.display().to_string())?;
    }
    let (shown, namespace) = (folder.display(), &arguments.namespace);
    complain(&format!(
        "Wrote ca.crt, tls.crt and tls.key, for {name} until {until}. With them:\n\
         \x20 kubectl create namespace {namespace}\n\
         \x20 kubectl --namespace {namespace} create secret tls volcheck-tls --cert {shown}/tls.crt --key {shown}/tls.key\n\
         \x20 helm install volcheck charts/volcheck --namespace {namespace} --set-file certs.caBundle={shown}/ca.crt\n"
    ));
    Ok(CLEAN)
}

/// An authority's certificate, one that it signs for `name`, and that one's key, in PEM.
fn issue(name: &str, from: Date, until: Date) -> anyhow::Result<[String; 3]> {
    let valid = |params: &mut CertificateParams| -> anyhow::Result<()> {
        let time = |day: Date| {
            rcgen::date_time_ymd(day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
        };
        // Clocks differ.
        params.not_before = time(from.yesterday()?);
        params.not_after = time(until);
        Ok(())
    };
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, format!("authority of {name}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    valid(&mut ca)?;
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let mut leaf = CertificateParams::new(vec![name.to_owned()])?;
    leaf.distinguished_name.push(DnType::CommonName, name);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid(&mut leaf)?;
    let key = KeyPair::generate()?;
    let cert = leaf.signed_by(&key, &ca)?;
    Ok([ca.pem(), cert.pem(), key.serialize_pem()])
}

/// Writes a file that isn't there yet; a secret for its owner alone.
fn write(path: &Path, text: &str, is_secret: bool) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = is_secret;
    options.open(path)?.write_all(text.as_bytes())
}
