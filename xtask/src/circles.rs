//! Circles between the modules of a crate: two modules that need each other are one module in two files.
//! The graph is read from the paths that product code names (`crate::x`); a module is a file or folder below `src`.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// The modules of one crate, each with those it names.
#[derive(Default)]
pub struct Modules(BTreeMap<String, BTreeSet<String>>);

impl Modules {
    /// Adds what one file names; `path` is relative to the crate's `src`.
    pub fn add(&mut self, path: &str, source: &Source) {
        let top = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
        if matches!(top, "lib" | "main" | "bin") {
            return;
        }
        let named = self.0.entry(top.to_string()).or_default();
        for (at, _) in source.product_code().match_indices("crate::") {
            let name: String =
                source.code[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name != top {
                named.insert(name);
            }
        }
    }

    /// The modules that can reach themselves.
    pub fn in_circles(&self) -> Vec<&str> {
        self.0.keys().filter(|m| self.reaches(m)).map(String::as_str).collect()
    }

    fn reaches(&self, goal: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![goal];
        while let Some(module) = open.pop() {
            for next in self.0.get(module).into_iter().flatten() {
                if next == goal {
                    return true;
                }
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_circle_and_not_a_line() {
        let mut modules = Modules::default();
        modules.add("a.rs", &Source::new("use crate::b::B;".into()));
        modules.add("b.rs", &Source::new("use crate::c;".into()));
        modules.add("c.rs", &Source::new("fn f() {}".into()));
        assert!(modules.in_circles().is_empty());
        modules.add("c.rs", &Source::new("fn f() { crate::a::g() }".into()));
        assert_eq!(modules.in_circles(), ["a", "b", "c"]);
    }
}
