//! Names as SQL means them: an identifier is folded to lower case unless it is quoted, and a relation
//! is named by one identifier, perhaps with its schema before it, and a database's name because clients write that.
//!
//! Below the grammar, in the catalog and in messages, a relation goes by one [`full`] name.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

use crate::error::{Position, SqlError, SqlState};

/// The schema of what is named without one.
pub const PUBLIC: &str = "public";

/// The schemas of PostgreSQL's catalogs.
pub const CATALOGS: [&str; 2] = ["pg_catalog", "information_schema"];

/// The one name of a relation: its own, with its schema and a dot before it if that is not [`PUBLIC`]. The name of a
/// schema has no dot, and a relation of `public` whose name has one is named with it, so that [`split`] has the two
/// again.
pub fn full(schema: &str, own: &str) -> String {
    match schema == PUBLIC && !own.contains('.') {
        true => own.to_string(),
        false => format!("{schema}.{own}"),
    }
}

/// The schema and the own name of what goes by a full name.
pub fn split(full: &str) -> (&str, &str) {
    full.split_once('.').unwrap_or((PUBLIC, full))
}

/// The own name of what goes by a full name.
pub fn own(full: &str) -> &str {
    split(full).1
}

/// A full name for messages. That of what was looked for in no schema is its own.
pub fn shown(full: &str) -> &str {
    full.strip_prefix('.').unwrap_or(full)
}

/// There is no relation of this full name.
pub fn unknown(full: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedTable, format!("relation \"{}\" does not exist", shown(full)))
}

/// The full name that a text means which has a schema's name and a dot before its own, or no dot.
pub fn plain(text: &str) -> String {
    let (schema, own) = split(text);
    full(schema, own)
}

/// The name of the primary key's constraint and index of a table of this full name.
pub fn key(full: &str) -> String {
    format!("{}_pkey", own(full))
}

/// A full name as SQL writes it.
pub fn written(full: &str) -> ObjectName {
    written_as(full, quoted)
}

/// The same with its parts quoted only where they must be.
pub fn spelled_whole(full: &str) -> ObjectName {
    written_as(full, spelled)
}

fn written_as(full: &str, part: fn(&str) -> Ident) -> ObjectName {
    let (schema, own) = split(full);
    let schema = full.contains('.').then(|| part(schema));
    ObjectName::from(schema.into_iter().chain([part(own)]).collect::<Vec<_>>())
}

/// The name an identifier stands for.
pub fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// Where an identifier stands.
pub fn place(ident: &Ident) -> Option<Position> {
    Position::of(ident.span)
}

/// The full name of the relation that an object name stands for.
pub fn relation(name: &ObjectName) -> Result<String, SqlError> {
    match parts(name)?.as_slice() {
        [one] => Ok(full(PUBLIC, &fold(one))),
        // A database's name may stand before the schema: there is one database to be in.
        [of, one] | [_, of, one] => match fold(of) {
            of if CATALOGS.contains(&of.as_str()) => {
                Err(SqlError::unsupported(format!("changing or defining {name}"))
                    .at(position(name))
                    .with_hint("the tables of pg_catalog and information_schema can only be queried"))
            }
            of => check_schema(&of).map(|()| full(&of, &fold(one))).map_err(|error| error.at(position(name))),
        },
        _ => Err(SqlError::new(SqlState::SyntaxError, format!("improper relation name: {name}"))
            .at(position(name))
            .with_hint("write database.schema.table, schema.table or table")),
    }
}

/// A relation's name as it is written: a dot before its own name, and before that the schema if one is written. What it
/// means is its full name, which `statement::Unsettled` knows.
pub(crate) fn said(name: &ObjectName) -> Result<String, SqlError> {
    let full = relation(name)?;
    let (schema, own) = split(&full);
    Ok(format!("{}.{own}", if name.0.len() == 1 { "" } else { schema }))
}

/// The schema that an object name stands for.
pub fn schema(name: &ObjectName) -> Result<String, SqlError> {
    match parts(name)?.as_slice() {
        [one] if !one.value.is_empty() => check_schema(&fold(one)).map(|()| fold(one)),
        _ => Err(SqlError::new(SqlState::SyntaxError, format!("improper schema name: {name}"))),
    }
    .map_err(|error| error.at(position(name)))
}

fn check_schema(name: &str) -> Result<(), SqlError> {
    match name.contains('.') {
        true => Err(SqlError::unsupported(format!("a dot in the name of the schema \"{name}\""))),
        false => Ok(()),
    }
}

/// The column an object name stands for, which `INSERT` and `SET` take unqualified.
pub fn column(name: &ObjectName) -> Result<String, SqlError> {
    match parts(name)?.as_slice() {
        [one] => Ok(fold(one)),
        _ => Err(SqlError::new(
            SqlState::UndefinedColumn,
            format!("{name} is not a column's name: write the column alone"),
        )
        .at(position(name))),
    }
}

/// Where an object name begins.
pub fn position(name: &ObjectName) -> Option<Position> {
    match name.0.first() {
        Some(ObjectNamePart::Identifier(ident)) => place(ident),
        _ => None,
    }
}

/// An identifier that means exactly this name, whatever its letters.
pub fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The same, quoted only where it must be.
pub fn spelled(name: &str) -> Ident {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_keyword = || ALL_KEYWORDS.binary_search(&name.to_ascii_uppercase().as_str()).is_ok();
    if starts && name.chars().all(plain) && !is_keyword() { Ident::new(name) } else { quoted(name) }
}

fn parts(name: &ObjectName) -> Result<Vec<&Ident>, SqlError> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident),
            ObjectNamePart::Function(_) => Err(SqlError::unsupported(format!("the name {name}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_unless_quoted() {
        assert_eq!(fold(&Ident::new("ÄbC")), "Äbc");
        assert_eq!(fold(&quoted("AbC")), "AbC");
        let public = ObjectName::from(vec![Ident::new("Public"), Ident::new("T")]);
        assert_eq!(relation(&public), Ok("t".to_string()));
        let whole = ["db", "public", "T"].map(Ident::new).to_vec();
        assert_eq!(relation(&ObjectName::from(whole)), Ok("t".to_string()));
        let other = ObjectName::from(vec![Ident::new("S"), Ident::new("t")]);
        assert_eq!(relation(&other), Ok("s.t".to_string()));
        let catalog = ObjectName::from(vec![Ident::new("pg_catalog"), Ident::new("t")]);
        assert_eq!(relation(&catalog).map_err(|e| e.sqlstate()), Err("0A000"));
    }

    #[test]
    fn a_full_name_has_both() {
        for (schema, own) in [("public", "t"), ("public", "a.b"), ("s", "t"), ("s", "a.b"), ("s", ".")] {
            assert_eq!(split(&full(schema, own)), (schema, own));
            assert_eq!(relation(&written(&full(schema, own))), Ok(full(schema, own)));
        }
        assert_eq!((full("public", "t"), full("s", "t")), ("t".to_string(), "s.t".to_string()));
        assert_eq!(written("s.A").to_string(), "\"s\".\"A\"");
        let dotted = ObjectName::from(vec![quoted("a.b"), quoted("t")]);
        assert_eq!(relation(&dotted).map_err(|e| e.sqlstate()), Err("0A000"));
    }
}
