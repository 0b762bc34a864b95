//! Lengths: what cannot be read at one sitting is not read.

use super::Finding;
use super::tree::{Source, Tree};

/// Lines of a file without its tests, above which it is refused.
const FILE_LINES_MAX: usize = 800;

/// Lines of a file without its tests, above which it deserves a second look.
const FILE_LINES_EXPECTED: usize = 400;

/// Lines of tests inside a file, above which they belong into a file of their own.
const INLINE_TEST_LINES_EXPECTED: usize = 150;

/// Lines of the page that a stranger reads first.
const README_LINES_MAX: usize = 120;

/// Refuses what is too long.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let lines = source.product().count();
        if lines > FILE_LINES_MAX {
            let text = format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it");
            findings.push(Finding::new("length", &source.path, 0, text));
        }
    }
    for page in tree.pages.iter().filter(|page| page.path == "README.md") {
        let lines = page.text.lines().count();
        if lines > README_LINES_MAX {
            let text = format!("{lines} lines, at most {README_LINES_MAX}: move some to docs");
            findings.push(Finding::new("length", &page.path, 0, text));
        }
    }
    findings
}

/// Names what grows too long.
pub(super) fn warnings(tree: &Tree) -> Vec<String> {
    let long = |source: &Source| {
        let all = source.lines.len();
        let product = source.product().count();
        let tests = all - product;
        if (FILE_LINES_EXPECTED + 1..=FILE_LINES_MAX).contains(&product) {
            Some(format!(
                "{}: {product} lines without tests, expected {FILE_LINES_EXPECTED}",
                source.path
            ))
        } else if product > 0 && tests > INLINE_TEST_LINES_EXPECTED {
            Some(format!("{}: {tests} lines of tests: give them a file of their own", source.path))
        } else {
            None
        }
    };
    tree.sources.iter().filter_map(long).collect()
}
