//! Phrases for messages. User-supplied text is put in backticks, escaped and truncated.

use std::borrow::Cow;

use super::catalog::PathClass;
use super::context::{HostPathAccess, HostPathVolume};
use crate::model::{
    Container, ContainerList, ContainerMount, FieldPath, HostPathForm, Piece, ReadOnlyField, Relation,
    Segment, pieces, printable,
};

/// Returns user-supplied text in backticks, with control and bidirectional characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", truncated(&printable(text)))
}

/// Truncates text to 80 characters, because the API server accepts paths of a megabyte.
fn truncated(text: &str) -> Cow<'_, str> {
    const MAX_CHARS: usize = 80;
    match text.char_indices().nth(MAX_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// Returns `container`, `init container`, `sidecar` or `ephemeral container`, and the name of the
/// container. If the container has no name, the phrase contains its field path instead.
pub(crate) fn container(container: &Container<'_>) -> String {
    let noun = match container.list {
        ContainerList::Init if container.is_sidecar() => "sidecar",
        ContainerList::Init => "init container",
        ContainerList::Main => "container",
        ContainerList::Ephemeral => "ephemeral container",
    };
    if container.name.is_empty() {
        return format!("the {noun} of {}", quoted(&container.path.to_string()));
    }
    format!("{noun} {}", quoted(&container.name))
}

/// Returns the path of an access as written in the manifest: the path of the volume and the sub
/// path.
pub(crate) fn written_path(volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> String {
    let sub_path = access.mount.and_then(|mount| mount.mount.sub_path_entry()).map_or("", |(_, text)| text);
    match sub_path {
        "" => quoted(volume.path),
        sub_path => quoted(&format!("{}/{sub_path}", volume.path.trim_end_matches('/'))),
    }
}

/// Returns `volume` and its name, `this PersistentVolume`, or `this field`.
pub(crate) fn volume(volume: &HostPathVolume<'_>) -> String {
    match volume.form() {
        _ if volume.is_persistent_volume() => "this PersistentVolume".to_owned(),
        HostPathForm::Field { .. } => "this field".to_owned(),
        HostPathForm::Volume | HostPathForm::Mount { .. } | HostPathForm::HostDisk => {
            format!("volume {}", quoted(volume.name))
        }
    }
}

/// Returns a clause with the volume and its path, for the label of a related location.
pub(crate) fn volume_and_path(volume: &HostPathVolume<'_>) -> String {
    format!("{} exposes {}", self::volume(volume), quoted(volume.path))
}

/// Returns the field of a mount and the value that make it read-only, such as `readOnly: true`, in
/// backticks.
pub(crate) fn read_only_setting(mount: ContainerMount<'_, '_>) -> Cow<'static, str> {
    match &mount.mount.read_only_field {
        ReadOnlyField::ReadOnly => "`readOnly: true`".into(),
        ReadOnlyField::Writable => "`writable: false`".into(),
        ReadOnlyField::Text(path) => format!("`{}: \"true\"`", last_key(path)).into(),
    }
}

/// Returns the last key of a path without the brackets and quotes of special keys.
fn last_key(path: &FieldPath) -> Cow<'_, str> {
    match path.segments().last() {
        Some(Segment::Key(key)) => printable(key),
        Some(Segment::Index(_)) | None => Cow::Borrowed(""),
    }
}

/// Checks whether the access may be to another path than its effective path. A variable in the sub
/// path can expand to any text. A relative path depends on the working directory. A path with `..`
/// depends on symbolic links. A Windows path may have an uncertain part, such as a short name.
pub(crate) fn may_be_elsewhere(access: &HostPathAccess<'_>) -> bool {
    let path = &access.path;
    has_variable(access) || path.is_relative() || path.has_backstep() || path.is_uncertain()
}

/// Returns a phrase with the effective path, such as ", which is `/run`" for `/var/run`. Returns an
/// empty string if the effective path is the written path.
pub(crate) fn resolution(access: &HostPathAccess<'_>, written: &str) -> String {
    let effective = quoted(&access.path.to_string());
    if has_variable(access) {
        format!(", which may be anywhere in {effective}")
    } else if comparable(&effective) == comparable(written) {
        String::new()
    } else {
        let verb = if may_be_elsewhere(access) { "may be" } else { "is" };
        format!(", which {verb} {effective}")
    }
}

/// Checks whether the sub path of the access contains a variable. If so, the access is to a path at
/// or inside the effective path.
pub(crate) fn has_variable(access: &HostPathAccess<'_>) -> bool {
    access.mount.is_some_and(|mount| {
        pieces(&mount.mount.sub_path_expr).iter().any(|piece| matches!(piece, Piece::Variable(_)))
    })
}

/// Returns a quoted path in a form for comparison. The form has no trailing slash. It ignores case,
/// the kind of slash and a leading `\\?\`, which differ between the written and the effective path
/// only for Windows paths.
fn comparable(quoted: &str) -> String {
    let text = quoted.trim_matches('`').replace('\\', "/").to_lowercase();
    text.strip_prefix("//?/").unwrap_or(&text).trim_end_matches('/').to_owned()
}

/// Returns `host path`, the written path and the effective path, as the subject of a sentence.
pub(crate) fn host_path(volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> String {
    let written = written_path(volume, access);
    match resolution(access, &written) {
        resolution if resolution.is_empty() => format!("host path {written}"),
        resolution => format!("host path {written}{resolution},"),
    }
}

/// Returns a phrase for the container that has the access. If the object contains no such
/// container, returns a phrase for everything that can have the access, such as `any Pod using it`.
pub(crate) fn accessor(volume: &HostPathVolume<'_>, access: &HostPathAccess<'_>) -> String {
    match access.mount {
        Some(mount) => container(mount.container),
        None if volume.is_persistent_volume() => "any Pod using it".to_owned(),
        None => match volume.form() {
            HostPathForm::HostDisk => "the virtual machine".to_owned(),
            HostPathForm::Field { .. } => "the component configured here".to_owned(),
            HostPathForm::Volume | HostPathForm::Mount { .. } => "any container mounting it".to_owned(),
        },
    }
}

/// Returns the reason of the catalog entry that determines the class, or an empty string if there
/// is no such entry.
pub(crate) fn class_reason(class: PathClass<'_>) -> String {
    match class.entry() {
        Some((entry, Relation::Ancestor)) => format!("below it, {} {}", quoted(&entry.path), entry.reason),
        Some((entry, _)) => format!("{} {}", quoted(&entry.path), entry.reason),
        None => String::new(),
    }
}
