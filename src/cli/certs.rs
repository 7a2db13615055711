//! `volcheck certs`: an authority and a certificate for a cluster that has nobody else to issue one.
//!
//! The authority's key is thrown away: what can sign for the webhook can be the webhook.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::args::CertsArgs;
use super::{EXIT_OK, eprint};
use crate::cluster::issue::{self, Pair, Validity};

pub(super) fn run(arguments: &CertsArgs) -> anyhow::Result<u8> {
    let folder = &arguments.folder;
    let files = ["ca.crt", "tls.crt", "tls.key"].map(|name| folder.join(name));
    if let Some(file) = files.iter().find(|file| file.exists()) {
        bail!("{} is there already", file.display());
    }
    let name = format!("{}.{}.svc", arguments.service, arguments.namespace);
    let today = crate::policy::today();
    let until = today.checked_add(i64::from(arguments.days).days()).context("--days")?;
    let midnight = |day: jiff::civil::Date| anyhow::Ok(day.to_zoned(TimeZone::UTC)?.timestamp());
    // Clocks differ.
    let validity = Validity { from: midnight(today.yesterday()?)?, until: midnight(until)? };
    let authority = issue::authority(validity)?;
    let Pair { cert, key } = issue::server(&name, &authority, validity)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (path, text, is_secret) in
        [(&files[2], key, true), (&files[1], cert, false), (&files[0], authority.cert, false)]
    {
        write(path, &text, is_secret).with_context(|| path.display().to_string())?;
    }
    let (shown, namespace) = (folder.display(), &arguments.namespace);
    eprint(&format!(
        "Wrote ca.crt, tls.crt and tls.key, for {name} until {until}. With them:\n\
         \x20 kubectl create namespace {namespace}\n\
         \x20 kubectl --namespace {namespace} create secret tls volcheck-tls --cert {shown}/tls.crt --key {shown}/tls.key\n\
         \x20 helm install volcheck charts/volcheck --namespace {namespace} --set certs.mode=secret --set-file certs.caBundle={shown}/ca.crt\n"
    ));
    Ok(EXIT_OK)
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
