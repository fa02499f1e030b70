//! From text to statements: what the engine is asked to do, each with its place in the text.
//!
//! The grammar is sqlparser's PostgreSQL dialect; statements it does not know (`CHECK MATERIALIZED VIEW`,
//! `REFRESH`, `EXPLAIN` of a view by name) are read from the tokens before it sees them. What comes out is our own
//! enum, which has exactly the statements that exist here: anything else is refused by name (0A000), and a
//! clause that a known statement cannot honour is refused too, never dropped. A whole text is parsed
//! before its first statement runs, so a syntax error changes nothing.

use std::ops::{ControlFlow, Range};

use crate::grammar::Grammar;
use datafusion::sql::sqlparser::ast::{self, Query};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::catalog::TableKind;
use crate::depth::{self, Depth};
use crate::error::{Position, SqlError, SqlState};
use crate::names;
use crate::split::{self, Piece};

mod absent;
mod alter;
mod copy;
mod lock;
mod needs;
mod path;
mod respell;
mod roles;
mod schemas;
mod sequence;
mod settings;
mod subscribe;
mod translate;
mod upkeep;

pub use absent::{Absent, DropAbsent};
pub use alter::{Alter, AlterAction};
pub use copy::{CopyFormat, CopyFrom, CopyPlace, CopySource, CopyTo, Csv, Text};
pub use needs::Need;
pub use path::{Path, Unsettled};
pub use roles::{GrantTarget, Privileges, Rights, RoleChange, RoleOptions};
pub use schemas::SchemaChange;
pub use sequence::{Overriding, Restart, SequenceDraft};
pub use subscribe::{Followed, Subscribe};
pub use upkeep::{Task, Upkeep};

/// One statement of a text.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it asks for.
    pub statement: Statement,
    /// Its bytes in the text, without the semicolon.
    pub range: Range<usize>,
    /// Where it begins.
    pub start: Position,
    /// How deep it is, for whoever walks it.
    pub depth: Depth,
}

/// What can be asked of the database.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `SELECT`, `VALUES`, `WITH … SELECT`
    Query(Box<Query>),
    /// `INSERT`
    Insert(Box<ast::Insert>, Overriding),
    /// `UPDATE`
    Update(Box<ast::Update>),
    /// `DELETE`
    Delete(Box<ast::Delete>),
    /// `TRUNCATE`
    Truncate {
        /// The tables.
        tables: Vec<String>,
        /// `RESTART IDENTITY`: the sequences of their columns begin again.
        restart: bool,
    },
    /// `CREATE TABLE`
    CreateTable(Box<ast::CreateTable>),
    /// `CREATE SEQUENCE`
    CreateSequence(SequenceDraft),
    /// `ALTER SEQUENCE … RESTART`, `ALTER TABLE … ALTER … RESTART`
    Restart(Restart),
    /// `CREATE MATERIALIZED VIEW`, `CREATE VIEW`
    CreateView(Box<CreateView>),
    /// `DROP TABLE`, `DROP MATERIALIZED VIEW`, `DROP VIEW`
    Drop(Drop),
    /// `DROP INDEX` and other kinds of objects that are not made here
    DropAbsent(DropAbsent),
    /// `CREATE SCHEMA`, `DROP SCHEMA`, `ALTER SCHEMA`
    Schema(SchemaChange),
    /// `ALTER TABLE`, `ALTER MATERIALIZED VIEW`, `ALTER VIEW`
    Alter(Alter),
    /// `REFRESH MATERIALIZED VIEW`, `ANALYZE`, `VACUUM`
    Upkeep(Upkeep),
    /// `BEGIN`, `START TRANSACTION`
    Begin {
        /// Whether it may only read; nothing is what the session's transactions are like.
        read_only: Option<bool>,
    },
    /// `COMMIT`, `END`
    Commit,
    /// `ROLLBACK`
    Rollback,
    /// `SAVEPOINT`
    Savepoint(String),
    /// `RELEASE SAVEPOINT`
    Release(String),
    /// `ROLLBACK TO SAVEPOINT`
    RollbackTo(String),
    /// `EXPLAIN`
    Explain(Explain),
    /// `CHECK MATERIALIZED VIEW`
    Check {
        /// The view.
        view: String,
    },
    /// `COPY … FROM`
    CopyFrom(CopyFrom),
    /// `COPY … TO`
    CopyTo(Box<CopyTo>),
    /// `CREATE ROLE`, `GRANT` and their kin
    Role(RoleChange),
    /// `SUBSCRIBE`
    Subscribe(Box<Subscribe>),
    /// `LOCK TABLE … IN ACCESS SHARE MODE`: the tables, each with its place.
    Lock(Vec<(String, Option<Position>)>),
    /// `SHOW TABLES`
    ShowTables,
    /// `SET` of a client's setting to the one value it has here: changes nothing.
    Set {
        /// The setting.
        name: String,
    },
    /// `SET search_path`: the schemas in which names are looked for from now on.
    SetPath(String),
}

