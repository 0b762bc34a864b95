//! Crates without I/O stay without it, and unsafe code stays at its one address.

use std::collections::BTreeSet;

use super::tree::{Source, Tree};
use super::{Finding, lexer, order};

/// Crates that take time and randomness as arguments and give back packets, events and deadlines.
const PURE: [&str; 10] =
    ["units", "sip", "sdp", "rtp", "audio", "focus", "pool", "mix", "ua", "node"];

/// The one crate that may have unsafe code.
const UNSAFE: &str = "media";

/// Other people's crates that do I/O, read a clock or draw random numbers.
const WORLDLY_CRATES: [&str; 12] = [
    "tokio",
    "socket2",
    "nix",
    "libc",
    "rustix",
    "mio",
    "getrandom",
    "rand",
    "axum",
    "ureq",
    "hound",
    "tempfile",
];

/// What the standard library offers of the world.
const WORLDLY_PATHS: [&str; 12] = [
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::ToSocketAddrs",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::hash::RandomState",
];

/// How an import begins.
const USE: [&str; 4] = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];

/// Checks all crates.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.packages.iter().filter(|package| PURE.contains(&package.name.as_str())) {
        for (table, name) in order::dependencies(package) {
            if table != "dev-dependencies" && WORLDLY_CRATES.contains(&name) {
                let text = format!("{} does no I/O and may not import {name}", package.name);
                findings.push(Finding::new("pure", &package.path, 0, text));
            }
        }
    }
    for source in &tree.sources {
        lints(source, &mut findings);
        if source.package != UNSAFE {
            safe(source, &mut findings);
        }
        if PURE.contains(&source.package.as_str()) {
            worldless(source, &mut findings);
        }
    }
    findings
}

/// `expect` says when it is no longer needed; `allow` stays for ever.
fn lints(source: &Source, findings: &mut Vec<Finding>) {
    for (number, line) in source.lines.iter().enumerate() {
        let code: String = line.code.split_whitespace().collect();
        if code.contains("#[allow(") || code.contains("#![allow(") {
            let text = "write #[expect(lint, reason = \"...\")]";
            findings.push(Finding::new("lints", &source.path, number + 1, text));
        }
    }
}

fn safe(source: &Source, findings: &mut Vec<Finding>) {
    for (number, line) in source.product() {
        let mut words = line.code.split(|c| !lexer::is_word(c));
        if words.any(|word| word == "unsafe" || word == "unsafe_code") {
            let text = format!("only {UNSAFE} may have unsafe code");
            findings.push(Finding::new("pure", &source.path, number, text));
        }
    }
}

fn worldless(source: &Source, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for (number, path) in named_paths(source) {
        let found = WORLDLY_PATHS.into_iter().find(|worldly| reaches(&path, worldly));
        if let Some(found) = found.filter(|found| seen.insert((number, *found))) {
            let text = format!("{} does no I/O and may not use {found}", source.package);
            findings.push(Finding::new("pure", &source.path, number, text));
        }
    }
}

/// Every path that the product's code names, with its line; groups in a `use` are written out.
fn named_paths(source: &Source) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    // The line on which a `use` began, and its text so far: it may go on over lines.
    let mut import: Option<(usize, String)> = None;
    for (number, line) in source.product() {
        let code = line.code.trim();
        let begins = USE.iter().find_map(|word| code.strip_prefix(word));
        let (first, text) = match (import.take(), begins) {
            (Some((first, text)), _) => (first, text + " " + code),
            (None, Some(tree)) => (number, tree.to_owned()),
            (None, None) => {
                named.extend(paths(code).map(|path| (number, path.to_owned())));
                continue;
            }
        };
        match text.strip_suffix(';') {
            Some(tree) => named.extend(expand(tree).into_iter().map(|path| (first, path))),
            None => import = Some((first, text)),
        }
    }
    named
}

/// The paths `a::b::c` in a line of code.
fn paths(code: &str) -> impl Iterator<Item = &str> {
    let words = code.split(|c: char| !lexer::is_word(c) && c != ':');
    words.map(|word| word.trim_matches(':')).filter(|word| word.contains("::"))
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree).trim();
        return if path.is_empty() {
            Vec::new()
        } else {
            vec![path.trim_end_matches("::self").to_owned()]
        };
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut branches) = (0_usize, vec![String::new()]);
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                branches.push(String::new());
                continue;
            }
            _ => {}
        }
        branches.last_mut().expect("invariant: there is a branch").push(c);
    }
    let branches = branches.iter().map(|branch| branch.trim()).filter(|branch| !branch.is_empty());
    branches.flat_map(|branch| expand(&format!("{}{branch}", head.trim()))).collect()
}

/// True if `path` leads to `worldly` or below it, or brings in the whole module above it, under which it could be named
/// unseen.
fn reaches(path: &str, worldly: &str) -> bool {
    let below =
        path.strip_prefix(worldly).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let module = worldly.rsplit_once("::").map(|(module, _)| module);
    below || module == Some(path.trim_end_matches("::*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_written_out() {
        let paths =
            expand("std::{fmt, net::{IpAddr, UdpSocket as Socket}, time::{self, Duration}}");
        let wanted = [
            "std::fmt",
            "std::net::IpAddr",
            "std::net::UdpSocket",
            "std::time",
            "std::time::Duration",
        ];
        assert_eq!(paths, wanted);
    }

    #[test]
    fn a_path_reaches_what_lies_at_or_below_it() {
        assert!(reaches("std::fs::File", "std::fs"));
        assert!(reaches("std::time", "std::time::Instant"));
        assert!(reaches("std::net::*", "std::net::UdpSocket"));
        assert!(!reaches("time::Instant", "std::time::Instant"));
        assert!(!reaches("std::fsx", "std::fs"));
        assert!(!reaches("std::net::SocketAddr", "std::net::UdpSocket"));
    }
}
