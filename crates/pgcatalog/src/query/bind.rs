//! From a query's syntax tree to its plan: WITH, set operations, SELECT.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use sql::sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};
use sql::{SqlError, SqlState, names};

use super::from::Conjunct;
use super::plan::{Body, Distinct, Expr, Key, Order, Output, Plan, Select, SetOperation};
use super::scope::{Cte, CteState, Ctes, Scope, Typed};
use crate::oid;
use crate::world::World;

/// Binds one statement.
pub(super) struct Binder<'a> {
    pub(super) world: &'a World<'a>,
    /// The parameters' types, as far as they are known.
    pub(super) params: RefCell<Vec<Option<u32>>>,
    next: Cell<usize>,
}

pub(super) type Bound<T> = Result<T, SqlError>;

impl<'a> Binder<'a> {
    pub(super) fn new(world: &'a World<'a>, given: Vec<Option<u32>>) -> Binder<'a> {
        Binder { world, params: RefCell::new(given), next: Cell::new(0) }
    }

    pub(super) fn fresh(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    /// A query within `parent`, with the queries of these WITHs.
    pub(super) fn query(
        &self,
        query: &ast::Query,
        parent: Option<&Scope<'_>>,
        ctes: &Ctes<'_>,
    ) -> Bound<Plan> {
        let Some(with) = &query.with else { return self.body_and_order(query, parent, ctes) };
        let entry = |ast| Cte {
            name: names::fold(&ast_name(ast).name),
            ast,
            recursive: with.recursive,
            state: RefCell::new(CteState::Unbound),
        };
        let inner =
            Ctes { parent: Some(ctes), outer: parent, entries: with.cte_tables.iter().map(entry).collect() };
        self.body_and_order(query, parent, &inner)
    }

    fn body_and_order(&self, query: &ast::Query, parent: Option<&Scope<'_>>, ctes: &Ctes<'_>) -> Bound<Plan> {
        let order = match &query.order_by {
            None => &[][..],
            Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(keys), .. }) => keys.as_slice(),
            Some(other) => return Err(SqlError::unsupported(other)),
        };
        let mut plan = self.body(&query.body, order, parent, ctes)?;
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let fetch = query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref());
        let scope = Scope::new(None);
        let number = |expr: Option<&ast::Expr>| {
            let bound = expr.map(|expr| self.typed_as(expr, oid::INT8, &scope, ctes));
            bound.transpose().map(|typed| typed.map(|typed| typed.expr))
        };
        plan.limit = number(limit.or(fetch))?;
        plan.offset = number(offset)?;
        Ok(plan)
    }

    fn body(
        &self,
        body: &SetExpr,
        order: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
        ctes: &Ctes<'_>,
    ) -> Bound<Plan> {
        match body {
            SetExpr::Select(select) => self.select(select, order, parent, ctes),
            SetExpr::Query(query) => {
                let inner = self.query(query, parent, ctes)?;
                if order.is_empty() {
                    return Ok(inner);
                }
                // An order around parentheses sorts what they give.
                let columns = inner.columns.clone();
                let (left, correlated) = (Arc::new(inner), true);
                let empty =
                    Plan { id: self.fresh(), body: Body::Values(Vec::new()), ..blank(columns.clone()) };
                let body = Body::Set { op: SetOperation::Union, all: true, left, right: Arc::new(empty) };
                self.ordered(Plan { id: self.fresh(), correlated, body, ..blank(columns) }, order)
            }
            SetExpr::Values(values) => {
                let plan = self.values(values, parent, ctes)?;
                self.ordered(plan, order)
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let op = match op {
                    SetOperator::Union => SetOperation::Union,
                    SetOperator::Intersect => SetOperation::Intersect,
                    SetOperator::Except | SetOperator::Minus => SetOperation::Except,
                };
                let all = matches!(set_quantifier, SetQuantifier::All);
                let left = self.body(left, &[], parent, ctes)?;
                let right = self.body(right, &[], parent, ctes)?;
                let plan = self.set_operation(op, all, left, right)?;
                self.ordered(plan, order)
            }
            other => Err(SqlError::unsupported(other)),
        }
    }

    fn set_operation(&self, op: SetOperation, all: bool, left: Plan, right: Plan) -> Bound<Plan> {
        if left.columns.len() != right.columns.len() {
            let message = "each query of a set operation must have the same number of columns";
            return Err(SqlError::new(SqlState::SyntaxError, message));
        }
        let pairs = left.columns.iter().zip(&right.columns);
        let columns = pairs.map(|(left, right)| {
            let known = if left.ty == oid::UNKNOWN { right } else { left };
            Output { name: left.name.clone(), ty: known.ty, fields: known.fields.clone() }
        });
        let columns = columns.collect();
        let correlated = left.correlated || right.correlated;
        let body = Body::Set { op, all, left: Arc::new(left), right: Arc::new(right) };
        Ok(Plan { id: self.fresh(), correlated, body, ..blank(columns) })
    }

    fn values(&self, values: &ast::Values, parent: Option<&Scope<'_>>, ctes: &Ctes<'_>) -> Bound<Plan> {
        let scope = Scope::new(parent);
        let mut types: Vec<u32> = Vec::new();
        let mut rows = Vec::new();
        for row in &values.rows {
            let mut bound = Vec::new();
            for (at, expr) in row.content.iter().enumerate() {
                let typed = self.expr(expr, &scope, ctes)?;
                match types.get_mut(at) {
                    None => types.push(typed.ty),
                    Some(ty) if *ty == oid::UNKNOWN => *ty = typed.ty,
                    Some(_) => {}
                }
                bound.push(typed);
            }
            rows.push(bound);
        }
        let known = |ty: u32| if ty == oid::UNKNOWN { oid::TEXT } else { ty };
        let mut coerced = Vec::new();
        for row in rows {
            let row = row.into_iter().zip(&types);
            coerced.push(
                row.map(|(typed, ty)| self.coerce(typed, known(*ty)).map(|t| t.expr))
                    .collect::<Bound<Vec<_>>>()?,
            );
        }
        let column = |(at, ty): (usize, &u32)| Output {
            name: format!("column{}", at + 1),
            ty: known(*ty),
            fields: None,
        };
        let columns = types.iter().enumerate().map(column).collect();
        let body = Body::Values(coerced);
        Ok(Plan { id: self.fresh(), correlated: scope.escaped.get(), body, ..blank(columns) })
    }

    /// Sorts rows whose columns are all there is: by name or by number.
    fn ordered(&self, mut plan: Plan, order: &[ast::OrderByExpr]) -> Bound<Plan> {
        for key in order {
            let at = output_of(&key.expr, &plan.columns).ok_or_else(|| {
                SqlError::unsupported(format!("ORDER BY {} after a set operation", key.expr))
                    .with_hint("order by the name or the number of an output column")
            })?;
            plan.order.push(sorted(Key::Output(at), &key.options));
        }
        Ok(plan)
    }

    fn select(
        &self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
        ctes: &Ctes<'_>,
    ) -> Bound<Plan> {
        let scope = Scope::new(parent);
        let mut conjuncts = Vec::new();
        let from = self.from(&select.from, &scope, ctes)?;
        if let Some(condition) = &select.selection {
            self.conjuncts(condition, &scope, ctes, &mut conjuncts)?;
        }
        let (outputs, columns) = self.outputs(select, &scope, ctes)?;
        let group = self.groups(select, &columns, &outputs, &scope, ctes)?;
        let having = select.having.as_ref().map(|having| self.typed_as(having, oid::BOOL, &scope, ctes));
        let having = having.transpose()?.map(|typed| typed.expr);
        let distinct = match &select.distinct {
            None | Some(ast::Distinct::All) => Distinct::No,
            Some(ast::Distinct::Distinct) => Distinct::All,
            Some(ast::Distinct::On(keys)) => {
                let keys = keys.iter().map(|key| self.expr(key, &scope, ctes).map(|typed| typed.expr));
                Distinct::On(keys.collect::<Bound<_>>()?)
            }
        };
        let mut keys = Vec::new();
        for key in order {
            let bound = match output_of(&key.expr, &columns) {
                Some(at) => Key::Output(at),
                None => Key::Expr(self.expr(&key.expr, &scope, ctes)?.expr),
            };
            keys.push(sorted(bound, &key.options));
        }
        let (from, filter) = from.push_down(conjuncts);
        let aggregates = scope.aggregates.take();
        let group = match group {
            None if !aggregates.is_empty() || having.is_some() => Some(Vec::new()),
            group => group,
        };
        let select = Select {
            widths: scope.relations.borrow().iter().map(|relation| relation.columns.len()).collect(),
            from,
            filter: filter.into_iter().map(Conjunct::into_expr).collect(),
            group,
            aggregates,
            having,
            windows: scope.windows.take(),
            sets: scope.sets.take(),
            outputs,
            distinct,
        };
        let correlated = scope.escaped.get();
        Ok(Plan {
            id: self.fresh(),
            correlated,
            body: Body::Select(Box::new(select)),
            order: keys,
            ..blank(columns)
        })
    }

    fn outputs(
        &self,
        select: &ast::Select,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<(Vec<Expr>, Vec<Output>)> {
        let (mut outputs, mut columns) = (Vec::new(), Vec::new());
        for item in &select.projection {
            let (expr, name) = match item {
                ast::SelectItem::UnnamedExpr(expr) => (expr, output_name(expr)),
                ast::SelectItem::ExprWithAlias { expr, alias } => (expr, names::fold(alias)),
                ast::SelectItem::Wildcard(_) => {
                    wildcard(None, scope, &mut outputs, &mut columns)?;
                    continue;
                }
                ast::SelectItem::QualifiedWildcard(kind, _) => {
                    let text = kind.to_string();
                    let name = crate::context::parse_name(text.trim_end_matches(".*")).pop();
                    wildcard(name.as_deref(), scope, &mut outputs, &mut columns)?;
                    continue;
                }
                other => return Err(SqlError::unsupported(other)),
            };
            let typed = self.known(self.expr(expr, scope, ctes)?)?;
            columns.push(Output { name, ty: typed.ty, fields: typed.fields });
            outputs.push(typed.expr);
        }
        Ok((outputs, columns))
    }

    fn groups(
        &self,
        select: &ast::Select,
        columns: &[Output],
        outputs: &[Expr],
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Option<Vec<Expr>>> {
        let ast::GroupByExpr::Expressions(keys, modifiers) = &select.group_by else {
            return Err(SqlError::unsupported("GROUP BY ALL in a query of the catalogs"));
        };
        if let Some(modifier) = modifiers.first() {
            return Err(SqlError::unsupported(modifier));
        }
        let mut groups = Vec::new();
        for key in keys {
            // A column of FROM goes before an output of the same name.
            let number = matches!(key, ast::Expr::Value(_));
            let direct = if number { None } else { Some(self.expr(key, scope, ctes)) };
            match (direct, output_of(key, columns)) {
                (Some(Ok(typed)), _) => groups.push(typed.expr),
                (_, Some(at)) => groups.push(outputs[at].clone()),
                (Some(Err(error)), None) => return Err(error),
                (None, None) => {
                    return Err(SqlError::new(SqlState::InvalidColumnReference, "no such output"));
                }
            }
        }
        Ok((!groups.is_empty()).then_some(groups))
    }

    /// The value in a type that can be shown: a literal whose type nothing has told is text.
    pub(super) fn known(&self, typed: Typed) -> Bound<Typed> {
        if typed.ty == oid::UNKNOWN { self.coerce(typed, oid::TEXT) } else { Ok(typed) }
    }

    /// The plan of a query of a WITH, or the rows of its last round while it is being bound.
    pub(super) fn cte(&self, cte: &Cte<'_>, within: &Ctes<'_>, scope: &Scope<'_>) -> Bound<CteState> {
        let state = cte.state.borrow().clone();
        match state {
            CteState::Bound(_) => return Ok(state),
            CteState::Working { .. } => {
                scope.escape_all();
                return Ok(state);
            }
            CteState::Unbound => {}
        }
        match self.cte_query(cte, within, None) {
            Ok(plan) => {
                let bound = CteState::Bound(Arc::new(plan));
                *cte.state.borrow_mut() = bound.clone();
                Ok(bound)
            }
            // It may name columns of the queries around: then it means another query wherever it is named.
            Err(error) if within.outer.is_some() => {
                let bound = scope.hiding(within.outer, || self.cte_query(cte, within, Some(scope)));
                let plan = bound.map_err(|_| error)?;
                scope.escape_all();
                Ok(CteState::Bound(Arc::new(Plan { correlated: true, ..plan })))
            }
            Err(error) => Err(error),
        }
    }

    fn cte_query(&self, cte: &Cte<'_>, within: &Ctes<'_>, parent: Option<&Scope<'_>>) -> Bound<Plan> {
        let query = &cte.ast.query;
        let mut plan = match query.body.as_ref() {
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right }
                if cte.recursive =>
            {
                let first = self.body(left, &[], parent, within)?;
                let working = self.fresh();
                let mut columns = first.columns.clone();
                rename(&mut columns, cte);
                *cte.state.borrow_mut() = CteState::Working { id: working, columns: columns.clone() };
                let next = self.body(right, &[], parent, within);
                *cte.state.borrow_mut() = CteState::Unbound;
                let all = matches!(set_quantifier, SetQuantifier::All);
                let body = Body::Recursive { working, first: Arc::new(first), next: Arc::new(next?), all };
                Plan { id: self.fresh(), body, ..blank(columns) }
            }
            _ => self.query(query, parent, within)?,
        };
        rename(&mut plan.columns, cte);
        Ok(plan)
    }
}

