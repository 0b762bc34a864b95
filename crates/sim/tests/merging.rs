//! Two calls become one conference, in the simulated world.

use sim::merging::run;
use sim::scenario::Options;
use ua::MergeOutcome;

/// B23 · RFC 4579 §5.6: everybody is in, hears the others and not himself; the old calls are gone, and nothing
/// is left in the end.
#[test]
fn two_calls_become_one_conference() {
    let merged = run(Options::calm(1));
    assert_eq!(merged.report.broken, []);
    assert_eq!(merged.outcome, Some(MergeOutcome::Done { moved: 2, kept: 0 }));
    assert_eq!(merged.talks, 1, "only the call to the conference");
}

#[test]
fn twenty_seeds_of_loss_repetition_reordering_and_delay() {
    for seed in 0..20 {
        let options = Options::drawn(seed);
        let merged = run(options);
        assert_eq!(merged.report.broken, [], "seed {seed}\n{options:#?}");
        assert_eq!(merged.outcome, Some(MergeOutcome::Done { moved: 2, kept: 0 }), "seed {seed}");
        assert_eq!(merged.talks, 1, "seed {seed}");
    }
}
