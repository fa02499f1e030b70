//! Statements parsed once and run with parameters: `cargo run -p gnitz --example prepared`.

use gnitz::{Database, Value};

fn main() -> gnitz::Result<()> {
    let database = Database::in_memory()?;
    let session = database.session();
    session.execute("CREATE TABLE people (id BIGINT PRIMARY KEY, name TEXT, born INTEGER)")?;

    let insert = session.prepare("INSERT INTO people VALUES ($1, $2, $3)")?;
    for (id, name, born) in [(1_i64, "Ada", Some(1815)), (2, "Grace", Some(1906)), (3, "Unknown", None)] {
        insert.execute(&[id.into(), name.into(), born.into()])?;
    }

    let by_id = session.prepare("SELECT name, born FROM people WHERE id = $1")?;
    println!("{}", by_id.query(&[2_i64.into()])?);
    let since = session.prepare("SELECT count(*) AS people FROM people WHERE born >= $1")?;
    println!("{}", since.query(&[Value::from(1900)])?);
    Ok(())
}
