//! `volcheck certs`: generates a CA and a serving certificate, for clusters without another issuer.
//!
//! The private key of the CA is not written, because anyone who has it can impersonate the webhook.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::args::CertsArgs;
use super::{EXIT_OK, eprint};
use crate::cluster::x509::{self, CertifiedKeyPem, Validity};

pub(super) fn run(arguments: &CertsArgs) -> anyhow::Result<u8> {
    let directory = &arguments.directory;
    let files = ["ca.crt", "tls.crt", "tls.key"].map(|name| directory.join(name));
    if let Some(file) = files.iter().find(|file| file.exists()) {
        bail!("`{}` already exists", file.display());
    }
    let name = format!("{}.{}.svc", arguments.service, arguments.namespace);
    let today = crate::policy::today();
    let last_day = today.checked_add(i64::from(arguments.days).days()).context("--days")?;
    let midnight = |day: jiff::civil::Date| anyhow::Ok(day.to_zoned(TimeZone::UTC)?.timestamp());
    // Valid from yesterday, for clients whose clocks are slow.
    let validity = Validity { not_before: midnight(today.yesterday()?)?, not_after: midnight(last_day)? };
    let ca = x509::ca(validity)?;
    let CertifiedKeyPem { cert, key } = x509::serving_certificate(&name, &ca, validity)?;
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    for (path, text, is_secret) in
        [(&files[2], key, true), (&files[1], cert, false), (&files[0], ca.cert, false)]
    {
        write_new(path, &text, is_secret).with_context(|| path.display().to_string())?;
    }
    let (shown, namespace) = (directory.display(), &arguments.namespace);
    // By default, the chart's Service has the name of the release.
    let name_flag = match arguments.service.as_str() {
        "volcheck" => String::new(),
        service => format!(" --set fullnameOverride={service}"),
    };
    eprint(&format!(
        "Wrote ca.crt, tls.crt and tls.key for {name}, valid until {last_day}. To use them:\n\
         \x20 kubectl create namespace {namespace}\n\
         \x20 kubectl --namespace {namespace} create secret tls volcheck-tls --cert {shown}/tls.crt --key {shown}/tls.key\n\
         \x20 helm install volcheck charts/volcheck --namespace {namespace}{name_flag} --set certs.mode=secret --set-file certs.caBundle={shown}/ca.crt\n"
    ));
    Ok(EXIT_OK)
}

/// Creates a file, or returns an error if it exists. On Unix, only the owner can read a secret
/// file.
fn write_new(path: &Path, text: &str, is_secret: bool) -> std::io::Result<()> {
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
