//! The main flow of the product, in the simulated world.

use focus::EndPolicy;
use focus::factory::AnswerForm;
use sim::check::Broken;
use sim::network::Faults;
use sim::scenario::{Options, run};
use sim::world::Canary;
use ua::ReferMode;

/// Points (1) to (8) of the first issue, on a network without faults, every way of referring.
#[test]
fn one_address_a_conference_everybody_hears_all_others() {
    for refer in [ReferMode::Outside, ReferMode::Inside, ReferMode::Auto, ReferMode::Focus] {
        for end in [EndPolicy::LastLeaves, EndPolicy::CreatorLeaves] {
            let report = run(Options { refer, end, ..Options::calm(1) });
            assert_eq!(report.broken, [], "{refer:?} {end:?}");
        }
    }
}

/// B21 · RFC 4579 §5.5: the creator tells the conference to call the others, on a network that loses a tenth of the
/// messages and repeats and reorders the rest.
#[test]
fn the_conference_calls_the_others_whatever_is_lost() {
    for seed in 0..25 {
        let drawn = Options::drawn(seed);
        let signalling = Faults { loss_percent: 10.0, ..drawn.signalling };
        let options = Options { refer: ReferMode::Focus, signalling, ..drawn };
        assert_eq!(sim::loss::run(options).broken, [], "{options:#?}");
    }
}

/// The factory's other answer form: its focus answers the INVITE itself.
#[test]
fn a_factory_that_delivers_needs_no_redirection() {
    let report = run(Options { answer: AnswerForm::Deliver, ..Options::calm(2) });
    let other_uri = |broken: &&Broken| !matches!(broken, Broken::OtherUri { .. });
    assert_eq!(report.broken.iter().filter(other_uri).collect::<Vec<_>>(), Vec::<&Broken>::new());
}

#[test]
fn fifty_seeds_of_loss_repetition_reordering_and_delay() {
    for seed in 0..50 {
        let options = Options::drawn(seed);
        let report = run(options);
        assert_eq!(report.broken, [], "repeat: cargo xtask sim --seed {seed}\n{options:#?}");
    }
}

#[test]
fn a_seed_repeats_to_the_packet() {
    let lines = || {
        let report = run(Options::drawn(7));
        report.world.sniffed.iter().map(sim::wire::Sniffed::line).collect::<Vec<_>>()
    };
    assert_eq!(lines(), lines());
}

#[test]
fn canary_a_mixer_that_crosses_legs_is_caught() {
    let report = run(Options { canary: Canary::CrossesLegs, ..Options::calm(3) });
    assert!(report.broken.iter().any(|broken| matches!(broken, Broken::Echo { .. })));
    assert!(report.broken.iter().any(|broken| matches!(broken, Broken::Deaf { .. })));
}

#[test]
fn canary_a_leaked_port_is_caught() {
    let report = run(Options { canary: Canary::LeaksPorts, ..Options::calm(4) });
    assert!(report.broken.iter().any(|broken| matches!(broken, Broken::Leftovers(_))));
}

#[test]
fn canary_a_factory_that_forgets_who_asked_is_caught() {
    let signalling = Faults { duplicate_percent: 100.0, ..Faults::NONE };
    let report = run(Options { canary: Canary::ForgetsWhoAsked, signalling, ..Options::calm(5) });
    assert!(report.broken.iter().any(|broken| matches!(broken, Broken::Holds { .. })));
}
