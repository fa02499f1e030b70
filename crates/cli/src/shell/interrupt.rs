//! Ctrl-C: it cancels the running statement, and it stops the writing of an answer that turns out too long.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backend::Cancel;

/// What the handler of the signal and the shell tell each other.
pub struct Interrupt {
    running: Arc<AtomicBool>,
    pressed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes the signal over. A script ends by the error that a cancel causes; where none runs (a script that waits
    /// for its input), the program ends.
    pub fn install(cancel: Cancel, interactive: bool) -> Interrupt {
        let interrupt = Interrupt { running: Arc::default(), pressed: Arc::default() };
        let (running, pressed) = (Arc::clone(&interrupt.running), Arc::clone(&interrupt.pressed));
        let installed = ctrlc::set_handler(move || {
            let again = pressed.swap(true, Ordering::Relaxed);
            if running.load(Ordering::Relaxed) {
                cancel(again);
            } else if !interactive {
                std::process::exit(130);
            }
        });
        if let Err(error) = installed {
            eprintln!("Ctrl-C will end the shell instead of the statement: {error}");
        }
        interrupt
    }

    /// A statement begins.
    pub fn begin(&self) {
        self.pressed.store(false, Ordering::Relaxed);
        self.running.store(true, Ordering::Relaxed);
    }

    /// It has ended and its answer is written.
    pub fn end(&self) {
        self.running.store(false, Ordering::Relaxed);
    }

    /// Whether it was pressed since the statement began.
    pub fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Standard output, which takes nothing more after Ctrl-C.
    pub fn stdout(&self) -> BufWriter<Output> {
        BufWriter::new(Output { inner: io::stdout().lock(), pressed: Arc::clone(&self.pressed) })
    }
}

/// Standard output until Ctrl-C.
pub struct Output {
    inner: StdoutLock<'static>,
    pressed: Arc<AtomicBool>,
}

impl Output {
    /// Whether it takes nothing more.
    pub fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_pressed() {
            return Err(io::Error::other("interrupted"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
