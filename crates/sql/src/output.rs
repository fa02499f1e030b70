//! The names of a query's output columns, as PostgreSQL gives them.
//!
//! A column without `AS` is named for what it is: a column keeps its name, a call is named for its function,
//! and anything else is `?column?`. DataFusion's names spell out the expression and change with its types.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, Query, Select, SelectItem, SetExpr};
use zset::Type;

use crate::names::{fold, quoted};
use crate::sqltype;

const UNNAMED: &str = "?column?";

/// The names of the `count` output columns of `query`; `planned` names those that `*` stands for.
pub(crate) fn column_names(query: &Query, planned: &[String]) -> Vec<String> {
    match leftmost(&query.body) {
        Some(select) => names_of(select, planned).unwrap_or_else(|| planned.to_vec()),
        None => planned.to_vec(),
    }
}

/// Gives output columns that would be planned under one name names of their own: SQL lets a query put out the same
/// column twice, DataFusion doesn't. What the user sees is [`column_names`]'s, of the query as it was.
pub(crate) fn tell_apart(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => tell_items_apart(&mut select.projection),
        SetExpr::Query(query) => tell_apart(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            tell_apart(left);
            tell_apart(right);
        }
        _ => {}
    }
}

fn tell_items_apart(items: &mut [SelectItem]) {
    let is_wildcard =
        |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let wildcard = items.iter().any(is_wildcard);
    let mut seen = Vec::with_capacity(items.len());
    for (index, item) in items.iter_mut().enumerate() {
        let own = quoted(&format!("${index}"));
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                // A subquery is planned under the name of its column.
                let named = column || matches!(expr, Expr::Subquery(_));
                let name = if named { name_of(expr) } else { expr.to_string() };
                // A wildcard may stand for any column.
                if seen.contains(&name) || (wildcard && column) {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: own };
                }
                seen.push(name);
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = fold(alias);
                if seen.contains(&name) {
                    *alias = own;
                }
                seen.push(name);
            }
            _ => {}
        }
    }
}

fn leftmost(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => leftmost(&query.body),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        _ => None,
    }
}

/// `None` where several wildcards leave open which column belongs to which.
fn names_of(select: &Select, planned: &[String]) -> Option<Vec<String>> {
    let is_wildcard =
        |item: &&SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let wildcards = select.projection.iter().filter(is_wildcard).count();
    let plain = select.projection.len() - wildcards;
    if wildcards > 1 || plain > planned.len() || (wildcards == 0 && plain != planned.len()) {
        return (wildcards == select.projection.len()).then(|| planned.to_vec());
    }
    let mut names = Vec::with_capacity(planned.len());
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => names.push(name_of(expr)),
            SelectItem::ExprWithAlias { alias, .. } => names.push(fold(alias)),
            SelectItem::ExprWithAliases { aliases, .. } => names.push(aliases.first().map(fold)?),
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                let start = names.len();
                names.extend(planned[start..start + planned.len() - plain].iter().cloned());
            }
        }
    }
    (names.len() == planned.len()).then_some(names)
}

/// The name of a column that an expression gives.
pub(crate) fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => fold(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map_or_else(|| UNNAMED.to_string(), fold),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name_of(inner),
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. } => {
            match name_of(expr) {
                name if name == UNNAMED => type_name(data_type),
                name => name,
            }
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            name.rsplit('.').next().unwrap_or(&name).to_string()
        }
        Expr::Case { .. } => "case".to_string(),
        Expr::Extract { .. } => "extract".to_string(),
        Expr::Substring { .. } => "substring".to_string(),
        Expr::Trim { .. } => "btrim".to_string(),
        Expr::Position { .. } => "position".to_string(),
        Expr::Overlay { .. } => "overlay".to_string(),
        Expr::AtTimeZone { .. } => "timezone".to_string(),
        Expr::Ceil { .. } => "ceil".to_string(),
        Expr::Floor { .. } => "floor".to_string(),
        Expr::Exists { .. } => "exists".to_string(),
        Expr::TypedString(typed) => type_name(&typed.data_type),
        Expr::Interval(_) => "interval".to_string(),
        Expr::Subquery(query) => match leftmost(&query.body).map(|select| select.projection.as_slice()) {
            Some([SelectItem::UnnamedExpr(inner)]) => name_of(inner),
            Some([SelectItem::ExprWithAlias { alias, .. }]) => fold(alias),
            _ => UNNAMED.to_string(),
        },
        _ => UNNAMED.to_string(),
    }
}

/// What PostgreSQL itself calls a type, whatever synonym was written.
fn type_name(data_type: &DataType) -> String {
    let name = match (sqltype::of(data_type), data_type) {
        (_, DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_)) => "numeric",
        (_, DataType::Char(_) | DataType::Character(_)) => "bpchar",
        (_, DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_)) => "varchar",
        (Ok(declared), _) => match declared.ty {
            Type::Bool => "bool",
            Type::Int16 => "int2",
            Type::Int32 => "int4",
            Type::Int64 => "int8",
            Type::Float32 => "float4",
            Type::Float64 => "float8",
            Type::Decimal { .. } => "numeric",
            Type::Text => "text",
            Type::Bytes => "bytea",
            Type::Date => "date",
            Type::Time => "time",
            Type::Timestamp => "timestamp",
            Type::TimestampTz => "timestamptz",
            Type::Interval => "interval",
        },
        (Err(_), other) => {
            let text = other.to_string().to_lowercase();
            return text.strip_prefix("pg_catalog.").map_or(text.clone(), str::to_string);
        }
    };
    name.to_string()
}
