#!/bin/bash
# pgcli: its completer's look through the catalogs as it connects, a query, its own backslash commands.
set -euo pipefail

address=$1
name=l$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home XDG_CONFIG_HOME=$home TERM=dumb PAGER=cat

answer=$(pgcli --less-chatty "$address" 2>&1 <<SQL
CREATE TABLE $name (id BIGINT PRIMARY KEY, label VARCHAR(20) DEFAULT 'x');
INSERT INTO $name (id) VALUES (42);
CREATE MATERIALIZED VIEW ${name}_v AS SELECT label, count(*) AS n FROM $name GROUP BY label;
SELECT id, label FROM $name;
SELECT nothing_such FROM $name;
\\d $name
\\dm
\\dn
\\df lower
\\l
\\du
DROP TABLE $name CASCADE;
SQL
)
for words in 'INSERT 0 1' '| 42 | x |' 'does not exist' '| label | character varying(20) |' "\"${name}_pkey\" PRIMARY KEY, btree (id)" \
    "| public | ${name}_v | materialized view |" '| pg_catalog | lower | text |' 'DROP TABLE'; do
    grep -qF -- "$words" <<<"$(tr -s ' ' <<<"$answer")" || { echo "not in the answer: $words"; echo "$answer"; exit 1; }
done
echo "$(pgcli --version 2>&1 | head -1) ok"