/// `CREATE MATERIALIZED VIEW [IF NOT EXISTS] name [(columns)] AS query`, or `CREATE [OR REPLACE] VIEW …`
#[derive(Clone, Debug)]
pub struct CreateView {
    /// The view's name.
    pub name: String,
    /// Where the name stands.
    pub position: Option<Position>,
    /// Its rows are kept; otherwise it is a plain view.
    pub materialized: bool,
    /// A plain view of the name is replaced.
    pub or_replace: bool,
    /// An existing relation of the name is no error.
    pub if_not_exists: bool,
    /// Names for the query's columns; empty to keep theirs.
    pub columns: Vec<String>,
    /// What the view shows.
    pub query: Query,
    /// `WITH NO DATA`: it was not to be filled yet.
    pub no_data: bool,
}

/// `DROP … [IF EXISTS] names [CASCADE]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// What they are.
    pub kind: TableKind,
    /// The relations' names, each with its place.
    pub names: Vec<(String, Option<Position>)>,
    /// A name that does not exist is no error.
    pub if_exists: bool,
    /// Drop what depends on them too.
    pub cascade: bool,
}

/// What `EXPLAIN` explains.
#[derive(Clone, Debug)]
pub enum Explain {
    /// A view, by name.
    View(String),
    /// A statement.
    Statement(Box<Statement>),
}

impl Statement {
    /// The words the statement begins with, for messages and command tags.
    pub fn name(&self) -> &'static str {
        match self {
            Statement::Query(_) => "SELECT",
            Statement::Insert(..) => "INSERT",
            Statement::Update(_) => "UPDATE",
            Statement::Delete(_) => "DELETE",
            Statement::Truncate { .. } => "TRUNCATE TABLE",
            Statement::CreateTable(_) => "CREATE TABLE",
            Statement::CreateSequence(_) => "CREATE SEQUENCE",
            Statement::Restart(Restart { column: None, .. }) => "ALTER SEQUENCE",
            Statement::Restart(_) => "ALTER TABLE",
            Statement::CreateView(view) if view.materialized => "CREATE MATERIALIZED VIEW",
            Statement::CreateView(_) => "CREATE VIEW",
            Statement::Drop(drop) => match drop.kind {
                TableKind::View => "DROP MATERIALIZED VIEW",
                TableKind::PlainView => "DROP VIEW",
                TableKind::Sequence => "DROP SEQUENCE",
                TableKind::Table | TableKind::System => "DROP TABLE",
            },
            Statement::DropAbsent(drop) => drop.kind.statement(),
            Statement::Schema(change) => change.statement(),
            Statement::Upkeep(upkeep) => upkeep.task.name(),
            Statement::Alter(alter) => match alter.kind {
                TableKind::View => "ALTER MATERIALIZED VIEW",
                TableKind::PlainView => "ALTER VIEW",
                TableKind::Table | TableKind::System | TableKind::Sequence => "ALTER TABLE",
            },
            Statement::Begin { .. } => "BEGIN",
            Statement::Commit => "COMMIT",
            Statement::Rollback | Statement::RollbackTo(_) => "ROLLBACK",
            Statement::Savepoint(_) => "SAVEPOINT",
            Statement::Release(_) => "RELEASE",
            Statement::Explain(_) => "EXPLAIN",
            Statement::Check { .. } => "CHECK MATERIALIZED VIEW",
            Statement::CopyFrom(_) | Statement::CopyTo(_) => "COPY",
            Statement::Role(RoleChange::Create { .. }) => "CREATE ROLE",
            Statement::Role(RoleChange::Alter { .. } | RoleChange::Rename { .. }) => "ALTER ROLE",
            Statement::Role(RoleChange::Drop { .. }) => "DROP ROLE",
            Statement::Role(RoleChange::Rights(Rights { grant, .. })) if *grant => "GRANT",
            Statement::Role(RoleChange::Rights(_)) => "REVOKE",
            Statement::Role(RoleChange::Membership { grant: true, .. }) => "GRANT ROLE",
            Statement::Role(RoleChange::Membership { .. }) => "REVOKE ROLE",
            Statement::Subscribe(_) => "SUBSCRIBE",
            Statement::Lock(_) => "LOCK TABLE",
            Statement::ShowTables => "SHOW TABLES",
            Statement::Set { .. } | Statement::SetPath(_) => "SET",
        }
    }

    /// The relations that the statement names, wherever they stand in it. Names that mean something else there,
    /// such as those of a WITH, are among them.
    pub fn relations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |name: &ast::ObjectName| {
            found.extend(names::relation(name));
            ControlFlow::<()>::Continue(())
        };
        let _ = match self {
            Statement::Query(query) => ast::visit_relations(query.as_ref(), &mut note),
            Statement::Insert(insert, _) => ast::visit_relations(insert.as_ref(), &mut note),
            Statement::Update(update) => ast::visit_relations(update.as_ref(), &mut note),
            Statement::Delete(delete) => ast::visit_relations(delete.as_ref(), &mut note),
            Statement::CreateView(create) => ast::visit_relations(&create.query, &mut note),
            Statement::CreateTable(create) => match &create.query {
                Some(query) => ast::visit_relations(query.as_ref(), &mut note),
                None => return found,
            },
            Statement::Truncate { tables, .. } => return tables.clone(),
            Statement::CopyFrom(copy) => return vec![copy.table.clone()],
            Statement::CopyTo(copy) => match &copy.source {
                CopySource::Table { name, .. } => return vec![name.clone()],
                CopySource::Query(query) => ast::visit_relations(query.as_ref(), &mut note),
            },
            Statement::Subscribe(subscribe) => match &subscribe.followed {
                Followed::Relation(name) => return vec![name.clone()],
                Followed::Query(query) => ast::visit_relations(query.as_ref(), &mut note),
            },
            Statement::Lock(tables) => return tables.iter().map(|(name, _)| name.clone()).collect(),
            Statement::Explain(Explain::Statement(inner)) => return inner.relations(),
            Statement::Check { view } | Statement::Explain(Explain::View(view)) => return vec![view.clone()],
            _ => return found,
        };
        found
    }
}

