//! Runs the programs that render manifests.

use std::io::{self, ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::InputErrorKind;

/// The maximum number of bytes of messages to keep.
const MAX_MESSAGE_BYTES: u64 = 64 << 10;

/// How long to wait until a killed program has closed its output.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// The output of a program.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// The standard error.
    pub(super) messages: String,
    pub(super) status: ExitStatus,
}

/// Runs a program and returns up to `max_bytes` of its standard output. Returns `None` if the
/// program is not installed. If it does not end within `timeout`, kills the program and the
/// programs that it started, and returns an error.
pub(super) fn run(
    command: &mut Command,
    max_bytes: u64,
    timeout: Duration,
) -> Result<Option<Output>, InputErrorKind> {
    let program = || command.get_program().to_string_lossy().into_owned();
    let program = program();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(InputErrorKind::RendererNotStarted { program, reason: Box::new(error.into()) });
        }
    };
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone if the program was killed but its output is still open.
        let _ = sender.send(collect(child, max_bytes));
    });
    match receiver.recv_timeout(timeout) {
        Ok(output) => Ok(Some(output?)),
        Err(_) => {
            kill(id);
            let _ = receiver.recv_timeout(KILL_TIMEOUT);
            Err(InputErrorKind::RendererTimedOut { program, seconds: timeout.as_secs() })
        }
    }
}

/// Reads the output of a program until it ends.
fn collect(mut child: Child, max_bytes: u64) -> io::Result<Output> {
    let stderr = child.stderr.take();
    let messages = thread::spawn(move || {
        let mut messages = Vec::new();
        if let Some(mut stderr) = stderr {
            // Read the rest, too: a program blocks if its pipe is full.
            let _ = stderr.by_ref().take(MAX_MESSAGE_BYTES).read_to_end(&mut messages);
            let _ = io::copy(&mut stderr, &mut io::sink());
        }
        String::from_utf8_lossy(&messages).into_owned()
    });
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // Closing the pipe afterwards terminates a program that would keep printing.
        stdout.take(max_bytes).read_to_end(&mut bytes)?;
    }
    let status = child.wait()?;
    Ok(Output { bytes, messages: messages.join().unwrap_or_default(), status })
}

/// Kills the process group of a program.
#[cfg(unix)]
fn kill(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Kills a program and the programs that it started.
#[cfg(not(unix))]
fn kill(id: u32) {
    let _ = Command::new("taskkill").args(["/T", "/F", "/PID", &id.to_string()]).output();
}
