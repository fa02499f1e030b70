//! Messages that nobody should send: mutated, cut, out of order, or no messages at all. Each connection ends or goes
//! on; none hangs, none brings another down, and nothing panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Running, ask, connect, start};

/// Messages in all, and those of one connection.
const MESSAGES: usize = 100_000;
const OF_ONE: usize = 50;

/// How long a connection may take to end.
const LIMIT: Duration = Duration::from_secs(30);

/// A small generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// Messages that make sense.
fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "SELECT 1",
        "SELECT * FROM t WHERE id = 1",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO NOTHING",
        "COPY t FROM STDIN",
        "COPY t TO STDOUT (FORMAT csv)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM t",
        "FETCH 1 FROM c",
        "SET statement_timeout = 1000",
        "SHOW ALL",
        "PREPARE p (int) AS SELECT $1",
        "EXECUTE p(1)",
        "DISCARD ALL",
        "SELECT 1; SELECT 'a",
    ];
    let mut seeds: Vec<Vec<u8>> =
        texts.iter().map(|text| framed(b'Q', &[text.as_bytes(), b"\0"].concat())).collect();
    seeds.extend([
        framed(b'P', b"\0SELECT x FROM t WHERE id = $1\0\0\x01\0\0\0\x14"),
        framed(b'P', b"s\0INSERT INTO t VALUES ($1, $2)\0\0\0"),
        framed(b'B', b"\0\0\0\x01\0\x01\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0"),
        framed(b'B', b"p\0s\0\0\0\0\x02\0\0\0\x013\xff\xff\xff\xff\0\x01\0\x01"),
        framed(b'D', b"S\0"),
        framed(b'D', b"Pp\0"),
        framed(b'E', b"\0\0\0\0\0"),
        framed(b'E', b"p\0\0\0\0\x01"),
        framed(b'C', b"Ss\0"),
        framed(b'S', b""),
        framed(b'H', b""),
        framed(b'd', b"7\tseven\n"),
        framed(b'c', b""),
        framed(b'f', b"enough\0"),
        framed(b'p', b"SCRAM-SHA-256\0\0\0\0\x04n,,n"),
    ]);
    seeds
}

/// A message, with something wrong with it more often than not. The length of its frame is right, so that what is
/// wrong is found inside, and the connection goes on.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut message = seeds[random.below(seeds.len())].clone();
    match random.below(10) {
        0..=3 => return message,
        4 | 5 => {
            let at = 5 + random.below(message.len() - 4);
            if let Some(byte) = message.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        6 => message.truncate(5 + random.below(message.len() - 4)),
        7 => {
            let extra = random.below(20);
            message.extend((0..extra).map(|_| random.next() as u8));
        }
        8 => message[0] = b"QPBDECSHdcfp"[random.below(12)],
        _ => return framed(b"QPBDECSHdcfp"[random.below(12)], &random.next().to_be_bytes()),
    }
    let length = (message.len() - 1) as u32;
    message[1..5].copy_from_slice(&length.to_be_bytes());
    message
}

async fn attack(server: &Running, seeds: &[Vec<u8>], random: &mut Random) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut bytes = b"\0\0\0\x11\0\x03\0\0user\0me\0\0".to_vec();
    if random.below(20) == 0 {
        let at = random.below(bytes.len());
        bytes[at] = random.next() as u8;
    }
    for _ in 0..OF_ONE {
        bytes.extend(mutated(seeds, random));
    }
    // The end of it all: a frame that is none.
    bytes.extend(random.next().to_be_bytes());
    let (mut reading, mut writing) = stream.split();
    let write = async {
        // The server may have had enough before the end.
        let _ = writing.write_all(&bytes).await;
        let _ = writing.shutdown().await;
    };
    let read = async {
        let mut sink = vec![0; 64 << 10];
        while matches!(reading.read(&mut sink).await, Ok(count) if count > 0) {}
    };
    tokio::time::timeout(LIMIT, async { tokio::join!(write, read) }).await.expect("the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_client_sends_breaks_the_server() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    let server = start().await;
    let other = connect(&server).await;
    ask(&other, "CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT)").await.unwrap();
    // Somebody who may not write files: a COPY that was mutated would.
    ask(&other, "CREATE USER me; GRANT ALL ON t TO me").await.unwrap();
    let seeds = seeds();
    let mut random = Random(20_261_122);
    for round in 0..MESSAGES / OF_ONE {
        attack(&server, &seeds, &mut random).await;
        if round % 100 == 0 {
            assert_eq!(ask(&other, "SELECT 1").await.unwrap()[0], "1");
        }
    }
    assert_eq!(ask(&other, "SELECT count(*) FROM t WHERE id < -5").await.unwrap()[0], "0");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    server.stop().await;
}
