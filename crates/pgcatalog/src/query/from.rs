//! FROM: which relations a query reads, and how they are joined.
//!
//! Conditions go down to where their columns are first together: to a scan, to the equal pairs by which a join finds its
//! partners, or to what a join checks for each pair. Relations listed with commas are joined so that each finds
//! one it is equal to, where there is one.

use std::ops::Range;
use std::sync::Arc;

use sql::sqlparser::ast::{self, JoinConstraint, JoinOperator, TableFactor};
use sql::{SqlError, SqlState, names};

use super::bind::{Binder, Bound};
use super::plan::{Comparison, Expr, From, Join, Output, SetCall, SetSource, Source};
use super::scope::{CteState, Ctes, Scope, Typed, Visible};
use crate::functions::{Returns, find_set};
use crate::{oid, tables, types};

/// A condition that must hold, with the slots it names.
pub(super) struct Conjunct {
    expr: Expr,
    slots: u64,
    /// Its two sides, if it is an equality.
    equal: Option<[(Expr, u64); 2]>,
}

impl Conjunct {
    pub(super) fn into_expr(self) -> Expr {
        self.expr
    }

    /// The sides as keys of a join of these slots, in the join's order.
    fn keys(&self, left: u64, right: u64) -> Option<(Expr, Expr)> {
        let [(a, a_slots), (b, b_slots)] = self.equal.as_ref()?;
        let of = |slots: u64, side: u64| slots != 0 && slots & !side == 0;
        if of(*a_slots, left) && of(*b_slots, right) {
            Some((a.clone(), b.clone()))
        } else if of(*b_slots, left) && of(*a_slots, right) {
            Some((b.clone(), a.clone()))
        } else {
            None
        }
    }
}

/// The relations between the commas of a FROM.
pub(super) struct Parts(Vec<Part>);

struct Part {
    from: From,
    range: Range<usize>,
    /// The slots of earlier parts that it depends on.
    needs: u64,
}

impl Part {
    fn slots(&self) -> u64 {
        mask(&self.range)
    }
}

fn mask(range: &Range<usize>) -> u64 {
    range.clone().fold(0, |slots, slot| slots | 1 << slot.min(63))
}

impl Parts {
    /// One tree of everything, each condition at its place; what is left must hold for the whole.
    pub(super) fn push_down(self, conjuncts: Vec<Conjunct>) -> (Option<From>, Vec<Conjunct>) {
        let mut parts = self.0;
        let mut open = Vec::new();
        for conjunct in conjuncts {
            let home = parts.iter_mut().find(|p| conjunct.slots != 0 && conjunct.slots & !p.slots() == 0);
            let left = match home {
                Some(part) => part.from.push(conjunct),
                None => Some(conjunct),
            };
            open.extend(left);
        }
        if parts.is_empty() {
            return (None, open);
        }
        let first = parts.remove(0);
        let (mut tree, mut seen) = (first.from, mask(&first.range));
        while !parts.is_empty() {
            let part = parts.remove(next(&parts, seen, &open));
            let slots = part.slots();
            let (now, later) = open.into_iter().partition::<Vec<_>, _>(|conjunct| {
                conjunct.slots & slots != 0 && conjunct.slots & !(seen | slots) == 0
            });
            open = later;
            let lateral = part.needs != 0;
            let mut join = Join {
                left: tree,
                right: part.from,
                slots: part.range,
                keep_left: false,
                keep_right: false,
                keys: Vec::new(),
                on: Vec::new(),
                lateral,
            };
            now.into_iter().for_each(|conjunct| join.attach(conjunct, seen, slots));
            tree = From::Join(Box::new(join));
            seen |= slots;
        }
        (Some(tree), open)
    }
}

/// The part to be joined next: one that something is equal to, or else the first that can be.
fn next(parts: &[Part], seen: u64, open: &[Conjunct]) -> usize {
    let ready = |part: &Part| part.needs & !seen == 0;
    let equal = |part: &Part| open.iter().any(|conjunct| conjunct.keys(seen, part.slots()).is_some());
    let best = parts.iter().position(|part| ready(part) && equal(part));
    best.or_else(|| parts.iter().position(ready)).unwrap_or(0)
}

impl Join {
    fn attach(&mut self, conjunct: Conjunct, left: u64, right: u64) {
        match conjunct.keys(left, right).filter(|_| !self.lateral) {
            Some(keys) => self.keys.push(keys),
            None => self.on.push(conjunct.expr),
        }
    }
}

impl From {
    /// The slots that it fills.
    fn slots(&self) -> u64 {
        match self {
            From::Scan { slot, .. } => 1 << (*slot).min(63),
            From::Join(join) => join.left.slots() | join.right.slots(),
        }
    }

