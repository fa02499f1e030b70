//! A table, a view over it, and a change that the view follows at once: `cargo run -p gnitz --example quickstart`.

use gnitz::Database;

fn main() -> gnitz::Result<()> {
    let database = Database::in_memory()?;
    let session = database.session();
    session.execute(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, amount DECIMAL(10, 2) NOT NULL);
         CREATE MATERIALIZED VIEW spending AS
             SELECT customer, COUNT(*) AS orders, SUM(amount) AS total FROM orders GROUP BY customer;
         INSERT INTO orders VALUES (1, 'ada', 20.00), (2, 'bob', 5.50), (3, 'ada', 1.25);",
    )?;
    println!("{}", session.query("SELECT * FROM spending ORDER BY customer")?);

    session.execute(
        "UPDATE orders SET amount = amount * 2 WHERE customer = 'ada'; DELETE FROM orders WHERE id = 2",
    )?;
    println!("{}", session.query("SELECT * FROM spending ORDER BY customer")?);
    Ok(())
}
