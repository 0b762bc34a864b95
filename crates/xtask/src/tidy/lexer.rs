//! Tells code, comments and strings of a Rust source apart, line by line.
//!
//! Not a parser: just enough that a word in a string or a comment is not taken for code.

/// One line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The code; of each string only the quotes are left.
    pub(super) code: String,
    /// The text of the comments, with their `//!`, `///` or `/*`.
    pub(super) comment: String,
}

#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    BlockComment {
        depth: usize,
    },
    Text,
    /// Ends at a quote with so many `#` behind it.
    RawText {
        hashes: usize,
    },
}

/// Takes `source` apart.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let chars: Vec<char> = source.chars().collect();
    let mut out = vec![Line::default()];
    let (mut state, mut at) = (State::Code, 0);
    while let Some(&c) = chars.get(at) {
        if c == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            out.push(Line::default());
            at += 1;
            continue;
        }
        let line = out.last_mut().expect("invariant: there is a line");
        let rest = &chars[at..];
        let (next, taken) = match state {
            State::Code => in_code(rest, chars[..at].last().copied(), line),
            State::LineComment => {
                line.comment.push(c);
                (state, 1)
            }
            State::BlockComment { depth } => in_block_comment(rest, depth, line),
            State::Text if c == '\\' && rest.get(1) != Some(&'\n') => (state, 2),
            State::Text if c == '"' => end_of_text(line, 1),
            State::RawText { hashes } if ends_raw(rest, hashes) => end_of_text(line, 1 + hashes),
            State::Text | State::RawText { .. } => (state, 1),
        };
        state = next;
        at += taken;
    }
    out
}

fn end_of_text(line: &mut Line, taken: usize) -> (State, usize) {
    line.code.push('"');
    (State::Code, taken)
}

fn ends_raw(rest: &[char], hashes: usize) -> bool {
    rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|c| *c == '#')
}

/// Code at `rest`: the state after it and how many characters that took.
fn in_code(rest: &[char], before: Option<char>, line: &mut Line) -> (State, usize) {
    match rest {
        ['/', '/', ..] => {
            line.comment.push_str("//");
            return (State::LineComment, 2);
        }
        ['/', '*', ..] => {
            line.comment.push_str("/*");
            return (State::BlockComment { depth: 1 }, 2);
        }
        ['"', ..] => {
            line.code.push('"');
            return (State::Text, 1);
        }
        ['r', tail @ ..] if !before.is_some_and(is_word) || matches!(before, Some('b' | 'c')) => {
            let hashes = tail.iter().take_while(|c| **c == '#').count();
            if tail.get(hashes) == Some(&'"') {
                line.code.push('"');
                return (State::RawText { hashes }, hashes + 2);
            }
        }
        ['\'', tail @ ..] => {
            if let Some(length) = char_literal(tail) {
                line.code.push_str("' '");
                return (State::Code, 1 + length);
            }
        }
        _ => {}
    }
    line.code.push(rest[0]);
    (State::Code, 1)
}

/// The length of a character literal behind its first quote, with its last one; `None` for a lifetime.
fn char_literal(tail: &[char]) -> Option<usize> {
    match tail {
        ['\\', _, rest @ ..] => Some(2 + rest.iter().position(|c| *c == '\'')? + 1),
        [_, '\'', ..] => Some(2),
        _ => None,
    }
}

fn in_block_comment(rest: &[char], depth: usize, line: &mut Line) -> (State, usize) {
    match rest {
        ['*', '/', ..] if depth == 1 => (State::Code, 2),
        ['*', '/', ..] => (State::BlockComment { depth: depth - 1 }, 2),
        ['/', '*', ..] => (State::BlockComment { depth: depth + 1 }, 2),
        _ => {
            line.comment.push(rest[0]);
            (State::BlockComment { depth }, 1)
        }
    }
}

/// True for what an identifier is made of.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        lines(source).into_iter().map(|line| line.code).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn strings_are_emptied_and_the_code_around_them_stays() {
        assert_eq!(code(r#"f("unsafe \" // x", b"y"); g"#), r#"f("", b""); g"#);
        assert_eq!(code("f(r#\"a \" b\"#); r#type; attr"), "f(\"\"); r#type; attr");
        assert_eq!(code("f(\"one\ntwo\")"), "f(\"\n\")");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        assert_eq!(
            code("f('\"', '\\'', '\\u{1f}'); fn g<'a>(x: &'a str)"),
            "f(' ', ' ', ' '); fn g<'a>(x: &'a str)"
        );
    }

    #[test]
    fn comments_go_to_their_own_side() {
        let split = lines("a(); // because\n/* x /* y */ z\n w */ b();");
        assert_eq!(split[0], Line { code: "a(); ".into(), comment: "// because".into() });
        assert_eq!(split[1].code, "");
        assert_eq!((split[2].code.as_str(), split[2].comment.as_str()), (" b();", " w "));
    }
}