    /// Puts a condition on its slots as far down as it may go; gives it back where an outer join is in the way.
    fn push(&mut self, conjunct: Conjunct) -> Option<Conjunct> {
        let join = match self {
            From::Scan { filter, .. } => {
                filter.push(conjunct.expr);
                return None;
            }
            From::Join(join) => join,
        };
        let (left, right) = (join.left.slots(), join.right.slots());
        let within = |side: u64| conjunct.slots & !side == 0;
        match (join.keep_left, join.keep_right) {
            (_, false) if within(left) => join.left.push(conjunct),
            (false, false) if within(right) => join.right.push(conjunct),
            (false, false) => {
                join.attach(conjunct, left, right);
                None
            }
            _ => Some(conjunct),
        }
    }
}

impl Binder<'_> {
    /// Binds a condition, cut at its ANDs.
    pub(super) fn conjuncts(
        &self,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
        into: &mut Vec<Conjunct>,
    ) -> Bound<()> {
        match expr {
            ast::Expr::Nested(inner) => self.conjuncts(inner, scope, ctes, into),
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
                self.conjuncts(left, scope, ctes, into)?;
                self.conjuncts(right, scope, ctes, into)
            }
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => {
                let (left, left_slots) = scope.noting(|| self.expr(left, scope, ctes))?;
                let (right, right_slots) = scope.noting(|| self.expr(right, scope, ctes))?;
                into.push(self.equality(left, left_slots, right, right_slots)?);
                Ok(())
            }
            _ => {
                let (typed, slots) = scope.noting(|| self.typed_as(expr, oid::BOOL, scope, ctes))?;
                into.push(Conjunct { expr: typed.expr, slots, equal: None });
                Ok(())
            }
        }
    }

    fn equality(&self, left: Typed, left_slots: u64, right: Typed, right_slots: u64) -> Bound<Conjunct> {
        let (left, right) = self.unify(left, right)?;
        let expr = Expr::Compare(Comparison::Eq, Box::new(left.expr.clone()), Box::new(right.expr.clone()));
        let slots = left_slots | right_slots;
        Ok(Conjunct { expr, slots, equal: Some([(left.expr, left_slots), (right.expr, right_slots)]) })
    }

    /// Binds FROM, and makes its relations' names known.
    pub(super) fn from(
        &self,
        from: &[ast::TableWithJoins],
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Parts> {
        let mut parts = Vec::new();
        for table in from {
            let start = scope.relations.borrow().len();
            let (tree, named) = scope.noting(|| self.joined(table, scope, ctes))?;
            let range = start..scope.relations.borrow().len();
            // What a part names of itself it does not need.
            let needs = named & mask(&(0..start));
            parts.push(Part { from: tree, range, needs });
        }
        if scope.relations.borrow().len() > 60 {
            return Err(SqlError::new(
                SqlState::LimitExceeded,
                "a query of the catalogs joins at most 60 relations",
            ));
        }
        Ok(Parts(parts))
    }

    fn joined(&self, table: &ast::TableWithJoins, scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<From> {
        let start = scope.relations.borrow().len();
        let mut left = self.factor(&table.relation, scope, ctes)?;
        for join in &table.joins {
            let middle = scope.relations.borrow().len();
            let (right, named) = scope.noting(|| self.factor(&join.relation, scope, ctes))?;
            let end = scope.relations.borrow().len();
            let lateral = named & mask(&(start..middle)) != 0;
            let (constraint, keep_left, keep_right) = kind(&join.join_operator)?;
            let (left_range, right_range) = (start..middle, middle..end);
            let conjuncts = self.constraint(constraint, &left_range, &right_range, scope, ctes)?;
            // A right join is a left join seen from the other side.
            let swapped = keep_right && !keep_left;
            let (first, second, slots) = match swapped {
                true => (right, left, left_range),
                false => (left, right, right_range),
            };
            let (keep_left, keep_right) = (keep_left || swapped, keep_left && keep_right);
            let mut node = Join {
                left: first,
                right: second,
                slots,
                keep_left,
                keep_right,
                keys: Vec::new(),
                on: Vec::new(),
                lateral,
            };
            conjuncts.into_iter().for_each(|conjunct| node.condition(conjunct));
            left = From::Join(Box::new(node));
        }
        Ok(left)
    }

    fn constraint(
        &self,
        constraint: &JoinConstraint,
        left: &Range<usize>,
        right: &Range<usize>,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Vec<Conjunct>> {
        let mut conjuncts = Vec::new();
        let shared = match constraint {
            JoinConstraint::On(condition) => {
                self.conjuncts(condition, scope, ctes, &mut conjuncts)?;
                return Ok(conjuncts);
            }
            JoinConstraint::None => return Ok(conjuncts),
            JoinConstraint::Using(columns) => columns.iter().map(names::column).collect::<Bound<Vec<_>>>()?,
            JoinConstraint::Natural => common(scope, left, right),
        };
        for name in shared {
            let side = |range: &Range<usize>| {
                let relations = scope.relations.borrow();
                range.clone().find_map(|slot| {
                    let column = relations[slot].columns.iter().position(|column| column.name == name)?;
                    let ty = relations[slot].columns[column].ty;
                    Some((Typed::new(Expr::Column { depth: 0, slot, column }, ty), 1u64 << slot))
                })
            };
            let (Some((a, a_slot)), Some((b, b_slot))) = (side(left), side(right)) else {
                let message = format!("column \"{name}\" specified in USING clause does not exist");
                return Err(SqlError::new(SqlState::UndefinedColumn, message));
            };
            conjuncts.push(self.equality(a, a_slot, b, b_slot)?);
            for slot in right.clone() {
                scope.relations.borrow_mut()[slot].merged.push(name.clone());
            }
        }
        Ok(conjuncts)
    }

    fn factor(&self, factor: &TableFactor, scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<From> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                self.table(name, alias.as_ref(), scope, ctes)
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                let exprs = arguments(&args.args)?;
                self.function(name, &exprs, *with_ordinality, alias.as_ref(), scope, ctes)
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                let exprs = arguments(args)?;
                self.function(name, &exprs, *with_ordinality, alias.as_ref(), scope, ctes)
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let name = ast::ObjectName::from(vec![ast::Ident::new("unnest")]);
                let exprs: Vec<&ast::Expr> = array_exprs.iter().collect();
                self.function(&name, &exprs, *with_ordinality, alias.as_ref(), scope, ctes)
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let before = scope.visible.replace(*lateral);
                let plan = self.query(subquery, Some(scope), ctes);
                scope.visible.set(before);
                let plan = plan?;
                let columns = plan.columns.clone();
                self.scan(Source::Query(Arc::new(plan)), "", columns, alias.as_ref(), scope)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.joined(table_with_joins, scope, ctes)
            }
            other => Err(SqlError::unsupported(other)),
        }
    }

    fn table(
        &self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<From> {
        let mut parts = crate::context::parse_name(&name.to_string());
        let own = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if let (None, Some((cte, within))) = (&schema, ctes.find(&own)) {
            let (source, columns) = match self.cte(cte, within, scope)? {
                CteState::Working { id, columns } => (Source::Working(id), columns),
                CteState::Bound(plan) => {
                    let columns = plan.columns.clone();
                    (Source::Query(plan), columns)
                }
                CteState::Unbound => return Err(SqlError::internal("a WITH query that was not bound")),
            };
            return self.scan(source, &own, columns, alias, scope);
        }
        if let Some(table) = tables::find(schema.as_deref(), &own) {
            let column = |column: &tables::TableColumn| Output {
                name: column.name.to_string(),
                ty: column.ty,
                fields: None,
            };
            let columns = table.columns.iter().map(column).collect();
            return self.scan(Source::Table(table), &own, columns, alias, scope);
        }
        let relation = self.world.find(schema.as_deref(), &own).ok_or_else(|| {
            SqlError::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"))
                .at(names::position(name))
        })?;
        let column = |column: &crate::facts::Column| Output {
            name: column.name.clone(),
            ty: types::pg_type_of(column.ty, column.max_len).0,
            fields: None,
        };
        let columns: Vec<Output> = relation.columns.iter().map(column).collect();
        let source =
            Source::User(crate::world::full_name(relation), columns.iter().map(|column| column.ty).collect());
        self.scan(source, &own, columns, alias, scope)
    }

    fn function(
        &self,
        name: &ast::ObjectName,
        args: &[&ast::Expr],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<From> {
        let own = crate::context::parse_name(&name.to_string()).pop().unwrap_or_default();
        let args = args.iter().map(|arg| self.expr(arg, scope, ctes)).collect::<Bound<Vec<_>>>()?;
        let (call, mut columns) = self.set_call(&own, args)?;
        // A function of one column gives it the name of its alias.
        if let ([column], Some(alias)) = (columns.as_mut_slice(), alias) {
            column.name = names::fold(&alias.name);
        }
        if ordinality {
            columns.push(Output { name: "ordinality".to_string(), ty: oid::INT8, fields: None });
        }
        self.scan(Source::Function(call, ordinality), &own, columns, alias, scope)
    }

    /// A call that gives rows, and its columns.
    pub(super) fn set_call(&self, name: &str, args: Vec<Typed>) -> Bound<(SetCall, Vec<Output>)> {
        let Some(function) = find_set(name) else {
            let typed = self.call(name, args)?;
            let Expr::Call { eval, args, .. } = typed.expr else {
                return Err(SqlError::unsupported(format!("{name}() in FROM")));
            };
            let columns = vec![Output { name: name.to_string(), ty: typed.ty, fields: typed.fields }];
            return Ok((SetCall { function: SetSource::Value(eval), args, record: false }, columns));
        };
        let many = name == "unnest";
        if args.len() < function.required || (!many && args.len() > function.args.len()) {
            let message = format!("function {name}() does not take {} arguments", args.len());
            return Err(SqlError::new(SqlState::UndefinedFunction, message));
        }
        let types: Vec<u32> = args.iter().map(|arg| arg.ty).collect();
        let element = |at: usize| types.get(at).and_then(|ty| types::element_of(*ty)).unwrap_or(oid::TEXT);
        let result = |returns: &Returns| match returns {
            Returns::Type(oid::INT4) if name == "generate_series" && types.contains(&oid::INT8) => oid::INT8,
            Returns::Type(ty) => *ty,
            Returns::Argument(at) => types.get(*at).copied().unwrap_or(oid::TEXT),
            Returns::Element(at) => element(*at),
        };
        let output = |(name, returns): &(&str, Returns)| Output {
            name: (*name).to_string(),
            ty: result(returns),
            fields: None,
        };
        let mut columns: Vec<Output> = function.columns.iter().map(output).collect();
        if many {
            let more =
                (1..args.len()).map(|at| Output { name: name.to_string(), ty: element(at), fields: None });
            columns.extend(more);
        }
        let declared = |at: usize| function.args.get(at).copied().unwrap_or(crate::functions::ANY);
        let args = args.into_iter().enumerate().map(|(at, arg)| self.argument(arg, declared(at)));
        let args = args.map(|arg| arg.map(|arg| arg.expr)).collect::<Bound<Vec<_>>>()?;
        let record = columns.len() > 1;
        Ok((SetCall { function: SetSource::Rows(function), args, record }, columns))
    }

    fn scan(
        &self,
        source: Source,
        name: &str,
        mut columns: Vec<Output>,
        alias: Option<&ast::TableAlias>,
        scope: &Scope<'_>,
    ) -> Bound<From> {
        let named = alias.map_or_else(|| name.to_string(), |alias| names::fold(&alias.name));
        for (column, given) in columns.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
            column.name = names::fold(&given.name);
        }
        let mut relations = scope.relations.borrow_mut();
        let slot = relations.len();
        let oid = match &source {
            Source::Table(table) => Some(table.oid),
            Source::User(name, _) => self.world.relation(name).map(crate::world::oid_of),
            _ => None,
        };
        relations.push(Visible { name: named, columns, merged: Vec::new(), oid });
        Ok(From::Scan { slot, source, filter: Vec::new() })
    }
}

impl Join {
    /// A condition of ON: it may filter a side before the join only if that side's rows do not stay anyway.
    fn condition(&mut self, conjunct: Conjunct) {
        let (left, right) = (self.left.slots(), self.right.slots());
        let within = |side: u64| conjunct.slots != 0 && conjunct.slots & !side == 0;
        let left_over = if within(left) && !self.keep_left {
            self.left.push(conjunct)
        } else if within(right) && !self.keep_right {
            self.right.push(conjunct)
        } else {
            Some(conjunct)
        };
        if let Some(conjunct) = left_over {
            self.attach(conjunct, left, right);
        }
    }
}

/// The constraint of a join, and whether the rows of its left and its right side stay without a partner.
fn kind(operator: &JoinOperator) -> Bound<(&JoinConstraint, bool, bool)> {
    Ok(match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, false, false),
        JoinOperator::CrossJoin(constraint) => (constraint, false, false),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, true, false),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, false, true),
        JoinOperator::FullOuter(constraint) => (constraint, true, true),
        _ => return Err(SqlError::unsupported("this join in a query of the catalogs")),
    })
}

/// The columns that both sides of a natural join have.
fn common(scope: &Scope<'_>, left: &Range<usize>, right: &Range<usize>) -> Vec<String> {
    let relations = scope.relations.borrow();
    let names = |range: &Range<usize>| -> Vec<String> {
        range
            .clone()
            .flat_map(|slot| relations[slot].columns.iter().map(|column| column.name.clone()))
            .collect()
    };
    let right = names(right);
    names(left).into_iter().filter(|name| right.contains(name)).collect()
}

/// The arguments of a call, which must have no names.
pub(super) fn arguments(args: &[ast::FunctionArg]) -> Bound<Vec<&ast::Expr>> {
    args.iter()
        .map(|arg| match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Ok(expr),
            other => Err(SqlError::unsupported(format!("the argument {other}"))),
        })
        .collect()
}
