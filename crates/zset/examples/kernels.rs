//! What the kernels cost: nanoseconds a row, for sorting, merging, searching, encoding and decoding.
//!
//! `cargo run --release -p zset --example kernels` prints one line a kernel and size; an argument selects the
//! kernels whose name contains it. The figure is the best of several runs, so that a loaded machine disturbs
//! little; all input is made by a fixed generator.

use std::hint::black_box;
use std::time::Instant;
use zset::{Batch, BatchBuilder, ColumnType, Layout, Schema, Secret, TraceCursor, Type, Vector, merge};

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for rows in [10_000, 1_000_000] {
        let bench = Bench { filter: filter.clone(), rows };
        bench.builds();
        bench.merges();
        bench.seeks();
        bench.codes();
        bench.scans();
    }
}

struct Bench {
    filter: String,
    rows: usize,
}

impl Bench {
    /// Runs `body` on fresh input until it has been measured for a while; prints the best time per unit.
    fn run<I, O>(
        &self,
        name: &str,
        units: usize,
        mut input: impl FnMut() -> I,
        mut body: impl FnMut(I) -> O,
    ) {
        if !name.contains(&self.filter) {
            return;
        }
        let (mut best, mut spent, mut runs) = (f64::MAX, 0.0, 0);
        while runs < 3 || (spent < 0.4 && runs < 2_000) {
            let made = input();
            let start = Instant::now();
            let output = black_box(body(made));
            let seconds = start.elapsed().as_secs_f64();
            drop(output);
            best = f64::min(best, seconds);
            spent += seconds;
            runs += 1;
        }
        println!("{name:<34} {:>9} rows {:>8.2} ns", self.rows, best * 1e9 / units as f64);
    }

    fn builds(&self) {
        let finish = |builder: BatchBuilder| builder.finish().expect("small weights");
        let random = random_builder(self.rows, 16, 0, 1);
        self.run("sort 16-byte keys", self.rows, || random.clone(), finish);
        let wide = random_builder(self.rows, 40, 24, 2);
        self.run("sort 40-byte keys, values", self.rows, || wide.clone(), finish);
        let ids = id_builder(self.rows, |n, random| (random % 100, n));
        self.run("sort (small group, id) keys", self.rows, || ids.clone(), finish);
        let twice = id_builder(self.rows, |_, random| (0, random % (self.rows as u64 / 10)));
        self.run("sort, each key ten times", self.rows, || twice.clone(), finish);
        let sorted = id_builder(self.rows, |n, _| (0, n));
        self.run("sort what is sorted", self.rows, || sorted.clone(), finish);
    }

    fn merges(&self) {
        for (name, runs) in [("merge 2", 2), ("merge 3", 3), ("merge 8", 8), ("merge 16", 16)] {
            let parts: Vec<Batch> =
                (0..runs).map(|seed| random_batch(self.rows / runs as usize, 16, 24, seed + 1)).collect();
            self.run(name, self.rows, || (), |()| merge(&parts).expect("small weights"));
        }
        let large = random_batch(self.rows, 16, 24, 1);
        let small = random_batch(self.rows / 100, 16, 24, 2);
        self.run("merge 1 % into all", self.rows, || (), |()| large.add(&small).expect("small weights"));
        let negative = large.negate();
        self.run(
            "merge with negation",
            2 * self.rows,
            || (),
            |()| large.add(&negative).expect("small weights"),
        );
    }

    fn seeks(&self) {
        let batch = random_batch(self.rows, 16, 24, 1);
        let probes: Vec<Vec<u8>> = (0..10_000).map(|n| batch.key(n * 7919 % self.rows).to_vec()).collect();
        let seek = |batch: &Batch| probes.iter().map(|probe| batch.seek(0, probe)).sum::<usize>();
        self.run("seek at random", probes.len(), || (), |()| seek(&batch));
        let bare = Batch::from_regions(batch.regions().map(arrow_buffer::Buffer::from)).expect("a batch");
        self.run("seek at random, no fences", probes.len(), || (), |()| seek(&bare));
        let runs: Vec<Batch> = (1..4).map(|seed| random_batch(self.rows, 16, 24, seed)).collect();
        let mut ordered = probes.clone();
        ordered.sort();
        self.run(
            "cursor, 3 runs, ordered, next_net",
            ordered.len(),
            || (),
            |()| {
                let mut cursor = TraceCursor::new(&runs);
                let mut found = 0;
                for prefix in &ordered {
                    cursor.seek_prefix(prefix);
                    while let Ok(Some((_, _, weight))) = cursor.next_net() {
                        found += weight;
                    }
                }
                found
            },
        );
    }

