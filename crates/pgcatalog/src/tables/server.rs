//! Tables that describe the server: databases, roles, time zones.

use super::Builder;
use super::rows::Rows;
use crate::facts::Role;
use crate::oid;
use crate::value::Value;
use crate::world::{World, oid_of};

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "pg_database" => databases,
        "pg_tablespace" => tablespaces,
        "pg_roles" => roles,
        "pg_authid" => authids,
        "pg_user" | "pg_shadow" => users,
        "pg_group" => groups,
        "pg_auth_members" => members,
        "pg_stat_user_tables" | "pg_stat_all_tables" => table_statistics,
        "pg_timezone_names" => zones,
        "pg_timezone_abbrevs" => zone_abbreviations,
        _ => return None,
    })
}

fn databases(world: &World<'_>, rows: &mut Rows) {
    rows.push([
        ("oid", Value::oid(oid::DATABASE)),
        ("datname", world.facts.session().database.as_str().into()),
        ("datdba", Value::oid(oid::BOOTSTRAP_ROLE)),
        ("encoding", Value::Int(6)),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", Value::Int(-1)),
        ("dattablespace", Value::oid(oid::DEFAULT_TABLESPACE)),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
    ]);
}

fn tablespaces(_: &World<'_>, rows: &mut Rows) {
    for (oid, name) in [(oid::DEFAULT_TABLESPACE, "pg_default"), (oid::GLOBAL_TABLESPACE, "pg_global")] {
        rows.push([
            ("oid", Value::oid(oid)),
            ("spcname", name.into()),
            ("spcowner", Value::oid(oid::BOOTSTRAP_ROLE)),
        ]);
    }
}

/// The flags of a role, under the names that `pg_roles` and `pg_authid` share.
fn role_flags(role: &Role) -> [(&'static str, Value); 9] {
    [
        ("rolname", role.name.as_str().into()),
        ("rolsuper", role.superuser.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", role.create_role.into()),
        ("rolcreatedb", role.create_database.into()),
        ("rolcanlogin", role.login.into()),
        ("rolreplication", role.superuser.into()),
        ("rolconnlimit", Value::Int(-1)),
        ("rolbypassrls", role.superuser.into()),
    ]
}

fn roles(world: &World<'_>, rows: &mut Rows) {
    for role in &world.roles {
        let [name, superuser, inherit, create_role, create_db, login, replication, limit, bypass] =
            role_flags(role);
        rows.push([
            name,
            superuser,
            inherit,
            create_role,
            create_db,
            login,
            replication,
            limit,
            ("rolpassword", "********".into()),
            bypass,
            ("oid", Value::oid(role.oid)),
        ]);
    }
}

fn authids(world: &World<'_>, rows: &mut Rows) {
    for role in &world.roles {
        let [name, superuser, inherit, create_role, create_db, login, replication, limit, bypass] =
            role_flags(role);
        rows.push([
            ("oid", Value::oid(role.oid)),
            name,
            superuser,
            inherit,
            create_role,
            create_db,
            login,
            replication,
            bypass,
            limit,
        ]);
    }
}

fn users(world: &World<'_>, rows: &mut Rows) {
    for role in world.roles.iter().filter(|role| role.login) {
        rows.push([
            ("usename", role.name.as_str().into()),
            ("usesysid", Value::oid(role.oid)),
            ("usecreatedb", role.create_database.into()),
            ("usesuper", role.superuser.into()),
            ("userepl", role.superuser.into()),
            ("usebypassrls", role.superuser.into()),
            ("passwd", "********".into()),
        ]);
    }
}

fn groups(world: &World<'_>, rows: &mut Rows) {
    for group in world.roles.iter().filter(|role| !role.login) {
        let members = world.roles.iter().filter(|role| role.member_of.contains(&group.oid));
        rows.push([
            ("groname", group.name.as_str().into()),
            ("grosysid", Value::oid(group.oid)),
            ("grolist", Value::array(members.map(|member| Value::oid(member.oid)).collect())),
        ]);
    }
}

fn members(world: &World<'_>, rows: &mut Rows) {
    for role in &world.roles {
        for group in &role.member_of {
            rows.push([
                ("roleid", Value::oid(*group)),
                ("member", Value::oid(role.oid)),
                ("grantor", Value::oid(oid::BOOTSTRAP_ROLE)),
            ]);
        }
    }
}

fn table_statistics(world: &World<'_>, rows: &mut Rows) {
    for relation in world.tables_and_views() {
        rows.push([
            ("relid", Value::oid(oid_of(relation))),
            ("schemaname", relation.schema.as_str().into()),
            ("relname", relation.name.as_str().into()),
            ("n_live_tup", Value::Int(relation.rows)),
            ("n_dead_tup", Value::Int(0)),
        ]);
    }
}

fn zones(_: &World<'_>, rows: &mut Rows) {
    for name in ["UTC", "Etc/UTC", "GMT"] {
        let abbreviation = if name == "GMT" { "GMT" } else { "UTC" };
        rows.push([
            ("name", name.into()),
            ("abbrev", abbreviation.into()),
            ("utc_offset", "00:00:00".into()),
            ("is_dst", false.into()),
        ]);
    }
}

fn zone_abbreviations(_: &World<'_>, rows: &mut Rows) {
    rows.push([("abbrev", "UTC".into()), ("utc_offset", "00:00:00".into()), ("is_dst", false.into())]);
}