/// The statements of a text, in order, where names without a schema are those of `public`.
pub fn parse(text: &str) -> Result<Vec<Parsed>, SqlError> {
    read(text)?.into_iter().map(Unsettled::in_public).collect()
}

/// The statements of a text, in order.
pub fn read(text: &str) -> Result<Vec<Unsettled>, SqlError> {
    split::pieces(text)?
        .into_iter()
        .map(|piece| {
            let (range, start, end) = (piece.range.clone(), piece.start, piece.end);
            let depth = depth::of(&piece.tokens)?;
            let parsed = depth.parse(|| parse_piece(piece));
            let statement = parsed.map_err(|error| at_end(error, start, end))?;
            Ok(Unsettled(Parsed { statement, range, start, depth }))
        })
        .collect()
}

/// The one statement of a text.
pub fn parse_one(text: &str) -> Result<Statement, SqlError> {
    read_alone(text)?.in_public().map(|parsed| parsed.statement)
}

/// The one statement of a text, and what is known of it.
pub fn read_alone(text: &str) -> Result<Unsettled, SqlError> {
    let mut statements = read(text)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(parsed), true) => Ok(parsed),
        (None, _) => Err(SqlError::new(SqlState::SyntaxError, "there is no statement in the text")),
        (Some(parsed), false) => Err(SqlError::new(
            SqlState::SyntaxError,
            "cannot insert multiple commands into a prepared statement",
        )
        .at(Some(parsed.0.start))),
    }
}

/// A scalar expression alone, such as the text of a column's default.
pub fn parse_expression(text: &str) -> Result<ast::Expr, SqlError> {
    let mut parser = Parser::new(&Grammar).try_with_sql(text)?;
    let expr = parser.parse_expr()?;
    expect_end(&mut parser)?;
    Ok(expr)
}

/// An error that names no place ran into the end of its statement, or concerns the whole of it.
fn at_end(error: SqlError, start: Position, end: Position) -> SqlError {
    let ran_out = error.state == SqlState::SyntaxError && error.message.contains("found: EOF");
    error.at(Some(if ran_out { end } else { start }))
}

