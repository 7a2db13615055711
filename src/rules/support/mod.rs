//! Code that several rules share: their input, their options, and their findings and phrases.

pub(super) mod catalog;
pub(super) mod context;
pub(super) mod empty_dir;
pub(super) mod findings;
pub(super) mod host_path_type;
pub(super) mod options;
pub(super) mod wording;
