//! The text form of circuits and programs: what `EXPLAIN` prints and the catalog keeps.
//!
//! ```text
//! circuit
//! n0 source c1 : (BIGINT NOT NULL, TEXT) key [0]
//! n1 filter n0 : (BIGINT NOT NULL, TEXT) key []
//!   where <expression>
//! n2 reduce n1 by 1 to c9 : (BIGINT NOT NULL, BIGINT) key [0]
//!   aggregate sum 0 : BIGINT
//! ```
//!
//! One line an operator: its name, what it reads and writes, and after the colon its schema. Indented lines
//! below it hold what is long, each under its own keyword; an expression takes one line. Reading back what
//! was printed gives an equal circuit, ids included. This module has the circuit's form and what both forms
//! share;
//! `program_text` has the program's.

use std::fmt;
use std::str::FromStr;

use expr::Expr;
use zset::{CollectionId, ColumnType, Datum, Schema, Type};

use crate::aggregate::{Aggregate, AggregateKind};
use crate::error::CircuitError;
use crate::graph::{Circuit, Node, NodeId, Op};

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "circuit")?;
        for (id, node) in self.nodes() {
            write!(f, "{id} {}", node.op.name())?;
            let inputs = node.op.inputs();
            match &node.op {
                Op::Source { collection } => write!(f, " {collection}")?,
                Op::Reduce { key, global, .. } => {
                    write!(f, " {}", inputs[0])?;
                    if *global {
                        write!(f, " global")?
                    } else {
                        write!(f, " by {key}")?
                    }
                    inputs[1..].iter().try_for_each(|extreme| write!(f, " with {extreme}"))?;
                }
                _ => inputs.iter().try_for_each(|input| write!(f, " {input}"))?,
            }
            if let Op::Join { key, .. } = &node.op {
                write!(f, " on {key}")?;
            }
            if let Some(collection) = node.op.collection() {
                write!(f, " to {collection}")?;
            }
            writeln!(f, " : {}", node.schema)?;
            write_payload(f, &node.op, &node.schema)?;
        }
        Ok(())
    }
}

impl FromStr for Circuit {
    type Err = CircuitError;

    fn from_str(text: &str) -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit::new();
        let mut lines = Lines::new(text);
        if !lines.title("circuit")?.is_empty() {
            return Err(syntax(1, "nothing after the title"));
        }
        while let Some(entry) = lines.entry()? {
            let id = NodeId(entry.number(entry.out, 'n')?);
            let op = parse_op(&entry)?;
            entry.require(circuit.get(id).is_none(), "a new node")?;
            circuit.restore(id, Node { op, schema: entry.schema });
        }
        circuit.verify()?;
        Ok(circuit)
    }
}

fn parse_op(entry: &Entry<'_>) -> Result<Op, CircuitError> {
    let mut words = entry.words();
    let op = match entry.name {
        "source" => Op::Source { collection: words.collection()? },
        "constant" => Op::Constant { rows: entry.rows()? },
        "filter" => Op::Filter { input: words.node()?, predicate: entry.predicate()? },
        "map" => Op::Map { input: words.node()?, exprs: entry.exprs()? },
        "union" => {
            let mut inputs = Vec::new();
            while !words.is_done() {
                inputs.push(words.node()?);
            }
            Op::Union { inputs }
        }
        "negate" => Op::Negate { input: words.node()? },
        "arrange" => Op::Arrange { input: words.node()?, trace: words.after("to")?.collection()? },
        "join" => Op::Join {
            left: words.node()?,
            right: words.node()?,
            key: words.after("on")?.count()?,
            residual: entry.residual()?,
            exprs: entry.exprs()?,
        },
        "distinct" => Op::Distinct { input: words.node()? },
        "reduce" => {
            let input = words.node()?;
            let global = words.skip("global");
            let key = if global { 0 } else { words.after("by")?.count()? };
            let mut extremes = Vec::new();
            while words.skip("with") {
                extremes.push(words.node()?);
            }
            let state = words.after("to")?.collection()?;
            Op::Reduce { input, key, aggregates: entry.aggregates()?, extremes, state, global }
        }
        "sink" => Op::Sink { input: words.node()?, view: words.after("to")?.collection()? },
        _ => return Err(entry.expected("the name of an operator")),
    };
    entry.require(words.is_done(), "nothing more before the colon")?;
    Ok(op)
}

