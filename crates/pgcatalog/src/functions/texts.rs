//! Functions over text.

use std::collections::{HashMap, HashSet};

use sql::{SqlError, SqlState};

use super::{ANY, Function, strict};
use crate::context::Context;
use crate::oid::*;
use crate::regex::Regex;
use crate::value::{Value, bounded};
use crate::world::quoted;

type Answer = Result<Value, SqlError>;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("lower", &[TEXT], TEXT, |_, a| Ok(text(a, 0).to_lowercase().into())),
    strict("upper", &[TEXT], TEXT, |_, a| Ok(text(a, 0).to_uppercase().into())),
    strict("length", &[TEXT], INT4, |_, a| Ok(Value::Int(text(a, 0).chars().count() as i64))),
    strict("char_length", &[TEXT], INT4, |_, a| Ok(Value::Int(text(a, 0).chars().count() as i64))),
    strict("octet_length", &[TEXT], INT4, |_, a| Ok(Value::Int(text(a, 0).len() as i64))),
    strict("btrim", &[TEXT, TEXT], TEXT, |_, a| Ok(trimmed(a, true, true))).from(1),
    strict("trim", &[TEXT, TEXT], TEXT, |_, a| Ok(trimmed(a, true, true))).from(1),
    strict("ltrim", &[TEXT, TEXT], TEXT, |_, a| Ok(trimmed(a, true, false))).from(1),
    strict("rtrim", &[TEXT, TEXT], TEXT, |_, a| Ok(trimmed(a, false, true))).from(1),
    strict("concat", &[TEXT], TEXT, |_, a| joined(a.iter().filter_map(Value::as_str), ""))
        .variadic()
        .lenient(),
    strict("concat_ws", &[TEXT, TEXT], TEXT, concat_ws).variadic().lenient(),
    strict("replace", &[TEXT, TEXT, TEXT], TEXT, |_, a| match text(a, 1) {
        "" => Ok(a[0].clone()),
        from => {
            let added = text(a, 0).matches(from).count().saturating_mul(text(a, 2).len());
            bounded(text(a, 0).len().saturating_add(added))?;
            Ok(text(a, 0).replace(from, text(a, 2)).into())
        }
    }),
    strict("translate", &[TEXT, TEXT, TEXT], TEXT, translate),
    strict("split_part", &[TEXT, TEXT, INT4], TEXT, split_part),
    strict("substring", &[TEXT, INT4, INT4], TEXT, substring).from(2),
    strict("substr", &[TEXT, INT4, INT4], TEXT, substring).from(2),
    strict("left", &[TEXT, INT4], TEXT, |_, a| Ok(left(text(a, 0), int(a, 1)).into())),
    strict("right", &[TEXT, INT4], TEXT, right),
    strict("strpos", &[TEXT, TEXT], INT4, strpos),
    strict("position", &[TEXT, TEXT], INT4, strpos),
    strict("starts_with", &[TEXT, TEXT], BOOL, |_, a| Ok(text(a, 0).starts_with(text(a, 1)).into())),
    strict("repeat", &[TEXT, INT4], TEXT, |_, a| {
        let count = usize::try_from(int(a, 1)).unwrap_or(0);
        bounded(text(a, 0).len().saturating_mul(count))?;
        Ok(text(a, 0).repeat(count).into())
    }),
    strict("lpad", &[TEXT, INT4, TEXT], TEXT, |_, a| padded(a, true)).from(2),
    strict("rpad", &[TEXT, INT4, TEXT], TEXT, |_, a| padded(a, false)).from(2),
    strict("reverse", &[TEXT], TEXT, |_, a| Ok(text(a, 0).chars().rev().collect::<String>().into())),
    strict("initcap", &[TEXT], TEXT, initcap),
    strict("ascii", &[TEXT], INT4, |_, a| {
        Ok(Value::Int(text(a, 0).chars().next().map_or(0, |c| i64::from(u32::from(c)))))
    }),
    strict("chr", &[INT4], TEXT, |_, a| {
        Ok(u32::try_from(int(a, 0))
            .ok()
            .and_then(char::from_u32)
            .map_or(Value::Null, |c| c.to_string().into()))
    }),
    strict("quote_ident", &[TEXT], TEXT, |_, a| Ok(quoted(text(a, 0)).into())),
    strict("parse_ident", &[TEXT, BOOL], TEXT_ARRAY, parse_ident).from(1),
    strict("quote_literal", &[TEXT], TEXT, |_, a| Ok(literal(text(a, 0)).into())),
    strict("quote_nullable", &[TEXT], TEXT, |_, a| {
        Ok(a[0].as_str().map_or_else(|| "NULL".to_string(), literal).into())
    })
    .lenient(),
    strict("format", &[TEXT, TEXT], TEXT, format_text).from(1).variadic().lenient(),
    strict("regexp_replace", &[TEXT, TEXT, TEXT, TEXT], TEXT, regexp_replace).from(3),
    strict("regexp_match", &[TEXT, TEXT, TEXT], TEXT_ARRAY, regexp_match).from(2),
    strict("regexp_matches", &[TEXT, TEXT, TEXT], TEXT_ARRAY, regexp_match).from(2),
    strict("to_char", &[ANY, TEXT], TEXT, |_, a| {
        Ok(Value::or_null(crate::text::output(&a[0], INT8)?.map(Value::from)))
    }),
];

