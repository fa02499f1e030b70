//! Random rows and random typed trees.

use expr::{BinaryOp, Expr, UnaryOp};
use zset::{ColumnType, Datum, Interval, Type};

/// Reproducible random numbers (splitmix64).
pub struct Random {
    state: u64,
    /// Whether values are kept where few operators fail.
    tame: bool,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { state: seed, tame: !seed.is_multiple_of(3) }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

const fn decimal(precision: u8, scale: u8) -> Type {
    Type::Decimal { precision, scale }
}

/// The types that trees are made of.
pub const TYPES: [Type; 15] = [
    Type::Bool,
    Type::Bool,
    Type::Int16,
    Type::Int32,
    Type::Int64,
    Type::Float32,
    Type::Float64,
    decimal(6, 2),
    decimal(18, 4),
    decimal(24, 3),
    Type::Text,
    Type::Date,
    Type::Timestamp,
    Type::Interval,
    Type::Time,
];

const fn column(ty: Type, nullable: bool) -> ColumnType {
    ColumnType { ty, nullable }
}

/// The columns of every random row.
pub const INPUTS: [ColumnType; 16] = [
    column(Type::Bool, true),
    column(Type::Bool, false),
    column(Type::Int16, true),
    column(Type::Int32, true),
    column(Type::Int64, true),
    column(Type::Int64, false),
    column(Type::Float32, true),
    column(Type::Float64, true),
    column(decimal(6, 2), true),
    column(decimal(18, 4), false),
    column(decimal(24, 3), true),
    column(Type::Text, true),
    column(Type::Date, true),
    column(Type::Timestamp, true),
    column(Type::Interval, true),
    column(Type::Time, true),
];

/// A random row.
pub fn row(random: &mut Random) -> Vec<Datum> {
    INPUTS
        .iter()
        .map(
            |column| {
                if column.nullable && random.chance(20) { Datum::Null } else { value(random, column.ty) }
            },
        )
        .collect()
}

/// A random value of a type.
pub fn value(random: &mut Random, ty: Type) -> Datum {
    if random.tame && !random.chance(2) { tame_value(random, ty) } else { wild_value(random, ty) }
}

fn tame_value(random: &mut Random, ty: Type) -> Datum {
    let small = 1 + random.below(5) as i64;
    match ty {
        Type::Int16 | Type::Int32 | Type::Int64 => Datum::Int(small),
        Type::Float32 | Type::Float64 => Datum::Float(small as f64 / 2.0),
        Type::Decimal { precision, .. } if precision > 18 => Datum::Wide(i128::from(small) * 500),
        Type::Decimal { .. } => Datum::Int(small * 50),
        Type::Text => Datum::Text(random.pick(&["1", "0", "1", "on", "a1", "1_%"]).to_string()),
        Type::Date => Datum::Int(random.below(20_000) as i64),
        Type::Interval => {
            Datum::Interval(Interval { months: small as i32, days: 1, micros: small * 5_000_000_000 })
        }
        _ => wild_value(random, ty),
    }
}

/// A random value of a type, often an awkward one.
fn wild_value(random: &mut Random, ty: Type) -> Datum {
    let small = random.below(7) as i64 - 3;
    let int = |random: &mut Random, low: i64, high: i64| match random.below(10) {
        0 => low,
        1 => high,
        2 => (random.next() as i64).clamp(low, high),
        _ => small,
    };
    match ty {
        Type::Bool => Datum::Bool(random.chance(50)),
        Type::Int16 => Datum::Int(int(random, i16::MIN.into(), i16::MAX.into())),
        Type::Int32 => Datum::Int(int(random, i32::MIN.into(), i32::MAX.into())),
        Type::Int64 => Datum::Int(int(random, i64::MIN, i64::MAX)),
        Type::Float32 => Datum::Float(f64::from(float(random) as f32)),
        Type::Float64 => Datum::Float(float(random)),
        Type::Decimal { precision, .. } => {
            let limit = 10i128.pow(u32::from(precision)) - 1;
            let unscaled = match random.below(8) {
                0 => limit,
                1 => -limit,
                2 => i128::from(random.next() as i64) % (limit + 1),
                _ => i128::from(random.below(2001) as i64 - 1000),
            };
            if precision > 18 { Datum::Wide(unscaled) } else { Datum::Int(unscaled as i64) }
        }
        Type::Text => {
            let words = [
                "",
                "a",
                "ab",
                "abc",
                "%",
                "a_c",
                "éa",
                " 12 ",
                "-7",
                "1.5",
                "true",
                "x\\",
                "2024-02-30",
                "zz",
            ];
            Datum::Text(random.pick(&words).to_string())
        }
        Type::Bytes => Datum::Bytes(vec![random.next() as u8]),
        Type::Date => {
            Datum::Int(random.pick(&[0, -1, 11_016, 19_782, 20_000, -2_440_588, 2_145_042_905, 9_999]))
        }
        Type::Time => Datum::Int(random.below(86_400) as i64 * 1_000_000),
        Type::Timestamp | Type::TimestampTz => Datum::Int(random.pick(&[
            0,
            -1,
            951_782_400_000_000,
            1_709_210_096_789_000,
            -210_866_803_200_000_000,
        ])),
        Type::Interval => Datum::Interval(Interval {
            months: random.pick(&[0, 0, 1, -1, 14, i32::MAX]),
            days: random.pick(&[0, 0, 1, -40, i32::MIN]),
            micros: random.pick(&[0, 0, 1, -3_600_000_000, 90_000_000_000, i64::MAX]),
        }),
    }
}

fn float(random: &mut Random) -> f64 {
    match random.below(10) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => -0.0,
        3 => 1e300,
        4 => 1e-300,
        5 => random.below(1000) as f64 / 8.0,
        _ => random.below(9) as f64 - 4.0,
    }
}

