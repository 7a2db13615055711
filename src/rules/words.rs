//! Wording that several rules share, and the shape of their findings.

use std::borrow::Cow;

use super::catalog::Class;
use super::context::{HostUse, HostVolume};
use super::meta::Meta;
use crate::finding::{Edit, EditValue, Finding, Fix, Safety, Severity};
use crate::model::{Container, ContainerList, ContainerMount, Piece, pieces, printable};

/// A name or a path of the user, in back-ticks, with nothing in it that could turn the message.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(&printable(text)))
}

/// Long texts of users would bury the message: the API server accepts paths of a megabyte.
fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// `container`, `init container` or `ephemeral container`, and its name.
pub(crate) fn container(container: &Container<'_>) -> String {
    let what = match container.list {
        ContainerList::Init if container.is_sidecar() => "sidecar",
        ContainerList::Init => "init container",
        ContainerList::Main => "container",
        ContainerList::Ephemeral => "ephemeral container",
    };
    if container.name.is_empty() {
        return format!("the {what} at {}", quoted(&container.path.to_string()));
    }
    format!("{what} {}", quoted(&container.name))
}

/// The path that a use reaches, as the user wrote it: with the mount's sub-path where there is one.
pub(crate) fn reached(volume: &HostVolume<'_>, used: &HostUse<'_>) -> String {
    let below = used.mount.and_then(|of| of.mount.sub_path_entry()).map_or("", |(_, text)| text);
    match below {
        "" => quoted(volume.path),
        below => quoted(&format!("{}/{below}", volume.path.trim_end_matches('/'))),
    }
}

/// `volume` and its name, or what a PersistentVolume is.
pub(crate) fn volume(host: &HostVolume<'_>) -> String {
    match host.volume {
        Some(_) => format!("volume {}", quoted(host.name)),
        None => "this PersistentVolume".to_owned(),
    }
}

/// What a volume is, beside its path.
pub(crate) fn is_of_node(host: &HostVolume<'_>) -> String {
    format!("{} is {} of the node", volume(host), quoted(host.path))
}

/// A name and what it means where spellings differ: `/var/run` is `/run`.
pub(crate) fn meaning(used: &HostUse<'_>, written: &str) -> String {
    let clean = quoted(&used.path.to_string());
    let is_open = |expression| pieces(expression).iter().any(|piece| matches!(piece, Piece::Variable(_)));
    if used.mount.is_some_and(|of| is_open(&of.mount.sub_path_expr)) {
        format!(", anything in {clean}")
    } else if plain(&clean) == plain(written) {
        String::new()
    } else {
        // A link before the `..`, or another working directory, leads elsewhere.
        let is = if used.path.is_relative() || used.path.has_backstep() { "may be" } else { "is" };
        format!(", which {is} {clean}")
    }
}

/// What is left of a path in back-ticks when all is dropped that means nothing: a slash at its end, and of a
/// path of Windows its case, its kind of slashes and `\\?\`.
fn plain(quoted: &str) -> String {
    let text = quoted.trim_matches('`').replace('\\', "/").to_lowercase();
    text.strip_prefix("//?/").unwrap_or(&text).trim_end_matches('/').to_owned()
}

/// `host path`, the path that a use reaches, and what it means; the sentence goes on after it.
pub(crate) fn host_path(host: &HostVolume<'_>, used: &HostUse<'_>) -> String {
    let written = reached(host, used);
    match meaning(used, &written) {
        same if same.is_empty() => format!("host path {written}"),
        meaning => format!("host path {written}{meaning},"),
    }
}

/// Who has this way to a path of the node.
pub(crate) fn who(host: &HostVolume<'_>, used: &HostUse<'_>) -> String {
    match (used.mount, host.volume) {
        (Some(of), _) => container(of.container),
        (None, Some(_)) => "whoever mounts it".to_owned(),
        (None, None) => "whoever claims it".to_owned(),
    }
}

/// Why a path matters: what the catalogue says of the entry that decided.
pub(crate) fn reason(class: Class<'_>) -> String {
    match class.entry() {
        Some((entry, false)) => format!("{} {}", quoted(&entry.path), entry.reason),
        Some((entry, true)) => format!("below it, {} {}", quoted(&entry.path), entry.reason),
        None => String::new(),
    }
}

/// A finding about one way into a volume, with its place at the volume's path. The mount behind it is
/// related, and so are the volume's other mounts.
///
/// It is the volume's finding, not a container's: it stays the same until a use of another path or with more
/// access becomes the worst.
pub(crate) fn at_path(
    meta: &Meta,
    severity: Severity,
    host: &HostVolume<'_>,
    used: &HostUse<'_>,
    message: String,
) -> Finding {
    /// A volume may have thousands of mounts.
    const OTHERS: usize = 9;
    let finding = Finding::new(meta.id, severity, host.path_field(), message)
        .label(volume(host))
        .volume(host.name)
        .path(&used.path)
        .access(used.access);
    let others = host.uses.iter().filter(|other| !std::ptr::eq(*other, used)).take(OTHERS);
    std::iter::once(used)
        .chain(others)
        .filter_map(|used| Some((used.mount?, used)))
        .fold(finding, |finding, (of, used)| finding.related(of.path(), mounted(of, used)))
}

/// The finding with the remedy that an `emptyDir` takes the volume's place, and with the fix that does it
/// where no mount of the volume needs a path of the node.
pub(crate) fn empty_dir(host: &HostVolume<'_>, finding: Finding) -> Finding {
    let finding = finding.help("use an `emptyDir`: each Pod has its own, and its files go with the Pod");
    let replaceable = host.uses.iter().all(|used| used.may_be_folder() && !used.class.is_catalogued());
    let Some(volume) = host.volume.filter(|_| replaceable) else { return finding };
    let edits = vec![
        Edit::Remove(volume.path.key("hostPath")),
        Edit::Set(volume.path.key("emptyDir"), EditValue::EmptyMapping),
    ];
    finding.fix(Fix { safety: Safety::Unsafe, edits })
}

/// What to say at a mount of a volume that a finding is about.
fn mounted(of: ContainerMount<'_, '_>, used: &HostUse<'_>) -> String {
    let part = match (&*of.mount.sub_path, &*of.mount.sub_path_expr) {
        ("", "") => "it".to_owned(),
        (below, "") | (_, below) => format!("{} of it", quoted(below)),
    };
    let how = if used.is_read_only { "read-only" } else { "writable" };
    format!("{} mounts {part} here, {how}", container(of.container))
}