fn text(args: &[Value], at: usize) -> &str {
    args.get(at).and_then(Value::as_str).unwrap_or_default()
}

fn int(args: &[Value], at: usize) -> i64 {
    args.get(at).and_then(Value::as_int).unwrap_or_default()
}

fn trimmed(args: &[Value], start: bool, end: bool) -> Value {
    let set: HashSet<char> = if args.len() > 1 { text(args, 1) } else { " " }.chars().collect();
    let mut rest = text(args, 0);
    if start {
        rest = rest.trim_start_matches(|c| set.contains(&c));
    }
    if end {
        rest = rest.trim_end_matches(|c| set.contains(&c));
    }
    rest.into()
}

fn concat_ws(_: &Context<'_>, args: &[Value]) -> Answer {
    let Some(separator) = args[0].as_str() else { return Ok(Value::Null) };
    joined(args[1..].iter().filter_map(Value::as_str), separator)
}

/// Texts with a separator between them.
pub(super) fn joined<'a>(texts: impl Iterator<Item = &'a str>, separator: &str) -> Answer {
    let mut out = String::new();
    for (nth, text) in texts.enumerate() {
        let separator = if nth == 0 { "" } else { separator };
        bounded(out.len() + separator.len() + text.len())?;
        out.push_str(separator);
        out.push_str(text);
    }
    Ok(out.into())
}

fn translate(_: &Context<'_>, args: &[Value]) -> Answer {
    let mut becomes: HashMap<char, Option<char>> = HashMap::new();
    let mut to = text(args, 2).chars();
    for from in text(args, 1).chars() {
        // Of one that stands there twice the first counts.
        becomes.entry(from).or_insert(to.next());
    }
    let mapped = |c: char| becomes.get(&c).copied().unwrap_or(Some(c));
    Ok(text(args, 0).chars().filter_map(mapped).collect::<String>().into())
}

fn split_part(_: &Context<'_>, args: &[Value]) -> Answer {
    let parts: Vec<&str> = match text(args, 1) {
        "" => vec![text(args, 0)],
        separator => text(args, 0).split(separator).collect(),
    };
    let at = match int(args, 2) {
        at if at > 0 => usize::try_from(at - 1).ok(),
        at => parts.len().checked_sub(at.unsigned_abs() as usize),
    };
    Ok(at.and_then(|at| parts.get(at)).copied().unwrap_or_default().into())
}

/// `substring(text, from, count)`, or with a pattern for the second argument.
fn substring(_: &Context<'_>, args: &[Value]) -> Answer {
    let start = int(args, 1);
    let end = match args.get(2) {
        Some(_) => start.saturating_add(int(args, 2)),
        None => i64::MAX,
    };
    let within = (1i64..).zip(text(args, 0).chars()).filter(|(at, _)| *at >= start && *at < end);
    Ok(within.map(|(_, c)| c).collect::<String>().into())
}

fn left(text: &str, count: i64) -> String {
    let length = text.chars().count() as i64;
    let count = if count < 0 { length + count } else { count };
    text.chars().take(count.max(0) as usize).collect()
}

fn right(_: &Context<'_>, args: &[Value]) -> Answer {
    let (text, count) = (text(args, 0), int(args, 1));
    let length = text.chars().count() as i64;
    let skip = if count < 0 { -count } else { length - count };
    Ok(text.chars().skip(skip.max(0) as usize).collect::<String>().into())
}

fn strpos(_: &Context<'_>, args: &[Value]) -> Answer {
    let (text, part) = (text(args, 0), text(args, 1));
    Ok(Value::Int(text.find(part).map_or(0, |at| text[..at].chars().count() as i64 + 1)))
}

