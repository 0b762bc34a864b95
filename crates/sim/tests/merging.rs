//! Two calls become one conference, in the simulated world.

use sim::merging::{Bob, run};
use sim::scenario::Options;
use sip::{HeaderName, Message, Method};
use ua::MergeOutcome;

/// B23 · RFC 4579 §5.6: everybody is in, hears the others and not himself; the old calls are gone, and nothing
/// is left in the end.
#[test]
fn two_calls_become_one_conference() {
    let merged = run(Options::calm(1), Bob::Follows);
    assert_eq!(merged.report.broken, []);
    assert_eq!(merged.outcome, Some(MergeOutcome::Done { moved: 2, kept: 0 }));
    assert_eq!(merged.talks, 1, "only the call to the conference");
}

#[test]
fn twenty_seeds_of_loss_repetition_reordering_and_delay() {
    for seed in 0..20 {
        let options = Options::drawn(seed);
        let merged = run(options, Bob::Follows);
        assert_eq!(merged.report.broken, [], "seed {seed}\n{options:#?}");
        assert_eq!(merged.outcome, Some(MergeOutcome::Done { moved: 2, kept: 0 }), "seed {seed}");
        assert_eq!(merged.talks, 1, "seed {seed}");
    }
}

/// B29 · RFC 4579 §5.10: who takes no REFER is called by the conference with a Replaces for his call with us, takes that
/// call, and ends the other.
#[test]
fn who_follows_nobody_is_fetched_by_the_conference() {
    let merged = run(Options::calm(2), Bob::Stays);
    assert_eq!(merged.report.broken, []);
    assert_eq!(merged.outcome, Some(MergeOutcome::Done { moved: 2, kept: 0 }));
    assert_eq!(merged.talks, 1, "only the call to the conference");
    let replaced = merged.report.world.sniffed.iter().filter(|sniffed| {
        matches!(&sniffed.message, Message::Request(request) if request.method == Method::Invite)
            && sniffed.header(&HeaderName::Replaces).is_some()
    });
    assert_eq!(replaced.count(), 1);
}

#[test]
fn twenty_seeds_of_fetching_over_a_bad_network() {
    for seed in 0..20 {
        let options = Options::drawn(seed);
        let merged = run(options, Bob::Stays);
        assert_eq!(merged.report.broken, [], "seed {seed}\n{options:#?}");
        assert_eq!(merged.outcome, Some(MergeOutcome::Done { moved: 2, kept: 0 }), "seed {seed}");
        assert_eq!(merged.talks, 1, "seed {seed}");
    }
}
