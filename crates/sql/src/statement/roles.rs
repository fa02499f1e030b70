//! Who may do what: `CREATE ROLE`, `GRANT` and their kin, as PostgreSQL writes them. `USER` is `ROLE` here too, but a
//! user may log in unless told otherwise. What a privilege would have to promise and cannot is refused by name.

use std::fmt;

use datafusion::sql::sqlparser::ast::{
    self, Action, AlterRoleOperation, CreateRole, GrantObjects, GranteeName, GranteesType, ObjectName,
    Password, Privileges as AstPrivileges, RoleOption,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::Statement;
use crate::error::{SqlError, SqlState};
use crate::names;

/// A change of the roles or of their rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleChange {
    /// `CREATE ROLE`, `CREATE USER`
    Create {
        /// The roles.
        names: Vec<String>,
        /// A role that exists is no error.
        if_not_exists: bool,
        /// What they are given.
        options: RoleOptions,
        /// The roles that they become members of.
        member_of: Vec<String>,
    },
    /// `ALTER ROLE`, `ALTER USER`
    Alter {
        /// The role.
        name: String,
        /// What changes.
        options: RoleOptions,
    },
    /// `ALTER ROLE … RENAME TO`
    Rename {
        /// The role.
        name: String,
        /// Its new name.
        to: String,
    },
    /// `DROP ROLE`, `DROP USER`
    Drop {
        /// The roles.
        names: Vec<String>,
        /// A role that does not exist is no error.
        if_exists: bool,
    },
    /// `GRANT … ON`, `REVOKE … ON`
    Rights(Rights),
    /// `GRANT role TO role`, `REVOKE role FROM role`
    Membership {
        /// `GRANT`, otherwise `REVOKE`.
        grant: bool,
        /// The roles whose rights are given.
        roles: Vec<String>,
        /// Who gets them.
        members: Vec<String>,
    },
}

/// `GRANT privileges ON objects TO roles`, or `REVOKE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// `GRANT`, otherwise `REVOKE`.
    pub grant: bool,
    /// Which.
    pub privileges: Privileges,
    /// On what.
    pub on: GrantTarget,
    /// Whose; `None` is everybody's.
    pub grantees: Vec<Option<String>>,
}

/// What rights are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantTarget {
    /// Tables and views, by name.
    Relations(Vec<String>),
    /// All tables and views of schemas.
    AllRelations(Vec<String>),
    /// Sequences, by name.
    Sequences(Vec<String>),
    /// All sequences of schemas.
    AllSequences(Vec<String>),
    /// Schemas, by name.
    Schemas(Vec<String>),
}

/// What `CREATE ROLE` and `ALTER ROLE` say; `None` where they say nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RoleOptions {
    /// May begin a session.
    pub login: Option<bool>,
    /// May do everything.
    pub superuser: Option<bool>,
    /// May make roles.
    pub create_role: Option<bool>,
    /// A password in the clear, or a verifier as PostgreSQL writes it; `Some(None)` takes the password away.
    pub password: Option<Option<String>>,
    /// How many sessions at once; -1 for any number.
    pub connection_limit: Option<i32>,
}

impl fmt::Debug for RoleOptions {
    /// Without the password: what is debugged may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleOptions")
            .field("login", &self.login)
            .field("superuser", &self.superuser)
            .field("create_role", &self.create_role)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("connection_limit", &self.connection_limit)
            .finish()
    }
}

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges(u8);

impl Privileges {
    /// None.
    pub const NONE: Privileges = Privileges(0);
    /// Read rows of a table or view.
    pub const SELECT: Privileges = Privileges(1);
    /// Add rows to a table.
    pub const INSERT: Privileges = Privileges(2);
    /// Change rows of a table.
    pub const UPDATE: Privileges = Privileges(4);
    /// Remove rows of a table.
    pub const DELETE: Privileges = Privileges(8);
    /// Make tables and views in the schema.
    pub const CREATE: Privileges = Privileges(16);
    /// Name what is in the schema.
    pub const USAGE: Privileges = Privileges(32);
    /// Remove all rows of a table at once.
    pub const TRUNCATE: Privileges = Privileges(64);
    /// What ALL means for a table or view.
    pub const ALL_OF_RELATION: Privileges = Privileges(79);
    /// What ALL means for a sequence.
    pub const ALL_OF_SEQUENCE: Privileges = Privileges(37);
    /// What ALL means for the schema.
    pub const ALL_OF_SCHEMA: Privileges = Privileges(48);