fn padded(args: &[Value], before: bool) -> Answer {
    let (own, width) = (text(args, 0), usize::try_from(int(args, 1)).unwrap_or(0));
    let fill = if args.len() > 2 { text(args, 2) } else { " " };
    let missing = width.saturating_sub(own.chars().count());
    let rounds = missing / fill.chars().count().max(1);
    bounded((rounds + 1).saturating_mul(fill.len()).saturating_add(own.len()))?;
    let pad: String = fill.chars().cycle().take(missing).collect();
    let own: String = own.chars().take(width).collect();
    Ok(if before { pad + &own } else { own + &pad }.into())
}

fn initcap(_: &Context<'_>, args: &[Value]) -> Answer {
    let mut out = String::new();
    let mut inside = false;
    for c in text(args, 0).chars() {
        match inside {
            true => out.extend(c.to_lowercase()),
            false => out.extend(c.to_uppercase()),
        }
        inside = c.is_alphanumeric();
    }
    Ok(out.into())
}

/// The parts of a name, each folded unless it is quoted. What follows them is an error if `strict`, as it is by default.
fn parse_ident(_: &Context<'_>, args: &[Value]) -> Answer {
    let strict = args.get(1).is_none_or(Value::is_true);
    let whole = text(args, 0);
    let invalid = |why: &str| {
        let message = format!("string is not a valid identifier: \"{whole}\"");
        let error = SqlError::new(SqlState::InvalidParameter, message);
        if why.is_empty() { error } else { error.with_hint(why) }
    };
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
    let mut rest = whole.trim_start_matches(blank);
    let mut parts: Vec<Value> = Vec::new();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let closed = unquoted(quoted);
            let (part, after) = closed.ok_or_else(|| invalid("String has unclosed double quotes."))?;
            if part.is_empty() {
                return Err(invalid("Quoted identifier must not be empty."));
            }
            parts.push(part.into());
            rest = after;
        } else {
            let starts = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii());
            let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
            if !starts {
                return Err(invalid(match rest.starts_with('.') {
                    true => "No valid identifier before \".\".",
                    false if !parts.is_empty() => "No valid identifier after \".\".",
                    false => "",
                }));
            }
            let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
            parts.push(rest[..end].to_ascii_lowercase().into());
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(blank);
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start_matches(blank),
            None if rest.is_empty() || !strict => return Ok(Value::array(parts)),
            None => return Err(invalid("")),
        }
    }
}

/// What stands before the quote that ends a name, and what after it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if chars.next_if(|(_, next)| *next == '"').is_some() => name.push('"'),
            '"' => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
}

fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}

/// `format` with `%s`, `%I`, `%L` and `%%`, and places as in `%1$s`.
fn format_text(_: &Context<'_>, args: &[Value]) -> Answer {
    let Some(pattern) = args[0].as_str() else { return Ok(Value::Null) };
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut next = 1;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if chars.next_if_eq(&'$').is_some() {
            next = digits.parse().unwrap_or(next);
        }
        let kind = chars.next().unwrap_or('%');
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = args.get(next).and_then(Value::as_str);
        bounded(out.len() + value.map_or(0, str::len))?;
        next += 1;
        match kind {
            's' => out.push_str(value.unwrap_or_default()),
            'I' => out.push_str(&quoted(value.unwrap_or_default())),
            'L' => out.push_str(&value.map_or_else(|| "NULL".to_string(), literal)),
            other => {
                let message = format!("unrecognized format() type specifier \"{other}\"");
                return Err(SqlError::new(SqlState::InvalidParameter, message));
            }
        }
    }
    Ok(out.into())
}

fn regexp_replace(_: &Context<'_>, args: &[Value]) -> Answer {
    let flags = text(args, 3);
    let regex = Regex::new(text(args, 1), flags.contains('i'))?;
    Ok(regex.replace(text(args, 0), text(args, 2), flags.contains('g'))?.into())
}

fn regexp_match(_: &Context<'_>, args: &[Value]) -> Answer {
    let regex = Regex::new(text(args, 1), text(args, 2).contains('i'))?;
    let Some(found) = regex.captures(text(args, 0)) else { return Ok(Value::Null) };
    let groups = if found.len() > 1 { &found[1..] } else { &found[..] };
    let group = |group: &Option<String>| Value::or_null(group.as_deref().map(Value::from));
    Ok(Value::array(groups.iter().map(group).collect()))
}
