//! The rules, one file each, and the list of all rules.
//!
//! A rule consists of metadata and a function that checks a subject and returns findings. The
//! findings depend only on the subject and on the rule options. Code that several rules share is in
//! `support`.

mod page;
mod registry;
mod rule;
mod security;
mod subject;
mod support;

mod app_data_empty_dir;
mod app_data_ephemeral_claim;
mod app_data_host_path;
mod cloud_credentials;
mod conflicting_access_mode;
mod conflicting_read_only;
mod deleted_claim;
mod deleted_persistent_volume;
mod deprecated_volume_type;
mod dropped_text;
mod duplicate_key;
mod duplicate_mount_path;
mod duplicate_volume_name;
mod evictable_empty_dir;
mod expired_exemption;
mod git_repo_volume;
mod hidden_host_path;
mod host_mount_propagation;
mod host_path;
mod host_path_backstep;
mod host_path_persistent_volume;
mod host_path_sub_path;
mod host_root;
mod ignore_without_reason;
mod ignored_fs_group;
mod image_volume_over_claim;
mod implicit_empty_dir;
mod ineffective_read_only;
mod inline_network_volume;
mod invalid_field_value;
mod invalid_recursive_read_only;
mod literal_variable_in_path;
mod malformed_ignore;
mod manual_service_account_token;
mod memory_medium_on_windows;
mod mismatched_host_path_type;
mod mismatched_volume_mode;
mod missing_scratch_volume;
mod mount_inside_read_only;
mod multiple_volume_sources;
mod node_agent_socket;
mod node_creating_host_path;
mod non_recursive_read_only;
mod overriding_merge_key;
mod recycled_persistent_volume;
mod relative_host_path;
mod removed_volume_type;
mod runtime_socket;
mod runtime_socket_parent;
mod scratch_host_path;
mod sensitive_host_path;
mod shadowed_volume;
mod shadowing_mount;
mod shared_host_path;
mod stale_baseline;
mod stale_file_mount;
mod stale_sub_path;
mod sub_path_backstep;
mod sub_path_of_file;
mod tiny_size_limit;
mod unanalyzed_document;
mod unbounded_empty_dir;
mod unbounded_memory_empty_dir;
mod unclassed_claim;
mod unclean_host_path;
mod unclean_mount_path;
mod undefined_sub_path_variable;
mod undefined_volume;
mod unknown_empty_dir_medium;
mod unknown_host_path_type;
mod unknown_rule_in_ignore;
mod unknown_socket;
mod unknown_volume_source;
mod unlisted_host_path;
mod unlisted_volume_type;
mod unmountable_huge_pages;
mod unpinned_host_path;
mod unpinned_persistent_volume;
mod unreachable_size_limit;
mod untyped_host_path;
mod unused_exemption;
mod unused_ignore;
mod unused_volume;
mod writable_host_path;
mod writable_read_only_claim;

pub use hidden_host_path::exposes_node;
pub use page::Page;
pub use registry::{FAMILY_ORDER, Registry, UnknownRule};
pub use rule::{Check, FixClass, Group, MatchKey, ObjectKinds, Rule, RuleOption};
pub use security::{Control, Security, SecuritySeverity};
pub use subject::{
    BaselineFacts, Candidate, ClaimedVolume, DuplicateKey, ExemptionFacts, IgnoreFacts, IgnoreProblem,
    IgnoreProblemKind, Lookalike, MalformedIgnore, MergeOverride, NamedClaim, NodeVolume, NotObject,
    OtherTemplates, RivalClaim, Sharing, Subject, TextFacts, TypeKey, Unchecked, UnusedIgnore,
};
pub use support::catalog::{Catalog, Entry, EntryClass, HostPathType, PathClass};
pub use support::context::{Context, HostPathAccess, HostPathVolume, VolumeSubject};
pub use support::image_data::{ImageCatalog, ImageData};
pub use support::options::{AllowedHostPath, DataDirectory, ListedPath, MountParent, Options};

/// All rules, by group, in the order of the documentation.
static RULES: &[Rule] = &[
    untyped_host_path::RULE,
    unknown_host_path_type::RULE,
    mismatched_host_path_type::RULE,
    node_creating_host_path::RULE,
    writable_host_path::RULE,
    ineffective_read_only::RULE,
    non_recursive_read_only::RULE,
    conflicting_read_only::RULE,
    relative_host_path::RULE,
    host_path_backstep::RULE,
    unclean_host_path::RULE,
    host_root::RULE,
    cloud_credentials::RULE,
    sensitive_host_path::RULE,
    unlisted_host_path::RULE,
    host_path::RULE,
    app_data_host_path::RULE,
    scratch_host_path::RULE,
    shared_host_path::RULE,
    unpinned_host_path::RULE,
    ignored_fs_group::RULE,
    stale_file_mount::RULE,
    runtime_socket::RULE,
    runtime_socket_parent::RULE,
    node_agent_socket::RULE,
    unknown_socket::RULE,
    app_data_empty_dir::RULE,
    app_data_ephemeral_claim::RULE,
    image_volume_over_claim::RULE,
    evictable_empty_dir::RULE,
    implicit_empty_dir::RULE,
    unknown_volume_source::RULE,
    unbounded_empty_dir::RULE,
    unbounded_memory_empty_dir::RULE,
    unknown_empty_dir_medium::RULE,
    unreachable_size_limit::RULE,
    tiny_size_limit::RULE,
    unmountable_huge_pages::RULE,
    memory_medium_on_windows::RULE,
    missing_scratch_volume::RULE,
    undefined_volume::RULE,
    unused_volume::RULE,
    duplicate_volume_name::RULE,
    multiple_volume_sources::RULE,
    shadowed_volume::RULE,
    duplicate_mount_path::RULE,
    shadowing_mount::RULE,
    mount_inside_read_only::RULE,
    unclean_mount_path::RULE,
    sub_path_backstep::RULE,
    sub_path_of_file::RULE,
    undefined_sub_path_variable::RULE,
    literal_variable_in_path::RULE,
    stale_sub_path::RULE,
    host_path_sub_path::RULE,
    invalid_recursive_read_only::RULE,
    host_mount_propagation::RULE,
    manual_service_account_token::RULE,
    hidden_host_path::RULE,
    host_path_persistent_volume::RULE,
    unpinned_persistent_volume::RULE,
    recycled_persistent_volume::RULE,
    deleted_persistent_volume::RULE,
    deleted_claim::RULE,
    conflicting_access_mode::RULE,
    writable_read_only_claim::RULE,
    mismatched_volume_mode::RULE,
    unclassed_claim::RULE,
    git_repo_volume::RULE,
    removed_volume_type::RULE,
    deprecated_volume_type::RULE,
    inline_network_volume::RULE,
    unlisted_volume_type::RULE,
    unanalyzed_document::RULE,
    invalid_field_value::RULE,
    duplicate_key::RULE,
    overriding_merge_key::RULE,
    dropped_text::RULE,
    unused_ignore::RULE,
    unknown_rule_in_ignore::RULE,
    malformed_ignore::RULE,
    ignore_without_reason::RULE,
    stale_baseline::RULE,
    expired_exemption::RULE,
    unused_exemption::RULE,
];