/// Writes the indented lines of an operator.
pub(crate) fn write_payload(f: &mut fmt::Formatter<'_>, op: &Op, schema: &Schema) -> fmt::Result {
    let give = |f: &mut fmt::Formatter<'_>, exprs: &[Expr]| {
        exprs.iter().try_for_each(|expr| writeln!(f, "  give {expr}"))
    };
    match op {
        Op::Constant { rows } => rows.iter().try_for_each(|row| {
            writeln!(f, "  row")?;
            row.iter().zip(&schema.columns).try_for_each(|(value, column)| {
                writeln!(f, "  value {}", Expr::Literal { value: value.clone(), ty: column.ty })
            })
        }),
        Op::Filter { predicate, .. } => writeln!(f, "  where {predicate}"),
        Op::Map { exprs, .. } => give(f, exprs),
        Op::Join { residual, exprs, .. } => {
            residual.iter().try_for_each(|residual| writeln!(f, "  where {residual}"))?;
            give(f, exprs)
        }
        Op::Reduce { aggregates, .. } => aggregates.iter().try_for_each(|aggregate| {
            write!(f, "  aggregate {}", aggregate.kind)?;
            aggregate.arg.iter().try_for_each(|arg| write!(f, " of {arg}"))?;
            aggregate.filter.iter().try_for_each(|filter| write!(f, " filter {filter}"))?;
            writeln!(f, " : {}", aggregate.ty)
        }),
        _ => Ok(()),
    }
}

/// The lines of a text, taken an entry at a time.
pub(crate) struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Lines<'a> {
        Lines { lines: text.lines().collect(), next: 0 }
    }

    /// Takes the first line, which begins with this word, and gives the rest of it.
    pub(crate) fn title(&mut self, word: &str) -> Result<&'a str, CircuitError> {
        let rest = self.lines.first().and_then(|line| line.strip_prefix(word));
        self.next = 1;
        rest.map(str::trim).ok_or_else(|| syntax(1, word))
    }

    /// The next operator or instruction with the indented lines below it; `None` at the end.
    pub(crate) fn entry(&mut self) -> Result<Option<Entry<'a>>, CircuitError> {
        let Some(&head) = self.lines.get(self.next) else { return Ok(None) };
        let line = self.next + 1;
        let (before, schema) = match head.split_once(" : ") {
            Some((before, schema)) => (before, parse_schema(schema).ok_or_else(|| syntax(line, "a schema"))?),
            None => (head, Schema::default()),
        };
        let mut words = before.split(' ');
        let (Some(out), Some(name)) = (words.next(), words.next()) else {
            return Err(syntax(line, "a name and an operator"));
        };
        let words = words.collect();
        let below = self.lines[self.next + 1..].iter().take_while(|line| line.starts_with("  "));
        let payload: Vec<(&str, &str)> =
            below.map(|line| line[2..].split_once(' ').unwrap_or((&line[2..], ""))).collect();
        self.next += 1 + payload.len();
        Ok(Some(Entry { line, out, name, words, schema, payload }))
    }

    /// Whether the next line is this one; takes it.
    pub(crate) fn skip(&mut self, line: &str) -> bool {
        let found = self.lines.get(self.next) == Some(&line);
        self.next += usize::from(found);
        found
    }

    /// Whether everything was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.lines.len()
    }
}

/// One operator or instruction as text.
pub(crate) struct Entry<'a> {
    pub(crate) line: usize,
    pub(crate) out: &'a str,
    pub(crate) name: &'a str,
    words: Vec<&'a str>,
    pub(crate) schema: Schema,
    payload: Vec<(&'a str, &'a str)>,
}

impl<'a> Entry<'a> {
    pub(crate) fn words(&self) -> Words<'_, 'a> {
        Words { entry: self, next: 0 }
    }

    pub(crate) fn expected(&self, what: &str) -> CircuitError {
        syntax(self.line, what)
    }

    pub(crate) fn require(&self, condition: bool, what: &str) -> Result<(), CircuitError> {
        if condition { Ok(()) } else { Err(self.expected(what)) }
    }

    /// The number in a name such as `n12`.
    pub(crate) fn number(&self, word: &str, prefix: char) -> Result<u32, CircuitError> {
        let digits = word.strip_prefix(prefix).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.expected("a name and its number"))
    }

    /// The texts under a keyword, with their lines.
    fn under(&self, keyword: &str) -> impl Iterator<Item = (usize, &'a str)> {
        let found = self.payload.iter().enumerate().filter(move |(_, (word, _))| *word == keyword);
        found.map(|(index, (_, text))| (self.line + 1 + index, *text))
    }

    pub(crate) fn exprs(&self) -> Result<Vec<Expr>, CircuitError> {
        self.under("give").map(|(line, text)| parse_expr(line, text)).collect()
    }

    pub(crate) fn residual(&self) -> Result<Option<Expr>, CircuitError> {
        self.under("where").next().map(|(line, text)| parse_expr(line, text)).transpose()
    }

    pub(crate) fn predicate(&self) -> Result<Expr, CircuitError> {
        self.residual()?.ok_or_else(|| self.expected("a condition"))
    }

    pub(crate) fn rows(&self) -> Result<Vec<Vec<Datum>>, CircuitError> {
        let mut rows: Vec<Vec<Datum>> = Vec::new();
        for (index, (word, text)) in self.payload.iter().enumerate() {
            let line = self.line + 1 + index;
            match (*word, rows.last_mut()) {
                ("row", _) => rows.push(Vec::new()),
                ("value", Some(row)) => match parse_expr(line, text)? {
                    Expr::Literal { value, .. } => row.push(value),
                    _ => return Err(syntax(line, "a constant")),
                },
                _ => return Err(syntax(line, "a row")),
            }
        }
        Ok(rows)
    }

    pub(crate) fn aggregates(&self) -> Result<Vec<Aggregate>, CircuitError> {
        self.under("aggregate")
            .map(|(line, text)| parse_aggregate(text).ok_or_else(|| syntax(line, "an aggregate")))
            .collect()
    }
}

