//! Policy keys that concern several rules.

use crate::rules::RuleOption;

/// The policy key for paths on the node.
pub(crate) const CATALOG: RuleOption =
    RuleOption::policy_key("hostPaths.catalog", "paths on your nodes, with their classes");
/// The policy key for directories with application data.
pub(crate) const DATA_DIRECTORIES: RuleOption = RuleOption::policy_key(
    "dataDirectories",
    "directories in containers where applications store data, in addition to the built-in ones",
);
/// The policy key for directories with temporary files.
pub(crate) const SCRATCH_DIRECTORIES: RuleOption = RuleOption::policy_key(
    "scratchDirectories",
    "directories in containers that contain only temporary files, in addition to the built-in ones",
);
/// The policy key for the version of Kubernetes.
pub(crate) const KUBERNETES_VERSION: RuleOption = RuleOption::policy_key(
    "kubernetesVersion",
    "the version of Kubernetes that runs the objects; 1.37 by default",
);
