//! Tables that name tests, kept true; links that lead somewhere.
//!
//! A test says which rows of the conformance list it proves in its doc comment: `/// A15 · RFC 3261 §13.3.1.4`. The
//! third cell of a row in `docs/CONFORMANCE.md` is made from that by `cargo xtask tidy --write`; so is that of a row in
//! `docs/ATTACKS.md`, for attacks, `/// T12`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::tree::{Page, Source, Tree};
use super::{Finding, lexer, order};

/// The page whose rows name the tests for each point.
const CONFORMANCE: &str = "docs/CONFORMANCE.md";

/// The page whose rows name the tests for each attack.
const ATTACKS: &str = "docs/ATTACKS.md";

/// The page that says what we do otherwise, and which test holds us to that.
const DEVIATIONS: &str = "docs/DEVIATIONS.md";

/// The page that says what was seen of other people's programs, and by which test.
const PEERS: &str = "docs/PEERS.md";

/// A function that a test runner runs.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    /// `crate::function`.
    name: String,
    path: String,
    line: usize,
    /// The rows of the conformance list that it proves.
    rows: Vec<String>,
}

/// Checks the tables and the links.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let tests: Vec<Test> = tree.sources.iter().flat_map(tests).collect();
    let names: BTreeSet<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    let mut findings = Vec::new();
    for page in &tree.pages {
        links(page, tree, &mut findings);
        let path = page.path.as_str();
        let has_rows = [CONFORMANCE, ATTACKS].contains(&path);
        if has_rows || [DEVIATIONS, PEERS].contains(&path) {
            mentions(page, &names, &mut findings);
        }
        if has_rows {
            rows(page, &tests, &mut findings);
        }
    }
    findings
}

/// Puts the tests of each row into the third cell of that row.
pub(super) fn write(root: &Path, tree: &Tree) -> anyhow::Result<()> {
    let proofs = proofs(tree.sources.iter().flat_map(tests));
    for page in
        tree.pages.iter().filter(|page| [CONFORMANCE, ATTACKS].contains(&page.path.as_str()))
    {
        let lines = page.text.lines().map(|line| with_tests(line, &proofs) + "\n");
        fs::write(root.join(&page.path), lines.collect::<String>())?;
    }
    Ok(())
}

/// For each row the names of its tests, in order.
fn proofs(tests: impl Iterator<Item = Test>) -> BTreeMap<String, BTreeSet<String>> {
    let mut proofs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for test in tests {
        for row in test.rows {
            proofs.entry(row).or_default().insert(test.name.clone());
        }
    }
    proofs
}

/// The line with the tests of its row; any other line as it is.
fn with_tests(line: &str, proofs: &BTreeMap<String, BTreeSet<String>>) -> String {
    let cells: Vec<&str> = line.split('|').collect();
    let [before, id, what, _, note @ ..] = cells.as_slice() else { return line.to_owned() };
    if !is_row(id.trim()) {
        return line.to_owned();
    }
    let names = proofs.get(id.trim()).into_iter().flatten();
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let filled = format!(" {} ", names.join(", "));
    let filled = if names.is_empty() { " ".to_owned() } else { filled };
    [before, id, what, &filled.as_str()]
        .into_iter()
        .chain(note)
        .copied()
        .collect::<Vec<_>>()
        .join("|")
}

/// True for what names a row: `A15`. The list has the groups A to K; attacks have T.
fn is_row(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|c| matches!(c, 'A'..='K' | 'T'))
        && word.len() == 3
        && chars.all(|c| c.is_ascii_digit())
}

/// The page that a row stands on.
fn page_of(row: &str) -> &'static str {
    if row.starts_with('T') { ATTACKS } else { CONFORMANCE }
}

/// The tests in a source.
fn tests(source: &Source) -> Vec<Test> {
    let mut tests = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let code = line.code.trim();
        if !code.starts_with("#[test]") && !code.starts_with("#[tokio::test") {
            continue;
        }
        // Other attributes and comments may stand between; a function comes soon.
        let name = source.lines[index..].iter().take(8).find_map(|line| function(&line.code));
        let Some(name) = name else { continue };
        let above = source.lines[..index].iter().rev();
        let comments = above.take_while(|line| {
            let code = line.code.trim();
            code.starts_with("#[") || (code.is_empty() && line.comment.starts_with("///"))
        });
        tests.push(Test {
            name: format!("{}::{name}", source.package),
            path: source.path.clone(),
            line: index + 1,
            rows: comments.flat_map(|line| rows_of(&line.comment)).collect(),
        });
    }
    tests
}

