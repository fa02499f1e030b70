//! An open database as all its handles share it: the engine and the thread that keeps it.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sync::{Call, lock};

/// The engine and its maintenance thread, which ends when the last handle drops.
pub(crate) struct Handle {
    pub(crate) engine: Arc<Engine>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Starts the thread, if the engine is to have one.
    pub(crate) fn start(engine: Engine) -> Result<Handle> {
        let engine = Arc::new(engine);
        let mut thread = None;
        if engine.background {
            let engine = Arc::clone(&engine);
            let named = std::thread::Builder::new().name("gnitz maintenance".to_string());
            let spawned = named.spawn(move || engine.maintain_in_background());
            let failed = |source| Error::File { path: "the maintenance thread".to_string(), source };
            thread = Some(spawned.map_err(failed)?);
        }
        Ok(Handle { engine, thread: Mutex::new(thread) })
    }

    /// Refuses everything from now on and waits for the thread to end.
    pub(crate) fn close(&self) {
        self.engine.close();
        self.engine.alarm.ring(Call::Stop);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