/// Gives columns the names that a WITH has for them.
fn rename(columns: &mut [Output], cte: &Cte<'_>) {
    for (column, name) in columns.iter_mut().zip(&ast_name(cte.ast).columns) {
        column.name = names::fold(&name.name);
    }
}

fn ast_name(cte: &ast::Cte) -> &ast::TableAlias {
    &cte.alias
}

fn blank(columns: Vec<Output>) -> Plan {
    let body = Body::Values(Vec::new());
    Plan { id: 0, correlated: false, body, order: Vec::new(), limit: None, offset: None, columns }
}

/// The output column that an expression of ORDER BY or GROUP BY means: by number or by name.
fn output_of(expr: &ast::Expr, columns: &[Output]) -> Option<usize> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) => text.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        ast::Expr::Identifier(name) => {
            let name = names::fold(name);
            columns.iter().position(|column| column.name == name)
        }
        ast::Expr::Collate { expr, .. } => output_of(expr, columns),
        _ => None,
    }
    .filter(|at| *at < columns.len())
}

pub(super) fn sorted(key: Key, options: &ast::OrderByOptions) -> Order {
    let descending = options.asc == Some(false);
    Order { key, descending, nulls_first: options.nulls_first.unwrap_or(descending) }
}

fn wildcard(
    relation: Option<&str>,
    scope: &Scope<'_>,
    outputs: &mut Vec<Expr>,
    columns: &mut Vec<Output>,
) -> Bound<()> {
    let before = columns.len();
    for (slot, visible) in scope.relations.borrow().iter().enumerate() {
        if relation.is_some_and(|relation| relation != visible.name) {
            continue;
        }
        for (column, output) in visible.columns.iter().enumerate() {
            if relation.is_none() && visible.merged.contains(&output.name) {
                continue;
            }
            outputs.push(Expr::Column { depth: 0, slot, column });
            columns.push(output.clone());
        }
    }
    match relation {
        Some(name) if columns.len() == before => {
            let message = format!("missing FROM-clause entry for table \"{name}\"");
            Err(SqlError::new(SqlState::UndefinedTable, message))
        }
        _ => Ok(()),
    }
}

