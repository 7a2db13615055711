//! The `volcheck` program. All its code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(volcheck::cli::run(std::env::args_os()))
}
