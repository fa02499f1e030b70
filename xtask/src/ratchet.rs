//! Limits that may only get tighter. `xtask/limits.txt` holds one `name value` a line; a tree that is worse fails,
//! and `cargo xtask tidy --tighten` writes down what is better.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str =
    "# Limits of the tidy check: they may fall, never rise. Written by `cargo xtask tidy --tighten`.\n";

/// Reads the limits.
pub fn load(path: &Path) -> Result<BTreeMap<String, usize>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut limits = BTreeMap::new();
    for line in text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        let (name, value) = line.split_once(' ').ok_or_else(|| format!("limits: no value in `{line}`"))?;
        let value = value.trim().parse().map_err(|e| format!("limits: `{line}`: {e}"))?;
        limits.insert(name.to_string(), value);
    }
    Ok(limits)
}

/// Compares what was measured with the limits; what is missing on either side is an error too.
pub fn compare(limits: &BTreeMap<String, usize>, measured: &BTreeMap<String, usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, value) in measured {
        match limits.get(name) {
            None => wrong.push(format!("limit `{name}` is not in xtask/limits.txt")),
            Some(limit) if value > limit => {
                wrong.push(format!("{name} is {value}, at most {limit} is allowed"));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// Writes the smaller of limit and measured value for each name.
pub fn tighten(
    path: &Path,
    limits: &BTreeMap<String, usize>,
    measured: &BTreeMap<String, usize>,
) -> Result<(), String> {
    let mut text = HEAD.to_string();
    for (name, value) in measured {
        let value = limits.get(name).map_or(*value, |limit| (*limit).min(*value));
        let _ = writeln!(text, "{name} {value}");
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_than_the_limit_is_told() {
        let limits = BTreeMap::from([("file-lines".to_string(), 700)]);
        assert!(compare(&limits, &BTreeMap::from([("file-lines".to_string(), 700)])).is_empty());
        assert_eq!(compare(&limits, &BTreeMap::from([("file-lines".to_string(), 701)])).len(), 1);
        assert_eq!(compare(&limits, &BTreeMap::from([("other".to_string(), 1)])).len(), 1);
    }
}
