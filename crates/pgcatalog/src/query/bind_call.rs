//! Calls: functions of one row, aggregates, window functions, functions that give rows.

use std::sync::Arc;

use sql::sqlparser::ast::{self, FunctionArguments, WindowType};
use sql::{SqlError, SqlState};

use super::bind::{Binder, Bound, sorted};
use super::bind_expr::one_column;
use super::from::arguments;
use super::plan::{Aggregate, AggregateKind, Expr, Key, Order, Window, WindowKind};
use super::scope::{Ctes, Scope, Typed};
use crate::functions::{ANY, Returns, find, find_set};
use crate::value::Value;
use crate::{oid, types};

impl Binder<'_> {
    pub(super) fn function_call(
        &self,
        function: &ast::Function,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        let name = crate::context::parse_name(&function.name.to_string()).pop().unwrap_or_default();
        let list = match &function.args {
            FunctionArguments::None => return self.call(&name, Vec::new()),
            FunctionArguments::Subquery(query) => {
                let plan = self.query(query, Some(scope), ctes)?;
                let (ty, _) = one_column(&plan)?;
                let ty = types::array_of(ty).unwrap_or(oid::TEXT_ARRAY);
                return Ok(Typed::new(Expr::ArrayOf(Arc::new(plan)), ty));
            }
            FunctionArguments::List(list) => list,
        };
        if let Some(over) = &function.over {
            return self.window(&name, function, list, over, scope, ctes);
        }
        if let Some(kind) = aggregate_kind(&name, list) {
            let (aggregate, ty) = self.aggregate(kind, function, list, scope, ctes)?;
            let mut aggregates = scope.aggregates.borrow_mut();
            aggregates.push(aggregate);
            return Ok(Typed::new(Expr::Aggregate(aggregates.len() - 1), ty));
        }
        let exprs = arguments(&list.args)?;
        let args = exprs.iter().map(|expr| self.expr(expr, scope, ctes)).collect::<Bound<Vec<_>>>()?;
        if find_set(&name).is_some() && find(&name, args.len()).is_none() {
            return self.set_value(&name, args, scope);
        }
        self.call(&name, args)
    }

    /// A function that gives rows, in a select list: the row is repeated for each.
    fn set_value(&self, name: &str, args: Vec<Typed>, scope: &Scope<'_>) -> Bound<Typed> {
        let (call, columns) = self.set_call(name, args)?;
        let (ty, fields) = match columns.as_slice() {
            [column] => (column.ty, column.fields.clone()),
            _ => (oid::RECORD, Some(Arc::new(columns))),
        };
        let mut sets = scope.sets.borrow_mut();
        sets.push(call);
        Ok(Typed { expr: Expr::Set(sets.len() - 1), ty, fields })
    }

    /// A call of a function of one row.
    pub(super) fn call(&self, name: &str, mut args: Vec<Typed>) -> Bound<Typed> {
        match (name, args.len()) {
            ("coalesce", 1..) => {
                let (args, ty) = self.same_type(args)?;
                return Ok(Typed::new(Expr::Coalesce(args), ty));
            }
            ("nullif", 2) => {
                let (Some(right), Some(left)) = (args.pop(), args.pop()) else {
                    unreachable!("two arguments")
                };
                let (left, right) = self.unify(left, right)?;
                let equal = Expr::Compare(
                    super::plan::Comparison::Eq,
                    Box::new(left.expr.clone()),
                    Box::new(right.expr),
                );
                let branches = vec![(equal, Expr::Const(Value::Null))];
                return Ok(Typed::new(Expr::Case { branches, otherwise: Box::new(left.expr) }, left.ty));
            }
            ("row", _) => {
                let args = args.into_iter().map(|arg| self.known(arg).map(|arg| arg.expr));
                return Ok(Typed::new(Expr::Row(args.collect::<Bound<_>>()?), oid::RECORD));
            }
            ("pg_typeof", 1) => {
                return Ok(Typed::new(Expr::Const(Value::oid(args[0].ty)), oid::REGTYPE));
            }
            ("greatest" | "least", 1..) => {
                let (same, ty) = self.same_type(args)?;
                args = same.into_iter().map(|expr| Typed::new(expr, ty)).collect();
            }
            _ => {}
        }
        // `text(x)`, `oid(x)`: a type's name is a cast.
        if let (None, [_], Some(ty)) = (find(name, args.len()), args.as_slice(), types::by_name(name)) {
            return self.coerce(args.remove(0), ty);
        }
        let function = find(name, args.len()).ok_or_else(|| {
            let types: Vec<String> =
                args.iter().map(|arg| types::sql_name(arg.ty, None).unwrap_or_default()).collect();
            let message = format!("function {name}({}) does not exist", types.join(", "));
            SqlError::new(SqlState::UndefinedFunction, message)
        })?;
        let mut types = Vec::new();
        let mut bound = Vec::new();
        for (at, arg) in args.into_iter().enumerate() {
            let declared = function.args.get(at).or(function.args.last()).copied().unwrap_or(ANY);
            let arg = self.argument(arg, declared)?;
            types.push(arg.ty);
            bound.push(arg.expr);
        }
        let of = |at: usize| types.get(at).copied().unwrap_or(oid::TEXT);
        let ty = match function.returns {
            Returns::Type(ty) => ty,
            Returns::Argument(at) => of(at),
            Returns::Element(at) => types::element_of(of(at)).unwrap_or(oid::TEXT),
        };
        Ok(Typed::new(Expr::Call { eval: function.eval, args: bound, strict: function.strict }, ty))
    }

    /// An argument in the type that the function declares.
    pub(super) fn argument(&self, arg: Typed, declared: u32) -> Bound<Typed> {
        match declared {
            ANY => self.known(arg),
            // Any number will do where a number is wanted.
            ty if types::is_number(ty) && types::is_number(arg.ty) && ty != oid::FLOAT8 => Ok(arg),
            ty => self.coerce(arg, ty),
        }
    }

    fn aggregate(
        &self,
        kind: AggregateKind,
        function: &ast::Function,
        list: &ast::FunctionArgumentList,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<(Aggregate, u32)> {
        let exprs = if kind == AggregateKind::CountAll { Vec::new() } else { arguments(&list.args)? };
        let mut args = Vec::new();
        for expr in exprs {
            args.push(self.known(self.expr(expr, scope, ctes)?)?);
        }
        let first = args.first().map_or(oid::TEXT, |arg| arg.ty);
        let ty = match kind {
            AggregateKind::CountAll | AggregateKind::Count => oid::INT8,
            AggregateKind::Sum if matches!(first, oid::INT2 | oid::INT4) => oid::INT8,
            AggregateKind::Sum if types::is_integer(first) => oid::NUMERIC,
            AggregateKind::Sum | AggregateKind::Min | AggregateKind::Max => first,
            AggregateKind::Average if types::is_integer(first) => oid::NUMERIC,
            AggregateKind::Average => oid::FLOAT8,
            AggregateKind::Array => types::array_of(first).unwrap_or(oid::TEXT_ARRAY),
            AggregateKind::Text => oid::TEXT,
            AggregateKind::Every | AggregateKind::Any => oid::BOOL,
            AggregateKind::Json => oid::JSON,
        };
        if kind == AggregateKind::Text {
            args = args.into_iter().map(|arg| self.coerce(arg, oid::TEXT)).collect::<Bound<_>>()?;
        }
        let mut order = Vec::new();
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(keys) => order = self.orders(keys, scope, ctes)?,
                other => return Err(SqlError::unsupported(other)),
            }
        }
        let filter = function.filter.as_deref().map(|filter| self.typed_as(filter, oid::BOOL, scope, ctes));
        let filter = filter.transpose()?.map(|typed| typed.expr);
        let distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
        let args = args.into_iter().map(|arg| arg.expr).collect();
        Ok((Aggregate { kind, args, distinct, order, filter }, ty))
    }

    fn orders(&self, keys: &[ast::OrderByExpr], scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<Vec<Order>> {
        keys.iter()
            .map(|key| {
                let typed = self.expr(&key.expr, scope, ctes)?;
                Ok(sorted(Key::Expr(typed.expr), &key.options))
            })
            .collect()
    }

    fn window(
        &self,
        name: &str,
        function: &ast::Function,
        list: &ast::FunctionArgumentList,
        over: &WindowType,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        let WindowType::WindowSpec(spec) = over else {
            return Err(SqlError::unsupported("a named window in a query of the catalogs"));
        };
        let (kind, ty) = match name {
            "row_number" => (WindowKind::RowNumber, oid::INT8),
            "rank" => (WindowKind::Rank, oid::INT8),
            "dense_rank" => (WindowKind::DenseRank, oid::INT8),
            _ => match aggregate_kind(name, list) {
                Some(kind) => {
                    let (aggregate, ty) = self.aggregate(kind, function, list, scope, ctes)?;
                    (WindowKind::Aggregate(aggregate), ty)
                }
                None => {
                    let what = format!("the window function {name}() in a query of the catalogs");
                    return Err(SqlError::unsupported(what));
                }
            },
        };
        let partition =
            spec.partition_by.iter().map(|expr| self.expr(expr, scope, ctes).map(|typed| typed.expr));
        let partition = partition.collect::<Bound<_>>()?;
        let order = self.orders(&spec.order_by, scope, ctes)?;
        let mut windows = scope.windows.borrow_mut();
        windows.push(Window { kind, partition, order });
        Ok(Typed::new(Expr::Window(windows.len() - 1), ty))
    }
}

fn aggregate_kind(name: &str, list: &ast::FunctionArgumentList) -> Option<AggregateKind> {
    let star = matches!(list.args.as_slice(), [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)]);
    Some(match name {
        "count" if star => AggregateKind::CountAll,
        "count" => AggregateKind::Count,
        "sum" => AggregateKind::Sum,
        "avg" => AggregateKind::Average,
        "min" => AggregateKind::Min,
        "max" => AggregateKind::Max,
        "array_agg" => AggregateKind::Array,
        "string_agg" => AggregateKind::Text,
        "bool_and" | "every" => AggregateKind::Every,
        "bool_or" => AggregateKind::Any,
        "json_agg" | "jsonb_agg" => AggregateKind::Json,
        _ => return None,
    })
}
