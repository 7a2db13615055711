//! The command line: one file per subcommand, and what ties the modules together.

mod args;
pub mod baseline;
#[cfg(feature = "server")]
mod certs;
mod explain;
mod file;
mod generated;
mod init;
#[cfg(feature = "server")]
mod install;
mod lint;
pub mod policy;
mod review;
mod rules;
#[cfg(feature = "server")]
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;

pub use lint::manifest;

/// Nothing at or above `--fail-on`.
pub const CLEAN: u8 = 0;
/// Findings, or a denial.
pub const FINDINGS: u8 = 1;
/// Bad usage, or something that couldn't be judged.
pub const TROUBLE: u8 = 2;

/// Runs the command line `arguments`, the program's name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match args::Cli::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no trouble; clap knows where each is printed.
            let code = if error.use_stderr() { TROUBLE } else { CLEAN };
            let _ = error.print();
            return code;
        }
    };
    let result = match arguments.command {
        args::Command::Lint(arguments) => lint::run(&arguments),
        args::Command::Baseline(arguments) => baseline::run(&arguments),
        args::Command::Review(arguments) => review::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Serve(arguments) => serve::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Certs(arguments) => certs::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Manifest(arguments) => install::run(&arguments),
        args::Command::Explain(arguments) => explain::run(&arguments),
        args::Command::Rules(arguments) => rules::run(&arguments),
        args::Command::Completions { shell } => {
            print(&generated::completions(shell));
            Ok(CLEAN)
        }
        args::Command::Man { folder } => generated::manual(&folder).map(|()| CLEAN),
        args::Command::Init(arguments) => init::run(&arguments),
        args::Command::Policy(command) => policy::run(&command),
        args::Command::Schema(arguments) => schema(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            match error.downcast_ref::<policy::Refused>() {
                Some(bad) => complain(&bad.to_string()),
                None => complain(&format!("error: {error:#}\n")),
            }
            TROUBLE
        }
    }
}

fn schema(arguments: &args::SchemaArgs) -> anyhow::Result<u8> {
    match arguments.what {
        args::SchemaOf::Output => print(crate::report::SCHEMA),
        args::SchemaOf::Policy => print(&crate::policy::schema()),
    }
    Ok(CLEAN)
}

/// Prints to standard output. A reader that has gone away (`| head`) ends the printing, not the program:
/// the exit code stays what the findings make it.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints to standard error.
fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
