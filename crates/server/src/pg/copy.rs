//! COPY between a table and the client. The engine reads from and writes to a stream, on a thread of its own; this is
//! the stream, in frames.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use gnitz::{Outcome, StatementKind};
use tokio::sync::mpsc;

use crate::pg::cancel::{Cause, TICK};
use crate::pg::error::Report;
use crate::pg::frame::Message;
use crate::pg::io::Incoming;
use crate::pg::portal::Done;
use crate::pg::session::Client;
use crate::pg::statement::{Body, Statement};

/// How long a client may send nothing when the server ends.
const SILENT: Duration = Duration::from_millis(500);

/// How many pieces may wait between the connection and the engine.
const QUEUE: usize = 16;

/// Bytes of a piece on the way out.
const PIECE: usize = 64 << 10;

/// How the client ends a copy into a table.
enum Ending {
    /// All is there.
    Done,
    /// It gave up, and says why.
    Failed(String),
    /// The engine has ended before it.
    Engine,
    /// It sent something else.
    Wrong(Report),
    /// It is gone.
    Lost,
}

impl Client {
    /// Runs a statement that has a stream.
    pub(crate) async fn copy(&mut self, statement: &Arc<Statement>) -> io::Result<Result<Done, Report>> {
        let Body::Engine(engine) = &statement.body else { return Ok(Ok(Done::Empty)) };
        let layout = self.guarded(false, &statement.text, || engine.copy_layout());
        let layout = match layout {
            Ok(Some(layout)) => layout,
            Ok(None) => return Ok(Ok(Done::Empty)),
            Err(report) => return Ok(Err(report)),
        };
        self.backend.begin(self.settings.time("statement_timeout"));
        let copied = match engine.kind() {
            StatementKind::CopyIn => {
                self.io.out.copy(b'G', layout);
                self.io.flush().await?;
                self.copy_in(Arc::clone(statement)).await
            }
            _ => {
                self.io.out.copy(b'H', layout);
                self.copy_out(Arc::clone(statement)).await
            }
        };
        let cause = self.backend.end();
        let rows = copied?;
        Ok(match (rows, cause) {
            (Ok(rows), _) if engine.kind() == StatementKind::CopyIn => {
                Ok(Done::Outcome(Outcome::Count { tag: "COPY", rows }))
            }
            (Ok(rows), _) => Ok(Done::Copied(rows)),
            (Err(report), Some(cause)) if report.code == "57014" => Err(cause.report()),
            (Err(report), _) => Err(report),
        })
    }

    async fn copy_in(&mut self, statement: Arc<Statement>) -> io::Result<Result<u64, Report>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let copying = Arc::clone(&statement);
        let worker = tokio::task::spawn_blocking(move || match &copying.body {
            Body::Engine(engine) => engine.copy_in(Pieces { receiver, current: Bytes::new() }),
            _ => Ok(0),
        });
        let ending = self.pass_on(&sender).await?;
        if matches!(ending, Ending::Done) {
            // If nobody takes it, the engine has ended and says why.
            let _ = sender.send(None).await;
        }
        drop(sender);
        let copied = worker.await.map_err(io::Error::other)?;
        match (ending, copied) {
            (Ending::Lost, _) => Err(io::ErrorKind::UnexpectedEof.into()),
            (Ending::Wrong(report), _) => Ok(Err(report)),
            (Ending::Failed(why), _) => {
                Ok(Err(Report::error("57014", format!("COPY from stdin failed: {why}"))))
            }
            (Ending::Done | Ending::Engine, Ok(rows)) => Ok(Ok(rows)),
            // The stream that was cut short is not what is to be told: why it was cut is.
            (Ending::Engine, Err(gnitz::Error::File { .. })) => {
                Ok(Err(Report::error("57014", "COPY was stopped")))
            }
            (_, Err(error)) => Ok(Err(Report::of(&error, &statement.text))),
        }
    }

    /// Hands on what the client sends until its end.
    async fn pass_on(&mut self, sender: &mpsc::Sender<Option<Bytes>>) -> io::Result<Ending> {
        let mut heard = Instant::now();
        loop {
            let incoming = tokio::select! {
                biased;
                incoming = self.io.next() => incoming?,
                () = sender.closed() => return Ok(Ending::Engine),
                () = tokio::time::sleep(TICK) => {
                    if self.is_ending() && heard.elapsed() >= SILENT {
                        self.backend.stop(Cause::Shutdown);
                    }
                    match self.backend.is_stopped() {
                        true => return Ok(Ending::Engine),
                        false => continue,
                    }
                }
            };
            heard = Instant::now();
            match incoming {
                Incoming::Message(Message::CopyData(bytes)) => {
                    if sender.send(Some(bytes)).await.is_err() {
                        return Ok(Ending::Engine);
                    }
                }
                Incoming::Message(Message::CopyDone) => return Ok(Ending::Done),
                Incoming::Message(Message::CopyFail(why)) => return Ok(Ending::Failed(why)),
                Incoming::Message(Message::Flush | Message::Sync) => {}
                Incoming::Message(Message::Terminate) | Incoming::End => return Ok(Ending::Lost),
                Incoming::Message(_) => {
                    let message = "unexpected message type during COPY from stdin";
                    return Ok(Ending::Wrong(Report::error("08P01", message)));
                }
                Incoming::Malformed(malformed) => return Ok(Ending::Wrong(Report::of_message(&malformed))),
            }
        }
    }

    async fn copy_out(&mut self, statement: Arc<Statement>) -> io::Result<Result<u64, Report>> {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let copying = Arc::clone(&statement);
        let worker = tokio::task::spawn_blocking(move || match &copying.body {
            Body::Engine(engine) => engine.copy_out(Frames { sender, piece: Vec::new() }),
            _ => Ok(0),
        });
        while let Some(piece) = receiver.recv().await {
            self.io.out.bytes.extend_from_slice(&piece);
            self.io.flush().await?;
        }
        let copied = worker.await.map_err(io::Error::other)?;
        Ok(match copied {
            Ok(rows) => {
                self.io.out.plain(b'c');
                Ok(rows)
            }
            Err(error) => Err(Report::of(&error, &statement.text)),
        })
    }
}

/// What the client sends, as a stream. It ends with `None`; a channel that closes before is a broken stream.
struct Pieces {
    receiver: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(Some(bytes)) => self.current = bytes,
                Some(None) => {
                    self.receiver.close();
                    return Ok(0);
                }
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// A stream to the client: each call of `write` is one frame.
struct Frames {
    sender: mpsc::Sender<Vec<u8>>,
    piece: Vec<u8>,
}

impl Write for Frames {
    fn write(&mut self, row: &[u8]) -> io::Result<usize> {
        self.piece.push(b'd');
        self.piece.extend_from_slice(&(row.len() as u32 + 4).to_be_bytes());
        self.piece.extend_from_slice(row);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(row.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.sender.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
