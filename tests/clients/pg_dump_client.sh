#!/bin/bash
# pg_dump: the schema, the rows, some tables, as text and as an archive; and into PostgreSQL, where there is one, which
# then tells the same rows.
set -euo pipefail

address=$1
name=q$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
scratch=$(mktemp -d)
started=
trap '[ -n "$started" ] && other pg_ctl -D "$scratch/data" -m immediate stop >/dev/null; rm -rf "$scratch"' EXIT

run() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
is() { [ "$1" = "$2" ] || { echo "found '$1', not '$2'"; exit 1; }; }
has() { grep -qF -- "$2" "$1" || { echo "not in the dump: $2"; cat "$1"; exit 1; }; }
has_not() { if grep -q -- "$2" "$1"; then echo "in the dump: $(grep -- "$2" "$1" | head -3)"; exit 1; fi; }

# other PROGRAM ARGUMENT…: runs one of PostgreSQL's own programs, which refuse to be root's.
other() {
    local program=$bin/$1
    shift
    if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$program" "$@"; else "$program" "$@"; fi
}

run "$address" <<SQL
CREATE TABLE $name (id BIGINT PRIMARY KEY, price NUMERIC(10,2) DEFAULT 1.5, label VARCHAR(20) NOT NULL, at TIMESTAMPTZ, raw BYTEA, x DOUBLE PRECISION);
INSERT INTO $name VALUES (1, 2.5, E'a\tb\\\\c', '2026-01-02 03:04:05.123456+00', '\x00ff', 'NaN'), (2, DEFAULT, '', NULL, NULL, NULL);
CREATE TABLE ${name}_bag (a INTEGER, b TEXT DEFAULT 'none', "Odd name" DATE, t TIME, r REAL, ok BOOLEAN DEFAULT true);
INSERT INTO ${name}_bag (a, b) VALUES (1, 'x'), (1, 'x');
INSERT INTO ${name}_bag VALUES (2, NULL, '2026-02-03', '04:05:06', 0.5, false);
CREATE TABLE ${name}_made (id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 7) PRIMARY KEY, other SERIAL, n INTEGER);
INSERT INTO ${name}_made (n) VALUES (1), (2), (3);
CREATE MATERIALIZED VIEW ${name}_sum AS
    WITH $name AS (SELECT label, price FROM $name WHERE id < 100)
    SELECT label, sum(price) AS total FROM $name GROUP BY label;
CREATE MATERIALIZED VIEW ${name}_large AS SELECT total FROM ${name}_sum WHERE total > 2;
CREATE ROLE ${name}_role LOGIN;
GRANT SELECT ON $name TO ${name}_role;
CREATE SCHEMA ${name}_other;
CREATE TABLE ${name}_other.$name (id BIGSERIAL PRIMARY KEY, n INTEGER);
INSERT INTO ${name}_other.$name (n) VALUES (1), (2);
CREATE MATERIALIZED VIEW ${name}_other.total AS SELECT sum(a.n) AS n FROM ${name}_other.$name AS a JOIN $name USING (id);
GRANT USAGE ON SCHEMA ${name}_other TO ${name}_role;
SQL
contents() {
    run "$1" -At -c "SET search_path TO public" -c "SELECT * FROM $name ORDER BY id" -c "SELECT * FROM ${name}_made ORDER BY id" -c "SELECT * FROM ${name}_bag ORDER BY a, b" \
        -c "SELECT * FROM ${name}_sum ORDER BY label" -c "SELECT * FROM ${name}_large" \
        -c "SELECT * FROM ${name}_other.$name ORDER BY id" -c "SELECT * FROM ${name}_other.total"
}

