//! A sub path mount never receives the updates of its volume.
//!
//! ## What it does
//!
//! Reports each mount of a `configMap`, `secret`, `downwardAPI` or `projected` volume with a
//! `subPath` or `subPathExpr`. Also reports such a mount of a `csi` volume if its driver is the
//! Secrets Store CSI driver or a CSI driver of cert-manager. These drivers write secrets or
//! certificates, and update them.
//!
//! The severity is warning if the mounted file, or a file in the mounted directory, usually has an
//! expiry date. volcheck assumes this for:
//!
//! - tokens of the ServiceAccount
//! - the certificates of a `clusterTrustBundle`
//! - all files of a `projected` volume with a `podCertificate`
//! - a file from a Secret, if its key, file name or mount path suggests a token or certificate. An
//!   example is the key `tls.crt`.
//! - all files of the CSI drivers mentioned above
//!
//! For other files, the severity is info.
//!
//! Mounts of init containers are not reported, because init containers end before the main
//! containers start. Mounts of sidecars are reported. A `subPath` of `.` is not reported, because
//! it is the whole volume and receives updates.
//!
//! ## Why is this bad?
//!
//! To update such a volume, the kubelet and these CSI drivers write the files to a new directory
//! and delete the old directory. A sub path mount stays bound to the file in the old directory, so
//! the container keeps using the settings and keys from the time it started. When a token or
//! certificate is rotated, the container keeps the old token or certificate, which eventually
//! expires.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /etc/nginx/nginx.conf
//!       subPath: nginx.conf # finding
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! Use instead:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//!     args: [nginx, -c, /settings/nginx.conf]
//!     volumeMounts:
//!     - name: settings
//!       mountPath: /settings
//!   volumes:
//!   - name: settings
//!     configMap:
//!       name: settings
//! ```
//!
//! ## When to allow it
//!
//! Allow it if each change creates new Pods anyway. For example, the ConfigMap's name contains a
//! hash, as with `configMapGenerator` of kustomize, or an annotation of the Pod template contains a
//! checksum. Also allow it for a ConfigMap or Secret with `immutable: true`.
//!
//! ## References
//!
//! - [Kubernetes: ConfigMaps](https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically)
//! - [Secrets Store CSI driver: secrets not rotated when using subPath](https://secrets-store-csi-driver.sigs.k8s.io/known-limitations#secrets-not-rotated-when-using-subpath-volume-mount)

use super::support::wording::{container, quoted};
use super::{Check, Context, FixClass, Group, MatchKey, ObjectKinds, Rule};
use crate::finding::{Finding, RuleId, Severity};
use crate::model::{HostPath, KeySource, ProjectedPart, Volume, VolumeMount, VolumeSource};

pub(super) const RULE: Rule = Rule {
    id: RuleId::new("stale-sub-path"),
    summary: "a sub path mount never receives the updates of its volume",
    group: Group::Mounts,
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    match_keys: &[MatchKey::Volume, MatchKey::Container, MatchKey::Path],
    objects: ObjectKinds::ExceptPersistentVolume,
    lint_only: None,
    source: include_str!("stale_sub_path.rs"),
    check: Check::Volumes(check),
};

const HELP: &str = "mount the whole volume at a separate directory and configure the program to read it there, or \
                    restart the Pods after each change";

/// CSI drivers that write keys, certificates or other secrets, and replace them.
const SECRET_DRIVERS: &[&str] = &[
    "csi.cert-manager.io",
    "secrets-store.csi.k8s.io",
    "secrets-store-gke.csi.k8s.io",
    "spiffe.csi.cert-manager.io",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(pod) = cx.pod() else { return };
    for mount in pod.mounts().filter(|mount| !mount.container.ends_before_main()) {
        let Some((key, sub_path)) = mount.mount.sub_path_entry() else { continue };
        if HostPath::in_container(sub_path).is_root() {
            continue;
        }
        let Some(volume) = pod.volume(&mount.mount.name) else { continue };
        let Some(source) = updated_source(volume) else { continue };
        let (container, path) = (container(mount.container), quoted(sub_path));
        let name = quoted(&volume.name);
        let message = format!("{container} never sees updates of {path} in `{source}` volume {name}");
        let expiring = expiring_content(volume, mount.mount, sub_path);
        let (severity, why) = match expiring {
            Some(content) => (
                Severity::Warning,
                format!("the mount stays bound to the old file, and the {content} in it may expire"),
            ),
            None => {
                let why = "the mount stays bound to the file that existed when the container started";
                (Severity::Info, why.to_owned())
            }
        };
        let updater = if source == "csi" { "updated by the CSI driver" } else { "updated by the kubelet" };
        out.push(
            Finding::new(RULE.id, severity, mount.path().key(key), message)
                .related(volume.path.clone(), updater)
                .why(why)
                .help(HELP)
                .volume(&volume.name)
                .container(&mount.container.name)
                .path(sub_path),
        );
    }
}