/// Grows trees of a type.
pub struct Generator<'a> {
    random: &'a mut Random,
}

impl<'a> Generator<'a> {
    pub fn new(random: &'a mut Random) -> Generator<'a> {
        Generator { random }
    }

    /// A tree of type `ty`, at most `depth` levels high.
    pub fn expr(&mut self, ty: Type, depth: u32) -> Expr {
        if depth == 0 || self.random.chance(15) {
            return self.leaf(ty);
        }
        match self.random.below(10) {
            0 => self.case(ty, depth),
            1 => self.coalesce(ty, depth),
            2 => self.cast(ty, depth),
            _ => self.operator(ty, depth - 1),
        }
    }

    fn leaf(&mut self, ty: Type) -> Expr {
        let columns: Vec<u32> =
            (0..INPUTS.len() as u32).filter(|index| INPUTS[*index as usize].ty == ty).collect();
        if !columns.is_empty() && self.random.chance(70) {
            let index = self.random.pick(&columns);
            return Expr::Column { index, ty: INPUTS[index as usize] };
        }
        let value = if self.random.chance(15) { Datum::Null } else { value(self.random, ty) };
        Expr::literal(value, ty)
    }

    fn case(&mut self, ty: Type, depth: u32) -> Expr {
        let count = 1 + self.random.below(3);
        let branches =
            (0..count).map(|_| (self.expr(Type::Bool, depth - 1), self.expr(ty, depth - 1))).collect();
        let otherwise = self.random.chance(60).then(|| Box::new(self.expr(ty, depth - 1)));
        Expr::Case { branches, otherwise, ty }
    }

    fn coalesce(&mut self, ty: Type, depth: u32) -> Expr {
        let count = 1 + self.random.below(3);
        let name = self.random.pick(&["coalesce", "greatest", "least", "nullif"]);
        let count = if name == "nullif" { 2 } else { count };
        let args = (0..count).map(|_| self.expr(ty, depth - 1)).collect();
        Expr::call(name, args, ty, true)
    }

    fn cast(&mut self, ty: Type, depth: u32) -> Expr {
        use Type::{Bool, Date, Float32, Float64, Int16, Int32, Int64, Text, Time, Timestamp};
        let numbers = [Int16, Int32, Int64, Float64, decimal(6, 2), decimal(18, 4), decimal(24, 3)];
        let from = match ty {
            Bool => self.random.pick(&[Int32, Text]),
            Int16 | Int32 | Int64 => {
                self.random.pick(&[Int16, Int64, Float64, decimal(6, 2), decimal(24, 3), Text, Bool])
            }
            Float32 | Float64 => self.random.pick(&[Int16, Int64, Float32, Float64, decimal(6, 2)]),
            Type::Decimal { .. } => {
                self.random.pick(&[Int16, Int64, decimal(6, 2), decimal(18, 4), decimal(24, 3)])
            }
            Text => self.random.pick(&[Int32, Bool, Text, decimal(6, 2)]),
            Date => Timestamp,
            Timestamp => Date,
            Time => Timestamp,
            _ => return self.operator(ty, depth - 1),
        };
        let from = if numbers.contains(&ty) && self.random.chance(5) { ty } else { from };
        let arg = Box::new(self.expr(from, depth - 1));
        Expr::Cast { arg, ty, try_cast: self.random.chance(30) }
    }

    fn operator(&mut self, ty: Type, depth: u32) -> Expr {
        match ty {
            Type::Bool => self.condition(depth),
            Type::Int16 | Type::Int32 | Type::Int64 => self.integer(ty, depth),
            Type::Float32 | Type::Float64 => {
                let op = self.random.pick(&[
                    BinaryOp::Add,
                    BinaryOp::Sub,
                    BinaryOp::Mul,
                    BinaryOp::Div,
                    BinaryOp::Rem,
                ]);
                let side = self.random.pick(&[ty, Type::Float64, Type::Int32]);
                if self.random.chance(15) {
                    return Expr::unary(UnaryOp::Neg, self.expr(ty, depth));
                }
                Expr::binary(op, self.expr(ty, depth), self.expr(side, depth), ty)
            }
            Type::Decimal { .. } => self.decimal(ty, depth),
            Type::Text => self.text(depth),
            Type::Date => match self.random.below(3) {
                0 => self.pair(BinaryOp::Sub, Type::Date, Type::Interval, ty, depth),
                1 => self.pair(BinaryOp::Add, Type::Date, Type::Interval, ty, depth),
                _ => self.pair(BinaryOp::Add, Type::Date, Type::Int16, ty, depth),
            },
            Type::Timestamp => self.pair(BinaryOp::Add, Type::Timestamp, Type::Interval, ty, depth),
            Type::Interval => match self.random.below(3) {
                0 => self.pair(BinaryOp::Sub, Type::Timestamp, Type::Timestamp, ty, depth),
                1 => Expr::unary(UnaryOp::Neg, self.expr(ty, depth)),
                _ => self.pair(BinaryOp::Add, Type::Interval, Type::Interval, ty, depth),
            },
            _ => self.leaf(ty),
        }
    }

    fn pair(&mut self, op: BinaryOp, left: Type, right: Type, ty: Type, depth: u32) -> Expr {
        Expr::binary(op, self.expr(left, depth), self.expr(right, depth), ty)
    }

    fn integer(&mut self, ty: Type, depth: u32) -> Expr {
        use BinaryOp::{Add, BitAnd, BitOr, BitXor, Div, Mul, Rem, Sub};
        let side = if ty == Type::Int64 { self.random.pick(&[Type::Int16, Type::Int64]) } else { ty };
        match self.random.below(14) {
            0 => Expr::unary(UnaryOp::Neg, self.expr(ty, depth)),
            1 => Expr::call("abs", vec![self.expr(ty, depth)], ty, true),
            2 => Expr::call("length", vec![self.expr(Type::Text, depth)], ty, true),
            3 => {
                let field = self.random.pick(&["year", "month", "day", "doy", "hour"]);
                let field = Expr::literal(Datum::Text(field.into()), Type::Text);
                Expr::call("date_part", vec![field, self.expr(Type::Timestamp, depth)], ty, true)
            }
            4 if ty != Type::Int16 => self.pair(Sub, Type::Date, Type::Date, ty, depth),
            _ => {
                let op = self.random.pick(&[Add, Sub, Mul, Div, Rem, BitAnd, BitOr, BitXor]);
                Expr::binary(op, self.expr(ty, depth), self.expr(side, depth), ty)
            }
        }
    }

    fn decimal(&mut self, ty: Type, depth: u32) -> Expr {
        use BinaryOp::{Add, Div, Mul, Rem, Sub};
        let sides = [decimal(6, 2), decimal(18, 4), decimal(24, 3), Type::Int32];
        match self.random.below(10) {
            0 => Expr::unary(UnaryOp::Neg, self.expr(ty, depth)),
            1 => Expr::call("round", vec![self.expr(decimal(18, 4), depth)], ty, true),
            2 => Expr::call("abs", vec![self.expr(ty, depth)], ty, true),
            _ => {
                let (left, right) = (self.random.pick(&sides), self.random.pick(&sides));
                let op = self.random.pick(&[Add, Sub, Mul, Mul, Div, Rem]);
                Expr::binary(op, self.expr(left, depth), self.expr(right, depth), ty)
            }
        }
    }

    fn text(&mut self, depth: u32) -> Expr {
        let text = self.expr(Type::Text, depth);
        match self.random.below(6) {
            0 => Expr::binary(BinaryOp::Concat, text, self.expr(Type::Text, depth), Type::Text),
            1 => {
                let args = vec![text, self.expr(Type::Int32, depth), self.expr(Type::Int32, depth)];
                Expr::call("substr", args, Type::Text, true)
            }
            2 => Expr::call("concat", vec![text, self.expr(Type::Text, depth)], Type::Text, false),
            3 => Expr::call("left", vec![text, self.expr(Type::Int32, depth)], Type::Text, true),
            4 => Expr::call("upper", vec![text], Type::Text, true),
            _ => Expr::call("btrim", vec![text], Type::Text, true),
        }
    }

    fn condition(&mut self, depth: u32) -> Expr {
        match self.random.below(10) {
            0 => Expr::unary(UnaryOp::Not, self.expr(Type::Bool, depth)),
            1 => {
                let op = self.random.pick(&UnaryOp::ALL[4..]);
                Expr::unary(op, self.expr(Type::Bool, depth))
            }
            2 => {
                let op = self.random.pick(&[UnaryOp::IsNull, UnaryOp::IsNotNull]);
                let ty = self.random.pick(&TYPES);
                Expr::unary(op, self.expr(ty, depth))
            }
            3 | 4 => Expr::And((0..self.random.below(4)).map(|_| self.expr(Type::Bool, depth)).collect()),
            5 => Expr::Or((0..self.random.below(4)).map(|_| self.expr(Type::Bool, depth)).collect()),
            6 => self.in_list(depth),
            7 => Expr::Like {
                arg: Box::new(self.expr(Type::Text, depth)),
                pattern: Box::new(self.expr(Type::Text, 1)),
                escape: self.random.chance(20).then_some('a'),
                negated: self.random.chance(30),
                ignore_case: false,
            },
            _ => self.comparison(depth),
        }
    }

    fn comparison(&mut self, depth: u32) -> Expr {
        let op = self.random.pick(&BinaryOp::ALL[5..13]);
        assert!(op.is_comparison());
        let left = self.random.pick(&TYPES);
        let numbers = [
            Type::Int16,
            Type::Int64,
            Type::Float64,
            decimal(6, 2),
            decimal(18, 4),
            decimal(24, 3),
            decimal(38, 20),
        ];
        let right = if numbers.contains(&left) { self.random.pick(&numbers) } else { left };
        Expr::compare(op, self.expr(left, depth), self.expr(right, depth))
    }

    fn in_list(&mut self, depth: u32) -> Expr {
        let ty = self.random.pick(&TYPES);
        let constant = self.random.chance(60);
        let list = (0..self.random.below(4))
            .map(|_| {
                if constant {
                    let value = if self.random.chance(15) { Datum::Null } else { value(self.random, ty) };
                    Expr::literal(value, ty)
                } else {
                    self.expr(ty, depth)
                }
            })
            .collect();
        Expr::InList { arg: Box::new(self.expr(ty, depth)), list, negated: self.random.chance(40) }
    }
}
