//! Functions that give rows.

use sql::{SqlError, SqlState};

use super::Returns::{Element, Type};
use super::{ANY, SetFunction};
use crate::context::Context;
use crate::oid::*;
use crate::tables;
use crate::value::{Value, parts_bounded};

type Rows = Result<Vec<Vec<Value>>, SqlError>;

/// No catalog query needs a longer series.
const LONGEST: i64 = 1_000_000;

pub(super) const FUNCTIONS: &[SetFunction] = &[
    SetFunction {
        name: "generate_series",
        args: &[INT8, INT8, INT8],
        required: 2,
        columns: &[("generate_series", Type(INT4))],
        eval: series,
    },
    SetFunction {
        name: "generate_subscripts",
        args: &[ANY, INT4, BOOL],
        required: 2,
        columns: &[("generate_subscripts", Type(INT4))],
        eval: subscripts,
    },
    SetFunction {
        name: "unnest",
        args: &[ANY],
        required: 1,
        columns: &[("unnest", Element(0))],
        eval: unnest,
    },
    SetFunction {
        name: "_pg_expandarray",
        args: &[ANY],
        required: 1,
        columns: &[("x", Element(0)), ("n", Type(INT4))],
        eval: |_, args| {
            let numbered = (1..).zip(args[0].items());
            Ok(numbered.map(|(n, item)| vec![item.clone(), Value::Int(n)]).collect())
        },
    },
    SetFunction {
        name: "regexp_split_to_table",
        args: &[TEXT, TEXT],
        required: 2,
        columns: &[("regexp_split_to_table", Type(TEXT))],
        eval: split,
    },
    SetFunction {
        name: "string_to_table",
        args: &[TEXT, TEXT],
        required: 2,
        columns: &[("string_to_table", Type(TEXT))],
        eval: split,
    },
    SetFunction {
        name: "pg_partition_ancestors",
        args: &[REGCLASS],
        required: 1,
        columns: &[("relid", Type(REGCLASS))],
        eval: none,
    },
    SetFunction {
        name: "pg_partition_tree",
        args: &[REGCLASS],
        required: 1,
        columns: &[
            ("relid", Type(REGCLASS)),
            ("parentrelid", Type(REGCLASS)),
            ("isleaf", Type(BOOL)),
            ("level", Type(INT4)),
        ],
        eval: none,
    },
    SetFunction {
        name: "pg_options_to_table",
        args: &[TEXT_ARRAY],
        required: 1,
        columns: &[("option_name", Type(TEXT)), ("option_value", Type(TEXT))],
        eval: options,
    },
    SetFunction {
        name: "aclexplode",
        args: &[ANY],
        required: 1,
        columns: &[
            ("grantor", Type(OID)),
            ("grantee", Type(OID)),
            ("privilege_type", Type(TEXT)),
            ("is_grantable", Type(BOOL)),
        ],
        eval: explode,
    },
    SetFunction {
        name: "pg_get_keywords",
        args: &[],
        required: 0,
        columns: &[
            ("word", Type(TEXT)),
            ("catcode", Type(CHAR)),
            ("barelabel", Type(BOOL)),
            ("catdesc", Type(TEXT)),
            ("baredesc", Type(TEXT)),
        ],
        eval: keywords,
    },
    SetFunction {
        name: "pg_timezone_names",
        args: &[],
        required: 0,
        columns: &[
            ("name", Type(TEXT)),
            ("abbrev", Type(TEXT)),
            ("utc_offset", Type(INTERVAL)),
            ("is_dst", Type(BOOL)),
        ],
        eval: |context, _| Ok(table(context, "pg_timezone_names")),
    },
    SetFunction {
        name: "pg_listening_channels",
        args: &[],
        required: 0,
        columns: &[("pg_listening_channels", Type(TEXT))],
        eval: none,
    },
];

/// Several arrays side by side; the shorter ones end in NULLs.
fn unnest(_: &Context<'_>, args: &[Value]) -> Rows {
    let longest = args.iter().map(|array| array.items().len()).max().unwrap_or(0);
    let item = |array: &Value, at: usize| array.items().get(at).cloned().unwrap_or(Value::Null);
    Ok((0..longest).map(|at| args.iter().map(|array| item(array, at)).collect()).collect())
}

