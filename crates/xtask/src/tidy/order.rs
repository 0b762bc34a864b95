//! Crates: their order, and that each inherits the lints.

use super::Finding;
use super::tree::{Package, Tree};

/// Our crates. Each may import only what stands before it.
pub(super) const ORDER: [&str; 23] = [
    "units",
    "sip",
    "sdp",
    "rtp",
    "audio",
    "focus",
    "pool",
    "mix",
    "ua",
    "node",
    "datagram",
    "media",
    "store",
    "transport",
    "server",
    "terminal",
    "load",
    "peers",
    "convoke",
    "sim",
    "xtask",
    "fuzz",
    "bench",
];

/// The order would let these import one another; they must not: `node` joins the first two, messages join it and `mix`.
const STRANGERS: [&str; 3] = ["focus", "pool", "mix"];

/// Tables of a manifest that name other crates. Those for tests count too: a test that needs an upper crate belongs there.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks all manifests.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        imports(package, &mut findings);
        lints(package, &mut findings);
    }
    for path in &tree.paths {
        if path.starts_with("crates/") && path.ends_with("clippy.toml") {
            let text =
                "a crate's own clippy.toml replaces the one at the top, it does not add to it";
            findings.push(Finding::new("lints", path, 0, text));
        }
    }
    findings
}

/// The crates that a package names, with our names for ours.
pub(super) fn dependencies(package: &Package) -> impl Iterator<Item = (&'static str, &str)> {
    let own = TABLES.into_iter().map(|table| (table, package.manifest.get(table)));
    let targets = package.manifest.get("target").and_then(toml::Value::as_table);
    let by_target = targets
        .into_iter()
        .flatten()
        .flat_map(|(_, target)| TABLES.into_iter().map(move |table| (table, target.get(table))));
    own.chain(by_target).flat_map(|(table, entries)| {
        let entries = entries.and_then(toml::Value::as_table);
        entries.into_iter().flatten().map(move |(name, entry)| {
            // `name = { package = "real" }` is the real one.
            (table, entry.get("package").and_then(toml::Value::as_str).unwrap_or(name))
        })
    })
}

fn imports(package: &Package, findings: &mut Vec<Finding>) {
    let mut refuse = |text: String| findings.push(Finding::new("order", &package.path, 0, text));
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let Some(own) = place(&package.name) else {
        let text =
            format!("{} has no place in the order: give it one in xtask's tidy", package.name);
        return refuse(text);
    };
    for (_, name) in dependencies(package) {
        if place(name).is_some_and(|other| other >= own) {
            refuse(format!("{} imports {name}, which stands below it", package.name));
        }
        if STRANGERS.contains(&name) && STRANGERS.contains(&package.name.as_str()) {
            refuse(format!("{} imports {name}: they meet in node", package.name));
        }
    }
}

fn lints(package: &Package, findings: &mut Vec<Finding>) {
    let inherited = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if inherited.and_then(toml::Value::as_bool) != Some(true) {
        let text = "the lints are not inherited: add [lints] workspace = true";
        findings.push(Finding::new("lints", &package.path, 0, text));
    }
}
