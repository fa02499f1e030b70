//! Where in a query's text its constructs stand.
//!
//! DataFusion's plans carry no positions, its syntax tree does. So the tree is walked once for everything that
//! may be refused: what no view (or no query) can have is refused from this list before planning, and a
//! refusal that only the finished plan can decide looks up its place here.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Join, JoinOperator, LimitClause, ObjectName, Query, Select, SetExpr,
    SetOperator, SetQuantifier, Spanned, TableFactor, TableWithJoins, Visit, Visitor,
};

use crate::error::{Position, SqlError, SqlState};

/// A construct that some place does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Construct {
    /// LIMIT, OFFSET or FETCH.
    Limit,
    /// WITH RECURSIVE.
    Recursive,
    /// INTERSECT or EXCEPT, with or without ALL.
    SetOperation(&'static str),
    /// SELECT DISTINCT ON.
    DistinctOn,
    /// GROUPING SETS, ROLLUP or CUBE.
    GroupingSets,
    /// A function call with OVER.
    Window(String),
    /// LEFT, RIGHT or FULL JOIN.
    OuterJoin(&'static str),
    /// SEMI or ANTI JOIN.
    SemiJoin,
    /// LATERAL.
    Lateral,
    /// UNNEST.
    Unnest,
    /// TABLESAMPLE.
    TableSample,
    /// A function in FROM.
    TableFunction(String),
    /// EXISTS (SELECT …).
    Exists,
    /// IN (SELECT …).
    InSubquery,
    /// ANY or ALL over a subquery.
    Quantified,
    /// (SELECT …) as a value.
    ScalarSubquery,
    /// SIMILAR TO.
    SimilarTo,
    /// QUALIFY.
    Qualify,
    /// FOR UPDATE or FOR SHARE.
    Locking,
    /// Any function call, by its folded name.
    Call(String),
}

/// The constructs of a query in the order of its text.
#[derive(Debug, Default)]
pub(crate) struct Constructs {
    found: Vec<(Construct, Option<Position>)>,
}

impl Constructs {
    /// Walks a query.
    pub(crate) fn of(query: &Query) -> Constructs {
        let mut constructs = Constructs::default();
        let _ = query.visit(&mut constructs);
        constructs
    }

    /// The place of the first construct that `is` accepts.
    pub(crate) fn place(&self, is: impl Fn(&Construct) -> bool) -> Option<Position> {
        self.found.iter().find(|(construct, _)| is(construct)).and_then(|(_, place)| *place)
    }

    /// The place of the first call of a function.
    pub(crate) fn place_of_call(&self, name: &str) -> Option<Position> {
        self.place(|construct| matches!(construct, Construct::Call(called) if called == name))
    }

    /// Refuses what no query may have, because DataFusion would answer it wrongly or not at all.
    pub(crate) fn check_query(&self) -> Result<(), SqlError> {
        self.check(refuse_anywhere)
    }

    /// Refuses what no view may have.
    pub(crate) fn check_view(&self) -> Result<(), SqlError> {
        self.check(|construct| refuse_anywhere(construct).or_else(|| refuse_in_view(construct)))
    }

    fn check(&self, refuse: impl Fn(&Construct) -> Option<SqlError>) -> Result<(), SqlError> {
        for (construct, place) in &self.found {
            if let Some(error) = refuse(construct) {
                return Err(error.at(*place));
            }
        }
        Ok(())
    }

    fn add(&mut self, construct: Construct, place: Option<Position>) {
        self.found.push((construct, place));
    }

    fn set_operations(&mut self, body: &SetExpr) {
        let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return };
        self.set_operations(left);
        let all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        let name = match (op, all) {
            (SetOperator::Intersect, false) => Some("INTERSECT"),
            (SetOperator::Intersect, true) => Some("INTERSECT ALL"),
            (SetOperator::Except | SetOperator::Minus, false) => Some("EXCEPT"),
            (SetOperator::Except | SetOperator::Minus, true) => Some("EXCEPT ALL"),
            (SetOperator::Union, _) => None,
        };
        if let Some(name) = name {
            self.add(Construct::SetOperation(name), Position::of(right.span()));
        }
        self.set_operations(right);
    }

    fn joins(&mut self, table: &TableWithJoins) {
        for Join { relation, join_operator, .. } in &table.joins {
            let construct = match join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => Construct::OuterJoin("LEFT JOIN"),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Construct::OuterJoin("RIGHT JOIN"),
                JoinOperator::FullOuter(_) => Construct::OuterJoin("FULL JOIN"),
                JoinOperator::Semi(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::RightSemi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::LeftAnti(_)
                | JoinOperator::RightAnti(_) => Construct::SemiJoin,
                _ => continue,
            };
            self.add(construct, Position::of(relation.span()));
        }
    }
}

