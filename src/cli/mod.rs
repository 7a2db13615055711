//! The command line: arguments, subcommands (one file each), printing and exit codes.

mod args;
mod baseline;
#[cfg(feature = "server")]
mod certs;
mod exempt;
mod explain;
mod generated;
mod init;
#[cfg(feature = "server")]
mod install;
mod lint;
mod paths;
mod policy;
#[cfg(feature = "server")]
mod probe;
mod review;
mod rules;
#[cfg(feature = "server")]
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory as _, FromArgMatches as _};

/// The exit code on success. For `lint`, no finding reaches `--fail-on`.
pub const EXIT_OK: u8 = 0;
/// The exit code if a finding reaches `--fail-on`, a review is denied, a case of a policy test
/// fails, or a finding cannot be exempted.
pub const EXIT_FINDINGS: u8 = 1;
/// The exit code if the usage or the configuration is invalid, if input is missing or could not be
/// checked, or if a report could not be written.
pub const EXIT_ERROR: u8 = 2;

/// Runs a command and returns the exit code. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let parsed = args::Cli::command().try_get_matches_from(arguments);
    let parsed = parsed.and_then(|matches| Ok((args::Cli::from_arg_matches(&matches)?, matches)));
    let (arguments, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are not errors, and clap prints them to standard output.
            let code = if error.use_stderr() { EXIT_ERROR } else { EXIT_OK };
            let _ = error.print();
            return code;
        }
    };
    let result = match arguments.command {
        args::Command::Lint(arguments) => lint::run(&arguments, matches.subcommand_matches("lint")),
        args::Command::Baseline(arguments) => baseline::run(&arguments),
        args::Command::Exempt(arguments) => exempt::run(&arguments),
        args::Command::Paths(arguments) => paths::run(&arguments),
        args::Command::Review(arguments) => review::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Serve(arguments) => serve::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Certs(arguments) => certs::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Manifest(arguments) => install::run(&arguments),
        #[cfg(feature = "server")]
        args::Command::Probe(arguments) => probe::run(&arguments),
        args::Command::Explain(arguments) => explain::run(&arguments),
        args::Command::Rules(arguments) => rules::run(&arguments),
        args::Command::Completions { shell } => print(&generated::completions(shell)).map(|()| EXIT_OK),
        args::Command::Man { directory } => generated::manual(&directory).map(|()| EXIT_OK),
        args::Command::Init(arguments) => init::run(&arguments),
        args::Command::Policy(command) => policy::run(&command),
        args::Command::Schema(arguments) => schema(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            match error.downcast_ref::<policy::ConfigError>() {
                Some(error) => eprint(&error.to_string()),
                None => eprint(&format!("error: {error:#}\n")),
            }
            EXIT_ERROR
        }
    }
}

fn schema(arguments: &args::SchemaArgs) -> anyhow::Result<u8> {
    match arguments.schema {
        args::SchemaKind::Output => print(crate::report::SCHEMA)?,
        args::SchemaKind::Paths => print(crate::report::VOLUMES_SCHEMA)?,
        args::SchemaKind::Policy => print(&crate::policy::schema())?,
        args::SchemaKind::PolicyTest => print(&crate::policy_test::schema())?,
    }
    Ok(EXIT_OK)
}

/// Prints to standard output. Returns an error if the text cannot be written, for example because
/// the disk is full. It is not an error if the reader closes the pipe, as `head` does.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

/// Prints to standard error.
fn eprint(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
