//! Statements that differ in nothing but their values, read and planned once for all of them.
//!
//! A program that writes values into its texts never sends the same text twice. What is brief (`brief.rs`) costs less
//! to run than to read and plan, so a session keeps what such texts have in common (`sql::parameterize`) as a prepared
//! statement, once it has seen two of them. Anything else is left to the general path, errors included.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use sql::parameterize::{Parameterized, is_plain, parameterize};
use sql::statement;
use zset::{Datum, Type};

use crate::execute::Prepared;
use crate::mode::Core;
use crate::outcome::Value;
use crate::plan::PlanKind;
use crate::sync::lock;
use crate::version::Compiled;

/// How many texts without values are known before all are forgotten.
const KEPT: usize = 256;

/// What a session knows of the texts that it has run, for one catalog.
#[derive(Default)]
pub(crate) struct Alike {
    catalog: Weak<Compiled>,
    known: HashMap<(String, Vec<Type>), Known>,
}

/// What is known of a text without values.
enum Known {
    /// It ran once.
    Once,
    /// Its statement, if there is one to share.
    Made(Option<Shared>),
}

/// A statement, and the types that its parameters have.
struct Shared {
    prepared: Arc<Prepared>,
    places: Vec<Type>,
}

impl Alike {
    /// The statement that a text shares with others before it, and its own values.
    pub(crate) fn recall(&mut self, core: &Core, text: &str) -> Option<(Arc<Prepared>, Vec<Value>)> {
        let Parameterized { text, types, values } = parameterize(text)?;
        self.begin(core)?;
        let key = (text, types);
        let known = match self.known.get_mut(&key) {
            Some(known) => known,
            None => {
                if self.known.len() >= KEPT {
                    self.known.clear();
                }
                self.known.insert(key, Known::Once);
                return None;
            }
        };
        if let Known::Once = known {
            *known = Known::Made(share(core, &key.0, &key.1));
        }
        let Known::Made(Some(shared)) = known else { return None };
        let given = values.into_iter().zip(key.1).zip(&shared.places);
        let values = given.map(|((datum, ty), &place)| value(datum, ty, place)).collect::<Option<_>>()?;
        Some((Arc::clone(&shared.prepared), values))
    }

    /// Forgets what holds for another catalog than the one that the next statement sees.
    fn begin(&mut self, core: &Core) -> Option<()> {
        let current = core.read(|work| Ok(Arc::downgrade(&work.base().compiled))).ok()?;
        if !self.catalog.ptr_eq(&current) {
            self.known.clear();
            self.catalog = current;
        }
        Some(())
    }
}

/// Makes the statement of a text that has these types of parameters, if it is brief.
fn share(core: &Core, text: &str, types: &[Type]) -> Option<Shared> {
    let prepared = Prepared::new(statement::read_alone(text).ok()?.in_public().ok()?);
    *lock(&prepared.given) = types.iter().map(|ty| Some(*ty).filter(|ty| *ty != Type::Text)).collect();
    prepared.plan_briefly(core);
    let plan = lock(&prepared.plan).clone()?;
    let (table, places) = match &plan.kind {
        PlanKind::Point(point) => (point.table(), point.parameters()),
        PlanKind::Change(dml) if dml.is_of_few_rows() => (dml.table(), dml.parameters()),
        _ => return None,
    };
    let places: Vec<Type> = places.iter().copied().collect::<Option<_>>()?;
    let fit = places.len() == types.len() && types.iter().zip(&places).all(|(ty, place)| fits(*ty, *place));
    let plain =
        || prepared.room(core).is_ok_and(|room| room.run(|| is_plain(&prepared.statement, table, types)));
    if fit && plain() { Some(Shared { prepared: Arc::new(prepared), places }) } else { None }
}

/// Whether a literal of the type is at home in a place, so that what it means there is beyond doubt.
fn fits(ty: Type, place: Type) -> bool {
    ty == Type::Text || sql::is_numeric(place)
}

/// A literal as a parameter whose place wants the type `place`; `None` if that place does not take it.
fn value(datum: Datum, ty: Type, place: Type) -> Option<Value> {
    match &datum {
        Datum::Text(text) if place != Type::Text => {
            let datum = sql::input::from_text(text, place).ok()?;
            Some(Value { datum, ty: place })
        }
        _ => Some(Value { datum, ty }),
    }
}
