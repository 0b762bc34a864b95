//! Other people's crates: each is used where it is named, and `docs/DEPENDENCIES.md` says why it was taken.

use std::collections::BTreeSet;

use super::tree::{Package, Tree};
use super::{Finding, lexer, order};

/// The page with a row for each of other people's crates that we name.
const PAGE: &str = "docs/DEPENDENCIES.md";

/// The manifest at the top.
const WORKSPACE: &str = "Cargo.toml";

/// Checks the manifests against the sources and the page.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        unused(package, tree, &mut findings);
    }
    explained(tree, &mut findings);
    findings
}

/// A crate that nobody mentions any more is built and shipped all the same.
fn unused(package: &Package, tree: &Tree, findings: &mut Vec<Finding>) {
    for (table, name) in order::dependencies(package) {
        let word = name.replace('-', "_");
        let for_tests = table == "dev-dependencies";
        let mut sources = tree.sources.iter().filter(|source| source.package == package.name);
        let used = sources.any(|source| {
            source.lines.iter().zip(&source.tests).any(|(line, test)| {
                (for_tests || !test) && line.code.split(|c| !lexer::is_word(c)).any(|w| w == word)
            })
        });
        if !used {
            let text = format!("{name} stands in [{table}] and is not used");
            findings.push(Finding::new("dependencies", &package.path, 0, text));
        }
    }
}

/// Each crate of others stands in the workspace's table, is named by one of ours, and has its row; and each row has its crate.
fn explained(tree: &Tree, findings: &mut Vec<Finding>) {
    let page = |path| tree.pages.iter().find(|page| page.path == path);
    let (Some(manifest), Some(reasons)) = (page(WORKSPACE), page(PAGE)) else { return };
    let manifest: toml::Table = manifest.text.parse().unwrap_or_default();
    let named = manifest.get("workspace").and_then(|table| table.get("dependencies"));
    let named = named.and_then(toml::Value::as_table).into_iter().flatten();
    let foreign = named.filter(|(_, entry)| entry.get("path").is_none());
    let foreign: Vec<&str> = foreign.map(|(name, _)| name.as_str()).collect();
    let rows: Vec<(usize, &str)> = reasons.text.lines().enumerate().filter_map(row).collect();
    for name in &foreign {
        if !rows.iter().any(|(_, row)| row == name) {
            let text = format!("{PAGE} does not say why {name} was taken");
            findings.push(Finding::new("dependencies", WORKSPACE, 0, text));
        }
    }
    let named: BTreeSet<&str> =
        tree.packages.iter().flat_map(order::dependencies).map(|(_, name)| name).collect();
    for name in foreign.iter().filter(|name| !named.contains(**name)) {
        let text = format!("{name} stands in the table and no crate of ours names it");
        findings.push(Finding::new("dependencies", WORKSPACE, 0, text));
    }
    for package in &tree.packages {
        for (_, name) in order::dependencies(package) {
            if !order::ORDER.contains(&name) && !foreign.contains(&name) {
                let text =
                    format!("{name} is not in the workspace's table: say there which version");
                findings.push(Finding::new("dependencies", &package.path, 0, text));
            }
        }
    }
    for (line, name) in rows.into_iter().filter(|(_, name)| !foreign.contains(name)) {
        let text = format!("{name} is not in the workspace's dependencies");
        findings.push(Finding::new("dependencies", PAGE, line, text));
    }
}

/// The name in a row that begins with `` | `name` ``.
fn row((index, line): (usize, &str)) -> Option<(usize, &str)> {
    let name = line.strip_prefix("| `")?.split('`').next()?;
    Some((index + 1, name))
}
