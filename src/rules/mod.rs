//! The rules: one file each, and the one list of them.
//!
//! A rule is a pure, total function of the model and its options. It knows no text, no YAML, no HTTP, no
//! clock and no environment, and it can't fail: what it can't judge it says nothing of.

mod catalog;
mod context;
mod empty_dirs;
mod lists;
mod meta;
mod types;
mod words;

use crate::finding::Finding;

pub use catalog::{Catalog, Class, Entry, EntryClass, HostPathType};
pub use context::{Context, HostUse, HostVolume, Subject};
pub use lists::{AllowedHostPath, MountParent, NamedPath, Options};
pub use meta::{FixClass, Group, Meta, OptionMeta, Page};

/// One check of volumes.
pub trait Rule: Sync {
    /// What the rule is.
    fn meta(&self) -> &'static Meta;

    /// Adds what it finds in one pod or PersistentVolume. A rule about the run itself has nothing to add:
    /// what reads the text reports it.
    fn check(&self, _cx: &Context<'_>, _out: &mut Vec<Finding>) {}
}

/// Declares the module of each rule, and the list of them all, by group.
macro_rules! rules {
    ($($group:ident: [$($module:ident),* $(,)?]),* $(,)?) => {
        $($(mod $module;)*)*

        /// All rules, by group.
        pub static ALL: &[&dyn Rule] = &[$($(&$module::Check,)*)*];

        /// Where each rule stands: its group, and its module's name.
        pub static MODULES: &[(Group, &str)] = &[$($((Group::$group, stringify!($module)),)*)*];
    };
}

rules! {
    HostPaths: [
        untyped_host_path,
        unknown_host_path_type,
        mismatched_host_path_type,
        node_creating_host_path,
        writable_host_path,
        ineffective_read_only,
        non_recursive_read_only,
        conflicting_read_only,
        relative_host_path,
        host_path_backstep,
        unclean_host_path,
        host_root,
        cloud_credentials,
        sensitive_host_path,
        unlisted_host_path,
        host_path,
        app_data_host_path,
        scratch_host_path,
        shared_host_path,
        unpinned_host_path,
        ignored_fs_group,
    ],
    Sockets: [
        runtime_socket,
        runtime_socket_parent,
        node_agent_socket,
        unknown_socket,
    ],
    EmptyDir: [
        app_data_empty_dir,
        app_data_ephemeral_claim,
        evictable_empty_dir,
        implicit_empty_dir,
        unknown_volume_source,
        unbounded_empty_dir,
        unbounded_memory_empty_dir,
        unknown_empty_dir_medium,
        unreachable_size_limit,
        missing_scratch_volume,
    ],
    Mounts: [
        undefined_volume,
        unused_volume,
        duplicate_volume_name,
        multiple_volume_sources,
        shadowed_volume,
        duplicate_mount_path,
        shadowing_mount,
        unclean_mount_path,
        sub_path_backstep,
        undefined_sub_path_variable,
        stale_sub_path,
        host_path_sub_path,
        invalid_recursive_read_only,
        host_mount_propagation,
        manual_service_account_token,
    ],
    Run: [
        unanalyzed_document,
        invalid_field_value,
        duplicate_key,
        overriding_merge_key,
        dropped_text,
        unused_ignore,
        unknown_rule_in_ignore,
        malformed_ignore,
        ignore_without_reason,
        stale_baseline,
        expired_exemption,
        unused_exemption,
    ],
}

/// The rules of the families, each before those that say less of a volume: at a tie of severities the first
/// one speaks.
pub static FAMILY_ORDER: &[&str] = &[
    "runtime-socket",
    "runtime-socket-parent",
    "host-root",
    "cloud-credentials",
    "node-agent-socket",
    "sensitive-host-path",
    "unknown-socket",
    "unlisted-host-path",
    "host-path",
    // Always a warning, and says more than that of application data; an error there still goes first.
    "shared-host-path",
    "app-data-host-path",
    "scratch-host-path",
    "unpinned-host-path",
];

/// The rules of a group.
pub fn in_group(group: Group) -> impl Iterator<Item = &'static dyn Rule> {
    ALL.iter().zip(MODULES).filter(move |(_, (own, _))| *own == group).map(|(rule, _)| *rule)
}

/// The rule `id`.
pub fn find(id: &str) -> Option<&'static dyn Rule> {
    ALL.iter().copied().find(|rule| rule.meta().id == id)
}

/// The id that `id` may stand for, for a question like "did you mean".
pub fn similar(id: &str) -> Option<&'static str> {
    crate::model::similar(id, ALL.iter().map(|rule| rule.meta().id))
}

/// Whether a rule is about what can't be judged at all: no policy excuses that.
pub fn cannot_be_excused(id: &str) -> bool {
    matches!(id, "unanalyzed-document" | "invalid-field-value")
}
