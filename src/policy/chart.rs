//! Settings of charts in the policy.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How `volcheck lint --render` renders a chart. To render a chart several times, add several
/// entries with its path.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartSettings {
    /// The directory of the chart, relative to the directory of this file.
    pub path: PathBuf,
    /// The values files, as paths relative to the directory of this file or as URLs. If the chart
    /// has an entry, its files `ci/*-values.yaml` are not used.
    #[serde(default)]
    pub values: Vec<PathBuf>,
    /// Single values, as in `helm template --set`, such as `image.tag=1`.
    #[serde(default)]
    pub set: Vec<String>,
    /// The name of the release. Defaults to the default of helm.
    #[serde(default)]
    pub release_name: Option<String>,
    /// The namespace of the release. Defaults to `lint.namespace`.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The version of Kubernetes to render for, such as `1.33`. Defaults to the default of helm.
    #[serde(default)]
    pub kube_version: Option<String>,
    /// API versions of the cluster, such as `monitoring.coreos.com/v1`, in addition to the default
    /// ones of helm.
    #[serde(default)]
    pub api_versions: Vec<String>,
}

impl ChartSettings {
    /// Resolves the paths against `directory`.
    pub(super) fn resolved(self, directory: &Path) -> Self {
        let file = |path: PathBuf| match path.to_string_lossy().contains("://") {
            true => path,
            false => directory.join(path),
        };
        let values = self.values.into_iter().map(file).collect();
        Self { path: directory.join(self.path), values, ..self }
    }
}
