//! What a session remembers of the values it took from sequences, for `currval` and `lastval`.

use std::collections::BTreeMap;
use std::sync::Arc;

use zset::CollectionId;

use crate::counter::Counter;

/// What a session remembers of the values it took.
#[derive(Default)]
pub(crate) struct Memory {
    /// The last value from each sequence.
    values: BTreeMap<String, Known>,
    /// The sequence that gave the last value.
    last: Option<String>,
    /// Counters that queries of the open transaction took from or set.
    told: Vec<Arc<Counter>>,
}

struct Known {
    id: CollectionId,
    /// It was taken in the transaction that made the sequence, which may have got another number since.
    private: bool,
    value: i64,
}

impl Memory {
    /// Notes a value that was taken; `private` is one of a sequence that nobody else sees yet.
    pub(crate) fn note(&mut self, (name, id): (&str, CollectionId), private: bool, value: i64) {
        let known = Known { id, private, value };
        match self.values.get_mut(name) {
            Some(before) => *before = known,
            None => _ = self.values.insert(name.to_string(), known),
        }
    }

    /// The client is told of a value of this counter.
    pub(crate) fn tell(&mut self, counter: &Arc<Counter>) {
        if !self.told.iter().any(|told| Arc::ptr_eq(told, counter)) {
            self.told.push(Arc::clone(counter));
        }
    }

    /// The last value from a sequence.
    pub(crate) fn value(&self, name: &str, id: CollectionId) -> Option<i64> {
        let known = self.values.get(name)?;
        (known.private || known.id == id).then_some(known.value)
    }

    /// The sequence that gave the last value.
    pub(crate) fn last(&self) -> Option<String> {
        self.last.clone()
    }

    /// Says which sequence gave the last value.
    pub(crate) fn set_last(&mut self, name: &str) {
        if self.last.as_deref() != Some(name) {
            self.last = Some(name.to_string());
        }
    }

    /// Knows of no value any more.
    pub(crate) fn forget(&mut self) {
        (self.values, self.last) = (BTreeMap::new(), None);
    }

    /// Whether the client was told values that may not be covered yet.
    pub(crate) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// The counters that the client was told values of since the last call.
    pub(crate) fn take_told(&mut self) -> Vec<Arc<Counter>> {
        std::mem::take(&mut self.told)
    }
}
