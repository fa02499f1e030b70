//! Functions that say how something was defined, what it is called, how large it is.

use sql::{SqlError, SqlState, names};

use super::{Function, strict};
use crate::context::Context;
use crate::facts::{Relation, RelationKind};
use crate::oid::{self, *};
use crate::value::Value;
use crate::world::{default_text, oid_of, quoted, whole};
use crate::{tables, types, viewdef};

type Answer = Result<Value, SqlError>;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("format_type", &[OID, INT4], TEXT, format_type).lenient(),
    strict("pg_get_userbyid", &[OID], NAME, user_by_id),
    strict("pg_table_is_visible", &[OID], BOOL, relation_visible),
    strict("pg_type_is_visible", &[OID], BOOL, visible),
    strict("pg_function_is_visible", &[OID], BOOL, visible),
    strict("pg_operator_is_visible", &[OID], BOOL, visible),
    strict("pg_opclass_is_visible", &[OID], BOOL, visible),
    strict("pg_opfamily_is_visible", &[OID], BOOL, visible),
    strict("pg_collation_is_visible", &[OID], BOOL, visible),
    strict("pg_conversion_is_visible", &[OID], BOOL, visible),
    strict("pg_statistics_obj_is_visible", &[OID], BOOL, visible),
    strict("pg_ts_config_is_visible", &[OID], BOOL, visible),
    strict("pg_ts_dict_is_visible", &[OID], BOOL, visible),
    strict("pg_ts_parser_is_visible", &[OID], BOOL, visible),
    strict("pg_ts_template_is_visible", &[OID], BOOL, visible),
    strict("pg_get_viewdef", &[REGCLASS, BOOL], TEXT, view_definition).from(1),
    strict("pg_get_indexdef", &[OID, INT4, BOOL], TEXT, index_definition).from(1),
    strict("pg_get_constraintdef", &[OID, BOOL], TEXT, constraint_definition).from(1),
    strict("pg_get_expr", &[PG_NODE_TREE, OID, BOOL], TEXT, |_, args| Ok(args[0].clone())).from(2),
    strict("pg_get_function_arguments", &[OID], TEXT, function_arguments),
    strict("pg_get_function_identity_arguments", &[OID], TEXT, function_arguments),
    strict("pg_get_function_result", &[OID], TEXT, function_result),
    strict("pg_get_functiondef", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_function_sqlbody", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_function_arg_default", &[OID, INT4], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_triggerdef", &[OID, BOOL], TEXT, |_, _| Ok(Value::Null)).from(1),
    strict("pg_get_ruledef", &[OID, BOOL], TEXT, rule_definition).from(1),
    strict("pg_get_partkeydef", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_partition_constraintdef", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_statisticsobjdef", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_statisticsobjdef_columns", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_get_serial_sequence", &[TEXT, TEXT], TEXT, serial_sequence),
    strict("pg_sequence_last_value", &[REGCLASS], INT8, |c, a| {
        let sequence = relation(c, &a[0]).and_then(|relation| relation.sequence.as_ref());
        Ok(sequence.and_then(|sequence| sequence.last).map_or(Value::Null, Value::Int))
    }),
    strict("pg_sequence_parameters", &[OID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_index_column_has_property", &[REGCLASS, INT4, TEXT], BOOL, index_property),
    strict("pg_index_has_property", &[REGCLASS, TEXT], BOOL, |_, _| Ok(Value::Null)),
    strict("pg_indexam_has_property", &[OID, TEXT], BOOL, am_property),
    strict("obj_description", &[OID, NAME], TEXT, object_comment).from(1),
    strict("col_description", &[OID, INT4], TEXT, column_comment),
    strict("shobj_description", &[OID, NAME], TEXT, |_, _| Ok(Value::Null)),
    strict("to_regclass", &[TEXT], REGCLASS, |c, a| Ok(found(c, a, REGCLASS))),
    strict("to_regtype", &[TEXT], REGTYPE, |c, a| Ok(found(c, a, REGTYPE))),
    strict("to_regnamespace", &[TEXT], REGNAMESPACE, |c, a| Ok(found(c, a, REGNAMESPACE))),
    strict("to_regrole", &[TEXT], REGROLE, |c, a| Ok(found(c, a, REGROLE))),
    strict("to_regproc", &[TEXT], REGPROC, |c, a| Ok(found(c, a, REGPROC))),
    strict("pg_encoding_to_char", &[INT4], NAME, |_, a| {
        Ok(if a[0].as_int() == Some(6) { "UTF8" } else { "" }.into())
    }),
    strict("pg_char_to_encoding", &[NAME], INT4, |_, _| Ok(Value::Int(6))),
    strict("pg_encoding_max_length", &[INT4], INT4, |_, _| Ok(Value::Int(4))),
    strict("pg_relation_size", &[REGCLASS, TEXT], INT8, size).from(1),
    strict("pg_total_relation_size", &[REGCLASS], INT8, size),
    strict("pg_table_size", &[REGCLASS], INT8, size),
    strict("pg_indexes_size", &[REGCLASS], INT8, |_, _| Ok(Value::Int(0))),
    strict("pg_database_size", &[super::ANY], INT8, database_size),
    strict("pg_tablespace_size", &[super::ANY], INT8, database_size),
    strict("pg_relation_filenode", &[REGCLASS], OID, |_, a| Ok(a[0].clone())),
    strict("pg_relation_filepath", &[REGCLASS], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_relation_is_publishable", &[REGCLASS], BOOL, |_, _| Ok(true.into())),
    strict("pg_relation_is_updatable", &[REGCLASS, BOOL], INT4, updatable),
    strict("pg_column_is_updatable", &[REGCLASS, INT2, BOOL], BOOL, |c, a| {
        Ok((updatable(c, a)?.as_int() == Some(28)).into())
    }),
    strict("pg_tablespace_location", &[OID], TEXT, |_, _| Ok("".into())),
    strict("pg_tablespace_databases", &[OID], OID, |_, _| Ok(Value::oid(oid::DATABASE))),
    strict("pg_stat_get_live_tuples", &[OID], INT8, |c, a| {
        Ok(relation(c, &a[0]).map_or(Value::Int(0), |relation| Value::Int(relation.rows)))
    }),
    strict("pg_stat_get_dead_tuples", &[OID], INT8, |_, _| Ok(Value::Int(0))),
    strict("pg_describe_object", &[OID, OID, INT4], TEXT, describe_object),
    strict("pg_collation_for", &[super::ANY], TEXT, |_, _| Ok("\"default\"".into())),
    strict("pg_event_trigger_table_rewrite_oid", &[], OID, |_, _| Ok(Value::Null)),
    strict("pg_get_multixact_members", &[XID], TEXT, |_, _| Ok(Value::Null)),
    strict("pg_char_octet_length", &[OID, INT4], INT4, |_, _| Ok(Value::Null)),
];

fn format_type(context: &Context<'_>, args: &[Value]) -> Answer {
    let Some(ty) = args[0].as_oid() else { return Ok(Value::Null) };
    Ok(context.type_name(ty, args[1].as_int()).into())
}

fn user_by_id(context: &Context<'_>, args: &[Value]) -> Answer {
    let oid = args[0].as_oid().unwrap_or_default();
    let role = context.world.role_by_oid(oid);
    Ok(role.map_or_else(|| format!("unknown (OID={oid})").into(), |role| role.name.as_str().into()))
}

fn relation_visible(context: &Context<'_>, args: &[Value]) -> Answer {
    Ok(args[0].as_oid().and_then(|oid| context.relation(oid)).map_or(Value::Null, |r| r.visible.into()))
}

/// Built-in things are always visible; users' are parts of relations.
fn visible(context: &Context<'_>, args: &[Value]) -> Answer {
    let user = args[0].as_oid().and_then(|oid| context.world.owner(oid));
    Ok(user.is_none_or(|(relation, _)| context.world.sees(&relation.schema, &relation.name)).into())
}

fn relation<'c>(context: &'c Context<'_>, oid: &Value) -> Option<&'c Relation> {
    context.world.by_oid(oid.as_oid()?)
}

/// The sequence of a column, with its schema, as SQL writes it. The table is named as SQL writes it, too; the column is
/// taken by its letters.
fn serial_sequence(context: &Context<'_>, args: &[Value]) -> Answer {
    let [table, column] = [&args[0], &args[1]].map(|arg| arg.as_str().unwrap_or_default());
    let name = sql::sequence::name_in(table)?;
    let schema = (!sql::sequence::is_alone(table)).then(|| names::split(&name).0);
    let relation = context.world.find(schema, names::own(&name)).ok_or_else(|| names::unknown(&name))?;
    let at = (0..).zip(&relation.columns).find(|(_, known)| known.name == column).ok_or_else(|| {
        let message = format!("column \"{column}\" of relation \"{name}\" does not exist");
        SqlError::new(SqlState::UndefinedColumn, message)
    })?;
    let sequence = context.world.owned_sequence(relation, at.0);
    Ok(sequence.map_or(Value::Null, |sequence| whole(&sequence.schema, &sequence.name).into()))
}

fn view_definition(context: &Context<'_>, args: &[Value]) -> Answer {
    let query = relation(context, &args[0]).and_then(|view| viewdef::text(&context.world, view));
    Ok(query.map_or(Value::Null, |query| format!(" {query};").into()))
}

fn rule_definition(context: &Context<'_>, args: &[Value]) -> Answer {
    let Some((view, Part::Rule)) = args[0].as_oid().and_then(|oid| context.world.owner(oid)) else {
        return Ok(Value::Null);
    };
    let query = viewdef::text(&context.world, view).unwrap_or_default();
    let name = whole(&view.schema, &view.name);
    Ok(format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {query};").into())
}

/// The primary key's columns, in its order, quoted.
fn key_names(relation: &Relation) -> Vec<String> {
    let columns = relation.primary_key.iter().filter_map(|column| relation.columns.get(*column as usize));
    columns.map(|column| quoted(&column.name)).collect()
}

fn index_definition(context: &Context<'_>, args: &[Value]) -> Answer {
    let Some((table, Part::Index)) = args[0].as_oid().and_then(|oid| context.world.owner(oid)) else {
        return Ok(Value::Null);
    };
    let columns = key_names(table);
    let column = args.get(1).and_then(Value::as_int).unwrap_or(0);
    if column > 0 {
        return Ok(Value::or_null(columns.get(column as usize - 1).map(Value::text)));
    }
    let pretty = args.get(2).is_some_and(Value::is_true) && context.world.sees(&table.schema, &table.name);
    let index = quoted(&crate::world::key_name(table));
    let table = if pretty { quoted(&table.name) } else { whole(&table.schema, &table.name) };
    let columns = columns.join(", ");
    Ok(format!("CREATE UNIQUE INDEX {index} ON {table} USING btree ({columns})").into())
}

fn constraint_definition(context: &Context<'_>, args: &[Value]) -> Answer {
    Ok(match args[0].as_oid().and_then(|oid| context.world.owner(oid)) {
        Some((table, Part::Constraint)) => format!("PRIMARY KEY ({})", key_names(table).join(", ")).into(),
        _ => Value::Null,
    })
}

fn function_arguments(context: &Context<'_>, args: &[Value]) -> Answer {
    let Some((_, row)) = context.named_row("pg_proc", args[0].as_oid().unwrap_or_default()) else {
        return Ok(Value::Null);
    };
    let types = row[19].items().iter().filter_map(Value::as_oid);
    Ok(types.map(|ty| context.type_name(ty, None)).collect::<Vec<_>>().join(", ").into())
}

fn function_result(context: &Context<'_>, args: &[Value]) -> Answer {
    let Some((_, row)) = context.named_row("pg_proc", args[0].as_oid().unwrap_or_default()) else {
        return Ok(Value::Null);
    };
    let set = if row[13].is_true() { "SETOF " } else { "" };
    Ok(format!("{set}{}", context.type_name(row[18].as_oid().unwrap_or_default(), None)).into())
}

/// Keys are ordered ascending, NULLs last.
fn index_property(_: &Context<'_>, args: &[Value]) -> Answer {
    Ok(match args[2].as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "asc" | "nulls_last" | "orderable" | "returnable" | "search_array" | "search_nulls" => true.into(),
        "desc" | "nulls_first" | "distance_orderable" => false.into(),
        _ => Value::Null,
    })
}

fn am_property(_: &Context<'_>, args: &[Value]) -> Answer {
    let property = args[1].as_str().unwrap_or_default().to_ascii_lowercase();
    Ok(match property.as_str() {
        "can_order" | "can_unique" | "can_multi_col" => (args[0].as_int() == Some(403)).into(),
        "can_exclude" | "can_include" => false.into(),
        _ => Value::Null,
    })
}

/// With the name of a catalog, only what is listed there.
fn object_comment(context: &Context<'_>, args: &[Value]) -> Answer {
    let class = match args.get(1).and_then(Value::as_str) {
        None => None,
        Some(name) => match tables::find(Some("pg_catalog"), name) {
            Some(table) => Some(table.oid),
            None => return Ok(Value::Null),
        },
    };
    let own = comment(context, &args[0], 0)?;
    if !own.is_null() && class.is_none_or(|class| class == oid::PG_CLASS) {
        return Ok(own);
    }
    Ok(Value::or_null(args[0].as_oid().and_then(|object| tables::description(object, class))))
}

fn column_comment(context: &Context<'_>, args: &[Value]) -> Answer {
    let column = args[1].as_int().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    comment(context, &args[0], column)
}

fn comment(context: &Context<'_>, oid: &Value, column: usize) -> Answer {
    let found = relation(context, oid).and_then(|relation| context.world.facts.comment(relation, column));
    Ok(Value::or_null(found.map(Value::from)))
}

fn found(context: &Context<'_>, args: &[Value], ty: u32) -> Value {
    let text = args[0].as_str().unwrap_or_default();
    context.lookup(text, ty).map_or(Value::Null, Value::oid)
}

fn size(context: &Context<'_>, args: &[Value]) -> Answer {
    let oid = args[0].as_oid().unwrap_or_default();
    Ok(match context.world.owner(oid) {
        Some((relation, Part::Relation)) => Value::Int(relation.bytes),
        Some(_) => Value::Int(0),
        None => context.relation(oid).map_or(Value::Null, |_| Value::Int(0)),
    })
}

fn database_size(context: &Context<'_>, _: &[Value]) -> Answer {
    Ok(Value::Int(context.world.stored().map(|relation| relation.bytes).sum()))
}

/// PostgreSQL's bits for what may be done: 8 insert, 4 update, 16 delete.
fn updatable(context: &Context<'_>, args: &[Value]) -> Answer {
    let table = relation(context, &args[0]).is_some_and(|relation| relation.kind == RelationKind::Table);
    Ok(Value::Int(if table { 28 } else { 0 }))
}

fn describe_object(context: &Context<'_>, args: &[Value]) -> Answer {
    let [class, object] = [&args[0], &args[1]].map(|value| value.as_oid().unwrap_or_default());
    let short = |relation: &Relation| context.world.short(&relation.schema, &relation.name);
    Ok(match class {
        oid::PG_CLASS => match context.world.owner(object) {
            Some((relation, Part::Relation)) if relation.kind == RelationKind::View => {
                format!("materialized view {}", short(relation)).into()
            }
            Some((relation, Part::Relation)) if relation.kind == RelationKind::PlainView => {
                format!("view {}", short(relation)).into()
            }
            Some((relation, Part::Relation)) => match args[2].as_int() {
                Some(number) if number > 0 => {
                    let column = relation.columns.get(number as usize - 1);
                    let name = column.map_or(String::new(), |column| quoted(&column.name));
                    format!("column {name} of table {}", short(relation)).into()
                }
                _ => format!("table {}", short(relation)).into(),
            },
            _ => {
                context.relation(object).map_or(Value::Null, |named| format!("index {}", named.full()).into())
            }
        },
        oid::PG_NAMESPACE => {
            context.world.schema_name(object).map_or(Value::Null, |name| format!("schema {name}").into())
        }
        oid::PG_TYPE => format!("type {}", context.type_name(object, None)).into(),
        oid::PG_ATTRDEF => context
            .world
            .stored()
            .find_map(|relation| {
                let mut columns = (1..).zip(&relation.columns);
                let owned = columns.find(|(at, _)| oid::default_of(oid_of(relation), *at) == object);
                owned.and_then(|(_, column)| default_text(&context.world, column))
            })
            .map_or(Value::Null, |text| format!("default value {text}").into()),
        _ => types::info(object).map_or(Value::Null, |info| info.name.into()),
    })
}