/// The name in `fn name(`.
fn function(code: &str) -> Option<&str> {
    let (before, rest) = code.split_once("fn ")?;
    let alone = !before.ends_with(lexer::is_word);
    let name = rest.split(|c| !lexer::is_word(c)).next().filter(|name| !name.is_empty());
    name.filter(|_| alone)
}

/// The rows that a line of a test's documentation names: `/// A15, B02 · RFC 3261 §13.3.1.4`. A range names none.
fn rows_of(comment: &str) -> impl Iterator<Item = String> {
    let words = comment.split(|c: char| !lexer::is_word(c) && c != '-');
    words.filter(|word| is_row(word)).map(str::to_owned)
}

/// Names of tests in the tables and the `Test:` lines of a page, with their lines.
fn mentioned(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    let lines = page.text.lines().enumerate();
    let lines = lines.filter(|(_, line)| line.starts_with('|') || line.contains("Test:"));
    lines.flat_map(|(index, line)| {
        let quoted = line.split('`').skip(1).step_by(2);
        quoted.filter(|word| is_test_name(word)).map(move |word| (index + 1, word))
    })
}

/// `crate::function` with a crate of ours.
fn is_test_name(word: &str) -> bool {
    let Some((package, function)) = word.split_once("::") else { return false };
    order::ORDER.contains(&package) && !function.is_empty() && function.chars().all(lexer::is_word)
}

fn mentions(page: &Page, names: &BTreeSet<&str>, findings: &mut Vec<Finding>) {
    for (line, name) in mentioned(page).filter(|(_, name)| !names.contains(name)) {
        let text = format!("there is no test {name}");
        findings.push(Finding::new("tables", &page.path, line, text));
    }
}

/// Each row has a test or says why not; each test that names a row stands there.
fn rows(page: &Page, tests: &[Test], findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, line) in page.text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, _, proof, note, ..] = cells.as_slice() else { continue };
        if !is_row(id) {
            continue;
        }
        known.insert(id, proof);
        if proof.is_empty() && note.is_empty() {
            let text = format!("{id} has neither a test nor a reason");
            findings.push(Finding::new("tables", &page.path, index + 1, text));
        }
    }
    for test in tests {
        for row in test.rows.iter().filter(|row| page_of(row) == page.path) {
            let quoted = format!("`{}`", test.name);
            if !known.get(row.as_str()).is_some_and(|proof| proof.contains(&quoted)) {
                let text = format!(
                    "{} does not name {} at {row}: `cargo xtask tidy --write`",
                    page.path, test.name
                );
                findings.push(Finding::new("tables", &test.path, test.line, text));
            }
        }
    }
}

/// Links to other files of the tree, `[text](path)`, and paths named in prose, `` `crates/...` ``.
fn links(page: &Page, tree: &Tree, findings: &mut Vec<Finding>) {
    if !page.path.ends_with(".md") {
        return;
    }
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for (index, line) in page.text.lines().enumerate() {
        let linked = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let linked = linked.filter(|target| !target.contains(':') && !target.starts_with('#'));
        let linked = linked.map(|target| {
            let path = target.split('#').next().unwrap_or(target);
            (target, resolved(folder, path))
        });
        let quoted = line.split('`').skip(1).step_by(2);
        let named = quoted.filter(|word| word.starts_with("crates/") && !word.contains(['*', ' ']));
        let named = named.map(|path| (path, resolved("", path)));
        for (target, _) in linked.chain(named).filter(|(_, path)| !tree.paths.contains(path)) {
            let text = format!("{target} leads nowhere");
            findings.push(Finding::new("tables", &page.path, index + 1, text));
        }
    }
}

/// `path` seen from `folder`, from the top of the tree.
fn resolved(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
