//! How the reference's queries and statements read as SQL.
//!
//! Everything that is not an atom stands in parentheses, so that the text cannot mean anything but
//! the tree it was printed from.

use super::model::{Conflict, Model, Relation, Statement, TableSpec};
use super::query::{Aggregate, AggregateFunction, Join, Query, Row, Select, Shape};
use super::scalar::{ArithmeticOp, CompareOp, Function, Part, Scalar, Test};
use super::value::{Type, Value};

/// Gives a column its name where an expression is printed.
pub type Naming<'a> = &'a dyn Fn(usize) -> String;

/// A scalar expression.
pub fn scalar(expr: &Scalar, name: Naming<'_>) -> String {
    let print = |expr: &Scalar| scalar(expr, name);
    match expr {
        Scalar::Column(index) => name(*index),
        Scalar::Literal(value, ty) => literal(value, *ty),
        Scalar::Not(arg) => format!("(NOT {})", print(arg)),
        Scalar::Negate(arg, _) => format!("(- {})", print(arg)),
        Scalar::Is(arg, test, negated) => {
            let not = if *negated { "NOT " } else { "" };
            format!("({} IS {not}{})", print(arg), test_word(*test))
        }
        Scalar::Arithmetic(op, left, right, _) => {
            format!("({} {} {})", print(left), arithmetic_sign(*op), print(right))
        }
        Scalar::Compare(op, left, right) => {
            format!("({} {} {})", print(left), compare_sign(*op), print(right))
        }
        Scalar::And(parts) => format!("({})", list(parts, " AND ", &print)),
        Scalar::Or(parts) => format!("({})", list(parts, " OR ", &print)),
        Scalar::Case(branches, otherwise) => {
            let branches = list(branches, " ", &|(condition, result): &(Scalar, Scalar)| {
                format!("WHEN {} THEN {}", print(condition), print(result))
            });
            let otherwise = otherwise.as_ref().map(|result| format!(" ELSE {}", print(result)));
            format!("CASE {branches}{} END", otherwise.unwrap_or_default())
        }
        Scalar::Cast(arg, ty) => format!("CAST({} AS {ty})", print(arg)),
        Scalar::Like(arg, pattern, negated) => {
            format!("({} {}LIKE {})", print(arg), not(*negated), Value::text(pattern))
        }
        Scalar::InList(arg, items, negated) => {
            format!("({} {}IN ({}))", print(arg), not(*negated), list(items, ", ", &print))
        }
        Scalar::Between(arg, low, high, negated) => {
            let (arg, low, high) = (print(arg), print(low), print(high));
            format!("({arg} {}BETWEEN {low} AND {high})", not(*negated))
        }
        Scalar::Call(function, args) => call(*function, args, &print),
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn list<T>(items: &[T], separator: &str, print: &dyn Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(separator)
}

fn call(function: Function, args: &[Scalar], print: &dyn Fn(&Scalar) -> String) -> String {
    let name = match function {
        Function::Abs(_) => "ABS",
        Function::Upper => "UPPER",
        Function::Lower => "LOWER",
        Function::Length => "LENGTH",
        Function::Coalesce => "COALESCE",
        Function::Nullif => "NULLIF",
        Function::Greatest => "GREATEST",
        Function::Least => "LEAST",
        Function::Substring => {
            let [text, start, count] = [0, 1, 2].map(|at| print(&args[at]));
            return format!("SUBSTRING({text} FROM {start} FOR {count})");
        }
        Function::Extract(part) => {
            let part = match part {
                Part::Year => "YEAR",
                Part::Month => "MONTH",
                Part::Day => "DAY",
            };
            return format!("EXTRACT({part} FROM {})", print(&args[0]));
        }
        Function::Concat => return format!("({})", list(args, " || ", print)),
    };
    format!("{name}({})", list(args, ", ", print))
}

fn test_word(test: Test) -> &'static str {
    match test {
        Test::Null => "NULL",
        Test::True => "TRUE",
        Test::False => "FALSE",
        Test::Unknown => "UNKNOWN",
    }
}

fn arithmetic_sign(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Subtract => "-",
        ArithmeticOp::Multiply => "*",
        ArithmeticOp::Divide => "/",
        ArithmeticOp::Remainder => "%",
    }
}

