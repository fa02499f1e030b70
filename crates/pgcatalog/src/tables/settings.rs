//! Settings: what `pg_settings` and `current_setting` say.

use super::Builder;
use super::rows::Rows;
use crate::value::Value;
use crate::world::World;

pub(super) fn builder(name: &str) -> Option<Builder> {
    (name == "pg_settings").then_some(settings as Builder)
}

/// A setting as it is unless the session says otherwise: name, value, type, who can change it, what it is.
type Known = (&'static str, &'static str, &'static str, &'static str, &'static str);

const KNOWN: &[Known] = &[
    ("DateStyle", "ISO, MDY", "string", "user", "Sets the display format for date and time values."),
    ("IntervalStyle", "postgres", "enum", "user", "Sets the display format for interval values."),
    ("TimeZone", "UTC", "string", "user", "Sets the time zone for displaying and interpreting time stamps."),
    ("application_name", "", "string", "user", "Sets the application name to be reported in statistics."),
    (
        "backslash_quote",
        "safe_encoding",
        "enum",
        "user",
        "Sets whether \"\\'\" is allowed in string literals.",
    ),
    ("block_size", "8192", "integer", "internal", "Shows the size of a disk block."),
    ("bytea_output", "hex", "enum", "user", "Sets the output format for bytea."),
    ("client_encoding", "UTF8", "string", "user", "Sets the client's character set encoding."),
    ("client_min_messages", "notice", "enum", "user", "Sets the message levels that are sent to the client."),
    ("default_table_access_method", "heap", "string", "user", "Sets the default table access method."),
    ("default_tablespace", "", "string", "user", "Sets the default tablespace to create tables in."),
    (
        "default_transaction_isolation",
        "repeatable read",
        "enum",
        "user",
        "Sets the isolation level of transactions.",
    ),
    (
        "default_transaction_read_only",
        "off",
        "bool",
        "user",
        "Sets the read-only status of new transactions.",
    ),
    ("extra_float_digits", "1", "integer", "user", "Sets the number of digits displayed for floats."),
    ("fsync", "on", "bool", "sighup", "Forces synchronization of updates to disk."),
    (
        "idle_in_transaction_session_timeout",
        "0",
        "integer",
        "user",
        "Sets how long an open transaction may idle.",
    ),
    ("in_hot_standby", "off", "bool", "internal", "Shows whether hot standby is currently active."),
    ("integer_datetimes", "on", "bool", "internal", "Shows whether datetimes are integer based."),
    ("is_superuser", "on", "bool", "internal", "Shows whether the current user is a superuser."),
    ("jit", "off", "bool", "user", "Allows JIT compilation."),
    ("lc_collate", "C", "string", "internal", "Shows the collation order locale."),
    ("lc_ctype", "C", "string", "internal", "Shows the character classification and case conversion locale."),
    ("lc_messages", "C", "string", "superuser", "Sets the language in which messages are displayed."),
    ("lock_timeout", "0", "integer", "user", "Sets the maximum allowed duration of any wait for a lock."),
    ("max_connections", "100", "integer", "postmaster", "Sets the maximum number of concurrent connections."),
    ("max_identifier_length", "63", "integer", "internal", "Shows the maximum identifier length."),
    ("max_index_keys", "32", "integer", "internal", "Shows the maximum number of index keys."),
    (
        "password_encryption",
        "scram-sha-256",
        "enum",
        "user",
        "Chooses the algorithm for encrypting passwords.",
    ),
    ("quote_all_identifiers", "off", "bool", "user", "Quotes all identifiers when generating SQL fragments."),
    ("row_security", "on", "bool", "user", "Enables row security."),
    ("search_path", "public", "string", "user", "Sets the schema search order for names without a schema."),
    ("server_encoding", "UTF8", "string", "internal", "Shows the server's character set encoding."),
    ("server_version", "15.0", "string", "internal", "Shows the server version."),
    ("server_version_num", "150000", "integer", "internal", "Shows the server version as an integer."),
    ("session_authorization", "gnitz", "string", "user", "Sets the session user name."),
    (
        "standard_conforming_strings",
        "on",
        "bool",
        "user",
        "Causes '...' strings to treat backslashes literally.",
    ),
    ("statement_timeout", "0", "integer", "user", "Sets the maximum allowed duration of any statement."),
    ("synchronous_commit", "on", "enum", "user", "Sets the current transaction's synchronization level."),
    (
        "transaction_isolation",
        "repeatable read",
        "enum",
        "user",
        "Sets the current transaction's isolation level.",
    ),
    ("transaction_read_only", "off", "bool", "user", "Sets the current transaction's read-only status."),
    ("wal_level", "replica", "enum", "postmaster", "Sets the level of information written to the log."),
];

/// The value of a setting now, whatever the case of its name.
pub(crate) fn setting(world: &World<'_>, name: &str) -> Option<String> {
    let session = world.facts.session();
    if let Some(own) = session.settings.iter().find(|own| own.name.eq_ignore_ascii_case(name)) {
        return Some(own.value.clone());
    }
    match name.to_ascii_lowercase().as_str() {
        "search_path" => Some(session.search_path.join(", ")),
        "session_authorization" => Some(session.session_user.clone()),
        "is_superuser" => {
            let superuser = world.role(&session.user).is_none_or(|role| role.superuser);
            Some(if superuser { "on" } else { "off" }.to_string())
        }
        name => {
            let known = KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
            known.map(|(_, value, ..)| (*value).to_string())
        }
    }
}

fn settings(world: &World<'_>, rows: &mut Rows) {
    for (name, value, kind, context, description) in KNOWN {
        let now = setting(world, name).unwrap_or_default();
        rows.push([
            ("name", (*name).into()),
            ("setting", now.as_str().into()),
            ("category", "Gnitz".into()),
            ("short_desc", (*description).into()),
            ("context", (*context).into()),
            ("vartype", (*kind).into()),
            ("source", if now == *value { "default" } else { "session" }.into()),
            ("boot_val", (*value).into()),
            ("reset_val", (*value).into()),
            ("pending_restart", false.into()),
        ]);
    }
    let own = world.facts.session().settings.iter();
    for own in own.filter(|own| !KNOWN.iter().any(|(known, ..)| known.eq_ignore_ascii_case(&own.name))) {
        rows.push([
            ("name", own.name.as_str().into()),
            ("setting", own.value.as_str().into()),
            ("context", "user".into()),
            ("vartype", "string".into()),
            ("source", Value::text("session")),
        ]);
    }
}