/// The name of an output column without `AS`.
fn output_name(expr: &ast::Expr) -> String {
    use ast::Expr as E;
    match expr {
        E::Identifier(ident) => names::fold(ident),
        E::CompoundIdentifier(parts) => parts.last().map_or_else(String::new, names::fold),
        E::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(ast::AccessExpr::Dot(ast::Expr::Identifier(ident))) => names::fold(ident),
            _ => output_name(root),
        },
        E::Nested(inner) | E::Collate { expr: inner, .. } => output_name(inner),
        E::Cast { expr, data_type, .. } => match output_name(expr) {
            name if name == "?column?" => super::bind_expr::type_name(data_type),
            name => name,
        },
        E::TypedString(typed) => super::bind_expr::type_name(&typed.data_type),
        E::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            name.rsplit('.').next().unwrap_or(&name).trim_matches('"').to_string()
        }
        E::Case { else_result, .. } => match else_result.as_deref().map(output_name) {
            Some(name) if name != "?column?" && name != "case" => name,
            _ => "case".to_string(),
        },
        E::Exists { .. } => "exists".to_string(),
        E::Array(_) => "array".to_string(),
        E::Substring { .. } => "substring".to_string(),
        E::Position { .. } => "position".to_string(),
        E::Trim { .. } => "btrim".to_string(),
        E::Extract { .. } => "extract".to_string(),
        E::Subquery(query) => match query.body.as_select().map(|select| select.projection.as_slice()) {
            Some([ast::SelectItem::UnnamedExpr(inner)]) => output_name(inner),
            Some([ast::SelectItem::ExprWithAlias { alias, .. }]) => names::fold(alias),
            _ => "?column?".to_string(),
        },
        _ => "?column?".to_string(),
    }
}
