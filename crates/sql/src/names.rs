//! Names as SQL means them: an identifier is folded to lower case unless it is quoted, and a relation
//! is named by one identifier, with `public.` and a database's name allowed before it because clients write them.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::{Position, SqlError, SqlState};

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

/// The relation an object name stands for.
pub fn relation(name: &ObjectName) -> Result<String, SqlError> {
    let parts = parts(name)?;
    match parts.as_slice() {
        [one] => Ok(fold(one)),
        // A database's name may stand before the schema: there is one database to be in.
        [schema, one] | [_, schema, one] if fold(schema) == "public" => Ok(fold(one)),
        [schema, _] | [_, schema, _]
            if matches!(fold(schema).as_str(), "pg_catalog" | "information_schema") =>
        {
            Err(SqlError::unsupported(format!("changing or defining {name}"))
                .at(position(name))
                .with_hint("the tables of pg_catalog and information_schema can only be queried"))
        }
        _ => Err(SqlError::unsupported(format!("the qualified name {name}"))
            .at(position(name))
            .with_hint("there is one schema, \"public\": write the name alone")),
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
        let other = ObjectName::from(vec![Ident::new("s"), Ident::new("t")]);
        assert_eq!(relation(&other).map_err(|e| e.sqlstate()), Err("0A000"));
    }
}
