//! `ALTER TABLE`, `ALTER VIEW` and `ALTER MATERIALIZED VIEW`, as far as they leave the rows as they are: new names, another owner.

use datafusion::sql::sqlparser::ast::{AlterTable, AlterTableOperation, Owner, RenameTableNameKind};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Statement;
use crate::catalog::TableKind;
use crate::error::{Position, SqlError};
use crate::names;

/// `ALTER TABLE`, `ALTER MATERIALIZED VIEW`, `ALTER VIEW`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alter {
    /// What it is.
    pub kind: TableKind,
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub position: Option<Position>,
    /// A name that does not exist is no error.
    pub if_exists: bool,
    /// What changes.
    pub action: AlterAction,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterAction {
    /// `RENAME TO`
    Rename(String),
    /// `RENAME COLUMN … TO`
    RenameColumn(String, String),
    /// `OWNER TO`; `None` is the session's role.
    Owner(Option<String>),
}

/// Writes `ALTER MATERIALIZED VIEW` and `ALTER VIEW` as `ALTER TABLE`, which the grammar knows; says what was written.
pub(super) fn view_is_table(tokens: &mut Vec<TokenWithSpan>) -> TableKind {
    let words: Vec<usize> =
        (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).take(3).collect();
    let is = |at: usize, keyword: Keyword| matches!(&tokens[at].token, Token::Word(word) if word.keyword == keyword);
    let [alter, second, third] = words[..] else { return TableKind::Table };
    if !is(alter, Keyword::ALTER) {
        return TableKind::Table;
    }
    if is(second, Keyword::VIEW) {
        tokens[second].token = Token::make_keyword("TABLE");
        return TableKind::PlainView;
    }
    if !is(second, Keyword::MATERIALIZED) || !is(third, Keyword::VIEW) {
        return TableKind::Table;
    }
    tokens[third].token = Token::make_keyword("TABLE");
    tokens.remove(second);
    TableKind::View
}

pub(super) fn alter(alter: AlterTable, of: TableKind) -> Result<Statement, SqlError> {
    let position = names::position(&alter.name);
    let kind = match of {
        TableKind::View => "MATERIALIZED VIEW",
        TableKind::PlainView => "VIEW",
        TableKind::Table | TableKind::System | TableKind::Sequence => "TABLE",
    };
    let refused = |what: String| SqlError::unsupported(format!("ALTER {kind} … {what}")).at(position);
    if alter.location.is_some() || alter.on_cluster.is_some() || alter.table_type.is_some() {
        return Err(refused("with options".to_string()));
    }
    let [operation] = alter.operations.as_slice() else {
        return Err(refused("with several changes".to_string()).with_hint("make one change a statement"));
    };
    let action = match operation {
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => AlterAction::Rename(names::said(name)?),
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            AlterAction::RenameColumn(names::fold(old_column_name), names::fold(new_column_name))
        }
        AlterTableOperation::OwnerTo { new_owner } => AlterAction::Owner(owner(new_owner)),
        other => {
            let text = other.to_string();
            let words = text.split(' ').take_while(|w| w.chars().all(|c| c.is_ascii_uppercase()));
            return Err(refused(words.take(3).collect::<Vec<_>>().join(" "))
                .with_hint("create another table and copy the rows into it"));
        }
    };
    let (name, if_exists) = (names::said(&alter.name)?, alter.if_exists);
    Ok(Statement::Alter(Alter { kind: of, name, position, if_exists, action }))
}

/// The role that becomes the owner; `None` is the session's.
pub(super) fn owner(owner: &Owner) -> Option<String> {
    match owner {
        Owner::Ident(name) => Some(names::fold(name)),
        Owner::CurrentRole | Owner::CurrentUser | Owner::SessionUser => None,
    }
}

/// The new full name of a relation, as said: it stays in its schema, which need not be written.
pub(super) fn renamed(from: &str, said: &str) -> Result<String, SqlError> {
    let (schema, (other, own)) = (names::split(from).0, names::split(said));
    match other.is_empty() || other == schema {
        true => Ok(names::full(schema, own)),
        false => Err(SqlError::unsupported(format!("moving \"{}\" to another schema", names::shown(from)))
            .with_hint("create it there, and copy the rows")),
    }
}
