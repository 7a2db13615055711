//! The rules: one file each, and the one list of them.
//!
//! A rule is a pure, total function of the model and its options. It knows no text, no YAML, no HTTP, no
//! clock and no environment, and it can't fail: what it can't judge it says nothing of.

mod catalog;
mod context;
mod lists;
mod meta;
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

/// Declares the module of each rule, and the list of them all, by group and in the order in which the
/// findings of a family go before one another.
macro_rules! rules {
    ($($group:ident: [$($module:ident),* $(,)?]),* $(,)?) => {
        $($(mod $module;)*)*

        /// All rules, by group; of a family, the first in this order wins a tie.
        pub static ALL: &[&dyn Rule] = &[$($(&$module::Check,)*)*];

        /// Where each rule stands: its group, and its module's name.
        pub static MODULES: &[(Group, &str)] = &[$($((Group::$group, stringify!($module)),)*)*];
    };
}

rules! {
    HostPaths: [
        writable_host_path,
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
    ],
}

/// The rules of a group.
pub fn in_group(group: Group) -> impl Iterator<Item = &'static dyn Rule> {
    ALL.iter().zip(MODULES).filter(move |(_, (own, _))| *own == group).map(|(rule, _)| *rule)
}

/// The rule `id`.
pub fn find(id: &str) -> Option<&'static dyn Rule> {
    ALL.iter().copied().find(|rule| rule.meta().id == id)
}

/// The ids nearest to `id`, for a question like "did you mean".
pub fn similar(id: &str) -> Option<&'static str> {
    ALL.iter()
        .map(|rule| rule.meta().id)
        .map(|known| (strsim::damerau_levenshtein(id, known), known))
        .filter(|(distance, known)| *distance <= 3.max(known.len() / 4))
        .min()
        .map(|(_, known)| known)
}
