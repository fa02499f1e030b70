// node-postgres: unprepared and prepared queries, types both ways, errors, transactions, a pool, cursors, streams, COPY.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

// The packages are where the runner put them, which NODE_PATH names; an `import` does not look there.
const require = createRequire(import.meta.url);
const pg = require("pg");
const Cursor = require("pg-cursor");
const QueryStream = require("pg-query-stream");
const copyStreams = require("pg-copy-streams");

const connectionString = process.argv[2];
const name = "n" + randomBytes(4).toString("hex");

async function fails(code, promise) {
  const error = await promise.then(() => assert.fail("it should have failed"), (error) => error);
  assert.equal(error.code, code, error.message);
  return error;
}

const client = new pg.Client({ connectionString, application_name: "node" });
await client.connect();

// Types: every one out and in, through text and through the binary format.
await client.query(`CREATE TABLE ${name} (
  id BIGINT PRIMARY KEY, small SMALLINT, whole INTEGER, flag BOOLEAN, x DOUBLE PRECISION, r REAL, price NUMERIC(10,2),
  label VARCHAR(20), raw BYTEA, day DATE, clock TIME, at TIMESTAMPTZ, plain TIMESTAMP)`);
const at = new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 789));
const raw = Buffer.from([0, 255, 92, 39]);
const insert = await client.query(
  `INSERT INTO ${name} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id`,
  [1, 7, -8, true, 1.25, 0.5, "12.50", "it's \\ ü", raw, "2026-02-03", "01:02:03.000004", at, "2026-02-03 04:05:06"]);
assert.equal(insert.command, "INSERT");
assert.equal(insert.rowCount, 1);
assert.deepEqual(insert.rows, [{ id: "1" }]);
const { rows: [row], fields } = await client.query(`SELECT id, small, whole, flag, x, r, label, raw, at FROM ${name} WHERE id = $1`, [1]);
assert.deepEqual(row, { id: "1", small: 7, whole: -8, flag: true, x: 1.25, r: 0.5, label: "it's \\ ü", raw, at });
assert.deepEqual(fields.slice(0, 6).map((field) => field.dataTypeID), [20, 21, 23, 16, 701, 700]);
// Of the binary formats, node-postgres reads few rightly.
const binary = await client.query({ text: `SELECT small, flag, r FROM ${name} WHERE small = $1`, values: [7], binary: true });
assert.deepEqual(binary.rows, [{ small: 7, flag: true, r: 0.5 }]);
const text = await client.query({ text: `SELECT price, clock, day::text AS day, plain::text AS plain FROM ${name}`, rowMode: "array" });
assert.deepEqual(text.rows, [["12.50", "01:02:03.000004", "2026-02-03", "2026-02-03 04:05:06"]]);
await client.query(`INSERT INTO ${name} (id, label) VALUES ($1, $2)`, [2, null]);
assert.equal((await client.query(`SELECT label FROM ${name} WHERE id = 2`)).rows[0].label, null);

// Prepared by name: parsed once, run often. Several statements in one text.
for (let n = 3; n < 23; n++) {
  await client.query({ name: "add", text: `INSERT INTO ${name} (id, whole, label) VALUES ($1, $2, $3)`, values: [n, n, "p"] });
}
const several = await client.query(`SELECT 1 AS one; SELECT count(*)::int AS n FROM ${name}; UPDATE ${name} SET flag = true WHERE id > 20`);
assert.deepEqual(several.map((result) => result.command), ["SELECT", "SELECT", "UPDATE"]);
assert.equal(several[1].rows[0].n, 22);
assert.equal(several[2].rowCount, 2);

// Errors carry PostgreSQL's codes and fields, and leave the connection usable.
const duplicate = await fails("23505", client.query(`INSERT INTO ${name} (id) VALUES ($1)`, [1]));
assert.equal(duplicate.severity, "ERROR");
assert.match(duplicate.detail, /\(id\)=\(1\)/);
await fails("42P01", client.query("SELECT * FROM nowhere_at_all"));
await fails("42703", client.query(`SELECT nothing FROM ${name}`));
await fails("42601", client.query("SELEC 1"));
await fails("22012", client.query("SELECT 1 / $1::int", [0]));
await fails("22P02", client.query("SELECT $1::int", ["many"]));
await fails("23502", client.query(`INSERT INTO ${name} (id) VALUES (NULL)`));

