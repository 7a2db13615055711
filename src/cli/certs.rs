//! `volcheck certs`: generates a CA and a serving certificate.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

use super::args::CertsArgs;
use super::{EXIT_OK, eprint};
use crate::install;

pub(super) fn run(arguments: &CertsArgs) -> anyhow::Result<u8> {
    let directory = &arguments.directory;
    let files = ["tls.key", "tls.crt", "ca.crt"].map(|name| directory.join(name));
    if let Some(file) = files.iter().find(|file| file.exists()) {
        bail!("`{}` already exists", file.display());
    }
    let (service, namespace) = (&arguments.service, &arguments.namespace);
    let service_name = format!("{service}.{namespace}.svc");
    let names = if arguments.name.is_empty() { vec![service_name] } else { arguments.name.clone() };
    let made = install::certificates(&names, crate::policy::today(), arguments.days)
        .map_err(|error| anyhow!(error))?;
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    for (path, text) in files.iter().zip([made.key, made.cert, made.ca]) {
        write_new(path, &text, *path == files[0]).with_context(|| path.display().to_string())?;
    }
    let shown = directory.display();
    let usage = if arguments.name.is_empty() {
        // By default, the chart's Service has the name of the release.
        let name_flag = match service.as_str() {
            "volcheck" => String::new(),
            service => format!(" --set fullnameOverride={service}"),
        };
        format!(
            "\x20 kubectl create namespace {namespace}\n\
             \x20 kubectl --namespace {namespace} create secret tls volcheck-tls --cert {shown}/tls.crt --key {shown}/tls.key\n\
             \x20 helm install volcheck charts/volcheck --namespace {namespace}{name_flag} --set certs.mode=secret --set-file certs.caBundle={shown}/ca.crt\n"
        )
    } else {
        let host = if names[0].contains(':') { format!("[{}]", names[0]) } else { names[0].clone() };
        format!(
            "\x20 volcheck serve --tls-cert {shown}/tls.crt --tls-key {shown}/tls.key --tls-name {}\n\
             \x20 volcheck manifest --static https://{host}:10250 --ca-bundle {shown}/ca.crt\n",
            names[0]
        )
    };
    let (names, expires_on) = (names.join(", "), made.expires_on);
    eprint(&format!(
        "Wrote ca.crt, tls.crt and tls.key for {names}, valid until {expires_on}. To use them:\n{usage}"
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
