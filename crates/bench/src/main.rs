//! `bench`: the names of the cases. `bench CASE N`: does that case `N` times.
//!
//! For a counter of instructions (`cargo xtask bench`): it runs each case with `N` and with `2 N`, and the difference is
//! what `N` times cost, without what it takes to get there. Every run does the same, to the instruction: no clock, no
//! socket, randomness from a number.

#![expect(clippy::print_stdout, reason = "the names of the cases are what it says")]

mod asking;
mod deciding;
mod messages;
mod mixing;

use std::process::ExitCode;

/// Something that is done again and again.
struct Case {
    name: &'static str,
    /// Does it so often.
    run: fn(u32),
}

const CASES: [Case; 15] = [
    Case { name: "parse-invite", run: messages::parse_invite },
    Case { name: "parse-200", run: messages::parse_200 },
    Case { name: "print-302", run: messages::print_302 },
    Case { name: "print-200", run: messages::print_200 },
    Case { name: "ask-302", run: asking::ask },
    Case { name: "decide-1", run: |times| deciding::decide(1, times) },
    Case { name: "decide-100", run: |times| deciding::decide(100, times) },
    Case { name: "decide-10000", run: |times| deciding::decide(10_000, times) },
    Case { name: "refuse-overload", run: asking::refuse },
    Case { name: "mix-1x3", run: |times| mixing::mix(1, 3, times) },
    Case { name: "mix-1x10", run: |times| mixing::mix(1, 10, times) },
    Case { name: "mix-1x100", run: |times| mixing::mix(1, 100, times) },
    Case { name: "mix-1x1000", run: |times| mixing::mix(1, 1_000, times) },
    Case { name: "mix-10x10", run: |times| mixing::mix(10, 10, times) },
    Case { name: "mix-100x10", run: |times| mixing::mix(100, 10, times) },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = words.as_slice() else {
        for case in &CASES {
            println!("{}", case.name);
        }
        return ExitCode::SUCCESS;
    };
    let case = CASES.iter().find(|case| case.name == name);
    match (case, times.parse()) {
        (Some(case), Ok(times)) => {
            (case.run)(times);
            ExitCode::SUCCESS
        }
        (_, _) => {
            println!("write one of the names, and how often");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    /// T29 · by the record of instructions, to which `cargo xtask bench` holds every change.
    #[test]
    fn a_refusal_costs_less_than_a_tenth_of_an_acceptance() {
        let record = include_str!("../../../benches/instructions.toml");
        let of = |name: &str| -> u64 {
            let line = record.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
            line.and_then(|number| number.parse().ok()).expect("it is in the record")
        };
        let (refusal, acceptance) = (of("refuse-overload"), of("ask-302"));
        assert!(10 * refusal < acceptance, "{refusal} of {acceptance}");
    }
}
