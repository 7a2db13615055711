//! `volcheck completions` and `volcheck man`: what clap makes of the grammar.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Cli;

/// The script that completes commands in a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "volcheck", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes a page for each command into a folder, which is made where it is missing.
pub(super) fn manual(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(|| folder.display().to_string())
}
