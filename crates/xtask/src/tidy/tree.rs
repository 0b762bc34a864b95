//! The tree as the rules see it: crates, sources with their tests told apart, pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::lexer::{self, Line};

/// Everything that is checked, in the order of the paths.
pub(super) struct Tree {
    pub(super) packages: Vec<Package>,
    pub(super) sources: Vec<Source>,
    pub(super) pages: Vec<Page>,
    /// All files and folders, as paths from the top.
    pub(super) paths: BTreeSet<String>,
}

/// A crate.
pub(super) struct Package {
    /// The name of its folder.
    pub(super) name: String,
    /// The path of its manifest.
    pub(super) path: String,
    pub(super) manifest: toml::Table,
}

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    /// The name of its crate's folder.
    pub(super) package: String,
    pub(super) lines: Vec<Line>,
    /// For each line whether only tests are built from it.
    pub(super) tests: Vec<bool>,
}

/// A text that is not Rust: Markdown, a manifest, a script.
pub(super) struct Page {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// The lines that are not tests, counted from 1.
    pub(super) fn product(&self) -> impl Iterator<Item = (usize, &Line)> {
        let numbered = self.lines.iter().enumerate().zip(&self.tests);
        numbered.filter(|(_, test)| !**test).map(|((index, line), _)| (index + 1, line))
    }
}

/// Folders that are made, not written.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

/// Kinds of file that are read as pages.
const PAGES: [&str; 5] = ["md", "toml", "sh", "yml", "xml"];

impl Tree {
    /// Reads the tree at `root`.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut paths = BTreeSet::new();
        walk(root, "", &mut paths)?;
        let read = |path: &str| {
            fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
        };
        let (mut packages, mut sources, mut pages) = (Vec::new(), Vec::new(), Vec::new());
        for path in &paths {
            let package = package_of(path);
            let extension = Path::new(path).extension().and_then(|end| end.to_str());
            match (extension, package) {
                (Some("rs"), Some(package)) => sources.push(source(path, package, &read(path)?)),
                (Some(end), _) if PAGES.contains(&end) => {
                    pages.push(Page { path: path.clone(), text: read(path)? });
                }
                _ => {}
            }
            if let Some(name) = package.filter(|name| *path == format!("crates/{name}/Cargo.toml"))
            {
                let manifest =
                    read(path)?.parse().with_context(|| format!("cannot parse {path}"))?;
                packages.push(Package { name: name.to_owned(), path: path.clone(), manifest });
            }
        }
        mark_test_modules(&mut sources);
        Ok(Self { packages, sources, pages, paths })
    }
}

/// Collects all paths below `folder`; hidden folders only where a program looks for them.
fn walk(root: &Path, folder: &str, paths: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, paths)?;
                paths.insert(path);
            }
        } else {
            paths.insert(path);
        }
    }
    Ok(())
}

/// The crate that a path lies in.
fn package_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
}

fn source(path: &str, package: &str, text: &str) -> Source {
    let lines = lexer::lines(text.strip_suffix('\n').unwrap_or(text));
    let in_folder = |folder: &str| path.starts_with(&format!("crates/{package}/{folder}/"));
    let tests = if ["tests", "benches", "examples"].into_iter().any(in_folder) {
        vec![true; lines.len()]
    } else {
        test_lines(&lines)
    };
    Source { path: path.to_owned(), package: package.to_owned(), lines, tests }
}

/// For each line whether it stands in an item under `#[cfg(test)]`.
fn test_lines(lines: &[Line]) -> Vec<bool> {
    let mut tests = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let code = lines[at].code.trim();
        if code.starts_with("#![cfg(test)]") {
            return vec![true; lines.len()];
        }
        if !is_test_attribute(code) {
            at += 1;
            continue;
        }
        let last = end_of_item(lines, at);
        tests[at..=last].fill(true);
        at = last + 1;
    }
    tests
}

/// `#[cfg(test)]`, also among others, but not `not(test)`.
fn is_test_attribute(code: &str) -> bool {
    let Some(inside) = code.strip_prefix("#[cfg(") else { return false };
    inside.split(|c| !lexer::is_word(c)).any(|word| word == "test") && !inside.contains("not(test)")
}

/// The line with which the item behind the attribute at `start` ends: at its `;`, or where its braces close.
fn end_of_item(lines: &[Line], start: usize) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (index, line) in lines.iter().enumerate().skip(start) {
        for c in line.code.chars() {
            match c {
                '(' | '[' => others += 1,
                ')' | ']' => others = others.saturating_sub(1),
                '{' => braces += 1,
                '}' if braces <= 1 => return index,
                '}' => braces -= 1,
                ';' if braces == 0 && others == 0 => return index,
                _ => {}
            }
        }
    }
    lines.len().saturating_sub(1)
}

/// Marks the files of modules that are declared for tests only, with all below them.
fn mark_test_modules(sources: &mut [Source]) {
    let mut modules = Vec::new();
    for source in sources.iter() {
        let folder = module_folder(&source.path);
        for (line, _) in source.lines.iter().zip(&source.tests).filter(|(_, test)| **test) {
            if let Some(name) = declared_module(&line.code) {
                modules.push(format!("{folder}/{name}"));
            }
        }
    }
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        let inside = |module: &String| stem == module || stem.starts_with(&format!("{module}/"));
        if modules.iter().any(inside) {
            source.tests.fill(true);
        }
    }
}

/// `tests` of `mod tests;`
fn declared_module(code: &str) -> Option<&str> {
    let before = code.trim().strip_suffix(';')?;
    let (visibility, name) = before.split_once("mod ")?;
    let plain =
        visibility.is_empty() || visibility.starts_with("pub") || visibility.starts_with("#[");
    (plain && name.chars().all(lexer::is_word)).then_some(name)
}

/// The folder in which the modules declared in a file lie.
fn module_folder(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_built_for_tests_alone_is_a_test() {
        let text = "fn a() {}\n#[cfg(test)]\nuse x::{y, z};\n#[cfg(test)]\n#[derive(Debug)]\nmod tests {\n    fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}";
        let tests = test_lines(&lexer::lines(text));
        assert_eq!(tests, [false, true, true, true, true, true, true, true, false, false]);
    }

    #[test]
    fn a_declared_test_module_takes_its_files_along() {
        let file = |path, text| source(path, "sip", text);
        let mut sources = [
            file("crates/sip/src/a.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
            file("crates/sip/src/a/tests.rs", "fn x() {}"),
            file("crates/sip/src/a/tests/more.rs", "fn x() {}"),
            file("crates/sip/src/a/b.rs", "fn x() {}"),
            file("crates/sip/tests/torture.rs", "fn x() {}"),
        ];
        mark_test_modules(&mut sources);
        let whole: Vec<_> =
            sources.iter().map(|source| source.tests.iter().all(|test| *test)).collect();
        assert_eq!(whole, [false, true, true, false, true]);
    }
}
