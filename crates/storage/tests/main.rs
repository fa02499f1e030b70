//! Storage against oracles: a memtable against a sorted map, a store against a model of its history, through power
//! losses at every boundary, failing calls and flipped bytes.

mod suite {
    pub(crate) mod crash;
    pub(crate) mod damage;
    pub(crate) mod faults;
    pub(crate) mod full;
    pub(crate) mod history;
    pub(crate) mod memtable;
    pub(crate) mod model;
    pub(crate) mod store;
}