pg_dump --schema-only "$address" >"$scratch/schema"
for words in "CREATE TABLE public.$name (" "price numeric(10,2) DEFAULT 1.5" "label character varying(20) NOT NULL" \
    "ADD CONSTRAINT ${name}_pkey PRIMARY KEY (id)" "\"Odd name\" date" "b text DEFAULT 'none'::text" \
    "CREATE MATERIALIZED VIEW public.${name}_sum AS" "FROM public.${name}_sum WHERE" "(SELECT label, price FROM public.$name WHERE id < 100)" \
    "ALTER TABLE public.${name}_made ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (" "START WITH 7" \
    "ALTER SEQUENCE public.${name}_made_other_seq OWNED BY public.${name}_made.other" "nextval('public.${name}_made_other_seq'::regclass)" \
    "GRANT SELECT ON TABLE public.$name TO ${name}_role" "CREATE SCHEMA ${name}_other;" "CREATE TABLE ${name}_other.$name (" \
    "FROM ${name}_other.$name AS a JOIN public.$name USING" "nextval('${name}_other.${name}_id_seq'::regclass)" \
    "GRANT USAGE ON SCHEMA ${name}_other TO ${name}_role"; do
    has "$scratch/schema" "$words"
done
for words in 'pg_catalog\.pg_' 'CREATE TYPE' 'CREATE FUNCTION' 'CREATE CAST' 'SCHEMA public'; do has_not "$scratch/schema" "$words"; done

pg_dump --inserts --data-only -t "${name}*" "$address" >"$scratch/rows"
has "$scratch/rows" "INSERT INTO public.$name VALUES (2, 1.50, '', NULL, NULL, NULL);"
pg_dump --column-inserts --data-only -t "public.${name}_bag" "$address" >"$scratch/rows"
has "$scratch/rows" "INSERT INTO public.${name}_bag (a, b, \"Odd name\", t, r, ok) VALUES (2, NULL, '2026-02-03', '04:05:06', 0.5, false);"
has_not "$scratch/rows" "public.$name "
if pg_dump -t "${name}_nothing" "$address" >/dev/null 2>"$scratch/error"; then echo "a table that is not there was dumped"; exit 1; fi
has "$scratch/error" "no matching tables were found"
pg_dump "$address" >"$scratch/whole"
pg_dump -Fc -f "$scratch/archive" "$address"
pg_restore -l "$scratch/archive" >"$scratch/list"
has "$scratch/list" "TABLE DATA public $name gnitz"
has "$scratch/list" "MATERIALIZED VIEW public ${name}_sum gnitz"

bin=$(find /usr/lib/postgresql /usr/pgsql-* /usr/local/pgsql -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -1 || true)
if [ -n "$bin" ]; then
    chmod 755 "$scratch"
    mkdir "$scratch/data"
    [ "$(id -u)" = 0 ] && chown nobody "$scratch/data"
    other initdb -D "$scratch/data" -A trust -U gnitz -E UTF8 --locale=C >/dev/null
    other pg_ctl -D "$scratch/data" -w -l "$scratch/data/log" -o "-k $scratch/data -c listen_addresses= -c fsync=off -c timezone=UTC" start >/dev/null
    started=yes
    to="host=$scratch/data user=gnitz"
    run "$to dbname=postgres" -c "CREATE ROLE ${name}_role LOGIN" -c "CREATE DATABASE text" -c "CREATE DATABASE archive"
    run "$to dbname=text" -f "$scratch/whole" >/dev/null
    is "$(contents "$to dbname=text")" "$(contents "$address")"
    pg_restore --exit-on-error -d "$to dbname=archive" "$scratch/archive"
    is "$(contents "$to dbname=archive")" "$(contents "$address")"
    is "$(run "$to dbname=text" -At -c "SELECT has_table_privilege('${name}_role', 'public.$name', 'SELECT')")" t
    is "$(run "$to dbname=text" -At -c "INSERT INTO public.${name}_made (n) VALUES (4) RETURNING id, other")" "10|4"
    run "$to dbname=text" -c "INSERT INTO public.$name (id, label) VALUES (3, 'new')" -c "REFRESH MATERIALIZED VIEW public.${name}_sum"
    is "$(run "$to dbname=text" -At -c "SELECT total FROM public.${name}_sum WHERE label = 'new'")" 1.50
    echo "$(other postgres --version) tells the same"
fi
echo "$(pg_dump --version) ok"
