//! A relation as the statement that would make it.

use std::fmt::Write as _;

use sql::names;
use zset::Type;

use crate::catalog::Catalog;
use crate::counter::Sequence;
use crate::relation::Relation;

/// The statement that would make a relation.
pub(crate) fn definition(catalog: &Catalog, relation: &Relation) -> String {
    if let Some(sequence) = &relation.sequence {
        let ty = match sequence.course.ty {
            Type::Int64 => String::new(),
            other => format!(" AS {other}"),
        };
        let options = Some(sequence.course.options()).filter(|options| !options.is_empty());
        let options = options.map(|options| format!(" {options}")).unwrap_or_default();
        return format!("CREATE SEQUENCE {}{ty}{options}", names::written(relation.name()));
    }
    match &relation.view {
        Some(view) if relation.is_plain_view() => {
            let columns: Vec<String> =
                relation.def.columns.iter().map(|column| names::quoted(&column.name).to_string()).collect();
            let name = names::written(relation.name());
            format!("CREATE VIEW {name} ({}) AS {}", columns.join(", "), view.query)
        }
        Some(view) => {
            format!("CREATE MATERIALIZED VIEW {} AS {}", names::written(relation.name()), view.query)
        }
        None => table(catalog, relation),
    }
}

fn table(catalog: &Catalog, relation: &Relation) -> String {
    let def = &relation.def;
    let sequences = catalog.sequences_of(relation.id());
    let mut lines = Vec::new();
    for (index, column) in (0..).zip(&def.columns) {
        let mut line = format!("  {} ", names::quoted(&column.name));
        let of_column = |sequence: &&Sequence| sequence.owner.is_some_and(|owner| owner.column == index);
        let own = sequences.iter().filter_map(|relation| relation.sequence.as_ref()).find(of_column);
        let serial = own.filter(|_| column.identity.is_none()).map(|_| serial(column.ty.ty));
        let _ = match (serial, column.max_len) {
            (Some(serial), _) => write!(line, "{serial}"),
            (None, Some(limit)) => write!(line, "VARCHAR({limit})"),
            (None, None) => write!(line, "{}", column.ty.ty),
        };
        if !column.ty.nullable {
            line.push_str(" NOT NULL");
        }
        if let Some(default) = column.default.as_ref().filter(|_| serial.is_none()) {
            let _ = write!(line, " DEFAULT {default}");
        }
        if let (Some(identity), Some(sequence)) = (&column.identity, own) {
            let how = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
            let _ = write!(line, " GENERATED {how} AS IDENTITY");
            let options = sequence.course.options();
            if !options.is_empty() {
                let _ = write!(line, " ({options})");
            }
        }
        lines.push(line);
    }
    if !def.primary_key.is_empty() {
        let key: Vec<String> = def
            .primary_key
            .iter()
            .map(|&c| names::quoted(&def.columns[c as usize].name).to_string())
            .collect();
        lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} (\n{}\n)", names::written(&def.name), lines.join(",\n"))
}

fn serial(ty: Type) -> &'static str {
    match ty {
        Type::Int16 => "SMALLSERIAL",
        Type::Int32 => "SERIAL",
        _ => "BIGSERIAL",
    }
}
