//! Random scalar expressions of a wanted type, over the columns in scope.

use super::{Generator, Hazard};
use crate::reference::model::ColumnSpec;
use crate::reference::{ArithmeticOp, CompareOp, Function, Part, Scalar, Test, Type, Value};

/// Those that let many rows through occur twice.
const COMPARISONS: [CompareOp; 12] = [
    CompareOp::Equal,
    CompareOp::NotEqual,
    CompareOp::NotEqual,
    CompareOp::Distinct,
    CompareOp::LessOrEqual,
    CompareOp::GreaterOrEqual,
    CompareOp::Less,
    CompareOp::LessOrEqual,
    CompareOp::Greater,
    CompareOp::GreaterOrEqual,
    CompareOp::Distinct,
    CompareOp::NotDistinct,
];

const PATTERNS: [&str; 8] = ["a%", "%b", "%a%", "_", "a_%", "", "%", "B%"];

/// Whether an expression stands where it may fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It may: the case's hazard applies.
    Open,
    /// It must not, since nobody can say whether it is evaluated.
    Guarded,
}

/// The columns an expression may use.
pub(super) type Scope = [ColumnSpec];

impl Generator {
    /// Whether arithmetic may be drawn: small numbers never overflow, others only in the open.
    fn arithmetic_allowed(&self, place: Place) -> bool {
        place == Place::Open || self.hazard != Hazard::Overflow
    }