/// The words between an operator's name and the colon.
pub(crate) struct Words<'e, 'a> {
    entry: &'e Entry<'a>,
    next: usize,
}

impl Words<'_, '_> {
    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.entry.words.len()
    }

    /// Takes this word if it is next.
    pub(crate) fn skip(&mut self, word: &str) -> bool {
        let found = self.entry.words.get(self.next) == Some(&word);
        self.next += usize::from(found);
        found
    }

    /// Takes this word, which must be next.
    pub(crate) fn after(&mut self, word: &str) -> Result<&mut Self, CircuitError> {
        let found = self.skip(word);
        self.entry.require(found, word)?;
        Ok(self)
    }

    pub(crate) fn node(&mut self) -> Result<NodeId, CircuitError> {
        self.name('n').map(NodeId)
    }

    pub(crate) fn collection(&mut self) -> Result<CollectionId, CircuitError> {
        self.name('c').map(CollectionId)
    }

    /// The number of a name with this first letter.
    pub(crate) fn name(&mut self, prefix: char) -> Result<u32, CircuitError> {
        let word = self.entry.words.get(self.next).ok_or_else(|| self.entry.expected("another name"))?;
        self.next += 1;
        self.entry.number(word, prefix)
    }

    /// A plain number.
    pub(crate) fn count(&mut self) -> Result<u32, CircuitError> {
        let word = self.entry.words.get(self.next).and_then(|word| word.parse().ok());
        self.next += 1;
        word.ok_or_else(|| self.entry.expected("a number"))
    }
}

pub(crate) fn syntax(line: usize, expected: &str) -> CircuitError {
    CircuitError::Syntax { line, message: format!("expected {expected}") }
}

fn parse_expr(line: usize, text: &str) -> Result<Expr, CircuitError> {
    text.parse().map_err(|error| CircuitError::Syntax { line, message: format!("{error}") })
}

/// Reads what [`Schema`]'s `Display` writes: `(BIGINT NOT NULL, TEXT) key [0]`.
fn parse_schema(text: &str) -> Option<Schema> {
    let (columns, key) = text.strip_prefix('(')?.split_once(") key [")?;
    let key = key.strip_suffix(']')?;
    let key = key.split(", ").filter(|index| !index.is_empty()).map(|index| index.parse().ok());
    let schema = Schema { columns: parse_columns(columns)?, key: key.collect::<Option<_>>()? };
    schema.is_valid().then_some(schema)
}

/// Splits at the commas that are not inside parentheses, as in `DECIMAL(15, 2)`.
fn parse_columns(text: &str) -> Option<Vec<ColumnType>> {
    let mut columns = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 => {
                columns.push(parse_column(&text[start..index])?);
                start = index + 1;
            }
            _ => {}
        }
    }
    if !text.is_empty() {
        columns.push(parse_column(&text[start..])?);
    }
    Some(columns)
}

fn parse_column(text: &str) -> Option<ColumnType> {
    let text = text.trim();
    let (ty, nullable) = match text.strip_suffix(" NOT NULL") {
        Some(ty) => (ty, false),
        None => (text, true),
    };
    Some(ColumnType { ty: Type::from_str(ty).ok()?, nullable })
}

fn parse_aggregate(text: &str) -> Option<Aggregate> {
    let (before, ty) = text.split_once(" : ")?;
    let mut words = before.split(' ');
    let name = words.next()?;
    let (kind, _) = AggregateKind::ALL.into_iter().find(|(_, word)| *word == name)?;
    let mut aggregate = Aggregate { kind, arg: None, filter: None, ty: parse_column(ty)? };
    while let Some(word) = words.next() {
        let index = words.next()?.parse().ok()?;
        match word {
            "of" => aggregate.arg = Some(index),
            "filter" => aggregate.filter = Some(index),
            _ => return None,
        }
    }
    Some(aggregate)
}
