//! The text of a new policy, which `volcheck init` writes.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Returns the text of a new policy. It extends `agents`, parts of the pack `node-agents`, and
/// excludes the templates of the charts in the directories `charts`.
pub fn starter(agents: &BTreeSet<String>, charts: &BTreeSet<PathBuf>) -> String {
    let mut text = "\
# Policy for volcheck. To validate it, run `volcheck policy check`. To print the effective policy, run
# `volcheck policy show`.
version: 1

# none, recommended, baseline (also forbids hostPath volumes) or restricted (also limits the types of
# volumes, and requires a size limit for each emptyDir).
profile: recommended
"
    .to_owned();
    if agents.is_empty() {
        text.push_str(
            "\n# Exemptions for common node agents, such as `node-agents/fluent-bit`.\n# extends: []\n",
        );
    } else {
        text.push_str("\n# Exemptions for the node agents in these manifests. To also lower the other findings about host paths in\n# their upstream manifests to infos, replace `node-agents/` with `node-agents/upstream/`.\nextends:\n");
        agents.iter().for_each(|agent| text.push_str(&format!("  - {agent}\n")));
    }
    text.push_str(
        "
# Levels of rules: error (lint fails, and the webhook denies in mode `deny`), warning, info (the webhook records
# the finding in the audit log, but does not warn) or off.
# rules:
#   unclean-host-path: off

# The only host paths that workloads may use. All others are errors. The list exempts nothing: the other rules
# still check the listed paths.
# hostPaths:
#   allowOnly:
#     - { path: /var/log, readOnly: true }

# Findings to exempt, with a reason and an expiry date.
# exemptions:
#   - rules: [writable-host-path]
#     match: { namespace: logging, kind: DaemonSet, name: log-agent, path: /var/log/** }
#     reason: stores read positions on the node until version 3
#     expires: 2027-01-31
",
    );
    if charts.is_empty() {
        text.push_str("\n# lint:\n");
    } else {
        text.push_str(
            "\nlint:\n  # Most unrendered Helm templates are not valid YAML. Check them with `volcheck lint --helm CHART`.\n  exclude:\n",
        );
        for chart in charts {
            text.push_str(&format!("    - {}\n", quoted(&chart.join("templates/**").to_string_lossy())));
        }
    }
    text.push_str(
        "#   # Existing findings, written by `volcheck baseline`.\n#   baseline: .volcheck-baseline.json\n",
    );
    text
}

/// Returns the text quoted for YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
