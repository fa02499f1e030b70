//! The shell from the outside: the real binary, its standard streams and its exit status.

mod connected;
mod errors;
mod formats;
mod import;
mod pipe;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the shell left.
#[derive(Debug)]
struct Ran {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Ran {
    /// The output of a run that must have succeeded.
    fn good(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    /// What a run that must have failed said on standard error, and what it had written before.
    fn failed(self) -> (String, String) {
        assert_eq!(self.code, Some(1), "{self:?}");
        (self.err, self.out)
    }
}

/// A directory of its own for a test, empty.
fn directory(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shell-{test}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// `gnitz shell` with these arguments, in a directory.
fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnitz"));
    command.current_dir(dir).arg("shell").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the shell in a directory on an input.
fn shell_in(dir: &Path, arguments: &[&str], input: &str) -> Ran {
    ran(command(dir, arguments), input)
}

/// Runs a command on an input.
fn ran(mut command: Command, input: &str) -> Ran {
    let mut child = command.spawn().unwrap();
    // A shell that ends at its first error does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
}

/// Runs the shell in memory on an input.
fn shell(arguments: &[&str], input: &str) -> Ran {
    shell_in(Path::new(env!("CARGO_TARGET_TMPDIR")), arguments, input)
}
