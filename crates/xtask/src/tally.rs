//! How many tests passed and failed, read from what the runners say.

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Whose summary a step's output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// None: the step itself is one check.
    Step,
    /// `cargo nextest run`: one summary line at the end.
    Nextest,
    /// `cargo test`: one line for each test binary, to be added up.
    CargoTest,
    /// `cargo test --doc`: the same lines, and there may be no tests at all.
    DocTests,
    /// Ours: the line `N passed, N failed`, as in `sim: 50 passed, 0 failed`; the last one counts.
    Plain,
}

impl Tally {
    /// The two added.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// Takes one line of a runner's output into account.
    pub(crate) fn read(&mut self, runner: Runner, line: &str) {
        match runner {
            Runner::Step => {}
            Runner::Nextest => *self = nextest(line).unwrap_or(*self),
            Runner::CargoTest | Runner::DocTests => {
                *self = self.plus(cargo_test(line).unwrap_or_default());
            }
            Runner::Plain => *self = plain(line).unwrap_or(*self),
        }
    }

    /// The numbers of a step that has ended. A step that failed has failed at least once, whatever it printed; one that
    /// ended well without a test that ran has proved nothing, and has failed too.
    pub(crate) fn concluded(self, runner: Runner, good: bool) -> Self {
        match (good, runner) {
            (true, Runner::Step) => Self { passed: 1, failed: 0 },
            (true, Runner::DocTests) => self,
            (true, _) if self.passed == 0 => Self { passed: 0, failed: self.failed.max(1) },
            (true, _) => self,
            (false, _) => Self { passed: self.passed, failed: self.failed.max(1) },
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// `Summary [ 0.1s] 7/9 tests run: 4 passed (1 slow), 1 failed, 1 exec failed, 1 timed out, 2 skipped`.
fn nextest(line: &str) -> Option<Tally> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    let (_, counts) = rest.split_once(" run: ")?;
    let mut tally = Tally::default();
    for part in counts.split(',') {
        let (number, word) = part.trim().split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match word.split(" (").next().unwrap_or(word) {
            "passed" => tally.passed += number,
            "failed" | "exec failed" | "timed out" => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
fn cargo_test(line: &str) -> Option<Tally> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let number =
        |word| counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    Some(Tally { passed: number("passed")?, failed: number("failed")? })
}

/// `sim: 3 passed, 0 failed`.
fn plain(line: &str) -> Option<Tally> {
    let counts = line.trim().rsplit(": ").next()?;
    let (passed, failed) = counts.split_once(" passed, ")?;
    Some(Tally {
        passed: passed.parse().ok()?,
        failed: failed.strip_suffix(" failed")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn nextest_summary_is_read_with_all_its_ways_to_fail() {
        let bad = "     Summary [   1.204s] 7/9 tests run: 4 passed (1 slow, 1 flaky), 1 failed, 1 exec failed, 1 timed out, 2 skipped";
        assert_eq!(nextest(bad), Some(tally(4, 3)));
        let good = "     Summary [   0.005s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(nextest(good), Some(tally(1, 0)));
        assert_eq!(nextest("        PASS [   0.003s] xtask tally::tests::x"), None);
    }

    #[test]
    fn the_last_nextest_summary_counts_and_cargo_test_lines_add_up() {
        let mut read = Tally::default();
        read.read(Runner::Nextest, "Summary [ 1s] 5 tests run: 5 passed, 0 skipped");
        read.read(Runner::Nextest, "  FAIL something else");
        assert_eq!(read, tally(5, 0));
        let mut read = Tally::default();
        let line = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        read.read(Runner::CargoTest, line);
        read.read(Runner::CargoTest, line);
        assert_eq!(read, tally(6, 2));
    }

    #[test]
    fn plain_line_is_read_whole_or_not_at_all() {
        assert_eq!(plain("50 passed, 0 failed"), Some(tally(50, 0)));
        assert_eq!(plain("sim: 49 passed, 1 failed"), Some(tally(49, 1)));
        assert_eq!(plain("seed 3 of 50 passed, 0 failed"), None);
        assert_eq!(plain("50 passed, 0 failed so far"), None);
    }

    #[test]
    fn a_step_that_failed_or_tested_nothing_counts_as_failed() {
        assert_eq!(tally(0, 0).concluded(Runner::Step, true), tally(1, 0));
        assert_eq!(tally(0, 0).concluded(Runner::Step, false), tally(0, 1));
        assert_eq!(tally(0, 0).concluded(Runner::Nextest, true), tally(0, 1));
        assert_eq!(tally(0, 0).concluded(Runner::DocTests, true), tally(0, 0));
        assert_eq!(tally(0, 0).concluded(Runner::DocTests, false), tally(0, 1));
        assert_eq!(tally(8, 0).concluded(Runner::Nextest, false), tally(8, 1));
        assert_eq!(tally(8, 2).concluded(Runner::CargoTest, false), tally(8, 2));
    }
}
