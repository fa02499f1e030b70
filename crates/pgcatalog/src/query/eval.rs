//! The value of an expression for one row.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use sql::{SqlError, SqlState};

use super::meter::Mark;
use super::plan::{Arithmetic, Comparison, Expr, Pattern};
use super::run::Exec;
use crate::regex::Regex;
use crate::value::{Array, Row, Value, bounded};

/// What an expression may name: the row at hand, what was computed for it, and the rows of the queries around.
#[derive(Clone, Copy)]
pub(super) struct Env<'e> {
    pub(super) tuple: &'e [Row],
    pub(super) aggregates: &'e [Value],
    pub(super) windows: &'e [Value],
    pub(super) sets: &'e [Value],
    pub(super) outer: Option<&'e Env<'e>>,
}

impl<'e> Env<'e> {
    pub(super) fn new(tuple: &'e [Row], outer: Option<&'e Env<'e>>) -> Env<'e> {
        Env { tuple, aggregates: &[], windows: &[], sets: &[], outer }
    }

    fn at(&self, depth: usize) -> Option<&Env<'_>> {
        (0..depth).try_fold(self, |env, _| env.outer)
    }
}

type Evaluated = Result<Value, SqlError>;

impl Exec<'_, '_> {
    /// What is computed is counted until the caller sets the count back; what is there already was counted before.
    pub(super) fn eval(&self, expr: &Expr, env: &Env<'_>) -> Evaluated {
        self.meter.step()?;
        Ok(match expr {
            Expr::Const(value) => value.clone(),
            Expr::Param(index) => self.param(*index)?,
            Expr::Column { depth, slot, column } => {
                let row = env.at(*depth).and_then(|env| env.tuple.get(*slot));
                row.and_then(|row| row.get(*column)).cloned().unwrap_or(Value::Null)
            }
            Expr::Whole { depth, slot } => {
                let row = env.at(*depth).and_then(|env| env.tuple.get(*slot)).cloned();
                row.map_or(Value::Null, Value::Record)
            }
            Expr::Aggregate(at) => env.aggregates.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Window(at) => env.windows.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Set(at) => env.sets.get(*at).cloned().unwrap_or(Value::Null),
            computed => {
                let mark = self.meter.mark();
                let value = self.compute(computed, env)?;
                self.settled(mark, value)?
            }
        })
    }

    /// A value for which more was made than is left of it.
    pub(super) fn settled(&self, mark: Mark, value: Value) -> Evaluated {
        let bytes = value.heap();
        bounded(bytes)?;
        self.meter.settle(mark, bytes)?;
        Ok(value)
    }

    fn compute(&self, expr: &Expr, env: &Env<'_>) -> Evaluated {
        Ok(match expr {
            Expr::Call { eval, args, strict } => {
                let args = self.all(args, env)?;
                match *strict && args.iter().any(Value::is_null) {
                    true => Value::Null,
                    false => eval(self.context, &args)?,
                }
            }
            Expr::Cast { expr, from, to } => self.context.cast(&self.eval(expr, env)?, *from, *to)?,
            Expr::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    if self.eval(condition, env)?.is_true() {
                        return self.eval(result, env);
                    }
                }
                self.eval(otherwise, env)?
            }
            Expr::Coalesce(items) => {
                for item in items {
                    let value = self.eval(item, env)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Expr::Arithmetic(op, left, right) => {
                arithmetic(*op, &self.eval(left, env)?, &self.eval(right, env)?)?
            }
            Expr::Concat(left, right) => concat(&self.eval(left, env)?, &self.eval(right, env)?)?,
            Expr::Subscript(..) | Expr::Slice(..) | Expr::Field(..) | Expr::Array(_) | Expr::Row(_) => {
                self.composite(expr, env)?
            }
            Expr::Scalar(_) | Expr::Exists(_) | Expr::ArrayOf(_) | Expr::Among { .. } => {
                self.subquery(expr, env)?
            }
            condition => self.condition(condition, env)?.map_or(Value::Null, Value::Bool),
        })
    }

