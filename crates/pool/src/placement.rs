//! Which of many mixers takes a conference.
//!
//! Choosing looks at two candidates, drawn by the conference's identity: the better of two is nearly as even
//! as the best of all, and costs the same for one node as for ten thousand. Where both are full the
//! following ones are tried, in the same order for everybody who asks.

use crate::cost::Cost;
use crate::terms::ConferenceId;

/// What a mixer has, and what of it is taken or promised, promises that no report shows yet included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// All that it has.
    pub capacity: Cost,
    /// What it has given away.
    pub taken: Cost,
    /// Whether it takes conferences at all.
    pub is_open: bool,
}

impl Load {
    /// The load with this conference, in parts per thousand; `None`: it does not fit.
    pub fn with(&self, asked: &Cost) -> Option<u64> {
        let taken = self.taken.plus(*asked);
        let fits = self.is_open && taken.fits_into(&self.capacity);
        fits.then(|| taken.load_of(&self.capacity))
    }
}

/// The mixer for a conference that costs `asked`: one of `count`, whose loads `load` tells. `None`: none has the room.
///
/// Few are all looked at; of many the better of two. The same identity meets the same two.
pub fn choose(
    count: usize,
    load: impl Fn(usize) -> Load,
    id: ConferenceId,
    asked: &Cost,
) -> Option<usize> {
    let drawn = drawn(count, id);
    let able = drawn.iter().filter_map(|n| Some((load(*n).with(asked)?, *n)));
    if let Some((_, n)) = able.min() {
        return Some(n);
    }
    if count <= ALL_LOOKED_AT_MAX {
        return None;
    }
    let first = drawn.first()?;
    (1..count).map(|step| (first + step) % count).find(|&n| load(n).with(asked).is_some())
}

/// Those that are looked at for a conference as long as one of them has the room.
pub(crate) fn drawn(count: usize, id: ConferenceId) -> Vec<usize> {
    if count <= ALL_LOOKED_AT_MAX {
        return (0..count).collect();
    }
    let (first, second) = draws(id, count);
    vec![first, second]
}

/// Two different places. The identity is an HMAC, so its halves are as good as random numbers.
fn draws(id: ConferenceId, count: usize) -> (usize, usize) {
    let half = |at: usize| {
        let bytes: [u8; 5] = std::array::from_fn(|n| id.0[at + n]);
        bytes.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
    };
    let first = half(0) % count;
    let other = half(5) % (count - 1);
    (first, if other >= first { other + 1 } else { other })
}

/// Up to this many, looking at each costs no more than drawing: the shards of a large machine.
const ALL_LOOKED_AT_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use units::Rng;

    const ONE: Cost = Cost { cpu_us_per_s: 1_000, tx_pps: 50, kbit_per_s: 88, sockets: 1 };

    fn empty(count: usize, legs: u32) -> Vec<Load> {
        vec![Load { capacity: ONE.times(legs), taken: Cost::ZERO, is_open: true }; count]
    }

    fn place(loads: &mut [Load], rng: &mut Rng, asked: Cost) -> Option<usize> {
        let n = choose(loads.len(), |n| loads[n], ConferenceId(rng.bytes()), &asked)?;
        loads[n].taken = loads[n].taken.plus(asked);
        Some(n)
    }

    /// 92 calls within half a minute over 12 mixers: none has more than twice another.
    #[test]
    fn a_mass_join_is_spread_evenly() {
        for (nodes, conferences) in [(12, 92), (100, 2_000)] {
            let mut rng = Rng::from_number(92);
            let mut loads = empty(nodes, 500);
            for _ in 0..conferences {
                place(&mut loads, &mut rng, ONE.times(4)).expect("room");
            }
            let sockets = loads.iter().map(|load| load.taken.sockets);
            let (least, most) = (sockets.clone().min(), sockets.max());
            assert!(most <= least.map(|least| 2 * least), "{nodes}: {least:?} to {most:?}");
        }
    }

    #[test]
    fn the_last_room_is_found_wherever_it_is_and_closed_ones_are_left_alone() {
        let mut rng = Rng::from_number(1);
        let mut loads = empty(1_000, 4);
        loads[17].is_open = false;
        let found = (0..999).filter(|_| place(&mut loads, &mut rng, ONE.times(4)).is_some());
        assert_eq!(found.count(), 999);
        assert_eq!(loads[17].taken, Cost::ZERO);
        assert_eq!(place(&mut loads, &mut rng, ONE), None);
    }

    #[test]
    fn the_two_draws_differ_and_repeat() {
        let mut rng = Rng::from_number(3);
        for count in [17, 100, 10_000] {
            for _ in 0..1_000 {
                let id = ConferenceId(rng.bytes());
                let (first, second) = draws(id, count);
                assert!(first != second && first < count && second < count);
                assert_eq!(draws(id, count), (first, second));
            }
        }
    }
}
