//! `volcheck init`: writes a commented policy for existing manifests.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::args::InitArgs;
use super::lint::setup::RunSetup;
use super::{EXIT_OK, eprint};
use crate::finding::Severity;
use crate::fix::write_atomically;
use crate::input::Input;
use crate::lint::Run;
use crate::policy::{FILE_NAME, FILE_NAMES, Overrides, Policy, starter};
use crate::report::counted;

pub(super) fn run(arguments: &InitArgs) -> anyhow::Result<u8> {
    let path = Path::new(FILE_NAME);
    if let Some(name) = FILE_NAMES.iter().find(|name| Path::new(name).exists()) {
        bail!("{name} already exists");
    }
    let kubernetes_version = arguments.kube_version.version();
    let agents = Policy::from_pack("node-agents", &Overrides { kubernetes_version, ..Overrides::default() })?;
    let setup = RunSetup::with_policy(&arguments.input, &arguments.kube_version, agents)?;
    let run = setup.run(&setup.options(true));
    eprint(&setup.warnings());
    let charts = run.charts_with_raw_templates();
    let text = starter(&agents_of(&run, &setup.policy), &charts, arguments.input.render);
    write_atomically(path, &text).context(FILE_NAME)?;
    let errors =
        run.report.findings.iter().filter(|located| located.finding.severity == Severity::Error).count();
    eprint(&format!("Wrote {FILE_NAME} for {}.\n", counted(run.report.counts.files, "file")));
    if errors > 0 {
        // A run without arguments would check neither standard input nor the rendered manifests.
        let input = match setup.found.inputs.iter().all(Input::is_file) {
            true => "",
            false => " with the same arguments and input",
        };
        eprint(&format!(
            "volcheck found {}. To list them, run `volcheck lint`{input}. To record them, so that `volcheck lint` reports only new ones, run `volcheck baseline`{input}.\n",
            counted(errors, "error")
        ));
    }
    Ok(EXIT_OK)
}

/// Returns the names of the parts of the `node-agents` pack that exempt a finding of the run.
fn agents_of(run: &Run, policy: &Policy) -> BTreeSet<String> {
    run.used_exemptions.iter().map(|id| policy.exemption(*id).origin.clone()).collect()
}