    pub(super) fn all(&self, exprs: &[Expr], env: &Env<'_>) -> Result<Vec<Value>, SqlError> {
        self.meter.take(exprs.len() * size_of::<Value>())?;
        exprs.iter().map(|expr| self.eval(expr, env)).collect()
    }

    /// Whether all conditions hold. What was made for them is gone.
    pub(super) fn holds(&self, conditions: &[Expr], env: &Env<'_>) -> Result<bool, SqlError> {
        let mark = self.meter.mark();
        for condition in conditions {
            if !self.eval(condition, env)?.is_true() {
                self.meter.settle(mark, 0)?;
                return Ok(false);
            }
        }
        self.meter.settle(mark, 0)?;
        Ok(true)
    }

    fn truth(&self, expr: &Expr, env: &Env<'_>) -> Result<Option<bool>, SqlError> {
        Ok(match self.eval(expr, env)? {
            Value::Bool(value) => Some(value),
            _ => None,
        })
    }

    /// The value that decides AND or OR, if an operand has it; unknown if one that is unknown could have it.
    fn junction(&self, items: &[Expr], deciding: bool, env: &Env<'_>) -> Result<Option<bool>, SqlError> {
        let mut result = Some(!deciding);
        for item in items {
            match self.truth(item, env)? {
                Some(value) if value == deciding => return Ok(Some(deciding)),
                Some(_) => {}
                None => result = None,
            }
        }
        Ok(result)
    }

