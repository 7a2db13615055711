//! Code that several rules share: contexts, options, findings and phrases.

pub(super) mod catalog;
pub(super) mod claims;
pub(super) mod command_line;
pub(super) mod container_data;
pub(super) mod context;
pub(super) mod data_mounts;
pub(super) mod devices;
pub(super) mod empty_dir;
pub(super) mod findings;
pub(super) mod host_path_type;
pub(super) mod image_data;
pub(super) mod nested_mounts;
pub(super) mod options;
pub(super) mod policy_keys;
pub(super) mod volume_types;
pub(super) mod wording;
