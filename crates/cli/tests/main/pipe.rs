//! A program at the other end of a pipe: it has each answer before it sends the next statement.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::{command, directory, shell_in};

/// A shell that runs, and the lines that it writes.
pub struct Talk {
    pub child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Talk {
    fn start(test: &str) -> Talk {
        Talk::with(&directory(test), &["db"])
    }

    /// Starts a shell with these arguments.
    pub fn with(dir: &Path, arguments: &[&str]) -> Talk {
        let mut child = command(dir, arguments).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Talk { child, input, lines }
    }

    pub fn send(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// The next lines. Waits long enough for any machine; without a flush it would wait for ever.
    pub fn answer(&self, lines: usize) -> Vec<String> {
        (0..lines).map(|_| self.lines.recv_timeout(Duration::from_secs(120)).expect("an answer")).collect()
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        let killed = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
    }

    /// Ends the input; what the shell still wrote on either side, and its exit status.
    pub fn end(self) -> (Vec<String>, String, Option<i32>) {
        drop(self.input);
        let output = self.child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        (self.lines.iter().collect(), err, output.status.code())
    }
}

#[test]
fn each_answer_is_there_before_the_next_statement_is_sent() {
    let mut talk = Talk::start("talk");
    talk.send("CREATE TABLE t (id BIGINT PRIMARY KEY);\n");
    for id in 1..=3 {
        talk.send(&format!("INSERT INTO t VALUES ({id}) RETURNING id;\n"));
        assert_eq!(talk.answer(2), ["id", &id.to_string()]);
    }
    talk.send("SELECT count(*)\n");
    talk.send("  AS n FROM t; SELECT 'x' AS x;\n");
    assert_eq!(talk.answer(4), ["n", "3", "x", "x"]);
    drop(talk.input);
    assert!(talk.child.wait().unwrap().success());
}

#[test]
fn what_was_answered_survives_a_kill() {
    let mut talk = Talk::start("killed");
    talk.send("CREATE TABLE t (id BIGINT PRIMARY KEY);\nINSERT INTO t VALUES (1), (2) RETURNING id;\n");
    assert_eq!(talk.answer(3).len(), 3);
    talk.child.kill().unwrap();
    talk.child.wait().unwrap();
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("shell-killed-{}", std::process::id()));
    assert_eq!(shell_in(&dir, &["db", "-c", "SELECT count(*) AS n FROM t"], "").good(), "n\n2\n");
}

#[test]
fn an_interrupt_cancels_the_statement_and_ends_the_script() {
    let mut talk = Talk::start("interrupted");
    let rows: Vec<String> = (0..3000).map(|id| format!("({id})")).collect();
    talk.send(&format!("CREATE TABLE t (id BIGINT);\nINSERT INTO t VALUES {};\n", rows.join(",")));
    // The answer comes just before the endless statement begins.
    talk.send(
        "SELECT 1 AS a; SELECT count(*) FROM t x, t y, t z WHERE x.id + y.id < z.id;\nSELECT 2 AS b;\n",
    );
    assert_eq!(talk.answer(2), ["a", "1"]);
    std::thread::sleep(Duration::from_millis(300));
    talk.interrupt();
    let (lines, err, code) = talk.end();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("error 57014: "), "{err}");
    assert!(lines.is_empty(), "the script went on: {lines:?}");
}

#[test]
fn exit_ends_with_success_whatever_follows() {
    let ran = shell_in(&directory("exit"), &[], "SELECT 1 AS a;\n.exit\nnonsense;\n");
    assert_eq!(ran.good(), "a\n1\n");
}
