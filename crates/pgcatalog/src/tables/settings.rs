//! Settings: what `pg_settings` and `current_setting` say.

use super::Builder;
use super::rows::Rows;
use crate::settings::{SettingKind, all_settings, setting_info};
use crate::value::Value;
use crate::world::World;

pub(super) fn builder(name: &str) -> Option<Builder> {
    (name == "pg_settings").then_some(settings as Builder)
}

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
        name => setting_info(name).map(crate::settings::SettingInfo::default_shown),
    }
}

fn settings(world: &World<'_>, rows: &mut Rows) {
    for info in all_settings().iter().filter(|info| info.listed) {
        let now = info.listed_value(&setting(world, info.name).unwrap_or_default());
        let or_null = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let choices = match info.kind {
            SettingKind::Choice => Value::array(info.choices.iter().map(Value::text).collect()),
            _ => Value::Null,
        };
        rows.push([
            ("name", info.name.into()),
            ("setting", now.as_str().into()),
            ("unit", or_null(info.unit)),
            ("category", info.category.into()),
            ("short_desc", info.description.into()),
            ("context", info.context.into()),
            ("vartype", kind(info.kind).into()),
            ("source", if now == info.value { "default" } else { "session" }.into()),
            ("min_val", or_null(info.min)),
            ("max_val", or_null(info.max)),
            ("enumvals", choices),
            ("boot_val", info.value.into()),
            ("reset_val", info.value.into()),
            ("pending_restart", false.into()),
        ]);
    }
    let own = world.facts.session().settings.iter();
    for own in own.filter(|own| setting_info(&own.name).is_none()) {
        rows.push([
            ("name", own.name.as_str().into()),
            ("setting", own.value.as_str().into()),
            ("category", "Customized Options".into()),
            ("context", "user".into()),
            ("vartype", "string".into()),
            ("source", Value::text("session")),
        ]);
    }
}

/// PostgreSQL's word for what a setting's values are.
fn kind(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Bool => "bool",
        SettingKind::Integer => "integer",
        SettingKind::Real => "real",
        SettingKind::Text => "string",
        SettingKind::Choice => "enum",
    }
}
