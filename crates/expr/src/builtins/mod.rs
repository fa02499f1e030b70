//! The functions that the bytecode has itself, in one table: name, and how a call is prepared for its types.
//!
//! Names are DataFusion's, with PostgreSQL's where they differ. A call that no entry takes (an unknown name, or
//! types it has no loop for) goes to [`Functions`](crate::Functions).

mod dates;
mod numbers;
mod texts;

use zset::{Datum, Type};

use crate::frame::Kernel;
use crate::tree::BinaryOp;

/// A call as it is written: what an entry decides by.
pub(crate) struct Signature<'a> {
    /// The types of the arguments.
    pub(crate) args: &'a [Type],
    /// The value of each argument that is a constant.
    pub(crate) constants: &'a [Option<&'a Datum>],
    /// The type of the result.
    pub(crate) result: Type,
}

/// A call as it will be made.
pub(crate) struct Prepared {
    pub(crate) kernel: Kernel,
    /// What the arguments are converted to first.
    pub(crate) args: Vec<Type>,
    /// Whether one NULL argument makes the result NULL.
    pub(crate) strict: bool,
}

/// How a name is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// The first argument that is not NULL; later ones are evaluated only where they are needed.
    Coalesce,
    /// NULL where both arguments are equal, else the first.
    NullIf,
    /// An operator in a function's clothes.
    Operator(BinaryOp),
    /// A kernel, if there is one for these types.
    Kernel(fn(&Signature<'_>) -> Option<Prepared>),
}

/// The entry of this name.
pub(crate) fn find(name: &str) -> Option<Form> {
    let own = TABLE.iter().chain(texts::TABLE).chain(numbers::TABLE).chain(dates::TABLE);
    own.into_iter().find(|(entry, _)| *entry == name).map(|(_, form)| *form)
}

/// One line of a table.
pub(crate) type Entry = (&'static str, Form);

const TABLE: &[Entry] = &[
    ("coalesce", Form::Coalesce),
    ("nvl", Form::Coalesce),
    ("ifnull", Form::Coalesce),
    ("nullif", Form::NullIf),
    ("mod", Form::Operator(BinaryOp::Rem)),
];

/// Every name in the tables.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().chain(texts::TABLE).chain(numbers::TABLE).chain(dates::TABLE).map(|(name, _)| *name)
}

impl Prepared {
    /// A call in which NULL makes NULL.
    fn strict(args: impl Into<Vec<Type>>, kernel: Kernel) -> Option<Prepared> {
        Some(Prepared { kernel, args: args.into(), strict: true })
    }

    /// A call that sees the NULLs.
    fn lenient(args: impl Into<Vec<Type>>, kernel: Kernel) -> Option<Prepared> {
        Some(Prepared { kernel, args: args.into(), strict: false })
    }
}

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::Int16 | Type::Int32 | Type::Int64)
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::Float32 | Type::Float64)
}

fn is_number(ty: Type) -> bool {
    is_integer(ty) || is_float(ty) || matches!(ty, Type::Decimal { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(find("substr").is_some() && find("no such function").is_none());
    }
}
