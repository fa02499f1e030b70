//! Messages that nobody should send: mutated, cut, out of order, or no messages at all. Each connection ends or goes
//! on; none hangs, none brings another down, and nothing panics.
//!
//! To look longer, and elsewhere: `GNITZ_GARBAGE=messages[,seed] cargo test --workspace garbage`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Running, ask, connect, start};

/// Messages in all, unless the environment says more, and those of one connection.
const MESSAGES: usize = 100_000;
const OF_ONE: usize = 50;

/// The kinds of messages that a client sends.
const KINDS: &[u8] = b"QPBDECSHFdcfp";

/// What connections begin with, and how many begin so.
const BEGINNINGS: usize = 2_000;

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
        "COPY t FROM STDIN (FORMAT binary)",
        "COPY t TO STDOUT (FORMAT binary)",
        "BEGIN; DECLARE f CURSOR FOR SUBSCRIBE t WITH (SNAPSHOT)",
        "FETCH ALL f WITH (timeout = '1ms')",
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
        framed(b'F', b"\0\0\x05\x14\0\0\0\x01\0\0\0\x04\0\0\0\x01\0\0"),
        framed(b'd', b"7\tseven\n"),
        framed(b'd', b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x01x"),
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
        8 => message[0] = KINDS[random.below(KINDS.len())],
        _ => return framed(KINDS[random.below(KINDS.len())], &random.next().to_be_bytes()),
    }
    let length = (message.len() - 1) as u32;
    message[1..5].copy_from_slice(&length.to_be_bytes());
    message
}

/// Sends these bytes and nothing more, and reads whatever comes until the connection ends.
async fn send(server: &Running, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        // The server may have had enough before the end.
        let _ = writing.write_all(bytes).await;
        let _ = writing.shutdown().await;
    };
    let read = async {
        let mut sink = vec![0; 64 << 10];
        while matches!(reading.read(&mut sink).await, Ok(count) if count > 0) {}
    };
    tokio::time::timeout(LIMIT, async { tokio::join!(write, read) }).await.expect("the connection ends");
}

async fn attack(server: &Running, seeds: &[Vec<u8>], random: &mut Random, sent: &mut [usize; 256]) {
    let mut bytes = first(b"\0\x03\0\0user\0me\0\0");
    if random.below(20) == 0 {
        let at = random.below(bytes.len());
        bytes[at] = random.next() as u8;
    }
    for _ in 0..OF_ONE {
        let message = mutated(seeds, random);
        sent[usize::from(message[0])] += 1;
        bytes.extend(message);
    }
    // The end of it all: a frame that is none.
    bytes.extend(random.next().to_be_bytes());
    send(server, &bytes).await;
}

/// A first packet, which has no kind.
fn first(body: &[u8]) -> Vec<u8> {
    framed(0, body).split_off(1)
}

/// What a connection may begin with, and go on with.
fn beginnings() -> Vec<Vec<u8>> {
    let me = first(b"\0\x03\0\0user\0me\0database\0gnitz\0options\0-c statement_timeout=1\0\0");
    let secret = first(b"\0\x03\0\0user\0secret\0\0");
    let scram = framed(b'p', b"SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=fyko+d2lbbFgONRv9qkxdawL");
    let proof = framed(b'p', b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    let encrypt = first(b"\x04\xd2\x16\x2f");
    vec![
        me.clone(),
        first(b"\0\x03\0\x02user\0me\0_pq_.x\x001\0replication\0database\0\0"),
        first(b"\0\x02\0\0user\0me\0\0"),
        first(b"\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"),
        [first(b"\x04\xd2\x16\x30"), me.clone()].concat(),
        [encrypt.clone(), b"\x16\x03\x01\0\x05hello".to_vec()].concat(),
        [encrypt, me].concat(),
        [secret.clone(), scram.clone(), proof].concat(),
        [secret.clone(), scram, framed(b'p', b"secret\0")].concat(),
        [secret, framed(b'Q', b"SELECT 1\0")].concat(),
    ]
}

/// How many messages are sent, and the seed of what is done to them.
fn asked() -> (usize, u64) {
    let asked = std::env::var("GNITZ_GARBAGE").unwrap_or_default();
    let (messages, seed) = asked.split_once(',').unwrap_or((&asked, ""));
    (messages.parse().unwrap_or(MESSAGES), seed.parse().unwrap_or(20_261_122))
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
    let (messages, seed) = asked();
    let (mut random, mut sent) = (Random(seed), [0; 256]);
    for round in 0..messages / OF_ONE {
        attack(&server, &seeds, &mut random, &mut sent).await;
        if round % 100 == 0 {
            assert_eq!(ask(&other, "SELECT 1").await.unwrap()[0], "1");
        }
    }
    assert_eq!(ask(&other, "SELECT count(*) FROM t WHERE id < -5").await.unwrap()[0], "0");
    let rare = KINDS.iter().filter(|kind| sent[usize::from(**kind)] < messages / 100);
    assert_eq!(rare.collect::<Vec<_>>(), Vec::<&u8>::new(), "of each kind there were many");
    // From here on nobody comes in without a password.
    ask(&other, "CREATE USER secret PASSWORD 'known'").await.unwrap();
    begin_wrongly(&server, &mut random).await;
    assert_eq!(ask(&other, "SELECT 1").await.unwrap()[0], "1");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    server.stop().await;
}

/// Connections that hardly begin, many at a time: whoever gives a wrong password waits for the answer.
async fn begin_wrongly(server: &Running, random: &mut Random) {
    let beginnings = beginnings();
    for _ in 0..BEGINNINGS / 100 {
        let packets = (0..100).map(|_| {
            let mut bytes = beginnings[random.below(beginnings.len())].clone();
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                match random.below(8) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes.insert(at, random.next() as u8),
                    // The last byte of the length.
                    2 => bytes.iter_mut().skip(3).take(1).for_each(|byte| *byte = random.next() as u8),
                    _ => bytes[at] = random.next() as u8,
                }
            }
            bytes
        });
        let packets: Vec<Vec<u8>> = packets.collect();
        futures::future::join_all(packets.iter().map(|bytes| send(server, bytes))).await;
    }
}