    /// The names, and PostgreSQL's letters.
    const NAMES: [(Privileges, &str, char); 7] = [
        (Privileges::INSERT, "INSERT", 'a'),
        (Privileges::SELECT, "SELECT", 'r'),
        (Privileges::UPDATE, "UPDATE", 'w'),
        (Privileges::DELETE, "DELETE", 'd'),
        (Privileges::TRUNCATE, "TRUNCATE", 'D'),
        (Privileges::USAGE, "USAGE", 'U'),
        (Privileges::CREATE, "CREATE", 'C'),
    ];

    /// Those of both.
    pub const fn and(self, other: Privileges) -> Privileges {
        Privileges(self.0 | other.0)
    }

    /// Those that the other has not.
    pub const fn without(self, other: Privileges) -> Privileges {
        Privileges(self.0 & !other.0)
    }

    /// Whether all of the other's are in it.
    pub const fn covers(self, other: Privileges) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, by name.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Privileges::NAMES.into_iter().filter(move |(one, ..)| self.covers(*one)).map(|(_, name, _)| name)
    }

    /// As PostgreSQL abbreviates them in access lists.
    pub fn letters(self) -> String {
        let mine = Privileges::NAMES.into_iter().filter(|(one, ..)| self.covers(*one));
        mine.map(|(_, _, letter)| letter).collect()
    }

    /// The privilege of this name.
    pub fn named(name: &str) -> Option<Privileges> {
        let found = Privileges::NAMES.into_iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(one, ..)| one)
    }
}

/// Writes `CREATE USER` and its kin as `ROLE`; says whether it did.
pub(super) fn user_is_role(tokens: &mut [TokenWithSpan]) -> bool {
    let mut words = tokens.iter_mut().filter(|t| !matches!(t.token, Token::Whitespace(_)));
    let is = |token: Option<&TokenWithSpan>, keywords: &[Keyword]| matches!(token.map(|t| &t.token), Some(Token::Word(word)) if keywords.contains(&word.keyword));
    let first = words.next();
    let second = words.next();
    if !is(first.as_deref(), &[Keyword::CREATE, Keyword::ALTER, Keyword::DROP])
        || !is(second.as_deref(), &[Keyword::USER])
    {
        return false;
    }
    if let Some(token) = second {
        token.token = Token::Word(Word { value: "ROLE".into(), quote_style: None, keyword: Keyword::ROLE });
    }
    true
}

/// `GRANT role, … TO role, …`, which the grammar does not know; `None` if the text is something else.
pub(super) fn membership(mut parser: Parser<'_>) -> Option<Result<RoleChange, SqlError>> {
    let grant = parser.parse_keyword(Keyword::GRANT);
    if !grant && !parser.parse_keyword(Keyword::REVOKE) {
        return None;
    }
    let roles = parser.parse_comma_separated(|p| p.parse_identifier()).ok()?;
    let between = if grant { Keyword::TO } else { Keyword::FROM };
    if !parser.parse_keyword(between) {
        return None;
    }
    let members = match parser.parse_comma_separated(|p| p.parse_identifier()) {
        Ok(members) => members,
        Err(error) => return Some(Err(error.into())),
    };
    if !matches!(parser.peek_token().token, Token::EOF | Token::SemiColon) {
        return Some(Err(SqlError::unsupported("an option of GRANT or REVOKE of a role")));
    }
    let folded = |names: &[ast::Ident]| names.iter().map(names::fold).collect();
    Some(Ok(RoleChange::Membership { grant, roles: folded(&roles), members: folded(&members) }))
}

