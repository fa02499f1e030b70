#!/usr/bin/env python3
"""Has PostgreSQL 15 answer the queries of these files, and writes its answers beneath them.

    python3 crates/gnitz/tests/catalogs/record.py "host=/tmp port=5432 user=postgres dbname=gnitz" [file.txt ...]

The database must hold schema.sql and nothing else. A file is a list of sections: a line `== title`, perhaps a line
`params: a | b`, the query, a line `----`, the rows. Columns are separated by `|`, NULL is `-`, and an OID of a user's
object is written as its name in braces, so that answers of different servers can be compared. What stands after
`---- gnitz: why` is Gnitz's own answer where it must differ; it is kept as it is. Needs psycopg2.
"""
import glob, os, re, sys
import psycopg2

OBJECTS = """
select oid, relname from pg_class where oid >= 16384 and relkind in ('r','m','v','i') and relname !~ '^pg_toast'
union all select oid, 'type ' || typname from pg_type where oid >= 16384
union all select oid, 'constraint ' || conname from pg_constraint where oid >= 16384
union all select oid, 'rule of ' || ev_class::regclass::text from pg_rewrite where oid >= 16384
union all select oid, 'database' from pg_database where datname = current_database()"""


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    connection = psycopg2.connect(sys.argv[1])
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(OBJECTS)
    names = {str(oid): "{%s}" % name for oid, name in cursor.fetchall()}
    oids = {name: oid for oid, name in names.items()}
    # Values are wanted as the server writes them.
    every = psycopg2.extensions.new_type(tuple(psycopg2.extensions.string_types), "text", lambda v, _: v)
    psycopg2.extensions.register_type(every)
    for path in sys.argv[2:] or sorted(glob.glob(here + "/*.txt")):
        sections = read(path)
        for section in sections:
            section["answer"] = answer(cursor, section, names, oids)
        write(path, sections)


def answer(cursor, section, names, oids):
    query = re.sub(r"\{[^{}]+\}", lambda m: oids.get(m.group(0), m.group(0)), section["query"])
    for number, value in reversed(list(enumerate(section["params"], 1))):
        value = oids.get(value, value)
        query = query.replace("$%d" % number, "NULL" if value == "-" else "'%s'" % value.replace("'", "''"))
    # Some queries change settings.
    cursor.execute("set search_path to public; set timezone to 'UTC'")
    try:
        cursor.execute(query)
    except psycopg2.Error as error:
        return ["error: " + error.pgcode]
    rows = []
    for row in cursor.fetchall():
        rows.append("|".join(text(value, names) for value in row))
    return rows


def text(value, names):
    if value is None:
        return "-"
    value = str(value).replace("\n", "\\n")
    return re.sub(r"\b\d{5,}\b", lambda m: names.get(m.group(0), m.group(0)), value)


def read(path):
    sections, part = [], None
    for line in open(path).read().splitlines():
        if line.startswith("== "):
            sections.append({"title": line[3:], "params": [], "query": "", "answer": [], "why": None, "own": []})
            part = "query"
        elif not sections:
            sections.append({"head": line})
        elif part == "query" and line.startswith("params: "):
            sections[-1]["params"] = line[8:].split(" | ")
        elif line.startswith("---- gnitz: "):
            sections[-1]["why"], part = line[12:], "own"
        elif line == "----":
            part = "answer"
        elif part == "query":
            sections[-1]["query"] += line + "\n"
        elif line:
            sections[-1][part].append(line)
    return sections


def write(path, sections):
    with open(path, "w") as out:
        for section in sections:
            out.write("== %s\n" % section["title"])
            if section["params"]:
                out.write("params: %s\n" % " | ".join(section["params"]))
            out.write(section["query"].rstrip("\n") + "\n----\n")
            out.write("".join(row + "\n" for row in section["answer"]))
            if section["why"]:
                out.write("---- gnitz: %s\n" % section["why"])
                out.write("".join(row + "\n" for row in section["own"]))
            out.write("\n")


main()
