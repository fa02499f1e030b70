//! How deep a statement is, and room on the stack for one that is deep.
//!
//! Whoever walks an expression, here and in DataFusion, calls itself once a level, so a text could be written that
//! overflows the stack, which ends the process. Therefore the depth of every statement is bounded before anything
//! walks it: from its tokens, which are a list. The bound is one of caution: what may become nested counts, whether or
//! not the parser will nest it. A statement that is not quite flat runs on a thread whose stack suits it.
//!
//! A long chain of ANDs or ORs, as programs write them, is not deep: it is made a balanced tree where it was parsed
//! (`balance`), and has its own bound.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{SqlError, SqlState};

/// The deepest statement.
const DEEPEST: usize = 400;

/// The longest chain of ANDs or ORs.
const LONGEST: usize = 20_000;

/// The most columns of a select list, as in PostgreSQL.
const WIDEST: usize = 1_664;

/// The most brackets within each other. The parser has a limit of its own, a little above, but tries alternatives when
/// it meets it, and alternatives within alternatives.
const BRACKETS: usize = 45;

/// What any thread has room for.
const SHALLOW: usize = 24;

/// The stack of a thread for deep statements; the system gives it pages as they are touched.
const STACK: usize = 512 << 20;

/// How deep a statement is, in levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Before chains are balanced.
    parsed: usize,
    /// After that.
    walked: usize,
}

/// What is open within one pair of brackets.
#[derive(Default)]
struct Level {
    /// Operators of the expression that is being read.
    operators: usize,
    /// ANDs and ORs of it.
    chained: usize,
    /// Queries that are combined, tables that are joined and common table expressions, which stay to the end.
    relations: usize,
    /// Commas of a select list.
    columns: usize,
    in_select: bool,
    in_from: bool,
    in_with: bool,
    is_case: bool,
}

impl Level {
    fn next_expression(&mut self) {
        (self.operators, self.chained) = (0, 0);
    }

    fn keyword(&mut self, keyword: Keyword) {
        use Keyword::*;
        match keyword {
            AND | OR => {
                self.operators = 0;
                self.chained += 1;
            }
            UNION | EXCEPT | INTERSECT | JOIN => {
                self.next_expression();
                self.relations += 1;
            }
            WITH => self.in_with = true,
            SELECT | INSERT | UPDATE | DELETE | VALUES => {
                self.next_expression();
                (self.in_with, self.in_from, self.columns) = (false, false, 0);
                self.in_select = keyword == SELECT;
            }
            FROM => {
                self.next_expression();
                (self.in_select, self.in_from) = (false, true);
            }
            WHERE | GROUP | HAVING | ORDER | LIMIT | WINDOW | RETURNING | SET => {
                self.next_expression();
                (self.in_select, self.in_from) = (false, false);
            }
            ON | USING | WHEN | THEN | ELSE => self.next_expression(),
            IS | NOT | IN | LIKE | ILIKE | SIMILAR | BETWEEN | COLLATE | AT | ANY | ALL | SOME | EXISTS
            | INTERVAL => self.operators += 1,
            _ => {}
        }
    }

    fn parsed(&self) -> usize {
        self.operators + self.chained + self.relations + 1
    }

    fn walked(&self) -> usize {
        self.operators + self.chained.checked_ilog2().map_or(0, |log| log as usize + 1) + self.relations + 1
    }
}