impl Visitor for Constructs {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = query.with.as_ref().filter(|with| with.recursive) {
            self.add(Construct::Recursive, Position::of(with.with_token.0.span));
        }
        let quantity = match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit: Some(limit), .. }) => Some(limit.span()),
            Some(LimitClause::LimitOffset { offset: Some(offset), .. }) => Some(offset.value.span()),
            Some(LimitClause::OffsetCommaLimit { limit, .. }) => Some(limit.span()),
            _ => None,
        };
        let fetched = query.fetch.as_ref().map(|fetch| fetch.quantity.as_ref().map(Spanned::span));
        if let Some(span) = quantity.map(Some).or(fetched) {
            self.add(Construct::Limit, span.and_then(Position::of));
        }
        if !query.locks.is_empty() {
            self.add(Construct::Locking, None);
        }
        self.set_operations(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(Distinct::On(columns)) = &select.distinct {
            let place = columns.first().and_then(|column| Position::of(column.span()));
            self.add(Construct::DistinctOn, place);
        }
        let modifiers = match &select.group_by {
            GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => modifiers,
        };
        if !modifiers.is_empty() {
            self.add(Construct::GroupingSets, Position::of(select.group_by.span()));
        }
        if let Some(qualify) = &select.qualify {
            self.add(Construct::Qualify, Position::of(qualify.span()));
        }
        select.from.iter().for_each(|table| self.joins(table));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let place = Position::of(factor.span());
        match factor {
            TableFactor::Table { name, args, sample, .. } => {
                if sample.is_some() {
                    self.add(Construct::TableSample, place);
                }
                if args.is_some() {
                    self.add(Construct::TableFunction(folded(name)), place);
                }
            }
            TableFactor::Derived { lateral, sample, .. } => {
                if *lateral {
                    self.add(Construct::Lateral, place);
                }
                if sample.is_some() {
                    self.add(Construct::TableSample, place);
                }
            }
            TableFactor::Function { name, .. } => self.add(Construct::TableFunction(folded(name)), place),
            TableFactor::TableFunction { .. } => {
                self.add(Construct::TableFunction("table".to_string()), place);
            }
            TableFactor::UNNEST { .. } => self.add(Construct::Unnest, place),
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(table_with_joins),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let place = Position::of(expr.span());
        match expr {
            Expr::Function(function) => {
                let name = folded(&function.name);
                if function.over.is_some() {
                    self.add(Construct::Window(name.clone()), place);
                }
                if name == "unnest" {
                    self.add(Construct::Unnest, place);
                }
                self.add(Construct::Call(name), place);
            }
            Expr::Exists { .. } => self.add(Construct::Exists, place),
            Expr::InSubquery { .. } => self.add(Construct::InSubquery, place),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => self.add(Construct::Quantified, place),
            Expr::Subquery(_) => self.add(Construct::ScalarSubquery, place),
            Expr::SimilarTo { .. } => self.add(Construct::SimilarTo, place),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                self.add(Construct::GroupingSets, place);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn folded(name: &ObjectName) -> String {
    let text = name.to_string();
    text.rsplit('.').next().unwrap_or(&text).trim_matches('"').to_lowercase()
}

fn refuse_anywhere(construct: &Construct) -> Option<SqlError> {
    Some(match construct {
        Construct::TableSample => {
            SqlError::unsupported("TABLESAMPLE").with_hint("filter by a condition on the rows instead")
        }
        Construct::SetOperation(name @ ("INTERSECT ALL" | "EXCEPT ALL")) => {
            SqlError::unsupported(name).with_hint("without ALL it is supported in queries outside of views")
        }
        Construct::SimilarTo => SqlError::unsupported("SIMILAR TO")
            .with_hint("use LIKE, or a regular expression: text ~ 'pattern'"),
        Construct::Locking => SqlError::unsupported("FOR UPDATE or FOR SHARE")
            .with_hint("a transaction sees one snapshot and commits against it; no lock is needed"),
        _ => return None,
    })
}

fn refuse_in_view(construct: &Construct) -> Option<SqlError> {
    let refused = |what: String, hint: &str| Some(refused(&what, hint));
    match construct {
        Construct::Limit => refused(
            "LIMIT, OFFSET or FETCH".to_string(),
            "keep all rows in the view and put the limit into the queries that read it",
        ),
        Construct::Recursive => {
            refused("WITH RECURSIVE".to_string(), "run the recursive query outside of a view")
        }
        Construct::SetOperation("INTERSECT") => refused(
            "INTERSECT".to_string(),
            "join the two queries on all their columns after SELECT DISTINCT",
        ),
        Construct::SetOperation(name) => {
            refused((*name).to_string(), "keep both sides as views and subtract them in a query")
        }
        Construct::DistinctOn => refused(
            "SELECT DISTINCT ON".to_string(),
            "use GROUP BY with MIN or MAX, or join with the group's MIN or MAX",
        ),
        Construct::GroupingSets => refused(
            "GROUPING SETS, ROLLUP or CUBE".to_string(),
            "write one GROUP BY for each set and combine them with UNION ALL",
        ),
        Construct::Window(name) => refused(
            format!("the window function {name}() OVER (…)"),
            "compute it in the query that reads the view, or use GROUP BY",
        ),
        Construct::Unnest => refused("UNNEST".to_string(), "store the elements as rows of a table"),
        Construct::TableFunction(name) => {
            refused(format!("the table function {name}()"), "store its rows in a table")
        }
        Construct::Qualify => refused("QUALIFY".to_string(), "compute it in the query that reads the view"),
        _ => None,
    }
}

/// The refusal of a construct in a view.
pub(crate) fn refused(what: &str, hint: &str) -> SqlError {
    SqlError::new(SqlState::FeatureNotSupported, format!("{what} is not supported in a materialized view"))
        .with_hint(hint)
}
