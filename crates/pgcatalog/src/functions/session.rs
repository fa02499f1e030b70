//! Functions about the session and the server.

use sql::{SqlError, SqlState};

use super::{ANY, Function, strict};
use crate::context::Context;
use crate::facts::Asked;
use crate::oid::*;
use crate::settings::POSTGRES_VERSION;
use crate::tables::setting;
use crate::value::Value;
use crate::world::whole;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("current_database", &[], NAME, |c, _| Ok(c.world.facts.session().database.as_str().into())),
    strict("current_catalog", &[], NAME, |c, _| Ok(c.world.facts.session().database.as_str().into())),
    strict("current_user", &[], NAME, user),
    strict("current_role", &[], NAME, user),
    strict("user", &[], NAME, user),
    strict("session_user", &[], NAME, |c, _| Ok(c.world.facts.session().session_user.as_str().into())),
    strict("current_schema", &[], NAME, |c, _| Ok(c.world.path().next().map_or(Value::Null, Value::from))),
    strict("current_schemas", &[BOOL], NAME_ARRAY, schemas),
    strict("version", &[], TEXT, |c, _| {
        let own = c.world.facts.version();
        Ok(format!("PostgreSQL {POSTGRES_VERSION} (Gnitz {own}), compiled by rustc, 64-bit").into())
    }),
    strict("current_setting", &[TEXT, BOOL], TEXT, current_setting).from(1),
    strict("currval", &[REGCLASS], INT8, |c, a| {
        let sequence = a[0].as_oid().and_then(|oid| c.world.by_oid(oid));
        let name = sequence.map_or_else(String::new, |sequence| whole(&sequence.schema, &sequence.name));
        c.world.facts.current_value(&name).map(Value::Int)
    }),
    strict("lastval", &[], INT8, |c, _| c.world.facts.last_value().map(Value::Int)),
    strict("set_config", &[TEXT, TEXT, BOOL], TEXT, set_config),
    strict("pg_backend_pid", &[], INT4, |c, _| Ok(Value::Int(c.world.facts.session().pid.into()))),
    strict("pg_is_in_recovery", &[], BOOL, |_, _| Ok(false.into())),
    strict("pg_is_wal_replay_paused", &[], BOOL, |_, _| Ok(false.into())),
    strict("pg_postmaster_start_time", &[], TIMESTAMPTZ, |c, _| Ok(Value::Int(c.world.facts.started()))),
    strict("pg_conf_load_time", &[], TIMESTAMPTZ, |c, _| Ok(Value::Int(c.world.facts.started()))),
    strict("txid_current", &[], INT8, |c, _| Ok(Value::Int(c.world.facts.epoch()))),
    strict("pg_current_xact_id", &[], INT8, |c, _| Ok(Value::Int(c.world.facts.epoch()))),
    strict("txid_current_if_assigned", &[], INT8, |_, _| Ok(Value::Null)),
    strict("inet_server_addr", &[], INET, |c, _| Ok(address(&c.world.facts.session().server))),
    strict("inet_client_addr", &[], INET, |c, _| Ok(address(&c.world.facts.session().client))),
    strict("inet_server_port", &[], INT4, |c, _| Ok(port(&c.world.facts.session().server))),
    strict("inet_client_port", &[], INT4, |c, _| Ok(port(&c.world.facts.session().client))),
    strict("now", &[], TIMESTAMPTZ, now),
    strict("current_timestamp", &[], TIMESTAMPTZ, now),
    strict("statement_timestamp", &[], TIMESTAMPTZ, now),
    strict("transaction_timestamp", &[], TIMESTAMPTZ, now),
    strict("clock_timestamp", &[], TIMESTAMPTZ, now),
    strict("getdatabaseencoding", &[], NAME, |_, _| Ok("UTF8".into())),
    strict("pg_client_encoding", &[], NAME, |_, _| Ok("UTF8".into())),
    strict("pg_my_temp_schema", &[], OID, |_, _| Ok(Value::Int(0))),
    strict("pg_is_other_temp_schema", &[OID], BOOL, |_, _| Ok(false.into())),
    strict("pg_cancel_backend", &[INT4], BOOL, |c, a| stop(c, a, Asked::Cancel)),
    strict("pg_terminate_backend", &[INT4, INT8], BOOL, |c, a| stop(c, a, Asked::Terminate)).from(1),
    strict("pg_blocking_pids", &[INT4], INT4_ARRAY, |_, _| Ok(Value::array(Vec::new()))),
    strict("pg_stat_get_numscans", &[OID], INT8, |_, _| Ok(Value::Int(0))),
    strict("pg_last_wal_receive_lsn", &[], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_last_xact_replay_timestamp", &[], TIMESTAMPTZ, |_, _| Ok(Value::Null)),
    strict("pg_notification_queue_usage", &[], FLOAT8, |_, _| Ok(Value::Float(0.0))),
    strict("pg_export_snapshot", &[], TEXT, |_, _| Ok("00000003-00000001-1".into())),
    strict("pg_advisory_unlock_all", &[], VOID, |_, _| Ok("".into())),
    strict("pg_advisory_lock", &[ANY], VOID, |_, _| Ok("".into())),
    strict("pg_advisory_unlock", &[ANY], BOOL, |_, _| Ok(true.into())),
    strict("pg_try_advisory_lock", &[ANY], BOOL, |_, _| Ok(true.into())),
];

