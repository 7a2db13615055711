//! `volcheck exempt`: suppresses findings in the policy or in manifests.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::args::{ExemptArgs, ExemptForm, PolicyArgs};
use super::lint::keep_changed_since;
use super::lint::setup::RunSetup;
use super::{EXIT_FINDINGS, EXIT_OK, eprint, policy, print};
use crate::exempt::{self, Form, Request, Selection};
use crate::policy::{FILE_NAME, today};

pub(super) fn run(arguments: &ExemptArgs) -> anyhow::Result<u8> {
    let form = form(arguments)?;
    let policy_arguments = match form.has_blank_policy() {
        true => PolicyArgs { policy: None, no_policy: true, ..arguments.policy.clone() },
        false => arguments.policy.clone(),
    };
    let mut setup = RunSetup::new(&arguments.input, &policy_arguments)?;
    setup.found.read_streams();
    let check = |setup: &RunSetup<'_>| {
        setup.run_with_baseline(arguments.baseline.as_deref(), &setup.options(!arguments.no_ignores))
    };
    let report = check(&setup)?.report;
    let mut shown = report.clone();
    if let Some(revision) = &arguments.changed_since {
        keep_changed_since(&mut shown, &setup, revision)?;
    }
    let ExemptArgs { min_severity, rule, path, object, .. } = arguments;
    let selection = Selection { min_severity: *min_severity, rules: rule, paths: path, objects: object };
    let selected = selection.of(shown);
    if selected.is_empty() {
        if selection.is_limited() {
            bail!("no finding matches --rule, --path, --object and --min-severity");
        }
        eprint("No findings to exempt.\n");
        return Ok(EXIT_OK);
    }
    let request =
        Request { form, reason: &arguments.reason, policy: &setup.policy, inputs: &setup.found.inputs };
    let plan = exempt::plan(&report, selected, &request, &|edits| {
        let edited = match (&request.form, edits) {
            (Form::Policy { path, .. }, [edit]) => {
                setup.with_edits(&[], policy::load_text(&arguments.policy, path, &edit.after)?)
            }
            _ => setup.with_edits(edits, setup.policy.clone()),
        };
        Ok(check(&edited)?.report)
    })?;
    for edit in &plan.edits {
        match arguments.dry_run {
            true => print(&edit.diff())?,
            false => edit.write().map_err(|reason| anyhow::anyhow!("{}: {reason}", edit.name))?,
        }
    }
    eprint(&plan.summary(&request.form, arguments.dry_run));
    Ok(if plan.refused.is_empty() { EXIT_OK } else { EXIT_FINDINGS })
}

/// Returns the form of the exemptions, with the text of the policy file.
fn form(arguments: &ExemptArgs) -> anyhow::Result<Form> {
    let form = match arguments.form {
        ExemptForm::Comment => Form::Comment,
        ExemptForm::Annotation => Form::Annotation,
        ExemptForm::Policy if arguments.policy.no_policy => {
            bail!("--no-policy requires `--as comment` or `--as annotation`")
        }
        ExemptForm::Policy => {
            let file = policy::file(&arguments.policy)?;
            let text = file.as_ref().map(fs::read_to_string).transpose();
            let path = file.unwrap_or_else(|| PathBuf::from(FILE_NAME));
            let text = text.with_context(|| path.display().to_string())?;
            return Form::policy(path, text, arguments.expires, today());
        }
    };
    if arguments.expires.is_some() {
        bail!("--expires applies only to `--as policy`: comments and annotations do not expire");
    }
    Ok(form)
}