pub(super) fn create(create: CreateRole, user: bool) -> Result<Statement, SqlError> {
    if create.bypassrls == Some(true) || create.replication == Some(true) || create.valid_until.is_some() {
        return Err(SqlError::unsupported("BYPASSRLS, REPLICATION and VALID UNTIL of a role"));
    }
    if !create.role.is_empty() || !create.user.is_empty() || !create.admin.is_empty() {
        return Err(SqlError::unsupported("ROLE and ADMIN of CREATE ROLE").with_hint("use GRANT afterwards"));
    }
    let options = RoleOptions {
        login: create.login.or(user.then_some(true)),
        superuser: create.superuser,
        create_role: create.create_role,
        password: create.password.as_ref().map(password).transpose()?,
        connection_limit: create.connection_limit.as_ref().map(limit).transpose()?,
    };
    let member_of = create.in_role.iter().chain(&create.in_group).map(names::fold).collect();
    let names = create.names.iter().map(role).collect::<Result<_, _>>()?;
    let if_not_exists = create.if_not_exists;
    Ok(Statement::Role(RoleChange::Create { names, if_not_exists, options, member_of }))
}

pub(super) fn alter(name: &ast::Ident, operation: AlterRoleOperation) -> Result<Statement, SqlError> {
    let name = names::fold(name);
    let options = match operation {
        AlterRoleOperation::RenameRole { role_name } => {
            return Ok(Statement::Role(RoleChange::Rename { name, to: names::fold(&role_name) }));
        }
        AlterRoleOperation::WithOptions { options } => options,
        other => return Err(SqlError::unsupported(format!("ALTER ROLE … {other}"))),
    };
    let mut changed = RoleOptions::default();
    for option in options {
        match option {
            RoleOption::Login(login) => changed.login = Some(login),
            RoleOption::SuperUser(superuser) => changed.superuser = Some(superuser),
            RoleOption::CreateRole(create) => changed.create_role = Some(create),
            RoleOption::Password(secret) => changed.password = Some(password(&secret)?),
            RoleOption::ConnectionLimit(expr) => changed.connection_limit = Some(limit(&expr)?),
            RoleOption::CreateDB(_) | RoleOption::Inherit(true) => {}
            RoleOption::BypassRLS(false) | RoleOption::Replication(false) => {}
            other => return Err(SqlError::unsupported(format!("ALTER ROLE … {other}"))),
        }
    }
    Ok(Statement::Role(RoleChange::Alter { name, options: changed }))
}

pub(super) fn drop(names: &[ObjectName], if_exists: bool) -> Result<Statement, SqlError> {
    let names = names.iter().map(role).collect::<Result<_, _>>()?;
    Ok(Statement::Role(RoleChange::Drop { names, if_exists }))
}

pub(super) fn grant(grant: &ast::Grant) -> Result<Statement, SqlError> {
    if grant.with_grant_option {
        return Err(SqlError::unsupported("WITH GRANT OPTION")
            .with_hint("the owner of an object, or a superuser, grants rights on it"));
    }
    if grant.as_grantor.is_some() || grant.granted_by.is_some() || grant.current_grants.is_some() {
        return Err(SqlError::unsupported("an option of GRANT"));
    }
    rights(true, &grant.privileges, grant.objects.as_ref(), &grant.grantees)
}

pub(super) fn revoke(revoke: &ast::Revoke) -> Result<Statement, SqlError> {
    if revoke.granted_by.is_some() {
        return Err(SqlError::unsupported("GRANTED BY"));
    }
    rights(false, &revoke.privileges, revoke.objects.as_ref(), &revoke.grantees)
}

fn rights(
    grant: bool,
    privileges: &AstPrivileges,
    objects: Option<&GrantObjects>,
    grantees: &[ast::Grantee],
) -> Result<Statement, SqlError> {
    let (on, all) = target(objects)?;
    let privileges = match privileges {
        AstPrivileges::All { .. } => all,
        AstPrivileges::Actions(actions) => {
            let each = actions.iter().map(privilege);
            each.collect::<Result<Vec<_>, _>>()?.into_iter().fold(Privileges::NONE, Privileges::and)
        }
    };
    if !all.covers(privileges) {
        let wrong: Vec<&str> = privileges.without(all).names().collect();
        let message = format!("invalid privilege type {} for this kind of object", wrong.join(", "));
        return Err(SqlError::new(SqlState::InvalidGrant, message));
    }
    let grantees = grantees.iter().map(grantee).collect::<Result<_, _>>()?;
    Ok(Statement::Role(RoleChange::Rights(Rights { grant, privileges, on, grantees })))
}