    /// A column of the scope whose type satisfies a condition.
    pub(super) fn column(&mut self, scope: &Scope, wanted: impl Fn(Type) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..scope.len()).filter(|at| wanted(scope[*at].ty)).collect();
        (!fitting.is_empty()).then(|| *self.random.pick(&fitting))
    }

    /// An expression of a type; decimals of any precision count as one type.
    pub(super) fn scalar(&mut self, scope: &Scope, ty: Type, depth: usize, place: Place) -> Scalar {
        let same = |other: Type| match (ty, other) {
            (Type::Decimal(_, wanted), Type::Decimal(_, scale)) => wanted == scale,
            _ => ty == other,
        };
        let column = self.column(scope, same);
        if let Some(column) = column
            && (depth == 0 || self.random.percent(45))
        {
            return Scalar::Column(column);
        }
        if depth == 0 || self.random.percent(15) {
            let literal = Scalar::Literal(self.literal_value(ty), ty);
            return self.typed(literal, ty);
        }
        let plain = if self.hazard == Hazard::None { 10 } else { 30 };
        match self.random.below(plain) {
            0 => self.case(scope, ty, depth, place),
            1 => {
                let args = vec![self.scalar(scope, ty, depth - 1, place), self.scalar(scope, ty, 0, place)];
                Scalar::Call(Function::Coalesce, args)
            }
            2 => {
                let function = *self.random.pick(&[Function::Nullif, Function::Greatest, Function::Least]);
                let args = vec![self.scalar(scope, ty, 0, place), self.scalar(scope, ty, 0, place)];
                Scalar::Call(function, args)
            }
            _ => self.operation(scope, ty, depth, place),
        }
    }

    /// A number's digits do not say how wide it is: where that decides what overflows, a cast does.
    fn typed(&self, literal: Scalar, ty: Type) -> Scalar {
        let matters = ty == Type::Smallint || (ty.is_integer() && self.hazard == Hazard::Overflow);
        if matters { Scalar::Cast(Box::new(literal), ty) } else { literal }
    }

    /// NaN is left to the data: as a constant it only makes conditions trivial.
    fn literal_value(&mut self, ty: Type) -> Value {
        match self.constant(ty) {
            Value::Double(real) if real.get().is_nan() => Value::double(0.5),
            value => value,
        }
    }

    fn case(&mut self, scope: &Scope, ty: Type, depth: usize, place: Place) -> Scalar {
        let condition = self.condition(scope, depth - 1, Place::Guarded);
        let result = self.scalar(scope, ty, depth - 1, place);
        let otherwise = self.random.percent(60).then(|| Box::new(self.scalar(scope, ty, depth - 1, place)));
        Scalar::Case(vec![(condition, result)], otherwise)
    }

    fn operation(&mut self, scope: &Scope, ty: Type, depth: usize, place: Place) -> Scalar {
        match ty {
            Type::Bool => self.condition(scope, depth, place),
            Type::Smallint | Type::Integer | Type::Bigint => self.integer_operation(scope, ty, depth, place),
            Type::Decimal(..) => {
                let op = *self.random.pick(&[ArithmeticOp::Add, ArithmeticOp::Subtract]);
                let (left, right) =
                    (self.scalar(scope, ty, depth - 1, place), self.scalar(scope, ty, 0, place));
                left.arithmetic(op, right, Type::Decimal(38, decimal_scale(ty)))
            }
            Type::Double => {
                let op =
                    *self.random.pick(&[ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply]);
                let (left, right) =
                    (self.scalar(scope, ty, depth - 1, place), self.scalar(scope, ty, 0, place));
                left.arithmetic(op, right, ty)
            }
            Type::Text => self.text_operation(scope, depth, place),
            Type::Date => Scalar::Literal(self.constant(ty), ty),
        }
    }

    fn integer_operation(&mut self, scope: &Scope, ty: Type, depth: usize, place: Place) -> Scalar {
        if ty == Type::Integer && self.random.percent(25) {
            if let Some(date) = self.column(scope, |ty| ty == Type::Date) {
                let part = *self.random.pick(&[Part::Year, Part::Month, Part::Day]);
                return Scalar::Call(Function::Extract(part), vec![Scalar::Column(date)]);
            }
            if let Some(text) = self.column(scope, |ty| ty == Type::Text) {
                return Scalar::Call(Function::Length, vec![Scalar::Column(text)]);
            }
        }
        if ty == Type::Bigint && self.random.percent(20) {
            let narrow = self.scalar(scope, Type::Integer, depth - 1, place);
            return Scalar::Cast(Box::new(narrow), ty);
        }
        if !self.arithmetic_allowed(place) {
            return self.scalar(scope, ty, 0, place);
        }
        let left = self.scalar(scope, ty, if self.hazard == Hazard::None { depth - 1 } else { 0 }, place);
        match self.random.below(10) {
            0 => return Scalar::Negate(Box::new(left), ty),
            1 => return Scalar::Call(Function::Abs(ty), vec![left]),
            _ => {}
        }
        if self.hazard == Hazard::Division && place == Place::Open && self.random.percent(50) {
            return self.quotient(scope, left, ty);
        }
        if self.hazard != Hazard::Overflow && self.random.percent(15) {
            let op = *self.random.pick(&[ArithmeticOp::Divide, ArithmeticOp::Remainder]);
            let divisor = *self.random.pick(&[-3, 2, 3, 7]);
            let divisor = self.typed(Scalar::int(divisor, ty), ty);
            return left.arithmetic(op, divisor, ty);
        }
        let op = *self.random.pick(&[ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply]);
        let right = self.operand(scope, ty);
        left.arithmetic(op, right, ty)
    }

    /// A column, or a constant that no simplification takes away.
    fn operand(&mut self, scope: &Scope, ty: Type) -> Scalar {
        match self.column(scope, |other| other == ty) {
            Some(column) if self.random.percent(70) => Scalar::Column(column),
            _ => {
                let constant = Scalar::int(self.random.between(2, 5), ty);
                self.typed(constant, ty)
            }
        }
    }

    /// A quotient by a column that may be zero, sometimes behind a guard.
    fn quotient(&mut self, scope: &Scope, left: Scalar, ty: Type) -> Scalar {
        let op = *self.random.pick(&[ArithmeticOp::Divide, ArithmeticOp::Remainder]);
        let Some(column) = self.column(scope, |other| other == ty) else { return left };
        let divisor = Scalar::Column(column);
        let quotient = left.arithmetic(op, divisor.clone(), ty);
        if self.random.percent(40) {
            let guard = divisor.compare(CompareOp::NotEqual, Scalar::int(0, ty));
            return Scalar::Case(vec![(guard, quotient)], None);
        }
        quotient
    }

    fn text_operation(&mut self, scope: &Scope, depth: usize, place: Place) -> Scalar {
        let text = self.scalar(scope, Type::Text, depth - 1, place);
        match self.random.below(6) {
            0 => Scalar::Call(Function::Upper, vec![text]),
            1 => Scalar::Call(Function::Lower, vec![text]),
            2 => {
                let (start, count) = (self.random.between(1, 3), self.random.between(0, 3));
                let args = vec![text, Scalar::int(start, Type::Integer), Scalar::int(count, Type::Integer)];
                Scalar::Call(Function::Substring, args)
            }
            3 => match self.column(scope, |ty| ty.is_integer() || ty == Type::Date) {
                Some(column) => Scalar::Cast(Box::new(Scalar::Column(column)), Type::Text),
                None => text,
            },
            _ => {
                let other = self.scalar(scope, Type::Text, 0, place);
                Scalar::Call(Function::Concat, vec![text, other])
            }
        }
    }

    /// A truth value.
    pub(super) fn condition(&mut self, scope: &Scope, depth: usize, place: Place) -> Scalar {
        if depth > 0 && self.random.percent(35) {
            let parts =
                vec![self.condition(scope, depth - 1, place), self.condition(scope, depth - 1, place)];
            return match self.random.below(5) {
                0..2 => Scalar::And(parts),
                2..4 => Scalar::Or(parts),
                _ => Scalar::Not(Box::new(parts.into_iter().next().expect("two parts"))),
            };
        }
        let column = self.random.below(scope.len());
        let ty = scope[column].ty;
        let negated = self.random.percent(30);
        let subject = Scalar::Column(column);
        match self.random.below(10) {
            0 => Scalar::Is(Box::new(subject), Test::Null, negated),
            1 if ty == Type::Bool => {
                let test = *self.random.pick(&[Test::True, Test::False, Test::Unknown]);
                Scalar::Is(Box::new(subject), test, negated)
            }
            1 if ty == Type::Text => {
                Scalar::Like(Box::new(subject), (*self.random.pick(&PATTERNS)).to_owned(), negated)
            }
            2 => self.in_list(subject, ty, negated),
            3 if ty != Type::Bool => {
                let (low, high) = (self.literal_value(ty), self.literal_value(ty));
                let [low, high] = [low, high].map(|value| Box::new(Scalar::Literal(value, ty)));
                Scalar::Between(Box::new(subject), low, high, negated)
            }
            4 if ty == Type::Bool => subject,
            _ => self.comparison(scope, subject, ty, depth, place),
        }
    }

    fn in_list(&mut self, subject: Scalar, ty: Type, negated: bool) -> Scalar {
        let count = 1 + self.random.below(4);
        let mut items: Vec<Scalar> =
            (0..count).map(|_| Scalar::Literal(self.literal_value(ty), ty)).collect();
        if self.random.percent(10) {
            items.push(Scalar::Literal(Value::Null, ty));
        }
        Scalar::InList(Box::new(subject), items, negated)
    }

    fn comparison(&mut self, scope: &Scope, subject: Scalar, ty: Type, depth: usize, place: Place) -> Scalar {
        let op = *self.random.pick(&COMPARISONS);
        let other = match self.random.below(10) {
            0..5 => Scalar::Literal(self.literal_value(ty), ty),
            5..8 => {
                let like = |other: Type| other == ty || (other.is_integer() && ty.is_integer());
                self.column(scope, like).map_or(subject.clone(), Scalar::Column)
            }
            // A condition compares by columns and constants only when anything else could fail.
            _ if self.hazard != Hazard::None => Scalar::Literal(self.literal_value(ty), ty),
            _ => self.scalar(scope, ty, depth.min(1), place),
        };
        subject.compare(op, other)
    }
}

/// The digits after the point.
pub(super) fn decimal_scale(ty: Type) -> u8 {
    match ty {
        Type::Decimal(_, scale) => scale,
        _ => 0,
    }
}
