//! Drives one transaction machine through virtual time.

use units::Instant;

use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::{ClientOutput, ServerOutput};

/// What the four machines have in common.
pub(super) trait Machine {
    type Input: Copy;
    type Output: Copy + PartialEq;

    fn input(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>);
    fn due(&mut self, now: Instant, out: &mut Vec<Self::Output>);
    fn next(&self) -> Option<Instant>;
}

macro_rules! machine {
    ($machine:ty, $input:ty, $output:ty) => {
        impl Machine for $machine {
            type Input = $input;
            type Output = $output;

            fn input(&mut self, now: Instant, input: $input, out: &mut Vec<$output>) {
                self.handle_input(now, input, out);
            }
            fn due(&mut self, now: Instant, out: &mut Vec<$output>) {
                self.handle_deadline(now, out);
            }
            fn next(&self) -> Option<Instant> {
                self.deadline()
            }
        }
    };
}

machine!(ClientInvite, client_invite::Input, ClientOutput);
machine!(ClientNonInvite, client_non_invite::Input, ClientOutput);
machine!(ServerInvite, server_invite::Input, ServerOutput);
machine!(ServerNonInvite, server_non_invite::Input, ServerOutput);

/// A machine, its clock and all that it wanted, with the times in ms.
pub(super) struct Rig<M: Machine> {
    pub(super) machine: M,
    pub(super) log: Vec<(u64, M::Output)>,
    now: Instant,
}

impl<M: Machine> Rig<M> {
    pub(super) fn start(make: impl FnOnce(Instant, &mut Vec<M::Output>) -> M) -> Self {
        let mut out = vec![];
        let machine = make(Instant::ZERO, &mut out);
        let log = out.into_iter().map(|output| (0, output)).collect();
        Self { machine, log, now: Instant::ZERO }
    }

    /// Lets time pass, then gives an input. What is due at that very time is done before.
    pub(super) fn at_ms(&mut self, ms: u64, input: M::Input) {
        self.run_until_ms(ms);
        let mut out = vec![];
        self.machine.input(self.now, input, &mut out);
        self.record(out);
    }

    /// Lets time pass.
    pub(super) fn run_until_ms(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        while self.machine.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Jumps from deadline to deadline until there is none.
    pub(super) fn run_until_idle(&mut self) {
        for _ in 0..1_000 {
            if self.machine.next().is_none() {
                return;
            }
            self.step();
        }
        panic!("the machine does not come to rest");
    }

    /// The times of one output, in ms.
    pub(super) fn times(&self, wanted: M::Output) -> Vec<u64> {
        self.log.iter().filter(|(_, output)| *output == wanted).map(|(at, _)| *at).collect()
    }

    /// Jumps to the next deadline.
    fn step(&mut self) {
        self.now = self.machine.next().expect("caller checked").max(self.now);
        let mut out = vec![];
        self.machine.due(self.now, &mut out);
        self.record(out);
    }

    fn record(&mut self, out: Vec<M::Output>) {
        let now = self.now.as_millis();
        self.log.extend(out.into_iter().map(|output| (now, output)));
    }
}