/// PostgreSQL's words, and what they may stand for.
fn keywords(_: &Context<'_>, _: &[Value]) -> Rows {
    let field = |(at, field): (usize, &str)| if at == 2 { Value::Bool(field == "t") } else { field.into() };
    let words = include_str!("../../data/keywords.tsv").lines();
    Ok(words.map(|line| line.split('\t').enumerate().map(field).collect()).collect())
}

fn none(_: &Context<'_>, _: &[Value]) -> Rows {
    Ok(Vec::new())
}

fn table(context: &Context<'_>, name: &str) -> Vec<Vec<Value>> {
    let rows = tables::find(None, name).map(|table| context.rows(table)).unwrap_or_default();
    rows.iter().map(|row| row.to_vec()).collect()
}

fn series(_: &Context<'_>, args: &[Value]) -> Rows {
    let at = |at: usize| args.get(at).and_then(Value::as_int);
    let (Some(from), Some(to)) = (at(0), at(1)) else { return Ok(Vec::new()) };
    let step = at(2).unwrap_or(1);
    if step == 0 {
        return Err(SqlError::new(SqlState::InvalidParameter, "step size cannot equal zero"));
    }
    if to.saturating_sub(from).unsigned_abs() / step.unsigned_abs() > LONGEST as u64 {
        return Err(SqlError::new(
            SqlState::LimitExceeded,
            format!("a series of more than {LONGEST} numbers"),
        ));
    }
    let mut rows = Vec::new();
    let mut now = from;
    while (step > 0 && now <= to) || (step < 0 && now >= to) {
        rows.push(vec![Value::Int(now)]);
        let Some(next) = now.checked_add(step) else { break };
        now = next;
    }
    Ok(rows)
}

fn subscripts(_: &Context<'_>, args: &[Value]) -> Rows {
    let Value::Array(array) = &args[0] else { return Ok(Vec::new()) };
    let mut numbers: Vec<i64> = (array.lower..array.lower + array.items.len() as i64).collect();
    if args.get(2).is_some_and(Value::is_true) {
        numbers.reverse();
    }
    Ok(numbers.into_iter().map(|number| vec![Value::Int(number)]).collect())
}

fn split(_: &Context<'_>, args: &[Value]) -> Rows {
    let (Some(text), Some(separator)) = (args[0].as_str(), args[1].as_str()) else { return Ok(Vec::new()) };
    let separator = separator.replace("\\s*", "").replace('\\', "");
    parts_bounded(text.matches(separator.as_str()).count())?;
    Ok(text.split(separator.as_str()).map(|part| vec![part.trim().into()]).collect())
}

fn options(_: &Context<'_>, args: &[Value]) -> Rows {
    let texts = args[0].items().iter().filter_map(Value::as_str);
    let pairs = texts.map(|text| text.split_once('=').unwrap_or((text, "")));
    Ok(pairs.map(|(name, value)| vec![name.into(), value.into()]).collect())
}

/// The letters of access lists.
const LETTERS: [(char, &str); 12] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('T', "TEMPORARY"),
    ('c', "CONNECT"),
];

/// `role=letters/grantor`, one row a letter; a star after one says that it may be passed on.
fn explode(context: &Context<'_>, args: &[Value]) -> Rows {
    let mut rows = Vec::new();
    for text in args[0].items().iter().filter_map(Value::as_str) {
        let Some((grantee, rest)) = text.split_once('=') else { continue };
        let (letters, grantor) = rest.split_once('/').unwrap_or((rest, ""));
        let oid = |name: &str| Value::oid(context.world.role(name).map_or(0, |role| role.oid));
        let letters: Vec<char> = letters.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            let Some((_, privilege)) = LETTERS.iter().find(|(known, _)| known == letter) else { continue };
            let grantable = letters.get(at + 1) == Some(&'*');
            rows.push(vec![oid(grantor), oid(grantee), (*privilege).into(), grantable.into()]);
        }
    }
    Ok(rows)
}
