//! `volcheck init`: writes a commented policy for existing manifests.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::args::InitArgs;
use super::file::write_atomically;
use super::lint::setup::RunSetup;
use super::{EXIT_OK, eprint};
use crate::finding::Severity;
use crate::lint::Run;
use crate::policy::{FILE_NAME, Overrides, Policy};
use crate::report::counted;

pub(super) fn run(arguments: &InitArgs) -> anyhow::Result<u8> {
    let path = Path::new(FILE_NAME);
    if path.exists() {
        bail!("{FILE_NAME} already exists");
    }
    let kubernetes_version = arguments.kube_version.version();
    let agents = Policy::from_pack("node-agents", &Overrides { kubernetes_version, ..Overrides::default() })?;
    let setup = RunSetup::with_policy(&arguments.input, &arguments.kube_version, agents)?;
    let run = setup.run(&setup.options(true));
    let text = text(&run, &setup.policy);
    write_atomically(path, &text).context(FILE_NAME)?;
    let errors =
        run.report.findings.iter().filter(|located| located.finding.severity == Severity::Error).count();
    eprint(&format!("Wrote {FILE_NAME} for {}.\n", counted(run.report.counts.files, "file")));
    if errors > 0 {
        eprint(&format!(
            "volcheck found {}. To list them, run `volcheck lint`. To record them, so that `volcheck lint` reports only new ones, run `volcheck baseline`.\n",
            counted(errors, "error")
        ));
    }
    Ok(EXIT_OK)
}

fn text(run: &Run, policy: &Policy) -> String {
    let mut text = "\
# Policy for volcheck. To validate it, run `volcheck policy check`. To print the effective policy, run
# `volcheck policy show`.
version: 1

# none, recommended, baseline (also forbids hostPath volumes) or restricted (also limits the types of
# volumes, and requires a size limit for each emptyDir).
profile: recommended
"
    .to_owned();
    let agents = agents(run, policy);
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
# Levels of rules: error (lint fails, and the webhook denies), warning, info (the webhook records the finding in
# the audit log, but does not warn) or off.
# rules:
#   unclean-host-path: off

# Findings to exempt, with a reason and an expiry date.
# exemptions:
#   - rules: [writable-host-path]
#     match: { namespace: logging, kind: DaemonSet, name: log-agent, path: /var/log/** }
#     reason: stores read positions on the node until version 3
#     expires: 2027-01-31
",
    );
    let charts = raw_charts(run);
    if charts.is_empty() {
        text.push_str("\n# lint:\n");
    } else {
        text.push_str(
            "\nlint:\n  # Unrendered Helm templates are not valid YAML. Check them with `volcheck lint --helm CHART`.\n  exclude:\n",
        );
        charts
            .iter()
            .for_each(|chart| text.push_str(&format!("    - {}\n", quoted(&format!("{chart}templates/**")))));
    }
    text.push_str(
        "#   # Existing findings, written by `volcheck baseline`.\n#   baseline: .volcheck-baseline.json\n",
    );
    text
}

/// Returns the names of the parts of the `node-agents` pack that exempt a finding of the run.
fn agents(run: &Run, policy: &Policy) -> BTreeSet<String> {
    run.used_exemptions.iter().map(|id| policy.exemption(*id).origin.clone()).collect()
}

/// Returns the directories of charts with unrendered templates, each with a trailing slash. The
/// current directory is an empty string.
fn raw_charts(run: &Run) -> BTreeSet<String> {
    let chart = |path: &String| {
        let (chart, _) = path.rsplit_once("templates/")?;
        (chart.is_empty() || chart.ends_with('/')).then(|| chart.to_owned())
    };
    run.raw_templates.iter().filter_map(chart).collect()
}

/// Returns the text quoted for YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
