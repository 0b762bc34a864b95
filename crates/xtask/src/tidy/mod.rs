//! The rules of this tree that neither the compiler nor clippy knows.
//!
//! | rule | what it asks | where |
//! |---|---|---|
//! | order | a crate imports only what stands above it; `focus`, `pool` and `mix` not one another | [`order`] |
//! | lints | each crate inherits the lints; no `allow`, no `clippy.toml` of its own | [`order`], [`pure`] |
//! | pure | crates without I/O have no socket, file, thread or clock; only `media` has unsafe code | [`pure`] |
//! | dependencies | each dependency is used, and explained in `docs/DEPENDENCIES.md` | [`dependencies`] |
//! | length | a file has at most 800 lines without its tests, the README 120 | [`length`] |
//! | words | RFC citations in one form, a to-do with its issue | [`words`] |
//! | tables | the tables of tests name tests that exist; links lead somewhere | [`tables`] |
//!
//! Each rule has a canary: a small bad tree that it must refuse.

mod dependencies;
mod length;
mod lexer;
mod order;
mod pure;
mod tables;
mod tree;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use anyhow::bail;

use tree::Tree;

/// One place where the tree breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The path from the top of the tree.
    path: String,
    /// Counted from 1; 0 means the file as a whole.
    line: usize,
    rule: &'static str,
    text: String,
}

impl Finding {
    fn new(rule: &'static str, path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { rule, path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, text } = self;
        match line {
            0 => write!(f, "{path}: {rule}: {text}"),
            line => write!(f, "{path}:{line}: {rule}: {text}"),
        }
    }
}

/// Checks the tree at `root`; with `write`, first rewrites the tables that are made from it.
pub(crate) fn tidy(root: &Path, write: bool) -> anyhow::Result<()> {
    let mut tree = Tree::read(root)?;
    if write {
        tables::write(root, &tree)?;
        tree = Tree::read(root)?;
    }
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    for warning in length::warnings(&tree) {
        println!("warning: {warning}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} places to mend", findings.len());
    }
    println!("tidy: {} sources and {} pages are in order", tree.sources.len(), tree.pages.len());
    Ok(())
}

/// Every place that breaks a rule, in the order of the files.
fn check(tree: &Tree) -> Vec<Finding> {
    let rules = [
        order::check,
        pure::check,
        dependencies::check,
        length::check,
        words::check,
        tables::check,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}