/// Returns the key of the volume's source if the files in it are replaced while the Pod runs.
fn updated_source<'v>(volume: &'v Volume<'_>) -> Option<&'v str> {
    let key = volume.source_key()?;
    let is_updated = match volume.source()? {
        VolumeSource::Csi(csi) => SECRET_DRIVERS.contains(&&*csi.driver),
        _ => matches!(key, "configMap" | "secret" | "downwardAPI" | "projected"),
    };
    is_updated.then_some(key)
}

/// Returns the noun for the content at a path in a volume if it usually has an expiry date.
fn expiring_content(volume: &Volume<'_>, mount: &VolumeMount<'_>, sub_path: &str) -> Option<&'static str> {
    match volume.source()? {
        VolumeSource::Csi(_) => Some("secret"),
        VolumeSource::Projected(projected) => {
            projected.sources.iter().find_map(|part| expiring_part(part, mount, sub_path))
        }
        _ => None,
    }
}

fn expiring_part(part: &ProjectedPart<'_>, mount: &VolumeMount<'_>, sub_path: &str) -> Option<&'static str> {
    if part.service_account_token.as_ref().is_some_and(|token| contains(sub_path, &token.path)) {
        return Some("token");
    }
    let is_bundle = part.cluster_trust_bundle.as_ref().is_some_and(|bundle| contains(sub_path, &bundle.path));
    if is_bundle || part.pod_certificate.is_some() {
        return Some("certificate");
    }
    secret_content(part.secret.as_ref()?, mount, sub_path)
}

/// Returns the noun for the content of a Secret at `sub_path` if a name suggests it: the key in the
/// Secret, or the name of the file in the volume or in the container.
fn secret_content(secret: &KeySource<'_>, mount: &VolumeMount<'_>, sub_path: &str) -> Option<&'static str> {
    let items: Vec<_> = secret.items.iter().filter(|item| contains(sub_path, &item.path)).collect();
    if items.is_empty() && !secret.items.is_empty() {
        return None;
    }
    let keys = items.iter().flat_map(|item| [&*item.key, file_name(&item.path)]);
    keys.chain([file_name(sub_path), file_name(&mount.mount_path)]).find_map(content_of)
}

/// Checks whether `sub_path` is the path of `file` in the volume, or a directory that contains it.
fn contains(sub_path: &str, file: &str) -> bool {
    fn segments(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|segment| !matches!(*segment, "" | "."))
    }
    let mut file = segments(file);
    segments(sub_path).all(|segment| file.next() == Some(segment))
}

fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default()
}

/// Returns the noun for the content that the name of a file suggests.
fn content_of(name: &str) -> Option<&'static str> {
    const CERTIFICATE_EXTENSIONS: &[&str] =
        &["cer", "cert", "crt", "jks", "key", "keystore", "p12", "pem", "pfx", "truststore"];
    let name = name.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if name.ends_with("token") || extension == "jwt" {
        Some("token")
    } else if CERTIFICATE_EXTENSIONS.contains(&extension) || matches!(&*name, "keystore" | "truststore") {
        Some("certificate")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::content_of;

    #[test]
    fn recognizes_expiring_content_by_name() {
        for name in ["tls.crt", "tls.key", "CA.pem", "keystore.jks", "truststore", "client.p12"] {
            assert_eq!(content_of(name), Some("certificate"), "{name}");
        }
        for name in ["token", "vault-token", "id.jwt"] {
            assert_eq!(content_of(name), Some("token"), "{name}");
        }
        for name in ["", "config.yaml", "keys.json", "tokens", "certs", "key", "crt.d"] {
            assert_eq!(content_of(name), None, "{name}");
        }
    }
}
