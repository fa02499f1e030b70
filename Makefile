# Two commands a newcomer needs: `make demo` and `make test`. Everything else is `cargo xtask help`.

SCALE ?= 0.1

.PHONY: demo test bench

# Builds the release binary, makes TPC-H data, keeps four views fresh under the refresh stream, checks every row.
demo:
	cargo build --release --package cli
	cargo run --quiet --release --package cli -- demo --scale $(SCALE)

# Format, lints, docs, tidy, and every test: what a change must pass.
test:
	cargo xtask ci

# The figures of docs/benchmarks.md.
bench:
	cargo build --release --package cli
	cargo run --quiet --release --package cli -- bench all