/// The depth of a statement of these tokens; an error if it is too deep.
pub(crate) fn of(tokens: &[TokenWithSpan]) -> Result<Depth, SqlError> {
    let mut levels = vec![Level::default()];
    // Of the levels below the innermost one.
    let (mut below, mut deepest) = (Depth::default(), Depth::default());
    for token in tokens {
        let Some(level) = levels.last_mut() else { break };
        match &token.token {
            Token::Whitespace(_) | Token::EOF | Token::Period | Token::Number(..) => continue,
            Token::LParen | Token::LBracket => open(&mut levels, &mut below, false),
            Token::Word(word) if word.keyword == Keyword::CASE => open(&mut levels, &mut below, true),
            Token::RParen | Token::RBracket => close(&mut levels, &mut below),
            Token::Word(word) if word.keyword == Keyword::END && level.is_case => {
                close(&mut levels, &mut below);
            }
            Token::Comma => {
                level.next_expression();
                level.relations += usize::from(level.in_from || level.in_with);
                level.columns += usize::from(level.in_select);
                if level.columns >= WIDEST {
                    return Err(too_wide().at(Some(crate::split::position(token.span.start))));
                }
            }
            Token::Word(word) => level.keyword(word.keyword),
            Token::Placeholder(_) => continue,
            other if is_literal(other) => continue,
            _ => level.operators += 1,
        }
        let Some(level) = levels.last() else { break };
        deepest.parsed = deepest.parsed.max(below.parsed + level.parsed());
        deepest.walked = deepest.walked.max(below.walked + level.walked());
        let nested = deepest.walked > DEEPEST || levels.len() > BRACKETS;
        if nested || deepest.parsed > LONGEST {
            return Err(too_deep(nested).at(Some(crate::split::position(token.span.start))));
        }
    }
    Ok(deepest)
}

fn open(levels: &mut Vec<Level>, below: &mut Depth, is_case: bool) {
    if let Some(level) = levels.last() {
        below.parsed += level.parsed();
        below.walked += level.walked();
    }
    levels.push(Level { is_case, ..Level::default() });
}

fn close(levels: &mut Vec<Level>, below: &mut Depth) {
    if levels.len() < 2 {
        return;
    }
    levels.pop();
    if let Some(level) = levels.last() {
        below.parsed -= level.parsed();
        below.walked -= level.walked();
    }
}

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
    )
}

fn too_wide() -> SqlError {
    SqlError::new(SqlState::TooManyColumns, format!("target lists can have at most {WIDEST} entries"))
}

fn too_deep(nested: bool) -> SqlError {
    let (message, hint) = match nested {
        true => (
            format!("the statement is nested more than {DEEPEST} levels deep, or {BRACKETS} brackets"),
            "operators, parentheses, joined tables and combined queries count: split the statement, or use IN \
             (…), VALUES or a table",
        ),
        false => (
            format!("the statement chains more than {LONGEST} conditions"),
            "use IN (…), or join a table of the values",
        ),
    };
    SqlError::new(SqlState::TooComplex, message).with_hint(hint)
}

impl Depth {
    /// Does something that walks the statement, where there is room for it.
    pub fn run<T: Send>(self, work: impl FnOnce() -> T + Send) -> T {
        with_room(self.walked, work)
    }

    /// How many levels there are to walk.
    pub fn levels(self) -> usize {
        self.walked
    }

    /// The depth where so many levels stand in the place of a name.
    pub fn over(self, levels: usize) -> Depth {
        Depth { walked: self.walked + levels, ..self }
    }

    /// Refuses what is deeper than any statement may be.
    pub fn check(self) -> Result<(), SqlError> {
        if self.walked > DEEPEST { Err(too_deep(true)) } else { Ok(()) }
    }

    /// Does something that walks the statement before its chains are balanced.
    pub(crate) fn parse<T: Send>(self, work: impl FnOnce() -> T + Send) -> T {
        with_room(self.parsed, work)
    }
}

fn with_room<T: Send>(depth: usize, work: impl FnOnce() -> T + Send) -> T {
    if depth <= SHALLOW {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("gnitz deep statement".to_string()).stack_size(STACK);
        match thread.spawn_scoped(scope, work) {
            Ok(running) => match running.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            Err(error) => panic!("no thread can be started: {error}"),
        }
    })
}

