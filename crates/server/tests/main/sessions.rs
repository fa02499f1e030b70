//! What a session is told of settings, of what it has prepared, and of the other sessions, and how it stops those.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

use crate::{ask, code, connect, connect_as, start};

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_no_answer_are_taken() {
    let server = start().await;
    let client = connect(&server).await;
    for (text, name, shown) in [
        ("SET synchronous_commit = off", "synchronous_commit", "off"),
        ("SET work_mem TO '65536'", "work_mem", "64MB"),
        ("SET maintenance_work_mem = '1GB'", "maintenance_work_mem", "1GB"),
        ("SET enable_seqscan = false", "enable_seqscan", "off"),
        ("SET max_parallel_workers_per_gather = 0", "max_parallel_workers_per_gather", "0"),
        ("SET lock_timeout = '1s'", "lock_timeout", "1s"),
        ("SET random_page_cost = 1.1", "random_page_cost", "1.1"),
        ("SET client_min_messages TO WARNING", "client_min_messages", "warning"),
        ("SET row_security = off", "row_security", "off"),
        ("SET search_path TO Public, x", "search_path", "public, x"),
        ("SET search_path = \"$user\", public", "search_path", "\"$user\", public"),
        ("SET search_path = ''", "search_path", "\"\""),
        ("SET search_path TO Shop, \"Öl\"", "search_path", "shop, \"Öl\""),
    ] {
        ask(&client, text).await.expect(text);
        assert_eq!(ask(&client, &format!("SHOW {name}")).await.unwrap()[0], shown, "{text}");
    }
    for (text, expected) in [
        ("SET work_mem = '1kB'", "22023"),
        ("SET work_mem = 'much'", "22023"),
        ("SET enable_seqscan = 'perhaps'", "22023"),
        ("SET client_min_messages = loud", "22023"),
        ("SET timezone = 'Europe/Berlin'", "0A000"),
        ("SET server_version = '9'", "55P02"),
    ] {
        assert_eq!(code(ask(&client, text).await), expected, "{text}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogs_say_of_settings_what_show_says() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "SET work_mem = '1MB'; SET application_name = 'x'; SET my.own = '1'").await.unwrap();
    let shown = client.simple_query("SHOW ALL").await.unwrap();
    let mut count = 0;
    for message in shown {
        let tokio_postgres::SimpleQueryMessage::Row(row) = message else { continue };
        // Who may connect without a password is the first role, whatever name was given.
        let (name, value) = (row.get(0).unwrap(), row.get(1).unwrap());
        if name != "session_authorization" {
            let text = format!("SELECT current_setting('{name}')");
            assert_eq!(ask(&client, &text).await.unwrap()[0], value, "{name}");
            count += 1;
        }
    }
    assert!(count > 100);
    let text =
        "SELECT setting, unit, source FROM pg_settings WHERE name IN ('work_mem', 'my.own') ORDER BY name";
    assert_eq!(ask(&client, text).await.unwrap()[..2], ["1|NULL|session", "1024|kB|session"]);
    let version = ask(&client, "SELECT version(), current_setting('server_version')").await.unwrap();
    assert!(
        version[0].starts_with("PostgreSQL 15.8 (Gnitz ") && version[0].ends_with("|15.8"),
        "{version:?}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn set_config_is_set() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT)").await.unwrap();
    let seen = "SELECT pg_table_is_visible('public.t'::regclass), current_setting('search_path')";
    ask(&client, "SELECT set_config('search_path', '', false)").await.unwrap();
    assert_eq!(ask(&client, "SHOW search_path").await.unwrap()[0], "");
    assert_eq!(ask(&client, seen).await.unwrap()[0], "f|");
    ask(&client, "RESET search_path").await.unwrap();
    assert_eq!(ask(&client, seen).await.unwrap()[0], "t|public");
    ask(&client, "BEGIN; SELECT set_config('search_path', 'pg_catalog', false); ROLLBACK").await.unwrap();
    assert_eq!(ask(&client, seen).await.unwrap()[0], "t|public");
    ask(&client, "BEGIN; SELECT set_config('work_mem', '1MB', true)").await.unwrap();
    assert_eq!(ask(&client, "SHOW work_mem").await.unwrap()[0], "1MB");
    ask(&client, "COMMIT").await.unwrap();
    assert_eq!(ask(&client, "SHOW work_mem").await.unwrap()[0], "4MB");
    assert_eq!(code(ask(&client, "SELECT set_config('timezone', 'Europe/Rome', false)").await), "0A000");
    assert_eq!(code(ask(&client, "SELECT set_config('nonsense', '1', false)").await), "42704");
    assert_eq!(code(ask(&client, "SELECT set_config('work_mem', '1MB', false), id FROM t").await), "0A000");
    ask(&client, "BEGIN").await.unwrap();
    assert_eq!(code(ask(&client, "SELECT set_config('nonsense', '1', false)").await), "42704");
    assert_eq!(code(ask(&client, "SELECT 1").await), "25P02");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_are_listed() {
    let server = start().await;
    let client = connect(&server).await;
    ask(
        &client,
        "PREPARE byOid(pg_catalog.oid, name) AS SELECT relname FROM pg_class WHERE oid = $1 OR relname = $2 ORDER BY 1",
    )
    .await
    .unwrap();
    let kept = client.prepare_typed("SELECT $1", &[Type::INT4]).await.unwrap();
    let list = "SELECT name LIKE 's%', from_sql, parameter_types, left(statement, 13) \
                FROM pg_prepared_statements ORDER BY from_sql";
    assert_eq!(
        ask(&client, list).await.unwrap()[..2],
        ["t|f|{integer}|SELECT $1", "f|t|{oid,name}|PREPARE byOid"]
    );
    assert_eq!(ask(&client, "EXECUTE byOid('1259', 'pg_type')").await.unwrap()[..2], ["pg_class", "pg_type"]);
    drop(kept);
    ask(&client, "DEALLOCATE ALL").await.unwrap();
    assert_eq!(ask(&client, list).await.unwrap(), ["#0"]);
    server.stop().await;
}

/// A statement that would run for minutes.
const LONG: &str = "SELECT sum(a * b) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

/// Asks until the answer is what it must become.
async fn until(client: &Client, text: &str, expected: &str) {
    for _ in 0..500 {
        if ask(client, text).await.unwrap()[0] == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{text}: {:?}", ask(client, text).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sessions_are_seen_and_stopped() {
    let server = start().await;
    let (watcher, other) = (connect(&server).await, connect(&server).await);
    let pid = ask(&other, "SELECT pg_backend_pid()").await.unwrap()[0].clone();
    ask(&other, "SET application_name = 'other'").await.unwrap();
    ask(&other, "BEGIN").await.unwrap();
    let state = format!(
        "SELECT state, application_name, query, xact_start IS NULL, query_start >= backend_start \
         FROM pg_stat_activity WHERE pid = {pid}"
    );
    let seen = ask(&watcher, &state).await.unwrap();
    assert_eq!(seen[0], "idle in transaction|other|BEGIN|f|t");
    assert_eq!(code(ask(&other, "SELECT nothing").await), "42703");
    assert!(ask(&watcher, &state).await.unwrap()[0].starts_with("idle in transaction (aborted)|other|"));
    ask(&other, "ROLLBACK").await.unwrap();
    assert_eq!(ask(&watcher, &state).await.unwrap()[0], "idle|other|ROLLBACK|t|t");
    assert_eq!(
        ask(&watcher, "SELECT state, query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            .await
            .unwrap()[0],
        "active|SELECT state, query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    );
    assert_eq!(ask(&watcher, "SELECT numbackends FROM pg_stat_database").await.unwrap()[0], "2");

    let running = tokio::spawn(async move { (ask(&other, LONG).await, other) });
    until(&watcher, &state, &format!("active|other|{LONG}|f|t")).await;
    assert_eq!(ask(&watcher, &format!("SELECT pg_cancel_backend({pid})")).await.unwrap()[0], "t");
    let (stopped, other) = running.await.unwrap();
    let stopped = stopped.unwrap_err();
    let stopped = stopped.as_db_error().unwrap();
    assert_eq!(
        (stopped.code().code(), stopped.message()),
        ("57014", "canceling statement due to user request")
    );
    // Nothing runs: nothing is stopped.
    assert_eq!(ask(&watcher, &format!("SELECT pg_cancel_backend({pid})")).await.unwrap()[0], "t");
    assert_eq!(ask(&other, "SELECT 1").await.unwrap()[0], "1");

    let running = tokio::spawn(async move { ask(&other, LONG).await });
    until(&watcher, &format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}"), "active").await;
    let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {pid}");
    assert_eq!(ask(&watcher, &ended).await.unwrap()[0], "t");
    assert_eq!(code(running.await.unwrap()), "57P01");
    until(&watcher, &format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"), "0").await;
    assert_eq!(ask(&watcher, &format!("SELECT pg_terminate_backend({pid})")).await.unwrap()[0], "f");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_sessions_are_ended_and_a_session_may_end_itself() {
    let server = start().await;
    let watcher = connect(&server).await;
    let (idle, connection) = server.config().connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let pid = ask(&idle, "SELECT pg_backend_pid()").await.unwrap()[0].clone();
    assert_eq!(ask(&watcher, &format!("SELECT pg_terminate_backend({pid})")).await.unwrap()[0], "t");
    assert_eq!(code(connection.await.unwrap()), "57P01");
    assert_eq!(code(ask(&watcher, "SELECT pg_cancel_backend(pg_backend_pid())").await), "57014");
    assert_eq!(ask(&watcher, "SELECT 1").await.unwrap()[0], "1");
    assert_eq!(code(ask(&watcher, "SELECT pg_terminate_backend(pg_backend_pid())").await), "57P01");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_other_roles_are_theirs() {
    let server = start().await;
    server
        .database
        .session()
        .execute(
            "CREATE USER root SUPERUSER PASSWORD 'secret'; CREATE USER ann PASSWORD 'secret'; \
             CREATE USER bob PASSWORD 'secret'; CREATE USER lead PASSWORD 'secret'; GRANT ann TO lead",
        )
        .unwrap();
    let (root, ann) = (connect_as(&server, "root").await, connect_as(&server, "ann").await);
    let (bob, lead) = (connect_as(&server, "bob").await, connect_as(&server, "lead").await);
    let pid = async |client: &Client| ask(client, "SELECT pg_backend_pid()").await.unwrap()[0].clone();
    let (root_pid, ann_pid) = (pid(&root).await, pid(&ann).await);
    let seen = format!(
        "SELECT usename, state, query, client_port IS NULL FROM pg_stat_activity WHERE pid = {ann_pid}"
    );
    let open = "ann|idle|SELECT pg_backend_pid()|f";
    assert_eq!(ask(&bob, &seen).await.unwrap()[0], "ann|NULL|<insufficient privilege>|t");
    assert_eq!(ask(&lead, &seen).await.unwrap()[0], open);
    assert_eq!(ask(&root, &seen).await.unwrap()[0], open);
    for (client, pid, expected) in [(&bob, &ann_pid, "42501"), (&lead, &root_pid, "42501")] {
        for function in ["pg_cancel_backend", "pg_terminate_backend"] {
            assert_eq!(code(ask(client, &format!("SELECT {function}({pid})")).await), expected);
        }
    }
    assert_eq!(ask(&lead, &format!("SELECT pg_terminate_backend({ann_pid})")).await.unwrap()[0], "t");
    until(&root, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ann'", "0").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_may_lock_what_it_reads() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(code(ask(&client, "LOCK TABLE public.t IN ACCESS SHARE MODE").await), "25P01");
    ask(&client, "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.unwrap();
    assert_eq!(ask(&client, "LOCK TABLE public.t IN ACCESS SHARE MODE").await.unwrap(), ["#0"]);
    ask(&client, "DECLARE _pg_dump_cursor CURSOR FOR SELECT id FROM ONLY public.t").await.unwrap();
    assert_eq!(ask(&client, "FETCH 100 FROM _pg_dump_cursor").await.unwrap()[0], "1");
    assert_eq!(code(ask(&client, "LOCK TABLE public.t IN EXCLUSIVE MODE").await), "0A000");
    server.stop().await;
}

/// Enough statements one after the other for a session to be alone, and then some.
const ALONE: i64 = 1_200;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_alone_is_served_as_any_other() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2)").await.unwrap();
    let find = client.prepare("SELECT n FROM t WHERE id = $1").await.unwrap();
    for id in 0..ALONE {
        client.execute(&insert, &[&id, &(2 * id)]).await.unwrap();
        assert_eq!(client.query_one(&find, &[&id]).await.unwrap().get::<_, i64>(0), 2 * id);
    }
    // It may be slow in between, which leaves nobody waiting for it.
    let other = connect(&server).await;
    for round in 0..5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], ALONE.to_string());
        let long = format!("SELECT count(*), '{}' FROM t", "x".repeat(5_000 * round));
        assert!(ask(&other, &long).await.unwrap()[0].starts_with(&format!("{ALONE}|")));
    }
    let pid = ask(&client, "SELECT pg_backend_pid()").await.unwrap()[0].clone();
    for _ in 0..ALONE {
        ask(&client, "SELECT 1").await.unwrap();
    }
    assert_eq!(ask(&other, &format!("SELECT pg_terminate_backend({pid})")).await.unwrap()[0], "t");
    until(&other, &format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"), "0").await;
    assert!(ask(&client, "SELECT 1").await.is_err());
    for _ in 0..ALONE {
        ask(&other, "SELECT 1").await.unwrap();
    }
    server.stop().await;
}