// A transaction, a failed one, a savepoint.
await client.query("BEGIN");
await client.query(`UPDATE ${name} SET whole = 100 WHERE id = 3`);
await client.query("SAVEPOINT s");
await fails("22012", client.query("SELECT 1 / 0"));
await fails("25P02", client.query("SELECT 1"));
await client.query("ROLLBACK TO SAVEPOINT s");
await client.query("COMMIT");
assert.equal((await client.query(`SELECT whole FROM ${name} WHERE id = 3`)).rows[0].whole, 100);
await client.query("BEGIN");
await client.query(`DELETE FROM ${name}`);
await client.query("ROLLBACK");
assert.equal((await client.query(`SELECT count(*) FROM ${name}`)).rows[0].count, "22");

// A materialized view follows its table at once, in other connections too.
const view = `${name}_sums`;
await client.query(`CREATE MATERIALIZED VIEW ${view} AS SELECT label, count(*) AS n, sum(whole) AS total FROM ${name} GROUP BY label`);
const pool = new pg.Pool({ connectionString, max: 4 });
const group = async () => (await pool.query(`SELECT n, total FROM ${view} WHERE label = $1`, ["p"])).rows[0];
const before = await group();
await client.query(`INSERT INTO ${name} (id, whole, label) VALUES (100, 1000, 'p')`);
assert.deepEqual(await group(), { n: String(+before.n + 1), total: String(+before.total + 1000) });

// A pool: more queries than connections, each client given back.
const sums = await Promise.all(Array.from({ length: 20 }, (_, n) => pool.query("SELECT $1::int AS n", [n])));
assert.deepEqual(sums.map((result) => result.rows[0].n), Array.from({ length: 20 }, (_, n) => n));
assert.ok(pool.totalCount <= 4);
const lent = await pool.connect();
await fails("57014", (async () => {
  const canceller = new pg.Client({ connectionString });
  const endless = lent.query("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b");
  setTimeout(() => canceller.cancel(lent, lent._activeQuery), 200);
  await endless;
})());
lent.release();
await pool.end();

// COPY, both ways, and a refused line in the midst of one.
const lines = Readable.from((function* () {
  for (let n = 1000; n < 3000; n++) yield `${n}\t${n % 7}\tline\\t${n}\n`;
})());
const copied = client.query(copyStreams.from(`COPY ${name} (id, whole, label) FROM STDIN`));
await pipeline(lines, copied);
assert.equal(copied.rowCount, 2000);
const back = client.query(copyStreams.to(`COPY (SELECT id, label FROM ${name} WHERE id >= 1000) TO STDOUT WITH (FORMAT csv, HEADER)`));
let csv = "";
for await (const chunk of back) csv += chunk;
assert.equal(csv.trimEnd().split("\n").length, 2001);
assert.ok(csv.startsWith("id,label\n") && csv.includes("1000,line\t1000\n"));
await fails("22P02", pipeline(Readable.from(["3000\t1\ta\n", "x\t1\ta\n"]), client.query(copyStreams.from(`COPY ${name} (id, whole, label) FROM STDIN`))));
assert.equal((await client.query(`SELECT count(*)::int AS n FROM ${name}`)).rows[0].n, 2023);

// A cursor, read in pieces and left before its end; a stream of rows.
const cursor = client.query(new Cursor(`SELECT id FROM ${name} WHERE id >= $1 ORDER BY id`, [1000]));
assert.deepEqual((await cursor.read(3)).map((row) => row.id), ["1000", "1001", "1002"]);
assert.equal((await cursor.read(500)).length, 500);
await cursor.close();
let streamed = 0;
for await (const _ of client.query(new QueryStream(`SELECT * FROM ${name}`, [], { batchSize: 100 }))) streamed++;
assert.equal(streamed, 2023);

// Notices reach the client's listener.
const notices = [];
client.on("notice", (notice) => notices.push(notice.code));
await client.query(`DROP TABLE IF EXISTS ${name}_never`);
assert.deepEqual(notices, ["00000"]);

await client.query(`DROP TABLE ${name} CASCADE`);
await client.end();
console.log("node-postgres", require("pg/package.json").version, "ok");