/// Makes balanced trees of the chains of ANDs and of ORs, which the parser nests to the left. Three-valued logic lets
/// them be grouped in any way, and they are printed the same.
pub(crate) fn balance<N: VisitMut>(node: &mut N) {
    let _ = node.visit(&mut Balance);
}

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr {
            let op = op.clone();
            let mut operands = operands(expr, &op);
            if operands.len() > 3 {
                *expr = tree(&mut operands, &op);
            } else if let Some(whole) =
                operands.drain(..).rev().reduce(|left, right| joined(left, &op, right))
            {
                *expr = whole;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The operands of a chain, the last one first; the chain is taken apart.
fn operands(expr: &mut Expr, op: &BinaryOperator) -> Vec<Expr> {
    let mut found = Vec::new();
    let mut rest = std::mem::replace(expr, Expr::value(Value::Null));
    loop {
        match rest {
            Expr::BinaryOp { left, op: other, right } if other == *op => {
                found.push(*right);
                rest = *left;
            }
            other => {
                found.push(other);
                return found;
            }
        }
    }
}

/// The operands, which come last one first, as one balanced tree.
fn tree(operands: &mut Vec<Expr>, op: &BinaryOperator) -> Expr {
    let mut level: Vec<Expr> = operands.drain(..).rev().collect();
    while level.len() > 1 {
        let mut pairs = level.into_iter();
        let mut above = Vec::new();
        while let Some(left) = pairs.next() {
            above.push(match pairs.next() {
                Some(right) => joined(left, op, right),
                None => left,
            });
        }
        level = above;
    }
    level.pop().unwrap_or_else(|| Expr::value(Value::Null))
}

fn joined(left: Expr, op: &BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse, parse_one};

    fn walked(text: &str) -> usize {
        parse(text).unwrap()[0].depth.walked
    }

    #[test]
    fn what_nests_counts_and_what_stands_side_by_side_does_not() {
        assert_eq!(walked("SELECT a, b, c, d, e, f FROM t"), 1);
        assert_eq!(walked("SELECT a + b, c + d FROM t"), 2);
        assert_eq!(walked("SELECT a + b + c + d FROM t"), 4);
        assert_eq!(walked("SELECT ((a))"), 3);
        assert_eq!(walked("SELECT 1 UNION SELECT 2 UNION SELECT 3"), 3);
        assert_eq!(walked("SELECT * FROM a, b, c JOIN d ON a.x = d.x"), 5);
        assert_eq!(walked("WITH a AS (SELECT 1), b AS (SELECT 2) SELECT 1"), 3);
        assert_eq!(walked("SELECT CASE WHEN a THEN b WHEN c THEN d END"), 2);
        assert_eq!(walked("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (-3, 'c')"), 3);
        let chain = vec!["a = 1"; 1000].join(" OR ");
        assert!(walked(&format!("SELECT * FROM t WHERE {chain}")) < SHALLOW);
    }

    #[test]
    fn depth_is_bounded_and_says_where() {
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("NOT ", "true", ""),
            ("- ", "1", ""),
            ("", "1", " + 1"),
            ("", "1", "::int"),
            ("", "1", " IS NULL"),
            ("CASE WHEN true THEN ", "1", " END"),
            ("(SELECT ", "1", ")"),
            ("", "1", " UNION ALL SELECT 1"),
            ("", "1", " AND 1 = 1 + 1 UNION SELECT 1"),
        ] {
            let text = format!("SELECT {}{inner}{}", open.repeat(100_000), close.repeat(100_000));
            let error = parse(&text).map(|_| ()).expect_err("too deep");
            assert_eq!(error.state.code(), "54001", "{open}…{close}");
            assert!(error.position.is_some(), "{open}…{close}");
        }
        let chain = vec!["a = 1"; 30_000].join(" AND ");
        let error = parse(&format!("SELECT * FROM t WHERE {chain}")).map(|_| ()).expect_err("too long");
        assert_eq!(error.state.code(), "54001");
    }

    #[test]
    fn balanced_chains_print_as_they_were() {
        for text in [
            "SELECT 1 WHERE a OR b",
            "SELECT 1 WHERE a OR b AND c AND d AND e AND f OR g OR h OR (i OR j)",
            "SELECT 1 WHERE NOT (a AND b AND c AND d AND e) OR x BETWEEN 1 AND 2",
        ] {
            let Ok(Statement::Query(query)) = parse_one(text) else { panic!("{text}") };
            assert_eq!(query.to_string(), text);
        }
        let chain: Vec<String> = (0..5000).map(|n| format!("a = {n}")).collect();
        let text = format!("SELECT 1 FROM t WHERE {}", chain.join(" OR "));
        let Ok(Statement::Query(query)) = parse_one(&text) else { panic!("a query") };
        assert_eq!(query.to_string(), text);
    }
}
