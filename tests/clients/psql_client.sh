#!/bin/bash
# psql: what its backslash commands say of tables, views, indexes, roles; scripts, variables, \copy, errors and Ctrl-C.
set -euo pipefail

address=$1
name=p$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run() { psql -X -v ON_ERROR_STOP=1 "$address" "$@" 2>&1; }

# shows WORDS COMMAND: the command's answer has a line with the words, blanks aside.
shows() {
    local answer
    answer=$(run -c "$2" | tr -s ' +-') || { echo "$2 failed: $answer"; exit 1; }
    grep -qF -- "$1" <<<"$answer" || { echo "not in the answer to $2: $1"; echo "$answer"; exit 1; }
}

is() { [ "$1" = "$2" ] || { echo "found '$1', not '$2'"; exit 1; }; }

run -q <<SQL
CREATE TABLE $name (id BIGINT PRIMARY KEY, label VARCHAR(20) NOT NULL, price NUMERIC(10,2) DEFAULT 1.5, at TIMESTAMPTZ, raw BYTEA);
CREATE TABLE ${name}_made (id BIGINT GENERATED ALWAYS AS IDENTITY, other SERIAL);
CREATE TABLE ${name}_pair (a INTEGER, b TEXT, PRIMARY KEY (b, a));
CREATE MATERIALIZED VIEW ${name}_sum AS SELECT label, sum(price) AS total FROM $name GROUP BY label;
CREATE ROLE ${name}_role LOGIN;
GRANT SELECT ON $name TO ${name}_role;
CREATE SCHEMA ${name}_s AUTHORIZATION ${name}_role;
CREATE TABLE ${name}_s.$name (id SERIAL PRIMARY KEY);
SQL

shows "public | $name | table | gnitz" '\d'
shows "public | ${name}_sum | materialized view | gnitz | permanent | heap |" '\d+'
shows "id | bigint | | not null |" "\\d $name"
shows "label | character varying(20) | | not null |" "\\d $name"
shows "price | numeric(10,2) | | | 1.5" "\\d $name"
shows "\"${name}_pkey\" PRIMARY KEY, btree (id)" "\\d $name"
shows "\"${name}_pair_pkey\" PRIMARY KEY, btree (b, a)" "\\d+ ${name}_pair"
shows "id | bigint | | not null | generated always as identity" "\\d ${name}_made"
shows "other | integer | | not null | nextval('${name}_made_other_seq'::regclass)" "\\d ${name}_made"
shows "Sequence for identity column: public.${name}_made.id" "\\d ${name}_made_id_seq"
shows "Owned by: public.${name}_made.other" "\\d ${name}_made_other_seq"
shows "public | ${name}_made_id_seq | sequence | gnitz" '\ds'
shows "Materialized view \"public.${name}_sum\"" "\\d ${name}_sum"
shows "View definition:" "\\d+ ${name}_sum"
shows "public | ${name}_pair | table | gnitz" "\\dt $name*"
shows "public | ${name}_sum | materialized view | gnitz" '\dm'
shows "Did not find any relations." '\dv'
shows "public | ${name}_pkey | index | gnitz | $name" '\di'
shows "pg_catalog | lower | text | text | func" '\df lower'
shows "public | pg_database_owner" '\dn'
shows "${name}_s | ${name}_role" '\dn'
shows "Table \"${name}_s.$name\"" "\\d ${name}_s.$name"
shows "id | integer | | not null | nextval('${name}_s.${name}_id_seq'::regclass)" "\\d ${name}_s.$name"
shows "${name}_s | $name | table | gnitz" "\\dt ${name}_s.*"
shows "gnitz | gnitz | UTF8" '\l'
shows "${name}_role" '\du'
shows "${name}_role=r/gnitz" "\\dp $name"
shows "pg_catalog | pg_tables | view" '\dvS pg_tables'
shows "Table \"pg_catalog.pg_class\"" '\d pg_class'
everything=()
for command in '\dT' '\do =' '\da' '\dx' '\dy' '\dE' '\ds' '\db' '\dc' '\dC' '\dd' '\dD' '\ddp' '\des' '\dew' '\det' '\deu' '\dF' '\dl' \
    '\dL' '\dO' '\dA' '\dAc' '\dAf' '\dAo' '\dP' '\drds' '\dconfig' '\dRp' '\dRs' '\dX' '\dti' '\dtS' '\l+' '\du+' '\dn+' '\df+ lower' '\conninfo'; do
    everything+=(-c "$command")
done
run "${everything[@]}" >"$scratch/answer" || { tail -5 "$scratch/answer"; exit 1; }

# \copy both ways, and a view that has followed.
seq 1 500 | sed 's/.*/&\tl\\tab\t2.50/' >"$scratch/rows"
is "$(run -c "\\copy $name (id, label, price) FROM '$scratch/rows'")" "COPY 500"
is "$(run -At -c "SELECT total FROM ${name}_sum")" "1250.00"
run -q -c "\\copy (SELECT id, label, price FROM $name ORDER BY id) TO '$scratch/back'"
cmp "$scratch/rows" "$scratch/back"
is "$(run -q -c "COPY (SELECT id FROM $name WHERE id < 3 ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)" | paste -sd' ')" "id 1 2"

# A script: variables, \gset, \if, \gexec, \a transaction, a cursor's FETCH_COUNT.
is "$(run -qAt -v wanted="it's" <<SQL
SELECT count(*) AS n FROM $name \\gset
\\if :{?n}
SELECT :n + 1, :'wanted';
\\endif
SELECT 'SELECT ' || id FROM $name WHERE id < 3 ORDER BY id \\gexec
\\set FETCH_COUNT 100
SELECT count(*) FROM (SELECT id FROM $name) x;
BEGIN;
DELETE FROM $name;
ROLLBACK;
SELECT 1::int AS a, 2::int AS b \\gdesc
SELECT id FROM $name ORDER BY id LIMIT 3 \\g (format=csv tuples_only=on)
SQL
)" "501|it's
1
2
500
a|integer
b|integer
1
2
3"
is "$(run -At -v FETCH_COUNT=7 -c "SELECT id FROM $name" | wc -l)" 500
is "$(run -1 -qAt -c "INSERT INTO $name (id, label) VALUES (1000, 'x')" -c "SELECT count(*) FROM $name")" 501

# Errors: the exit's status, the code, the place.
if run -c 'SELECT nothing_such' >"$scratch/answer"; then echo "an error passed"; exit 1; fi
grep -q 'LINE 1: SELECT nothing_such' "$scratch/answer"
run -v VERBOSITY=verbose -v ON_ERROR_STOP=0 -c "INSERT INTO $name (id, label) VALUES (1, 'x')" >"$scratch/answer" || true
grep -q 'ERROR:  23505:' "$scratch/answer"
grep -q 'Key (id)=(1) already exists' "$scratch/answer"

# Ctrl-C.
psql -X "$address" -c "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b" >"$scratch/answer" 2>&1 &
client=$!
sleep 0.5
kill -INT $client
if wait $client; then echo "psql was not interrupted"; exit 1; fi
grep -q 'canceling statement due to user request' "$scratch/answer"

run -q -c "DROP TABLE $name, ${name}_pair CASCADE" -c "DROP SCHEMA ${name}_s CASCADE" -c "DROP ROLE ${name}_role" >"$scratch/answer"
echo "$(psql --version) ok"
