//! The configuration file: TOML, flattened to keys with dots, each with the place it stands at.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a text, counted from 1, as `line:column`.
pub(super) type Place = String;

/// One value of the file.
pub(super) struct Entry {
    /// Its key, with the tables it is in.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value as text; a list is joined by commas.
    pub value: String,
}

/// Why the file cannot be read.
pub(super) struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// The values of a file, in its order.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, Fault> {
    let document = DeTable::parse(text).map_err(|error| Fault {
        place: place(text, error.span().unwrap_or_default()),
        message: error.message().to_string(),
    })?;
    let mut found = Vec::new();
    flatten(text, "", document.get_ref(), &mut found)?;
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

fn flatten(
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    found: &mut Vec<(usize, Entry)>,
) -> Result<(), Fault> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(text, &format!("{key}."), inner, found)?,
            _ => {
                let place = place(text, name.span());
                found.push((name.span().start, Entry { key, place, value: scalar(text, value)? }));
            }
        }
    }
    Ok(())
}

fn scalar(text: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    Ok(match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(items) => {
            items.iter().map(|item| scalar(text, item)).collect::<Result<Vec<_>, _>>()?.join(",")
        }
        DeValue::Table(_) => {
            return Err(Fault {
                place: place(text, value.span()),
                message: "a list of tables is no setting".to_string(),
            });
        }
    })
}

fn place(text: &str, span: Range<usize>) -> Place {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!("{line}:{column}")
}