fn compare_sign(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessOrEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterOrEqual => ">=",
        CompareOp::Distinct => "IS DISTINCT FROM",
        CompareOp::NotDistinct => "IS NOT DISTINCT FROM",
    }
}

/// A constant in an expression, where its type must be plain to see.
pub fn literal(value: &Value, ty: Type) -> String {
    match (value, ty) {
        (Value::Null, _) => format!("CAST(NULL AS {ty})"),
        (Value::Double(real), _) if real.get().is_finite() => {
            format!("CAST({} AS DOUBLE PRECISION)", real.get())
        }
        (Value::Double(real), _) => format!("CAST('{}' AS DOUBLE PRECISION)", real.get()),
        // The least BIGINT has no literal: its digits without the sign are out of range.
        (Value::Int(i64::MIN), _) => "(-9223372036854775807 - 1)".to_owned(),
        (Value::Int(number), _) if *number < 0 => format!("({number})"),
        (Value::Decimal(_), Type::Decimal(..)) => format!("CAST({value} AS {ty})"),
        _ => value.to_string(),
    }
}

/// A constant in VALUES, where the column gives the type.
pub fn assigned(value: &Value, ty: Type) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        // Zeros go in as the negative one: what arithmetic gives is mostly the other, and both are one value.
        Value::Double(real) if real.get() == 0.0 => "CAST('-0' AS DOUBLE PRECISION)".to_owned(),
        Value::Double(real) if real.get().is_finite() => real.get().to_string(),
        Value::Decimal(_) => value.to_string(),
        _ => literal(value, ty),
    }
}

/// A query; its output columns are named `c0`, `c1`, … .
pub fn query(query: &Query, model: &Model) -> String {
    let separator = if query.distinct { " UNION " } else { " UNION ALL " };
    list(&query.arms, separator, &|arm| select(arm, model))
}

fn select(select: &Select, model: &Model) -> String {
    let mut names = Vec::new();
    let mut from = String::new();
    // JOIN binds tighter than a comma and could not see what stands before one.
    let commas = select.sources.iter().all(|source| source.join == Join::Comma);
    for source in &select.sources {
        let relation = &model.relations[source.relation];
        let before = names.len();
        for column in relation.columns() {
            names.push(format!("{}.{}", source.alias, column.name));
        }
        let name = |index: usize| names[index].clone();
        let own = |index: usize| names[before + index].clone();
        let separator = match &source.join {
            _ if from.is_empty() => "",
            Join::Comma if commas => ", ",
            Join::Comma | Join::Cross => " CROSS JOIN ",
            Join::Inner { .. } => " JOIN ",
        };
        from += &format!("{separator}{} {}", relation.name(), source.alias);
        if let Join::Inner { equal, extra } = &source.join {
            let pair = |(left, right): &(Scalar, Scalar)| {
                format!("{} = {}", scalar(left, &name), scalar(right, &own))
            };
            let mut conditions: Vec<String> = equal.iter().map(pair).collect();
            conditions.extend(extra.iter().map(|extra| scalar(extra, &name)));
            from += &format!(" ON {}", conditions.join(" AND "));
        }
    }
    let name = |index: usize| names[index].clone();
    let filter = select.filter.as_ref().map(|filter| format!(" WHERE {}", scalar(filter, &name)));
    let (items, tail) = shape(&select.shape, &name);
    let items: Vec<String> = items.iter().zip(0..).map(|(item, at)| format!("{item} AS c{at}")).collect();
    let distinct = if select.distinct { "DISTINCT " } else { "" };
    format!("SELECT {distinct}{} FROM {from}{}{tail}", items.join(", "), filter.unwrap_or_default())
}

/// The select list, and what follows WHERE.
fn shape(shape: &Shape, name: Naming<'_>) -> (Vec<String>, String) {
    match shape {
        Shape::Project(outputs) => {
            (outputs.iter().map(|output| scalar(output, name)).collect(), String::new())
        }
        Shape::Group { keys, aggregates, outputs, having } => {
            let mut terms: Vec<String> = keys.iter().map(|key| scalar(key, name)).collect();
            let by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", terms.join(", ")) };
            terms.extend(aggregates.iter().map(|one| aggregate(one, name)));
            let term = |index: usize| terms[index].clone();
            let having = having.as_ref().map(|having| format!(" HAVING {}", scalar(having, &term)));
            let items = outputs.iter().map(|output| scalar(output, &term)).collect();
            (items, by + &having.unwrap_or_default())
        }
    }
}

