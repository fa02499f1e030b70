//! Tables about who is connected, and what this session has prepared.

use super::Builder;
use super::rows::Rows;
use crate::facts::{Activity, State};
use crate::oid;
use crate::value::Value;
use crate::world::World;

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "pg_stat_activity" => activity,
        "pg_stat_database" => database_statistics,
        "pg_prepared_statements" => prepared,
        _ => return None,
    })
}

/// What is shown instead of another role's statement.
const HIDDEN: &str = "<insufficient privilege>";

/// The sessions of the server; where there is none, the one that asks.
fn sessions(world: &World<'_>) -> Vec<Activity> {
    let all = world.facts.sessions();
    if !all.is_empty() {
        return all;
    }
    let session = world.facts.session();
    let now = world.facts.now();
    vec![Activity {
        pid: session.pid,
        user: session.user.clone(),
        database: session.database.clone(),
        application_name: super::setting(world, "application_name").unwrap_or_default(),
        client: session.client.clone(),
        started: world.facts.started(),
        transaction_started: Some(now),
        query_started: Some(now),
        state_changed: now,
        state: State::Active,
        query: "".into(),
    }]
}

/// What others' sessions do is only for those who may act for their roles.
fn activity(world: &World<'_>, rows: &mut Rows) {
    let user = &world.facts.session().user;
    for session in sessions(world) {
        let role = world.role(&session.user).map_or(oid::BOOTSTRAP_ROLE, |role| role.oid);
        let may = world.acts_for(user, &session.user);
        let known = |value: Value| if may { value } else { Value::Null };
        let time = |time: Option<i64>| known(time.map_or(Value::Null, Value::Int));
        let client = session.client.as_ref();
        rows.push([
            ("datid", Value::oid(oid::DATABASE)),
            ("datname", session.database.as_str().into()),
            ("pid", Value::Int(session.pid.into())),
            ("usesysid", Value::oid(role)),
            ("usename", session.user.as_str().into()),
            ("application_name", session.application_name.as_str().into()),
            ("client_addr", known(client.map_or(Value::Null, |(address, _)| address.as_str().into()))),
            ("client_port", known(client.map_or(Value::Null, |(_, port)| Value::Int((*port).into())))),
            ("backend_start", time(Some(session.started))),
            ("xact_start", time(session.transaction_started)),
            ("query_start", time(session.query_started)),
            ("state_change", time(Some(session.state_changed))),
            ("state", known(state(session.state).into())),
            ("query", if may { Value::text(&session.query) } else { HIDDEN.into() }),
            ("backend_type", known("client backend".into())),
        ]);
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Idle => "idle",
        State::InTransaction => "idle in transaction",
        State::Failed => "idle in transaction (aborted)",
    }
}

fn database_statistics(world: &World<'_>, rows: &mut Rows) {
    rows.push([
        ("datid", Value::oid(oid::DATABASE)),
        ("datname", world.facts.session().database.as_str().into()),
        ("numbackends", Value::Int(sessions(world).len() as i64)),
        ("xact_commit", Value::Int(world.facts.epoch())),
    ]);
}

fn prepared(world: &World<'_>, rows: &mut Rows) {
    let mut all = world.facts.prepared();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    for prepared in all {
        rows.push([
            ("name", prepared.name.into()),
            ("statement", Value::text(&prepared.statement)),
            ("prepare_time", Value::Int(prepared.prepared)),
            ("parameter_types", Value::array(prepared.parameters.into_iter().map(Value::oid).collect())),
            ("from_sql", prepared.from_sql.into()),
            ("generic_plans", Value::Int(0)),
            ("custom_plans", Value::Int(0)),
        ]);
    }
}
