//! Everybody comes at once: 92 calls in 31 s, as a school day begins, over the twelve mixers of a node.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::Transport;
use units::Rng;

use crate::rig::{Caller, FACTORY, Rig, Setting, contact};

const MIXERS: u16 = 12;
const CALLS: u16 = 92;
const WITHIN_MS: u64 = 31_000;
const SEEDS: u64 = 100;

/// Promised seats and legs of each mixer; those without any too.
fn shares(rig: &Rig) -> Vec<(u32, u32)> {
    let mut shares: BTreeMap<String, (u32, u32)> =
        (0..MIXERS).map(|mixer| (format!("1/{mixer}"), (0, 0))).collect();
    for hold in rig.node.holds() {
        let share = shares.get_mut(&hold.mixer).expect("a mixer that there is");
        *share = (share.0 + hold.seats.max(hold.used), share.1 + hold.used);
    }
    shares.into_values().collect()
}

fn spread(shares: impl Iterator<Item = u32> + Clone) -> (u32, u32) {
    (shares.clone().min().expect("twelve"), shares.max().expect("twelve"))
}

/// One morning: conferences of these sizes, asked for and joined in the order that chance has it. Gives the fewest and the
/// most legs of a mixer at its end.
fn morning(seed: u64, sizes: &[u32]) -> (u32, u32) {
    let mut rig = Rig::with(Setting { seats: 1_200, mixers: MIXERS, ..Setting::default() });
    rig.transport = Transport::Tcp;
    let mut rng = Rng::from_number(seed);
    // When each call comes, and to which conference: whoever comes first asks for it.
    let of = sizes.iter().enumerate().flat_map(|(index, size)| (0..*size).map(move |_| index));
    let mut calls: Vec<(u64, usize)> = of.map(|index| (rng.below(WITHIN_MS), index)).collect();
    calls.sort_unstable();
    let largest = sizes.iter().copied().max().expect("some");
    let (mut uris, mut last) = (vec![None::<String>; sizes.len()], 0);
    for (number, (at, index)) in (1_u16..).zip(calls) {
        rig.pass(Duration::from_millis(at - last));
        last = at;
        let mut caller = Caller::new("caller", number);
        let uri = uris[index].get_or_insert_with(|| {
            let text = caller.invite(&format!("{FACTORY};seats={}", sizes[index]));
            contact(&rig.ask(caller.address, &text))
        });
        assert_eq!(rig.join(&mut caller, uri).status.code(), 200);
        // All the time: what is promised is even, but for one conference, which cannot be cut.
        let (least, most) = spread(shares(&rig).into_iter().map(|(seats, _)| seats));
        assert!(most - least <= largest, "seed {seed}, {at} ms: {least} to {most} seats");
    }
    let legs: u32 = shares(&rig).iter().map(|(_, legs)| legs).sum();
    assert_eq!(legs, sizes.iter().sum());
    spread(shares(&rig).into_iter().map(|(_, legs)| legs))
}

#[test]
fn mass_join_loads_no_mixer_with_more_than_twice_what_another_has() {
    for seed in 0..SEEDS {
        let (least, most) = morning(seed, &[4; CALLS as usize / 4]);
        assert!(least > 0 && most <= 2 * least, "seed {seed}: {least} to {most}");
        let (least, most) = morning(seed, &[1; CALLS as usize]);
        assert!((least, most) == (7, 8), "seed {seed}: {least} to {most}");
    }
}

#[test]
fn mass_join_of_unequal_conferences_is_even_but_for_the_largest() {
    for seed in 0..SEEDS {
        let mut rng = Rng::from_number(seed ^ 0xc0de);
        let (mut sizes, mut left) = (Vec::new(), u32::from(CALLS));
        while left > 0 {
            let size = (1 + u32::try_from(rng.below(8)).expect("small")).min(left);
            sizes.push(size);
            left -= size;
        }
        morning(seed, &sizes);
    }
}