    fn codes(&self) {
        let required = ColumnType::required;
        let nullable = ColumnType::nullable;
        let (int, text) = (Type::Int64, Type::Text);
        let inline = Schema::new(vec![required(int), required(int), required(int)], vec![0]);
        let hashed = Schema::new([vec![required(int); 2], vec![nullable(int); 3]].concat(), vec![0, 1]);
        let strings =
            Schema::new(vec![required(int), nullable(text), required(text), required(int)], vec![0]);
        let by_text = Schema::new(vec![required(text), required(int), required(int)], vec![0]);
        for (name, schema) in [
            ("3 ints, inline", inline),
            ("5 ints, hash", hashed),
            ("2 texts", strings),
            ("text key", by_text),
        ] {
            let layout = Layout::new(&schema, Secret([7; 16]));
            let columns = columns(&schema, self.rows);
            let columns: Vec<&Vector> = columns.iter().collect();
            let weights = vec![1; self.rows];
            let encode = |()| {
                let mut out = BatchBuilder::new();
                layout.encode(&columns, self.rows, &weights, &mut out).expect("rows of the schema");
                out
            };
            self.run(&format!("encode {name}"), self.rows, || (), encode);
            let batch = encode(()).finish_sorted();
            for (column, of) in (0..).zip(&schema.columns) {
                let name = format!("decode {name}, column {column}");
                self.run(
                    &name,
                    self.rows,
                    || Vector::with_capacity(of.ty.lane(), self.rows),
                    |mut out| {
                        layout.decode_range(&batch, 0..self.rows, column, &mut out);
                        out
                    },
                );
            }
        }
    }

    fn scans(&self) {
        let weights: Vec<i64> = (0..self.rows as i64).collect();
        self.run("sum of weights", self.rows, || (), |()| zset::weights::sum(black_box(&weights)));
        let zeros = vec![0; self.rows];
        self.run(
            "skip zero weights",
            self.rows,
            || (),
            |()| zset::weights::next_nonzero(black_box(&zeros), 0),
        );
        self.run(
            "any negative weight",
            self.rows,
            || (),
            |()| zset::weights::any_negative(black_box(&weights)),
        );
    }
}

/// A generator of pseudo-random words (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn random_builder(rows: usize, key_bytes: usize, value_bytes: usize, seed: u64) -> BatchBuilder {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed << 32);
    let mut builder = BatchBuilder::new();
    let (mut key, value) = (vec![0; key_bytes], vec![3; value_bytes]);
    for _ in 0..rows {
        for word in key.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_be_bytes());
        }
        builder.push(&key, &value, 1).expect("a small row");
    }
    builder
}

fn random_batch(rows: usize, key_bytes: usize, value_bytes: usize, seed: u64) -> Batch {
    random_builder(rows, key_bytes, value_bytes, seed).finish().expect("small weights")
}

/// Keys of two integers as a layout encodes them.
fn id_builder(rows: usize, parts: impl Fn(u64, u64) -> (u64, u64)) -> BatchBuilder {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut builder = BatchBuilder::new();
    for n in 0..rows as u64 {
        let (a, b) = parts(n, random.next() >> 11);
        let key = [(a ^ 1 << 63).to_be_bytes(), (b ^ 1 << 63).to_be_bytes()].concat();
        builder.push(&key, &[5; 16], 1).expect("a small row");
    }
    builder
}

fn columns(schema: &Schema, rows: usize) -> Vec<Vector> {
    let mut random = Random(0x0dd0_b10c_5eed_5eed);
    let column = |of: &ColumnType| {
        let mut vector = Vector::with_capacity(of.ty.lane(), rows);
        for _ in 0..rows {
            let word = random.next() >> 20;
            match of.ty {
                _ if of.nullable && word.is_multiple_of(8) => vector.push_null(),
                Type::Text => vector.push_datum(&format!("some text {}", word % 100_000).into()),
                _ => vector.push_datum(&(word as i64).into()),
            }
        }
        vector
    };
    schema.columns.iter().map(column).collect()
}
