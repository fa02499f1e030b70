//! `has_…_privilege`: who may do what. The answer for relations is the facts'.

use sql::{SqlError, SqlState};

use super::{ANY, Function, strict};
use crate::context::{Context, parse_name};
use crate::oid::{ACLITEM_ARRAY, BOOL, CHAR, OID, REGCLASS};
use crate::value::Value;

type Answer = Result<Value, SqlError>;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("has_table_privilege", &[ANY, ANY, ANY], BOOL, table).from(2),
    strict("has_any_column_privilege", &[ANY, ANY, ANY], BOOL, table).from(2),
    strict("has_column_privilege", &[ANY, ANY, ANY, ANY], BOOL, column).from(3),
    strict("has_sequence_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_schema_privilege", &[ANY, ANY, ANY], BOOL, schema).from(2),
    strict("has_database_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_function_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_language_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_tablespace_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_type_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_parameter_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_foreign_data_wrapper_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("has_server_privilege", &[ANY, ANY, ANY], BOOL, allowed).from(2),
    strict("pg_has_role", &[ANY, ANY, ANY], BOOL, role).from(2),
    strict("acldefault", &[CHAR, OID], ACLITEM_ARRAY, defaults),
    strict("row_security_active", &[ANY], BOOL, |_, _| Ok(false.into())),
];

fn allowed(_: &Context<'_>, _: &[Value]) -> Answer {
    Ok(true.into())
}

/// What an object's owner and everyone may do where nothing was granted, by the letter of the object's kind.
fn defaults(context: &Context<'_>, args: &[Value]) -> Answer {
    let owner = role_name(context, &args[1])?;
    let (everyone, own) = match args[0].as_str().unwrap_or_default() {
        "r" => ("", "arwdDxt"),
        "s" => ("", "rwU"),
        "d" => ("Tc", "CTc"),
        "f" => ("X", "X"),
        "l" | "T" => ("U", "U"),
        "n" => ("", "UC"),
        "t" => ("", "C"),
        "F" | "S" => ("", "U"),
        _ => ("", ""),
    };
    let mut grants = Vec::new();
    for (role, letters) in [("", everyone), (owner.as_str(), own)] {
        if !letters.is_empty() {
            grants.push(Value::text(format!("{role}={letters}/{owner}")));
        }
    }
    Ok(Value::array(grants))
}

/// Nothing is ever made in the catalogs' schemas, and everybody may name what is there.
fn schema(context: &Context<'_>, args: &[Value]) -> Answer {
    let (user, rest) = if args.len() == 3 { (Some(&args[0]), &args[1..]) } else { (None, args) };
    let oid = match rest[0].as_str() {
        Some(name) => Some(context.world.schema_named(name).ok_or_else(|| {
            SqlError::new(SqlState::UndefinedSchema, format!("schema \"{name}\" does not exist"))
        })?),
        None => rest[0].as_oid(),
    };
    let Some(oid) = oid.filter(|oid| context.world.schema_name(*oid).is_some()) else {
        return Ok(Value::Null);
    };
    let user = user_name(context, user)?;
    let mut wanted = privileges(&rest[1]);
    let Some(schema) = context.world.schema_by_oid(oid) else {
        return Ok(wanted.any(|privilege| privilege == "USAGE").into());
    };
    Ok(wanted.any(|privilege| context.world.facts.has_schema_privilege(&user, schema, &privilege)).into())
}

/// The privileges of a list such as `SELECT, UPDATE WITH GRANT OPTION`.
fn privileges(list: &Value) -> impl Iterator<Item = String> {
    let list = list.as_str().unwrap_or_default().to_ascii_uppercase();
    let words =
        list.split(',').map(|word| word.trim().trim_end_matches("WITH GRANT OPTION").trim().to_string());
    words.collect::<Vec<_>>().into_iter()
}

/// The role that a call names; without one the current role.
fn user_name(context: &Context<'_>, user: Option<&Value>) -> Result<String, SqlError> {
    match user {
        None => Ok(context.world.facts.session().user.clone()),
        Some(user) => role_name(context, user),
    }
}

fn table(context: &Context<'_>, args: &[Value]) -> Answer {
    let (user, rest) = if args.len() == 3 { (Some(&args[0]), &args[1..]) } else { (None, args) };
    privilege(context, user, &rest[0], &rest[1])
}

fn column(context: &Context<'_>, args: &[Value]) -> Answer {
    let (user, rest) = if args.len() == 4 { (Some(&args[0]), &args[1..]) } else { (None, args) };
    privilege(context, user, &rest[0], &rest[2])
}

/// Whether a role has any of the privileges of a list.
fn privilege(context: &Context<'_>, user: Option<&Value>, object: &Value, wanted: &Value) -> Answer {
    let oid = match object.as_str() {
        Some(name) => context.input(name, REGCLASS)?.as_oid(),
        None => object.as_oid(),
    };
    let Some(oid) = oid.filter(|oid| context.relation(*oid).is_some()) else { return Ok(Value::Null) };
    let user = user_name(context, user)?;
    let mut wanted = privileges(wanted);
    let Some(relation) = context.world.by_oid(oid) else {
        return Ok(wanted.any(|privilege| privilege == "SELECT").into());
    };
    Ok(wanted.any(|privilege| context.world.facts.has_privilege(&user, relation, &privilege)).into())
}

fn role_name(context: &Context<'_>, user: &Value) -> Result<String, SqlError> {
    if let Some(name) = user.as_str() {
        let bare = parse_name(name).pop().unwrap_or_default();
        let known = [name, bare.as_str()].into_iter().find(|name| context.world.role(name).is_some());
        return known.map(str::to_string).ok_or_else(|| {
            SqlError::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist"))
        });
    }
    let found = user.as_oid().and_then(|oid| context.world.role_by_oid(oid));
    Ok(found.map_or_else(String::new, |role| role.name.clone()))
}

/// Whether the current or a given role is a member of another.
fn role(context: &Context<'_>, args: &[Value]) -> Answer {
    let (user, of) = match args {
        [user, of, _] => (role_name(context, user)?, of),
        [of, _] => (context.world.facts.session().user.clone(), of),
        _ => return Ok(Value::Null),
    };
    let of = role_name(context, of)?;
    let Some(user) = context.world.role(&user) else { return Ok(Value::Null) };
    let group = context.world.role(&of).map(|role| role.oid);
    let member = user.superuser || user.name == of || group.is_some_and(|oid| user.member_of.contains(&oid));
    Ok(member.into())
}
