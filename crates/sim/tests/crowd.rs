//! Many callers, several mixers, and a process that is killed.

use sim::check::Broken;
use sim::scenario::{Options, Report};
use sim::world::Canary;
use sim::{mass_join, restarting};

/// `cargo xtask sim --flow mass-join --seeds 1000` goes through more.
#[test]
fn mass_join_loads_no_mixer_with_more_than_twice_what_another_has() {
    for seed in 0..3 {
        let report = mass_join::run(Options::drawn(seed));
        assert_eq!(report.broken, [], "repeat: cargo xtask sim --flow mass-join --seed {seed}");
    }
}

/// T23, T26 · `cargo xtask sim --flow restarts --seeds 1000` goes through more.
#[test]
fn what_was_promised_outlives_kill_9_at_any_moment() {
    for seed in 0..SEEDS {
        let report = restarting::run(Options::drawn(seed));
        assert_eq!(report.broken, [], "repeat: cargo xtask sim --flow restarts --seed {seed}");
    }
}

fn is_caught(canary: Canary, run: fn(Options) -> Report, as_what: fn(&Broken) -> bool) {
    let mut broken = Vec::new();
    for seed in 0..SEEDS {
        broken.extend(run(Options { canary, ..Options::drawn(seed) }).broken);
        if broken.iter().any(as_what) {
            return;
        }
    }
    panic!("{canary:?} was not caught, but {broken:?}");
}

#[test]
fn canary_a_mixer_taken_for_larger_is_caught() {
    is_caught(Canary::Lopsided, mass_join::run, |it| matches!(it, Broken::Lopsided { .. }));
}

#[test]
fn canary_a_disk_that_forgets_is_caught() {
    is_caught(Canary::DiskForgets, restarting::run, |it| {
        matches!(it, Broken::LostReservation { .. })
    });
}

#[test]
fn canary_other_keys_after_a_kill_are_caught() {
    is_caught(Canary::OtherKeys, restarting::run, |it| matches!(it, Broken::SeveralUris { .. }));
}

#[test]
fn canary_room_that_is_sold_twice_is_caught() {
    is_caught(Canary::SellsTwice, restarting::run, |it| matches!(it, Broken::AboveCapacity { .. }));
}

#[test]
fn canary_a_conference_that_two_processes_claim_is_caught() {
    is_caught(Canary::TwoProcesses, restarting::run, |it| matches!(it, Broken::Apart { .. }));
}

#[test]
fn canary_holds_that_never_end_are_caught() {
    is_caught(Canary::EndlessHolds, restarting::run, |it| matches!(it, Broken::EndlessHold { .. }));
}

const SEEDS: u64 = 20;
