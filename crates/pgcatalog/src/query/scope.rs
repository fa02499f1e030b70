//! What names mean where: the relations of a FROM, the queries around it, and the queries of a WITH.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use sql::sqlparser::ast;
use sql::{SqlError, SqlState};

use super::plan::{Aggregate, Expr, Output, Plan, SetCall, Window};

/// A relation of a FROM.
pub(super) struct Visible {
    pub(super) name: String,
    pub(super) columns: Vec<Output>,
    /// Columns that `USING` has merged into those of an earlier relation.
    pub(super) merged: Vec<String>,
    /// The relation's OID, if it is a table: its rows have system columns.
    pub(super) oid: Option<u32>,
}

/// One query's names, and what it computes besides its expressions.
pub(super) struct Scope<'s> {
    pub(super) parent: Option<&'s Scope<'s>>,
    pub(super) relations: RefCell<Vec<Visible>>,
    /// False while a part of FROM is bound that must not see its neighbours.
    pub(super) visible: Cell<bool>,
    /// The slots of this query that were named since it was last reset.
    pub(super) slots: Cell<u64>,
    /// Whether something in it depends on a query around it.
    pub(super) escaped: Cell<bool>,
    pub(super) aggregates: RefCell<Vec<Aggregate>>,
    pub(super) windows: RefCell<Vec<Window>>,
    pub(super) sets: RefCell<Vec<SetCall>>,
}

/// An expression with its type.
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) ty: u32,
    pub(super) fields: Option<Arc<Vec<Output>>>,
}

impl Typed {
    pub(super) fn new(expr: Expr, ty: u32) -> Typed {
        Typed { expr, ty, fields: None }
    }
}

