//! Which crate may know which: the floors of the house (ARCHITECTURE.md), lowest first. An edge that is not
//! listed here fails the tidy check, so a new one is a decision that shows in a review.

use std::path::Path;

/// Each crate with the crates of this workspace it may depend on, outside of tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("zset", &[]),
    ("expr", &["zset"]),
    ("storage", &["zset"]),
    ("circuit", &["zset", "expr"]),
    ("vm", &["zset", "expr", "circuit"]),
    ("sql", &["zset", "expr", "circuit"]),
    ("pgcatalog", &["zset", "expr", "sql"]),
    ("gnitz", &["zset", "expr", "storage", "circuit", "vm", "sql", "pgcatalog"]),
    ("server", &["gnitz"]),
    ("cli", &["gnitz", "server"]),
    ("fuzz", &["gnitz", "server"]),
    ("testkit", &["gnitz", "storage", "zset"]),
    ("xtask", &[]),
];

/// The one crate that may name DataFusion, whose generic code is compiled into whoever calls it.
const DATAFUSION_HOME: &str = "sql";

/// Says what is wrong with the dependencies of one crate, given its manifest.
pub fn check(name: &str, manifest: &str, path: &Path) -> Vec<String> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![format!("{}: crate `{name}` has no floor in xtask/src/edges.rs", path.display())];
    };
    let mut wrong = Vec::new();
    for dependency in dependencies(manifest) {
        let ours = ALLOWED.iter().any(|(crate_name, _)| *crate_name == dependency);
        if ours && !allowed.contains(&dependency.as_str()) {
            wrong.push(format!("{}: `{name}` must not depend on `{dependency}`", path.display()));
        }
        if dependency.starts_with("datafusion") && name != DATAFUSION_HOME {
            wrong.push(format!("{}: only `{DATAFUSION_HOME}` may depend on `{dependency}`", path.display()));
        }
    }
    wrong
}

/// The names under `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && line.contains('=') && !line.starts_with('#') {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            names.push(line[..end].to_string());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_upwards_is_refused() {
        let manifest =
            "[package]\nname = \"expr\"\n[dependencies]\nzset.workspace = true\nvm = { path = \"x\" }\n";
        let wrong = check("expr", manifest, Path::new("Cargo.toml"));
        assert_eq!(wrong, ["Cargo.toml: `expr` must not depend on `vm`"]);
    }
}