fn user(context: &Context<'_>, _: &[Value]) -> Result<Value, SqlError> {
    Ok(context.world.facts.session().user.as_str().into())
}

fn now(context: &Context<'_>, _: &[Value]) -> Result<Value, SqlError> {
    Ok(Value::Int(context.world.facts.now()))
}

fn schemas(context: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    let mut names: Vec<Value> = context.world.path().map(Value::from).collect();
    if args[0].is_true() && !context.world.path().any(|schema| schema == "pg_catalog") {
        names.insert(0, "pg_catalog".into());
    }
    Ok(Value::array(names))
}

fn current_setting(context: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    let name = args[0].as_str().unwrap_or_default();
    match setting(&context.world, name) {
        Some(value) => Ok(value.into()),
        None if args.get(1).is_some_and(Value::is_true) => Ok(Value::Null),
        None => {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            Err(SqlError::new(SqlState::UndefinedObject, message))
        }
    }
}

fn set_config(context: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    let [name, value] = [&args[0], &args[1]].map(|arg| arg.as_str().unwrap_or_default());
    context.world.facts.set(name, value, args[2].is_true());
    Ok(args[1].clone())
}

/// Asks another session to stop what it does, or to end. A session that asks itself is stopped here.
fn stop(context: &Context<'_>, args: &[Value], asked: Asked) -> Result<Value, SqlError> {
    let (world, pid) =
        (&context.world, args[0].as_int().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0));
    if args.get(1).is_some_and(|timeout| timeout.as_int() != Some(0)) {
        return Err(SqlError::unsupported("pg_terminate_backend with a time to wait"));
    }
    let Some(target) = world.facts.sessions().into_iter().find(|session| session.pid == pid) else {
        world.facts.warn(format!("PID {pid} is not a PostgreSQL server process"));
        return Ok(false.into());
    };
    let user = &world.facts.session().user;
    let refused = |message: &str| Err(SqlError::new(SqlState::InsufficientPrivilege, message));
    let is_superuser = |role: &str| world.role(role).is_none_or(|role| role.superuser);
    if is_superuser(&target.user) && !is_superuser(user) {
        return refused(match asked {
            Asked::Cancel => "must be a superuser to cancel superuser query",
            Asked::Terminate => "must be a superuser to terminate superuser process",
        });
    }
    if !world.acts_for(user, &target.user) {
        return refused(match asked {
            Asked::Cancel => {
                "must be a member of the role whose query is being canceled or member of pg_signal_backend"
            }
            Asked::Terminate => {
                "must be a member of the role whose process is being terminated or member of pg_signal_backend"
            }
        });
    }
    let found = world.facts.stop(pid, asked);
    match found && pid == world.facts.session().pid {
        true => Err(SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request")),
        false => Ok(found.into()),
    }
}

fn address(end: &Option<(String, u16)>) -> Value {
    end.as_ref().map_or(Value::Null, |(address, _)| address.as_str().into())
}

fn port(end: &Option<(String, u16)>) -> Value {
    end.as_ref().map_or(Value::Null, |(_, port)| Value::Int((*port).into()))
}
