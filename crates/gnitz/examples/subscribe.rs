//! A view's contents, then the change of every commit: `cargo run -p gnitz --example subscribe`.

use arrow::util::pretty::pretty_format_batches;
use gnitz::Database;

fn main() -> gnitz::Result<()> {
    let database = Database::in_memory()?;
    let session = database.session();
    session.execute(
        "CREATE TABLE readings (sensor TEXT NOT NULL, celsius DOUBLE NOT NULL);
         CREATE MATERIALIZED VIEW warmest AS
             SELECT sensor, MAX(celsius) AS celsius FROM readings GROUP BY sensor;
         INSERT INTO readings VALUES ('cellar', 11.5), ('roof', 29.0);",
    )?;

    let changes = database.subscribe("warmest")?;
    let reader = std::thread::spawn(move || {
        for delta in changes {
            match delta {
                Ok(delta) => {
                    let rows = pretty_format_batches(&[delta.rows]).map(|table| table.to_string());
                    println!(
                        "epoch {}, weights {:?}\n{}",
                        delta.epoch,
                        delta.weights,
                        rows.unwrap_or_default()
                    );
                }
                Err(error) => println!("{error}"),
            }
        }
    });
    session.execute("INSERT INTO readings VALUES ('roof', 31.5)")?;
    session.execute("INSERT INTO readings VALUES ('cellar', 10.0)")?;
    session.execute("DELETE FROM readings WHERE sensor = 'cellar'")?;
    // Closing ends the subscription, after what was committed.
    database.close()?;
    reader.join().ok();
    Ok(())
}
