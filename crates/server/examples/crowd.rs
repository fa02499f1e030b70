//! A crowd of connections on one server: some follow a view, one writes as fast as it can, the others look up a row now
//! and then. It prints what a commit took and what the server's memory did, and ends with an error if any connection
//! met one or if a follower's changes do not add up to the view.
//!
//!     gnitz serve DIR --pg-max-connections 1100 &
//!     cargo run --release -p server --example crowd -- postgres://gnitz@127.0.0.1:5433/gnitz $! 1000 200 300
//!
//! The arguments: the address, the server's process, how many connections, how many of them follow, for how many seconds.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rows that are written, over and over.
const ROWS: i64 = 10_000;

/// What the view groups them into.
const GROUPS: i64 = 100;

/// How often an idle connection looks something up.
const PAUSE: Duration = Duration::from_secs(2);

/// What the connections share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    changes: AtomicU64,
    look_ups: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, process, connections, followers, seconds] = arguments.as_slice() else {
        return Err("arguments: URL PROCESS CONNECTIONS FOLLOWERS SECONDS".into());
    };
    let (connections, followers) = (connections.parse::<usize>()?, followers.parse::<usize>()?);
    let length = Duration::from_secs(seconds.parse()?);
    let process: u32 = process.parse()?;

    let writer = connect(url).await?;
    writer.batch_execute("DROP TABLE IF EXISTS crowd CASCADE").await?;
    writer.batch_execute("CREATE TABLE crowd (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await?;
    let fill = format!("INSERT INTO crowd SELECT n, 0 FROM generate_series(0, {}) AS s (n)", ROWS - 1);
    writer.batch_execute(&fill).await?;
    writer
        .batch_execute(&format!(
            "CREATE MATERIALIZED VIEW crowd_sums AS SELECT id % {GROUPS} AS g, SUM(v) AS s FROM crowd GROUP BY id % {GROUPS}"
        ))
        .await?;

    let shared = Arc::new(Shared::default());
    let mut following = Vec::new();
    for _ in 0..followers {
        let (client, shared) = (connect(url).await?, Arc::clone(&shared));
        let cancel = client.cancel_token();
        following.push((cancel, tokio::spawn(async move { follow(&client, &shared).await })));
    }
    let mut looking = Vec::new();
    for number in 0..connections.saturating_sub(followers + 1) {
        let (client, shared) = (connect(url).await?, Arc::clone(&shared));
        looking.push(tokio::spawn(async move { look_up(&client, number, &shared).await }));
    }
    println!("{connections} connections, {followers} of them follow; memory {} MB", memory(process)?);

    let watched = tokio::spawn(watch(process, length, Arc::clone(&shared)));
    let mut took = write(&writer, length).await?;
    shared.stop.store(true, Ordering::Relaxed);
    for look in looking {
        look.await??;
    }
    let expected = sums(&writer).await?;
    for (cancel, follow) in following {
        // What was committed last is on its way for a moment.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cancel.cancel_query(NoTls).await?;
        let seen = follow.await??;
        if seen != expected {
            return Err(format!("a follower saw {seen:?}, the view is {expected:?}").into());
        }
    }
    watched.await??;
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{} commits ({:.0} a second): median {:.2} ms, p99 {:.2} ms, most {:.1} ms",
        took.len(),
        took.len() as f64 / length.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!("{} rows of changes read", shared.changes.load(Ordering::Relaxed));
    println!("{} look-ups; every follower's sums are the view's", shared.look_ups.load(Ordering::Relaxed));
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Adds up the changes of the view until it is cancelled: the sums, by group.
async fn follow(client: &Client, shared: &Shared) -> Result<BTreeMap<i64, i64>> {
    let mut rows = pin!(client.simple_query_raw("SUBSCRIBE crowd_sums").await?);
    let mut weights: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    loop {
        match rows.next().await {
            Some(Ok(SimpleQueryMessage::Row(row))) => {
                let number = |column: usize| row.get(column).unwrap_or_default().parse::<i64>();
                let (weight, group, sum) = (number(1)?, number(2)?, number(3)?);
                *weights.entry((group, sum)).or_default() += weight;
                if weights[&(group, sum)] == 0 {
                    weights.remove(&(group, sum));
                }
                shared.changes.fetch_add(1, Ordering::Relaxed);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) if error.code().is_some_and(|code| code.code() == "57014") => break,
            Some(Err(error)) => return Err(error.into()),
            None => return Err("a feed ended".into()),
        }
    }
    if weights.values().any(|weight| *weight != 1) {
        return Err("a group has several sums".into());
    }
    Ok(weights.into_keys().collect())
}

async fn sums(client: &Client) -> Result<BTreeMap<i64, i64>> {
    let rows = client.query("SELECT g, s::BIGINT FROM crowd_sums", &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn look_up(client: &Client, number: usize, shared: &Shared) -> Result<()> {
    let find = client.prepare("SELECT v FROM crowd WHERE id = $1").await?;
    while !shared.stop.load(Ordering::Relaxed) {
        client.query_one(&find, &[&(number as i64 % ROWS)]).await?;
        shared.look_ups.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Commits one row after the other: how long each took.
async fn write(client: &Client, length: Duration) -> Result<Vec<Duration>> {
    let upsert = client
        .prepare("INSERT INTO crowd VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v")
        .await?;
    let begun = Instant::now();
    let (mut took, mut random) = (Vec::new(), 1_u64);
    while begun.elapsed() < length {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (id, v) = ((random >> 33) as i64 % ROWS, (random >> 20) as i64 & 0xffff);
        let before = Instant::now();
        client.execute(&upsert, &[&id, &v]).await?;
        took.push(before.elapsed());
    }
    Ok(took)
}

/// Tells the server's memory ten times.
async fn watch(process: u32, length: Duration, shared: Arc<Shared>) -> Result<()> {
    for part in 1..=10 {
        tokio::time::sleep(length / 10).await;
        let changes = shared.changes.load(Ordering::Relaxed);
        println!("after {:?}: memory {} MB, {changes} rows of changes", length * part / 10, memory(process)?);
    }
    Ok(())
}

/// What the process holds, in megabytes.
fn memory(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no memory is told")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse::<u64>()? / 1024)
}
