//! New inputs out of old ones.

use units::Rng;

use crate::Target;

/// The most changes to one input.
const CHANGES_MAX: u64 = 6;

/// One of the corpus, changed once or a few times.
pub(super) fn mutate(target: &Target, rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(rng, corpus).cloned().unwrap_or_default();
    for _ in 0..=rng.below(CHANGES_MAX) {
        change(target, rng, corpus, &mut input);
        input.truncate(target.longest);
    }
    input
}

fn change(target: &Target, rng: &mut Rng, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    let at = below(rng, input.len() + 1);
    match rng.below(14) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.bytes::<1>()[0];
            }
        }
        2 => input.insert(at, rng.bytes::<1>()[0]),
        3..=6 => insert(input, at, pick(rng, target.words).map_or(b"", |word| word.as_bytes())),
        7 => {
            let range = range(rng, input);
            input.drain(range);
        }
        8 => {
            let piece = input[range(rng, input)].to_vec();
            insert(input, at, &piece);
        }
        9 => repeat(target, rng, input),
        10 => {
            // The end of another one.
            if let Some(other) = pick(rng, corpus) {
                let from = below(rng, other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        11 => {
            // A piece of another one.
            if let Some(other) = pick(rng, corpus) {
                let piece = other[range(rng, other)].to_vec();
                insert(input, at, &piece);
            }
        }
        12 => number(rng, input, at),
        _ => line(rng, input),
    }
}

/// A piece many times over: where work grows faster than the input, this shows it.
fn repeat(target: &Target, rng: &mut Rng, input: &mut Vec<u8>) {
    let range = range(rng, input);
    let end = range.end;
    let piece = input[range].to_vec();
    // Seldom up to the longest, which takes a thousand times as long to try.
    let longest = if rng.percent(2.0) { target.longest } else { 256.min(target.longest) };
    let room = longest.saturating_sub(input.len());
    let times = below(rng, room / piece.len().max(1) + 1);
    insert(input, end, &piece.repeat(times));
}

/// The digits from here on become another number.
fn number(rng: &mut Rng, input: &mut Vec<u8>, at: usize) {
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "-1",
        "00",
        "127",
        "128",
        "255",
        "256",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "1e9",
        "0x10",
        "",
    ];
    let Some(start) = input[at.min(input.len())..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let start = at + start;
    let len = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = pick(rng, NUMBERS).copied().unwrap_or_default();
    input.splice(start..start + len, number.bytes());
}

/// A line is left out, told twice, or moved to the end.
fn line(rng: &mut Rng, input: &mut Vec<u8>) {
    let starts = std::iter::once(0)
        .chain(input.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
    let starts: Vec<usize> = starts.filter(|start| *start < input.len()).collect();
    let Some(&start) = pick(rng, &starts) else { return };
    let len = input[start..].iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    let line = start..start + len.unwrap_or(input.len() - start);
    let text = input[line.clone()].to_vec();
    match rng.below(3) {
        0 => drop(input.drain(line)),
        1 => insert(input, line.end, &text),
        _ => {
            input.drain(line);
            input.extend_from_slice(&text);
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

/// Some part, mostly a short one.
fn range(rng: &mut Rng, of: &[u8]) -> std::ops::Range<usize> {
    let start = below(rng, of.len() + 1);
    let most = if rng.percent(80.0) { 32 } else { of.len() };
    let len = below(rng, (of.len() - start).min(most) + 1);
    start..start + len
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> Option<&'a T> {
    of.get(below(rng, of.len()))
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap_or(0)
}
