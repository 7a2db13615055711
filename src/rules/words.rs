//! Wording that several rules share.

use std::borrow::Cow;

use super::context::{HostUse, HostVolume};
use crate::model::{Container, ContainerList, printable};

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
        ContainerList::Init if &*container.restart_policy == "Always" => "sidecar",
        ContainerList::Init => "init container",
        ContainerList::Main => "container",
        ContainerList::Ephemeral => "ephemeral container",
    };
    format!("{what} {}", quoted(&container.name))
}

/// The path that a use reaches, as the user wrote it: with the mount's sub-path where there is one.
pub(crate) fn reached(volume: &HostVolume<'_>, used: &HostUse<'_>) -> String {
    let below = used.mount.and_then(|of| of.mount.written_sub_path()).map_or("", |(_, text)| text);
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

/// A name and what it means where spellings differ: `/var/run` is `/run`.
pub(crate) fn meaning(used: &HostUse<'_>, written: &str) -> String {
    let clean = used.path.to_string();
    if quoted(&clean) == written { String::new() } else { format!(", which is {}", quoted(&clean)) }
}
