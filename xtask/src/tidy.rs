//! The house rules that a program can keep: edges between crates, lengths of files and functions and circles of modules (as a ratchet),
//! a head comment in every file, `unsafe` only at its addresses, and words that must not stand in the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::circles::Modules;
use crate::source::Source;
use crate::{chores, edges, ratchet};

/// Where `unsafe` may stand. Each has a reason, a SAFETY comment and a safe twin under test.
const UNSAFE_ADDRESSES: &[&str] = &["crates/storage/src/mmap.rs"];

/// Unfinished work does not land; the pieces are joined here so that this file does not find itself.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("#[ig", "nore")];

/// No file and no function may be longer than this, whatever the ratchet says.
const HARD_FILE_LINES: usize = 1200;
const HARD_FUNCTION_LINES: usize = 150;

/// From here on a file or a function counts as long.
const LONG_FILE: usize = 700;
const LONG_FUNCTION: usize = 70;

/// Runs every rule; with `tighten`, writes better limits down afterwards.
pub fn check(tighten: bool) -> Result<(), String> {
    let root = chores::root();
    let mut wrong = Vec::new();
    let mut measured =
        BTreeMap::from(["long-files".to_string(), "long-functions".to_string()].map(|n| (n, 0)));
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap_or(&path).to_path_buf();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        words(&name, &text, &mut wrong);
        match path.extension().and_then(|e| e.to_str()) {
            Some("rs") => {
                let source = Source::new(text);
                if let Some((home, inner)) = name.to_str().and_then(|n| n.split_once("/src/")) {
                    crates.entry(home.to_string()).or_default().add(inner, &source);
                }
                rust_file(&name, &source, &mut wrong, &mut measured);
            }
            Some("toml") if name.ends_with("Cargo.toml") => {
                if let Some(package) = package(&text) {
                    wrong.extend(edges::check(package, &text, &name));
                }
            }
            _ => {}
        }
    }
    let circles: Vec<_> = crates
        .iter()
        .flat_map(|(c, m)| m.in_circles().into_iter().map(move |m| format!("{c}: {m}")))
        .collect();
    measured.insert("modules-in-circles".to_string(), circles.len());
    let limits_path = root.join("xtask/limits.txt");
    let limits =
        if tighten && !limits_path.exists() { BTreeMap::new() } else { ratchet::load(&limits_path)? };
    if tighten {
        ratchet::tighten(&limits_path, &limits, &measured)?;
    } else {
        let worse = ratchet::compare(&limits, &measured);
        if worse.iter().any(|w| w.starts_with("modules-in-circles")) {
            wrong.extend(circles.iter().map(|c| format!("in a circle of modules: {c}")));
        }
        wrong.extend(worse);
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("tidy:\n  {}", wrong.join("\n  "))) }
}

fn rust_file(name: &Path, source: &Source, wrong: &mut Vec<String>, measured: &mut BTreeMap<String, usize>) {
    let shown = name.display();
    let mut count =
        |what: &str, long: bool| *measured.entry(what.to_string()).or_default() += usize::from(long);
    if !source.raw.starts_with("//!") {
        wrong.push(format!("{shown}:1: the file does not open with what it is and why (`//!`)"));
    }
    let lines = source.product_code().lines().count();
    count("long-files", lines > LONG_FILE);
    if source.raw.lines().count() > HARD_FILE_LINES {
        wrong.push(format!("{shown}: {} lines, at most {HARD_FILE_LINES}", source.raw.lines().count()));
    }
    for function in source.functions() {
        count("long-functions", function.lines > LONG_FUNCTION);
        if function.lines > HARD_FUNCTION_LINES {
            let (line, name, lines) = (function.line, &function.name, function.lines);
            wrong.push(format!("{shown}:{line}: `{name}` has {lines} lines, at most {HARD_FUNCTION_LINES}"));
        }
    }
    for (at, line) in source.code.lines().enumerate() {
        let mentions = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
        if mentions && !UNSAFE_ADDRESSES.iter().any(|address| Path::new(address) == name) {
            wrong.push(format!("{shown}:{}: `unsafe` has no address here", at + 1));
        }
    }
}

fn words(name: &Path, text: &str, wrong: &mut Vec<String>) {
    for (at, line) in text.lines().enumerate() {
        for word in UNFINISHED {
            if line.contains(word) {
                wrong.push(format!("{}:{}: `{word}`: finish it or refuse it", name.display(), at + 1));
            }
        }
    }
}

fn package(manifest: &str) -> Option<&str> {
    let after = manifest.split("[package]").nth(1)?;
    let line = after.lines().find(|l| l.trim_start().starts_with("name"))?;
    line.split('"').nth(1)
}

/// Every file of the tree that a person wrote, in a fixed order.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "demo-data" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".toml") || name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
