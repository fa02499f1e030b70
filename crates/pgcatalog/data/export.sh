#!/bin/sh
# Writes what PostgreSQL itself says of its built-in catalogs: the columns of every catalog table (tables.txt) and
# the rows of the built-in objects that Gnitz has too (the .tsv files, one column list at the head of each).
#
#   sh crates/pgcatalog/data/export.sh -h HOST -p PORT -U postgres -d template1
#
# takes psql's options; the server must be PostgreSQL 15 without extensions.
set -e
cd "$(dirname "$0")"
run() { psql -X -q -A -t -F '	' -P null='\N' "$@"; }

run "$@" -c "
select case when a.attnum = 1 then '= ' || n.nspname || '.' || c.relname || ' ' || c.oid || ' ' || c.relkind::text
            || E'\n' else '' end
    || a.attname || ' ' || format_type(case when t.typtype = 'd' then t.typbasetype else t.oid end, null)
    || case when a.attnotnull then ' !' else '' end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 join pg_type t on t.oid = a.atttypid
where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v')
  and c.relname !~ '^(_pg|sql_|pg_toast)' 
order by n.nspname desc, c.relname, a.attnum" > tables.txt

# table file condition
dump() {
    table=$1 file=$2 condition=$3
    shift 3
    columns=$(run "$@" -R ' ' -c "select attname from pg_attribute where attrelid = '$table'::regclass
        and attnum > 0 order by attnum" | tr '\n' ' ' | sed 's/ *$//')
    # OID aliases are written as numbers.
    list=$(run "$@" -R ', ' -c "select case when atttypid in ('regproc'::regtype) then attname || '::oid'
        else attname end from pg_attribute where attrelid = '$table'::regclass and attnum > 0 order by attnum")
    { echo "$columns"; run "$@" -c "select $list from $table where $condition order by 1"; } > "$file"
}

types="oid < 10000 and typtype in ('b', 'p', 'r', 'm') and typrelid = 0 and typname !~ '_?pg_(ndistinct|dep|mcv|brin|snap)'"
dump pg_catalog.pg_type types.tsv "$types" "$@"
dump pg_catalog.pg_am am.tsv "amname in ('heap', 'btree')" "$@"
dump pg_catalog.pg_language languages.tsv "lanname in ('internal', 'c', 'sql')" "$@"
dump pg_catalog.pg_collation collations.tsv "collname in ('default', 'C', 'POSIX')" "$@"
dump pg_catalog.pg_range ranges.tsv "true" "$@"
dump pg_catalog.pg_opclass opclasses.tsv "opcdefault and opcmethod = 403" "$@"
dump pg_catalog.pg_opfamily opfamilies.tsv "opfmethod = 403" "$@"
dump pg_catalog.pg_operator operators.tsv "oprname in ('=', '<>', '<', '<=', '>', '>=', '~~', '!~~', '~', '!~', '||')
    and oprleft in (16,17,18,19,20,21,23,25,26,700,701,1082,1083,1114,1184,1186,1700) and oprleft = oprright" "$@"
ours="(16,17,18,19,20,21,23,25,26,700,701,1042,1043,1082,1083,1114,1184,1186,1700,2202,2205,2206,4089,4096)"
casts="castsource in $ours and casttarget in $ours and castsource <> casttarget"
dump pg_catalog.pg_cast casts.tsv "$casts" "$@"
dump pg_catalog.pg_proc procs.tsv "oid in (select unnest(array[typinput, typoutput, typreceive, typsend, typmodin,
    typmodout]::oid[]) from pg_type where $types) and prokind = 'f'
    or oid in (select castfunc from pg_cast where $casts)
    or pronamespace = 11 and proname in ($(sed "s/.*/'&'/" functions.txt | paste -sd, -))" "$@"

# What is said of the functions and other objects above. The words of a description have no tabs.
numbers() { tail -n +2 "$1" | cut -f 1 | paste -sd, -; }
described="classoid = 'pg_proc'::regclass and objoid in ($(numbers procs.tsv))
    or classoid = 'pg_operator'::regclass and objoid in ($(numbers operators.tsv))
    or classoid = 'pg_type'::regclass and objoid in ($(numbers types.tsv))
    or classoid = 'pg_am'::regclass and objoid in ($(numbers am.tsv))
    or classoid = 'pg_collation'::regclass and objoid in ($(numbers collations.tsv))
    or classoid = 'pg_language'::regclass and objoid in ($(numbers languages.tsv))
    or classoid = 'pg_namespace'::regclass and objoid in (11, 2200)"
dump pg_catalog.pg_description descriptions.tsv "$described" "$@"

run "$@" -c "select word, catcode, barelabel, catdesc, baredesc from pg_get_keywords()" > keywords.tsv

# The settings that can be shown or set here, by name in settings.txt.
run "$@" -c "select name, boot_val, vartype, context, unit, min_val, max_val, array_to_string(enumvals, ','), category,
    short_desc from pg_settings where name in ($(sed "s/.*/'&'/" settings.txt | paste -sd, -)) order by lower(name)" \
    > settings.tsv