impl<'s> Scope<'s> {
    pub(super) fn new(parent: Option<&'s Scope<'s>>) -> Scope<'s> {
        Scope {
            parent,
            relations: RefCell::default(),
            visible: Cell::new(true),
            slots: Cell::new(0),
            escaped: Cell::new(false),
            aggregates: RefCell::default(),
            windows: RefCell::default(),
            sets: RefCell::default(),
        }
    }

    /// The column of a name, perhaps with its relation's name before it.
    pub(super) fn column(&self, relation: Option<&str>, name: &str) -> Result<Option<Typed>, SqlError> {
        let mut found = None;
        self.search(|scope, depth| {
            for (slot, visible) in scope.relations.borrow().iter().enumerate() {
                if relation.is_some_and(|relation| relation != visible.name) {
                    continue;
                }
                if relation.is_none() && visible.merged.iter().any(|merged| merged == name) {
                    continue;
                }
                let Some(column) = visible.columns.iter().position(|column| column.name == name) else {
                    continue;
                };
                if found.is_some() {
                    let message = format!("column reference \"{name}\" is ambiguous");
                    return Err(SqlError::new(SqlState::AmbiguousColumn, message));
                }
                let Output { ty, fields, .. } = visible.columns[column].clone();
                found = Some((depth, slot, Typed { expr: Expr::Column { depth, slot, column }, ty, fields }));
            }
            Ok(found.is_some())
        })?;
        Ok(found.map(|(depth, slot, typed)| {
            self.note(depth, slot);
            typed
        }))
    }

    /// A column that every table has without showing it: the same for all of its rows here.
    pub(super) fn system_column(&self, relation: Option<&str>, name: &str) -> Option<Typed> {
        let number = |number: u32| Expr::Const(crate::value::Value::oid(number));
        let relations = self.relations.borrow();
        let mut tables = relations.iter().filter(|visible| relation.is_none_or(|name| name == visible.name));
        let oid = match tables.find_map(|visible| visible.oid) {
            Some(oid) => oid,
            None => return self.parent?.system_column(relation, name),
        };
        match name {
            "tableoid" => Some(Typed::new(number(oid), crate::oid::OID)),
            "xmin" => Some(Typed::new(number(1), crate::oid::XID)),
            "xmax" => Some(Typed::new(number(0), crate::oid::XID)),
            "cmin" | "cmax" => Some(Typed::new(number(0), crate::oid::CID)),
            _ => None,
        }
    }

    /// The relation of a name, for its row as a whole.
    pub(super) fn whole(&self, name: &str) -> Result<Option<Typed>, SqlError> {
        let mut found = None;
        self.search(|scope, depth| {
            let relations = scope.relations.borrow();
            let slot = relations.iter().position(|visible| visible.name == name);
            found = slot.map(|slot| (depth, slot, Arc::new(relations[slot].columns.clone())));
            Ok(found.is_some())
        })?;
        Ok(found.map(|(depth, slot, columns)| {
            self.note(depth, slot);
            Typed { expr: Expr::Whole { depth, slot }, ty: crate::oid::RECORD, fields: Some(columns) }
        }))
    }

    fn search(
        &self,
        mut look: impl FnMut(&Scope<'_>, usize) -> Result<bool, SqlError>,
    ) -> Result<(), SqlError> {
        let (mut scope, mut depth) = (Some(self), 0);
        while let Some(here) = scope {
            if here.visible.get() && look(here, depth)? {
                return Ok(());
            }
            (scope, depth) = (here.parent, depth + 1);
        }
        Ok(())
    }

    /// Writes down that a slot was named from here.
    fn note(&self, depth: usize, slot: usize) {
        let mut scope = self;
        for _ in 0..depth {
            scope.escaped.set(true);
            let Some(parent) = scope.parent else { return };
            scope = parent;
        }
        scope.slots.set(scope.slots.get() | 1 << slot.min(63));
    }

    /// What `bind` gives while nothing between here and `outer` can be named.
    pub(super) fn hiding<T>(&self, outer: Option<&Scope<'_>>, bind: impl FnOnce() -> T) -> T {
        let address = |scope: &Scope<'_>| std::ptr::from_ref(scope).addr();
        let end = outer.map(address);
        let mut hidden = Vec::new();
        let mut scope = Some(self);
        while let Some(here) = scope.filter(|here| Some(address(here)) != end) {
            hidden.push((here, here.visible.replace(false)));
            scope = here.parent;
        }
        let bound = bind();
        hidden.into_iter().for_each(|(scope, visible)| scope.visible.set(visible));
        bound
    }

    /// Writes down that what stands here changes from run to run of the query.
    pub(super) fn escape_all(&self) {
        let mut scope = Some(self);
        while let Some(here) = scope {
            here.escaped.set(true);
            scope = here.parent;
        }
    }

    /// What `bind` gives, and the slots of this query that it names.
    pub(super) fn noting<T>(&self, bind: impl FnOnce() -> Result<T, SqlError>) -> Result<(T, u64), SqlError> {
        let before = self.slots.replace(0);
        let bound = bind();
        let named = self.slots.replace(before);
        self.slots.set(before | named);
        Ok((bound?, named))
    }
}

/// The queries of a WITH, and those of the WITHs around it.
pub(super) struct Ctes<'c> {
    pub(super) parent: Option<&'c Ctes<'c>>,
    /// The scope around the query that the WITH belongs to.
    pub(super) outer: Option<&'c Scope<'c>>,
    pub(super) entries: Vec<Cte<'c>>,
}

/// A query of a WITH. It is bound when it is first named, and all who name it share the plan.
pub(super) struct Cte<'c> {
    pub(super) name: String,
    pub(super) ast: &'c ast::Cte,
    pub(super) recursive: bool,
    pub(super) state: RefCell<CteState>,
}

#[derive(Clone)]
pub(super) enum CteState {
    Unbound,
    /// Being bound: a reference to it is one to the rows of the last round.
    Working {
        id: usize,
        columns: Vec<Output>,
    },
    Bound(Arc<Plan>),
}

impl<'c> Ctes<'c> {
    /// The query of a name, and the WITH it stands in.
    pub(super) fn find(&self, name: &str) -> Option<(&Cte<'c>, &Ctes<'c>)> {
        let own = self.entries.iter().rev().find(|entry| entry.name == name);
        match (own, self.parent) {
            (Some(entry), _) => Some((entry, self)),
            (None, Some(parent)) => parent.find(name),
            (None, None) => None,
        }
    }
}