fn parse_piece(mut piece: Piece) -> Result<Statement, SqlError> {
    respell::respell(&mut piece.tokens);
    let words: Vec<&TokenWithSpan> =
        piece.tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let keyword = |at: usize| match words.get(at).map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    match keyword(0).as_str() {
        "CHECK" => check(piece.tokens),
        "SUBSCRIBE" => subscribe::subscribe(piece.tokens, false).map(Subscribe::statement),
        "COPY" if keyword(2) == "SUBSCRIBE" && words[1].token == Token::LParen => {
            subscribe::subscribe(piece.tokens, true).map(Subscribe::statement)
        }
        "EXPLAIN" => {
            let named = keyword(1) == "MATERIALIZED" || words.len() == 2;
            explain(piece, named).map(Statement::Explain)
        }
        first if let Some(task) = Task::of(first) => task.read(piece.tokens).map(Statement::Upkeep),
        "ALTER" if sequence::is_restart(&words) => sequence::restart(parser(piece.tokens)),
        "ABORT" if words.len() == 1 => Ok(Statement::Rollback),
        "GRANT" | "REVOKE" if let Some(change) = roles::membership(parser(piece.tokens.clone())) => {
            change.map(Statement::Role)
        }
        _ => {
            let mut tokens = piece.tokens;
            let user = roles::user_is_role(&mut tokens);
            let altered = alter::view_is_table(&mut tokens);
            let with_data = upkeep::with_data(&mut tokens);
            let overriding = sequence::overriding(&mut tokens);
            sequence::order_options(&mut tokens);
            let mut parser = parser(tokens);
            let mut statement = parser.parse_statement()?;
            depth::balance(&mut statement);
            expect_end(&mut parser)?;
            translate::statement(statement, translate::Read { user, altered, with_data, overriding })
        }
    }
}

fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&Grammar).with_tokens_with_locations(tokens)
}

fn expect_end(parser: &mut Parser<'_>) -> Result<(), SqlError> {
    let next = parser.peek_token();
    match next.token {
        Token::EOF | Token::SemiColon => Ok(()),
        _ => Ok(parser.expected("end of statement", next)?),
    }
}

/// `CHECK MATERIALIZED VIEW name`
fn check(tokens: Vec<TokenWithSpan>) -> Result<Statement, SqlError> {
    let mut parser = parser(tokens);
    parser.advance_token();
    parser.expect_keywords(&[Keyword::MATERIALIZED, Keyword::VIEW])?;
    Ok(Statement::Check { view: relation_alone(&mut parser)? })
}

/// `EXPLAIN [MATERIALIZED VIEW] name` if `named`, else `EXPLAIN statement`.
fn explain(piece: Piece, named: bool) -> Result<Explain, SqlError> {
    let first = piece.tokens.iter().position(|t| matches!(t.token, Token::Word(_))).unwrap_or_default();
    let mut rest = piece.tokens;
    let rest = rest.split_off(first + 1);
    if named {
        let mut parser = parser(rest);
        if parser.parse_keyword(Keyword::MATERIALIZED) {
            parser.expect_keyword(Keyword::VIEW)?;
        }
        return relation_alone(&mut parser).map(Explain::View);
    }
    let mut options = parser(rest.clone());
    let option = options.parse_one_of_keywords(&[Keyword::ANALYZE, Keyword::VERBOSE]);
    let parenthesized = options.peek_token().token == Token::LParen
        && !matches!(options.peek_nth_token(1).token, Token::Word(ref w) if is_query_word(w.keyword))
        && options.peek_nth_token(1).token != Token::LParen;
    if option.is_some() || parenthesized {
        return Err(SqlError::unsupported("EXPLAIN with options")
            .with_hint("write EXPLAIN and the statement, or EXPLAIN and a view's name"));
    }
    let inner = Piece { tokens: rest, ..piece };
    let statement = parse_piece(inner)?;
    match statement {
        Statement::Query(_) | Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => {
            Ok(Explain::Statement(Box::new(statement)))
        }
        Statement::CreateView(ref view) if view.materialized => Ok(Explain::Statement(Box::new(statement))),
        other => Err(SqlError::unsupported(format!("EXPLAIN {}", other.name()))),
    }
}

fn is_query_word(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES)
}

fn relation_alone(parser: &mut Parser<'_>) -> Result<String, SqlError> {
    let name = parser.parse_object_name(false).map_err(expected_name)?;
    expect_end(parser)?;
    names::said(&name)
}

fn expected_name(error: ParserError) -> SqlError {
    SqlError::from(error).with_hint("the name of a materialized view must stand here")
}

#[cfg(test)]
mod tests;
