//! `volcheck paths`: lists the volumes with a host path, a claim or an `emptyDir`.

use super::args::PathsArgs;
use super::lint::eprint_no_objects;
use super::lint::setup::RunSetup;
use super::{EXIT_ERROR, EXIT_OK, eprint, print};
use crate::finding::Severity;
use crate::lint::Report;
use crate::report::{self, Format, Style};

pub(super) fn run(arguments: &PathsArgs) -> anyhow::Result<u8> {
    let setup = RunSetup::new(&arguments.input, &arguments.policy)?;
    let mut options = setup.options(true);
    options.lint.with_volumes = true;
    let run = setup.run(&options);
    print(&report::volumes(&run.volumes, arguments.format))?;
    let errors = Report { findings: Vec::new(), suppressed: Vec::new(), ..run.report };
    eprint(&report::render(&errors, Format::Concise, Style::plain(Severity::Error)));
    eprint(&report::notes(&errors));
    if !errors.errors.is_empty() {
        return Ok(EXIT_ERROR);
    }
    if errors.has_no_objects() && !arguments.allow_empty {
        eprint_no_objects();
        return Ok(EXIT_ERROR);
    }
    Ok(EXIT_OK)
}
