//! Several statements as one commit, and what happens when two transactions meet:
//! `cargo run -p gnitz --example transaction`.

use gnitz::Database;

fn main() -> gnitz::Result<()> {
    let database = Database::in_memory()?;
    let session = database.session();
    session.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL);
         CREATE MATERIALIZED VIEW total AS SELECT SUM(balance) AS money FROM accounts;
         INSERT INTO accounts VALUES (1, 100), (2, 100);",
    )?;

    let transfer = session.begin()?;
    transfer.execute("UPDATE accounts SET balance = balance - 30 WHERE id = 1")?;
    // Views too show the transaction's own changes, to the transaction alone.
    println!("inside:\n{}", transfer.query("SELECT * FROM total")?);
    println!("outside:\n{}", database.session().query("SELECT * FROM total")?);
    transfer.execute("UPDATE accounts SET balance = balance + 30 WHERE id = 2")?;
    transfer.commit()?;
    println!("after:\n{}", session.query("SELECT * FROM accounts ORDER BY id")?);

    // The first to commit wins; the other is told to try again.
    let late = session.begin()?;
    late.execute("UPDATE accounts SET balance = 0 WHERE id = 1")?;
    database.session().execute("UPDATE accounts SET balance = 1 WHERE id = 1")?;
    match late.commit() {
        Err(error) => println!("{}: {error}", error.sqlstate()),
        Ok(()) => println!("nobody was in the way"),
    }
    Ok(())
}
