//! Words in comments and pages: one form of citation, no to-do without its issue.

use super::tree::{Page, Tree};
use super::{Finding, lexer};

/// What a promise to oneself begins with; written in halves, or this line would be one.
const TO_DO: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Macros that stand for code which is not there.
const UNWRITTEN: [&str; 2] = ["todo!", "unimplemented!"];

/// Checks comments and pages.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        for (index, line) in source.lines.iter().enumerate() {
            findings.extend(
                complaints(&line.comment)
                    .map(|(rule, text)| Finding::new(rule, &source.path, index + 1, text)),
            );
            if UNWRITTEN.iter().any(|name| line.code.contains(name)) {
                let text = "code that is not there";
                findings.push(Finding::new("to-do", &source.path, index + 1, text));
            }
        }
    }
    for page in &tree.pages {
        check_page(page, &mut findings);
    }
    findings
}

/// Checks a page without its fenced blocks, in which other people's words may stand.
fn check_page(page: &Page, findings: &mut Vec<Finding>) {
    let mut fenced = false;
    for (index, line) in page.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let found = complaints(line);
            findings
                .extend(found.map(|(rule, text)| Finding::new(rule, &page.path, index + 1, text)));
        }
    }
}

/// What is wrong with one line of prose. What stands between backticks is a name, not prose.
fn complaints(line: &str) -> impl Iterator<Item = (&'static str, String)> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let citation = bad_citation(&prose)
        .map(|found| ("citation", format!("write `RFC 3261 §17.1.1`, not `{found}`")));
    let promise = to_do(&prose).then(|| ("to-do", "name the issue, as in (#12)".to_owned()));
    citation.into_iter().chain(promise)
}

fn to_do(prose: &str) -> bool {
    TO_DO.iter().any(|word| {
        prose.match_indices(word).any(|(at, _)| {
            let rest = &prose[at + word.len()..];
            let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
            number.is_none_or(|(number, _)| number.parse::<u32>().is_err())
        })
    })
}

/// The first citation in a line that is not of the form `RFC 3261 §17.1.1`.
fn bad_citation(prose: &str) -> Option<&str> {
    let lower = prose.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices("rfc").map(|(at, _)| at).collect();
    starts.into_iter().find_map(|at| {
        let (before, after) = (&prose[..at], &prose[at + 3..]);
        let number = after.trim_start_matches([' ', '-', '\u{a0}']);
        let digits = number.chars().take_while(char::is_ascii_digit).count();
        let rest = &number[digits..];
        // `rfc3261.txt`, `x_rfc3261` and `rfc/rfc3261` are names of files and functions.
        let named = before.ends_with(|c| lexer::is_word(c) || c == '/')
            || rest.starts_with(|c| lexer::is_word(c) || c == '/')
            || rest.strip_prefix('.').is_some_and(|end| end.starts_with(lexer::is_word));
        if named || !(3..=5).contains(&digits) {
            return None;
        }
        let spaced = prose[at..].starts_with("RFC ") && after.len() - number.len() == 1;
        let good = spaced && !section_stands_before(before) && section_is_well_formed(rest);
        let end =
            prose.len() - rest.len() + rest.char_indices().nth(12).map_or(rest.len(), |(at, _)| at);
        (!good).then(|| &prose[at..end])
    })
}

/// `§17.1 of RFC 3261`: the section belongs behind.
fn section_stands_before(before: &str) -> bool {
    let words =
        before.trim_end().strip_suffix(" of").and_then(|words| words.split(' ').next_back());
    words.is_some_and(|word| word.starts_with('§'))
}

/// What may follow the number: ` §17.1`, or anything that names no section.
fn section_is_well_formed(rest: &str) -> bool {
    let next = rest.trim_start_matches([',', ' ', '\u{a0}']);
    if let Some(section) = next.strip_prefix('§') {
        return rest.starts_with(" §") && section.starts_with(char::is_alphanumeric);
    }
    let next = next.to_ascii_lowercase();
    let spelt = ["sections", "section", "sect.", "sec.", "sec", "s"];
    let number = spelt.iter().find_map(|word| next.strip_prefix(word));
    !number.is_some_and(|number| number.trim_start().starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_form_of_a_citation_passes_and_the_others_do_not() {
        for good in [
            "RFC 3261 §17.1.1.2, Figure 5: resend",
            "RFC 3550 §A.1 and RFC 3261, which it follows",
            "see `rfc3261.txt`, rfc/rfc3261, rfc4475_valid or rfc3261.txt",
            "the RFC's words; RFC 6026 changes it",
            "RFC 4475 sections are many",
        ] {
            assert_eq!(bad_citation(good), None, "{good}");
        }
        for bad in [
            "RFC3261 §17",
            "rfc 3261 §17",
            "RFC-3261",
            "RFC 3261, §17",
            "RFC 3261 § 17",
            "RFC 3261§17",
            "RFC 3261 section 17.1",
            "RFC 3261 s17",
            "see RFC 3261, Section 17",
            "§17.1 of RFC 3261",
        ] {
            assert!(bad_citation(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_to_do_needs_its_issue() {
        let [to_do_word, fix_me] = TO_DO;
        assert!(to_do(&format!("{to_do_word}: later")));
        assert!(to_do(&format!("{fix_me}(me) later")));
        assert!(to_do(&format!("{to_do_word}(#) later")));
        assert!(!to_do(&format!("{to_do_word}(#12): later")));
    }
}