fn aggregate(aggregate: &Aggregate, name: Naming<'_>) -> String {
    let function = match aggregate.function {
        AggregateFunction::CountRows | AggregateFunction::Count => "COUNT",
        AggregateFunction::Sum => "SUM",
        AggregateFunction::Avg => "AVG",
        AggregateFunction::Min => "MIN",
        AggregateFunction::Max => "MAX",
    };
    let arg = match aggregate.function {
        AggregateFunction::CountRows => "*".to_owned(),
        _ => scalar(&aggregate.arg, name),
    };
    let filter = aggregate.filter.as_ref();
    let filter = filter.map(|filter| format!(" FILTER (WHERE {})", scalar(filter, name)));
    let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
    format!("{function}({distinct}{arg}){}", filter.unwrap_or_default())
}

/// CREATE TABLE or CREATE MATERIALIZED VIEW.
pub fn create(relation: &Relation, model: &Model) -> String {
    match relation {
        Relation::Table(table) => create_table(table),
        Relation::View(view) => {
            format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, query(&view.query, model))
        }
    }
}

fn create_table(table: &TableSpec) -> String {
    let mut parts: Vec<String> = Vec::new();
    for column in &table.columns {
        let constraint = if column.nullable { "" } else { " NOT NULL" };
        parts.push(format!("{} {}{constraint}", column.name, column.ty));
    }
    if !table.key.is_empty() {
        let key: Vec<&str> = table.key.iter().map(|at| table.columns[*at].name.as_str()).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} ({})", table.name, parts.join(", "))
}

/// INSERT, UPDATE or DELETE.
pub fn statement(statement: &Statement, model: &Model) -> String {
    match statement {
        Statement::Insert { table, rows, conflict } => {
            let spec = model.table(*table);
            let rows = list(rows, ", ", &|row: &Row| {
                let values = row.iter().zip(&spec.columns);
                let values: Vec<String> = values.map(|(value, column)| assigned(value, column.ty)).collect();
                format!("({})", values.join(", "))
            });
            format!("INSERT INTO {} VALUES {rows}{}", spec.name, on_conflict(spec, conflict))
        }
        Statement::InsertSelect { table, query: source } => {
            format!("INSERT INTO {} {}", model.table(*table).name, query(source, model))
        }
        Statement::Update { table, set, filter } => {
            let spec = model.table(*table);
            let name = |index: usize| spec.columns[index].name.clone();
            let set = assignments(spec, set, &name);
            format!("UPDATE {} SET {set}{}", spec.name, condition(filter.as_ref(), &name))
        }
        Statement::Delete { table, filter } => {
            let spec = model.table(*table);
            let name = |index: usize| spec.columns[index].name.clone();
            format!("DELETE FROM {}{}", spec.name, condition(filter.as_ref(), &name))
        }
    }
}

fn condition(filter: Option<&Scalar>, name: Naming<'_>) -> String {
    filter.map(|filter| format!(" WHERE {}", scalar(filter, name))).unwrap_or_default()
}

fn assignments(spec: &TableSpec, set: &[(usize, Scalar)], name: Naming<'_>) -> String {
    list(set, ", ", &|(column, value): &(usize, Scalar)| {
        format!("{} = {}", spec.columns[*column].name, scalar(value, name))
    })
}

fn on_conflict(spec: &TableSpec, conflict: &Conflict) -> String {
    let key: Vec<&str> = spec.key.iter().map(|at| spec.columns[*at].name.as_str()).collect();
    match conflict {
        Conflict::Fail => String::new(),
        Conflict::Nothing => " ON CONFLICT DO NOTHING".to_owned(),
        Conflict::Update(set) => {
            let width = spec.columns.len();
            let name = |index: usize| match index.checked_sub(width) {
                None => format!("{}.{}", spec.name, spec.columns[index].name),
                Some(index) => format!("EXCLUDED.{}", spec.columns[index].name),
            };
            let set = assignments(spec, set, &name);
            format!(" ON CONFLICT ({}) DO UPDATE SET {set}", key.join(", "))
        }
    }
}