/// What the rights are about, and what ALL means there.
fn target(objects: Option<&GrantObjects>) -> Result<(GrantTarget, Privileges), SqlError> {
    let relations = |names: &[ObjectName]| {
        let names = names.iter().map(names::said).collect::<Result<_, _>>()?;
        Ok((GrantTarget::Relations(names), Privileges::ALL_OF_RELATION))
    };
    let schemas = |names: &[ObjectName]| names.iter().map(names::schema).collect::<Result<Vec<_>, _>>();
    match objects {
        Some(GrantObjects::Tables(names) | GrantObjects::Views(names)) => relations(names),
        Some(GrantObjects::AllTablesInSchema { schemas: of }) => {
            Ok((GrantTarget::AllRelations(schemas(of)?), Privileges::ALL_OF_RELATION))
        }
        Some(GrantObjects::Sequences(names)) => {
            let names = names.iter().map(names::said).collect::<Result<_, _>>()?;
            Ok((GrantTarget::Sequences(names), Privileges::ALL_OF_SEQUENCE))
        }
        Some(GrantObjects::AllSequencesInSchema { schemas: of }) => {
            Ok((GrantTarget::AllSequences(schemas(of)?), Privileges::ALL_OF_SEQUENCE))
        }
        Some(GrantObjects::Schemas(names)) => {
            Ok((GrantTarget::Schemas(schemas(names)?), Privileges::ALL_OF_SCHEMA))
        }
        _ => Err(SqlError::unsupported("GRANT on anything but tables, views, sequences and schemas")),
    }
}

fn privilege(action: &Action) -> Result<Privileges, SqlError> {
    match action {
        Action::Select { columns: None } => Ok(Privileges::SELECT),
        Action::Insert { columns: None } => Ok(Privileges::INSERT),
        Action::Update { columns: None } => Ok(Privileges::UPDATE),
        Action::Delete => Ok(Privileges::DELETE),
        Action::Truncate => Ok(Privileges::TRUNCATE),
        Action::Usage => Ok(Privileges::USAGE),
        Action::Create { obj_type: None } => Ok(Privileges::CREATE),
        Action::Select { .. } | Action::Insert { .. } | Action::Update { .. } => {
            Err(SqlError::unsupported("rights on single columns").with_hint("make a view of the columns"))
        }
        other => Err(SqlError::unsupported(format!("the privilege {other}"))),
    }
}

fn grantee(grantee: &ast::Grantee) -> Result<Option<String>, SqlError> {
    match (&grantee.grantee_type, &grantee.name) {
        (GranteesType::Public, _) => Ok(None),
        (
            GranteesType::None | GranteesType::Role | GranteesType::User | GranteesType::Group,
            Some(GranteeName::ObjectName(name)),
        ) => role(name).map(Some),
        _ => Err(SqlError::unsupported(format!("the grantee {grantee}"))),
    }
}

fn role(name: &ObjectName) -> Result<String, SqlError> {
    names::column(name).map_err(|_| {
        SqlError::new(SqlState::SyntaxError, format!("{name} is not a role's name")).at(names::position(name))
    })
}

fn password(password: &Password) -> Result<Option<String>, SqlError> {
    let text = |expr: &ast::Expr| match expr {
        ast::Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    match password {
        Password::NullPassword => Ok(None),
        Password::Password(expr) => text(expr)
            .map(Some)
            .ok_or_else(|| SqlError::new(SqlState::SyntaxError, "a password is a quoted string, or NULL")),
    }
}

fn limit(expr: &ast::Expr) -> Result<i32, SqlError> {
    let number = expr.to_string().parse().ok().filter(|limit| *limit >= -1);
    number.ok_or_else(|| SqlError::new(SqlState::InvalidParameter, "invalid connection limit"))
}