    /// True, false, or unknown.
    fn condition(&self, expr: &Expr, env: &Env<'_>) -> Result<Option<bool>, SqlError> {
        Ok(match expr {
            Expr::And(items) => self.junction(items, false, env)?,
            Expr::Or(items) => self.junction(items, true, env)?,
            Expr::Not(inner) => self.truth(inner, env)?.map(|value| !value),
            Expr::IsNull(inner) => Some(match self.eval(inner, env)? {
                Value::Record(row) => !row.is_empty() && row.iter().all(Value::is_null),
                value => value.is_null(),
            }),
            Expr::Is(inner, wanted) => Some(self.truth(inner, env)? == Some(*wanted)),
            Expr::Compare(op, left, right) => compare(*op, &self.eval(left, env)?, &self.eval(right, env)?)?,
            Expr::Distinct(left, right) => Some(self.eval(left, env)? != self.eval(right, env)?),
            Expr::In(left, items) => {
                let left = self.eval(left, env)?;
                let mut result = Some(false);
                for item in items {
                    match left.compare(&self.eval(item, env)?).map(Ordering::is_eq) {
                        Some(true) => return Ok(Some(true)),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                result
            }
            Expr::Quantified { op, left, array, all } => {
                let (left, array) = (self.eval(left, env)?, self.eval(array, env)?);
                match array {
                    Value::Array(array) => quantified(&left, &array.items, *op, *all)?,
                    _ => None,
                }
            }
            Expr::Contains(left, right) => match (self.eval(left, env)?, self.eval(right, env)?) {
                (Value::Array(all), Value::Array(some)) => {
                    let all: HashSet<&Value> = all.items.iter().collect();
                    Some(some.items.iter().all(|item| all.contains(item)))
                }
                _ => None,
            },
            Expr::Overlaps(left, right) => match (self.eval(left, env)?, self.eval(right, env)?) {
                (Value::Array(a), Value::Array(b)) => {
                    let all: HashSet<&Value> = b.items.iter().collect();
                    Some(a.items.iter().any(|item| all.contains(item)))
                }
                _ => None,
            },
            Expr::Like { .. } | Expr::Matches { .. } | Expr::Extracted { .. } => {
                return self.matching(expr, env).map(|value| match value {
                    Value::Bool(value) => Some(value),
                    _ => None,
                });
            }
            _ => None,
        })
    }

    fn matching(&self, expr: &Expr, env: &Env<'_>) -> Evaluated {
        Ok(match expr {
            Expr::Like { text, pattern, escape, insensitive } => {
                match (self.eval(text, env)?.as_str(), self.eval(pattern, env)?.as_str()) {
                    (Some(text), Some(pattern)) => expr::like(text, pattern, *escape, *insensitive)?.into(),
                    _ => Value::Null,
                }
            }
            Expr::Matches { text, pattern, insensitive } => {
                let text = self.eval(text, env)?;
                match (text.as_str(), self.pattern(pattern, *insensitive, env)?) {
                    (Some(text), Some(pattern)) => pattern.is_match(text).into(),
                    _ => Value::Null,
                }
            }
            Expr::Extracted { text, pattern } => {
                let text = self.eval(text, env)?;
                match (text.as_str(), self.pattern(pattern, false, env)?) {
                    (Some(text), Some(pattern)) => {
                        let found = pattern.captures(text);
                        let group =
                            found.and_then(|groups| groups.get(1).or(groups.first()).cloned().flatten());
                        Value::or_null(group.map(Value::from))
                    }
                    _ => Value::Null,
                }
            }
            _ => Value::Null,
        })
    }

    fn pattern(
        &self,
        pattern: &Pattern,
        insensitive: bool,
        env: &Env<'_>,
    ) -> Result<Option<Arc<Regex>>, SqlError> {
        match pattern {
            Pattern::Fixed(regex) => Ok(Some(Arc::clone(regex))),
            Pattern::Varying(expr) => match self.eval(expr, env)?.as_str() {
                Some(text) => Ok(Some(Arc::new(Regex::new(text, insensitive)?))),
                None => Ok(None),
            },
        }
    }

    fn composite(&self, expr: &Expr, env: &Env<'_>) -> Evaluated {
        Ok(match expr {
            Expr::Subscript(array, index) => {
                match (self.eval(array, env)?, self.eval(index, env)?.as_int()) {
                    (Value::Array(array), Some(index)) => {
                        let at = usize::try_from(index - array.lower).ok();
                        at.and_then(|at| array.items.get(at)).cloned().unwrap_or(Value::Null)
                    }
                    // A name is an array of bytes from 0, those after its end empty.
                    (Value::Text(name), Some(at @ 0..=63)) => match name.as_bytes().get(at as usize) {
                        Some(byte) if byte.is_ascii() => char::from(*byte).to_string().into(),
                        Some(byte) => format!("\\{byte:03o}").into(),
                        None => "".into(),
                    },
                    _ => Value::Null,
                }
            }
            Expr::Slice(array, from, to) => {
                let Value::Array(array) = self.eval(array, env)? else { return Ok(Value::Null) };
                let bound = |bound: &Option<Box<Expr>>, otherwise: i64| match bound {
                    Some(expr) => self.eval(expr, env).map(|value| value.as_int().unwrap_or(otherwise)),
                    None => Ok(otherwise),
                };
                let last = array.lower + array.items.len() as i64 - 1;
                let (from, to) = (bound(from, array.lower)?, bound(to, last)?);
                let numbered = (array.lower..).zip(&array.items);
                let kept = numbered.filter(|(at, _)| *at >= from && *at <= to).map(|(_, item)| item.clone());
                Value::array(kept.collect())
            }
            Expr::Field(row, at) => match self.eval(row, env)? {
                Value::Record(row) => row.get(*at).cloned().unwrap_or(Value::Null),
                _ => Value::Null,
            },
            Expr::Array(items) => Value::array(self.all(items, env)?),
            Expr::Row(items) => Value::Record(Arc::from(self.all(items, env)?)),
            _ => Value::Null,
        })
    }

    fn subquery(&self, expr: &Expr, env: &Env<'_>) -> Evaluated {
        Ok(match expr {
            Expr::Scalar(plan) => {
                let rows = self.rows(plan, Some(env))?;
                match rows.as_slice() {
                    [] => Value::Null,
                    [row] => row.first().cloned().unwrap_or(Value::Null),
                    _ => {
                        let message = "more than one row returned by a subquery used as an expression";
                        return Err(SqlError::new(SqlState::CardinalityViolation, message));
                    }
                }
            }
            Expr::Exists(plan) => (!self.rows(plan, Some(env))?.is_empty()).into(),
            Expr::ArrayOf(plan) => {
                let rows = self.rows(plan, Some(env))?;
                Value::array(rows.iter().map(|row| row.first().cloned().unwrap_or(Value::Null)).collect())
            }
            Expr::Among { op, left, plan, all } => {
                let left = self.eval(left, env)?;
                let rows = self.rows(plan, Some(env))?;
                let items: Vec<Value> = rows
                    .iter()
                    .map(|row| match row.as_ref() {
                        [only] => only.clone(),
                        _ => Value::Record(Arc::clone(row)),
                    })
                    .collect();
                quantified(&left, &items, *op, *all)?.map_or(Value::Null, Value::Bool)
            }
            _ => Value::Null,
        })
    }
}

/// `left op ANY (items)`, or `ALL`: unknown where a NULL could decide it.
fn quantified(left: &Value, items: &[Value], op: Comparison, all: bool) -> Result<Option<bool>, SqlError> {
    let mut result = Some(all);
    for item in items {
        match compare(op, left, item)? {
            Some(holds) if holds != all => return Ok(Some(holds)),
            None => result = None,
            Some(_) => {}
        }
    }
    Ok(result)
}

fn compare(op: Comparison, left: &Value, right: &Value) -> Result<Option<bool>, SqlError> {
    let holds = match op {
        Comparison::Eq => Ordering::is_eq,
        Comparison::NotEq => Ordering::is_ne,
        Comparison::Lt => Ordering::is_lt,
        Comparison::LtEq => Ordering::is_le,
        Comparison::Gt => Ordering::is_gt,
        Comparison::GtEq => Ordering::is_ge,
        Comparison::Like { negated, insensitive } => {
            let texts = left.as_str().zip(right.as_str());
            let like = texts.map(|(text, pattern)| expr::like(text, pattern, Some('\\'), insensitive));
            return Ok(like.transpose()?.map(|like| like != negated));
        }
    };
    Ok(left.compare(right).map(holds))
}

fn concat(left: &Value, right: &Value) -> Evaluated {
    Ok(match (left, right) {
        (Value::Array(a), Value::Array(b)) => {
            bounded((a.items.len() + b.items.len()).saturating_mul(size_of::<Value>()))?;
            let items = a.items.iter().chain(&b.items).cloned().collect();
            Value::Array(Arc::new(Array { lower: a.lower, items }))
        }
        (Value::Array(_), Value::Null) => left.clone(),
        (Value::Null, Value::Array(_)) => right.clone(),
        (Value::Array(a), item) => Value::array(a.items.iter().chain([item]).cloned().collect()),
        (item, Value::Array(a)) => Value::array([item].into_iter().chain(&a.items).cloned().collect()),
        (Value::Text(a), Value::Text(b)) => {
            bounded(a.len() + b.len())?;
            Value::text(format!("{a}{b}"))
        }
        _ => Value::Null,
    })
}

fn arithmetic(op: Arithmetic, left: &Value, right: &Value) -> Evaluated {
    let overflow = || SqlError::new(SqlState::NumericOutOfRange, "bigint out of range");
    let zero = || SqlError::new(SqlState::DivisionByZero, "division by zero");
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let (a, b) = (*a, *b);
        let result = match op {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide | Arithmetic::Modulo if b == 0 => return Err(zero()),
            Arithmetic::Divide => a.checked_div(b),
            Arithmetic::Modulo => a.checked_rem(b),
            Arithmetic::BitAnd => Some(a & b),
            Arithmetic::BitOr => Some(a | b),
            Arithmetic::ShiftLeft => Some(a.wrapping_shl(b as u32)),
            Arithmetic::ShiftRight => Some(a.wrapping_shr(b as u32)),
        };
        return result.map(Value::Int).ok_or_else(overflow);
    }
    let (Some(a), Some(b)) = (left.as_float(), right.as_float()) else { return Ok(Value::Null) };
    Ok(Value::Float(match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide | Arithmetic::Modulo if b == 0.0 => return Err(zero()),
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
        _ => return Ok(Value::Null),
    }))
}
