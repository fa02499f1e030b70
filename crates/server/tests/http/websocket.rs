//! A WebSocket client: the handshake, and frames as RFC 6455 draws them.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;

use super::client::Connection;

/// A frame that came.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket(pub Connection);

impl Socket {
    /// Connects; fails with the status if there is no upgrade.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        let mut connection = Connection::open(address).await;
        let mut all = vec![
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        all.extend_from_slice(headers);
        connection.send("GET", path, &all).await;
        let (status, headers) = connection.head().await;
        if status != 101 {
            return Err(status);
        }
        let accept = ("sec-websocket-accept".to_string(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_string());
        assert!(headers.contains(&accept));
        Ok(Socket(connection))
    }

    /// Sends a frame of this code.
    pub async fn send(&mut self, code: u8, payload: &[u8]) {
        assert!(payload.len() < 126);
        let mut frame = vec![0x80 | code, 0x80 | payload.len() as u8, 1, 2, 3, 4];
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
        self.0.stream.write_all(&frame).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let head = self.take(2).await?;
        let length = match head[1] & 0x7f {
            126 => self.take(2).await?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)),
            127 => self.take(8).await?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)),
            short => usize::from(short),
        };
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let payload = self.take(length).await?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some(match head[0] & 0xf {
            1 => Frame::Text(text(&payload)),
            2 => Frame::Binary(payload),
            8 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]]), text(&payload[2..])),
            9 => Frame::Ping,
            10 => Frame::Pong(payload),
            other => panic!("a frame of code {other}"),
        })
    }

    /// The next message as JSON.
    pub async fn json(&mut self) -> serde_json::Value {
        match self.next().await {
            Some(Frame::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text but {other:?}"),
        }
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.0.buffer.len() < length {
            if !self.0.more().await {
                return None;
            }
        }
        Some(self.0.buffer.drain(..length).collect())
    }
}
