//! The functions that catalog queries call, grouped by what they are about. A function is a line in a table: name,
//! types of its arguments, type of its result, and what computes it.

use std::collections::HashMap;
use std::sync::LazyLock;

use sql::SqlError;

use crate::context::Context;
use crate::value::Value;

mod arrays;
mod definitions;
mod jsons;
mod numbers;
mod privileges;
mod session;
mod sets;
mod texts;

pub(crate) use jsons::json_array;

/// An argument or result of any type.
pub(crate) const ANY: u32 = crate::oid::ANY;

/// The type of a result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Returns {
    /// Always this one.
    Type(u32),
    /// That of an argument.
    Argument(usize),
    /// That of an argument's elements.
    Element(usize),
}

/// What computes a function.
pub(crate) type Eval = fn(&Context<'_>, &[Value]) -> Result<Value, SqlError>;

/// A function.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The types of its arguments.
    pub(crate) args: &'static [u32],
    /// How many of them must be there.
    pub(crate) required: usize,
    /// Whether the last may come any number of times.
    pub(crate) variadic: bool,
    /// Whether it is NULL where an argument is.
    pub(crate) strict: bool,
    pub(crate) returns: Returns,
    pub(crate) eval: Eval,
}

/// A strict function of exactly these arguments.
const fn strict(name: &'static str, args: &'static [u32], returns: u32, eval: Eval) -> Function {
    Function {
        name,
        args,
        required: args.len(),
        variadic: false,
        strict: true,
        returns: Returns::Type(returns),
        eval,
    }
}

impl Function {
    /// The last arguments may be left out.
    const fn from(self, required: usize) -> Function {
        Function { required, ..self }
    }

    /// It sees NULLs.
    const fn lenient(self) -> Function {
        Function { strict: false, ..self }
    }

    const fn variadic(self) -> Function {
        Function { variadic: true, ..self }
    }

    const fn returns(self, returns: Returns) -> Function {
        Function { returns, ..self }
    }
}

/// A function in FROM, which gives rows.
#[derive(Clone, Copy)]
pub(crate) struct SetFunction {
    pub(crate) name: &'static str,
    pub(crate) args: &'static [u32],
    pub(crate) required: usize,
    /// Its columns; a lone column takes the name of the table's alias.
    pub(crate) columns: &'static [(&'static str, Returns)],
    pub(crate) eval: EvalRows,
}

/// What computes a function that gives rows.
pub(crate) type EvalRows = fn(&Context<'_>, &[Value]) -> Result<Vec<Vec<Value>>, SqlError>;

struct Registry {
    scalars: HashMap<&'static str, Vec<Function>>,
    sets: HashMap<&'static str, SetFunction>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let all = [
        arrays::FUNCTIONS,
        definitions::FUNCTIONS,
        jsons::FUNCTIONS,
        numbers::FUNCTIONS,
        privileges::FUNCTIONS,
        session::FUNCTIONS,
        texts::FUNCTIONS,
    ];
    let mut scalars: HashMap<&str, Vec<Function>> = HashMap::new();
    for function in all.into_iter().flatten() {
        scalars.entry(function.name).or_default().push(*function);
    }
    let sets = sets::FUNCTIONS.iter().map(|function| (function.name, *function)).collect();
    Registry { scalars, sets }
});

/// The function of a name for so many arguments.
pub(crate) fn find(name: &str, args: usize) -> Option<&'static Function> {
    let takes =
        |f: &&Function| args >= f.required && (args <= f.args.len() || (f.variadic && !f.args.is_empty()));
    REGISTRY.scalars.get(name)?.iter().find(takes)
}

/// The function in FROM of a name.
pub(crate) fn find_set(name: &str) -> Option<&'static SetFunction> {
    REGISTRY.sets.get(name)
}

/// Whether calling it does something, beyond giving a value.
pub(crate) fn has_effect(name: &str) -> bool {
    matches!(name, "set_config" | "pg_cancel_backend" | "pg_terminate_backend")
}

/// Whether there is a function of this name that only this crate has: one about the catalogs or the session.
pub(crate) fn is_about_catalogs(name: &str) -> bool {
    let groups = [definitions::FUNCTIONS, privileges::FUNCTIONS, session::FUNCTIONS];
    groups.into_iter().flatten().any(|function| function.name == name)
        || matches!(
            name,
            "array_lower"
                | "pg_size_pretty"
                | "quote_ident"
                | "quote_literal"
                | "parse_ident"
                | "unnest"
                | "generate_subscripts"
                | "_pg_expandarray"
                | "array_upper"
                | "pg_get_keywords"
                | "pg_partition_ancestors"
                | "aclexplode"
        )
}
