use units::Rng;

use super::*;
use crate::{Concealment, g711, mix};

const RATE_HZ: usize = 8_000;

/// Bursts of coloured noise, 60 to 260 ms each, with pauses between: as loud and soft as speech, and
/// different for each seed.
fn utterance(seed: u64, seconds: usize) -> Vec<i16> {
    let mut rng = Rng::from_number(seed);
    let mut sound = vec![];
    let (mut low, mut left, mut loud) = (0.0, 0, 0.0);
    // A voice of its own: how dull it is.
    let dull = 0.5 + rng.below(40) as f64 / 100.0;
    while sound.len() < seconds * RATE_HZ {
        if left == 0 {
            left = 480 + rng.below(1_600);
            loud = if rng.percent(25.0) { 0.0 } else { 1_000.0 + rng.below(7_000) as f64 };
        }
        left -= 1;
        let white = rng.below(2_000) as f64 / 1_000.0 - 1.0;
        low = dull * low + (1.0 - dull) * white;
        let sample: f64 = low * loud * 2.0;
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
        sound.push(sample as i16);
    }
    sound
}

/// What a network makes of a sound: mu-law, packets of 20 ms lost and concealed, and about every
/// `slip_frames` a frame dropped or repeated (0: never).
fn carried(sound: &[i16], loss_percent: f64, slip_frames: u64, rng: &mut Rng) -> Vec<i16> {
    let (mut concealment, mut out) = (Concealment::new(), vec![]);
    for frame in sound.chunks(160) {
        let mut frame =
            frame.iter().map(|&s| g711::ulaw_decode(g711::ulaw_encode(s))).collect::<Vec<_>>();
        let slips = slip_frames > 0 && rng.below(slip_frames) == 0;
        if slips && rng.percent(50.0) {
            continue;
        }
        let lost = rng.percent(loss_percent);
        if slips || lost {
            let mut instead = vec![0; frame.len()];
            concealment.conceal(&mut instead);
            out.extend(instead);
        }
        if !lost {
            concealment.heard(&mut frame);
            out.extend(frame);
        }
    }
    out
}

/// Adds sounds, each from its place on, to `seconds` of silence.
fn mixed(seconds: usize, sounds: &[(usize, &[i16])]) -> Vec<i16> {
    let mut total = vec![0; seconds * RATE_HZ];
    for &(at, sound) in sounds {
        mix::add(&mut total[at..], sound);
    }
    let mut out = vec![0; total.len()];
    mix::saturate(&total, &mut out);
    out
}

fn softer(sound: &[i16], by: i16) -> Vec<i16> {
    sound.iter().map(|&sample| sample / by).collect()
}

fn one(recording: &[i16], reference: &[i16]) -> Match {
    correlate(recording, &[reference])[0]
}

/// Well above the bound, or well below: a test that only just passes tells nothing.
fn clearly_heard(found: &Match) -> bool {
    found.score > 1.3 * HEARD_SCORE_MIN
}

fn clearly_not_heard(found: &Match) -> bool {
    found.score < HEARD_SCORE_MIN / 1.3
}

#[test]
fn utterance_alone_is_found_where_it_is() {
    let voice = utterance(1, 4);
    for at in [0, 1, 12_345, 15 * RATE_HZ] {
        let found = one(&mixed(20, &[(at, &voice)]), &voice);
        assert_eq!(found.lag_samples, at as i64);
        assert!(found.score > 0.95, "{found:?}");
    }
}

#[test]
fn loudness_does_not_matter() {
    let voice = utterance(1, 4);
    let found = one(&mixed(8, &[(9_000, &softer(&voice, 20))]), &voice);
    assert!(found.score > 0.9 && found.lag_samples == 9_000, "{found:?}");
}

/// The table of a conference of four: each recording holds the other three, at once.
#[test]
fn everyone_but_oneself_is_heard_through_loss_and_slips() {
    let mut rng = Rng::from_number(5);
    let voices = [11, 12, 13, 14].map(|seed| utterance(seed, 4));
    let references = voices.each_ref().map(|voice| &voice[..]);
    for listener in 0..voices.len() {
        let others = (0..voices.len()).filter(|&talker| talker != listener);
        let arrived = others.map(|talker| carried(&voices[talker], 3.0, 100, &mut rng));
        let arrived = arrived.collect::<Vec<_>>();
        let sounds = arrived.iter().enumerate().map(|(n, sound)| (4_000 + 1_111 * n, &sound[..]));
        let recording = mixed(20, &sounds.collect::<Vec<_>>());
        let recording = carried(&recording, 3.0, 100, &mut rng);
        for (talker, found) in correlate(&recording, &references).iter().enumerate() {
            let right =
                if talker == listener { clearly_not_heard(found) } else { clearly_heard(found) };
            assert!(right, "{talker} at {listener}: {found:?}");
            assert_eq!(found.is_heard(), talker != listener);
        }
    }
}

#[test]
fn soft_voice_below_two_louder_is_heard() {
    let voices = [21, 22, 23].map(|seed| utterance(seed, 4));
    let soft = softer(&voices[0], 2);
    let recording = mixed(8, &[(8_000, &soft), (8_500, &voices[1]), (9_900, &voices[2])]);
    assert!(clearly_heard(&one(&recording, &voices[0])));
    let without = mixed(8, &[(8_500, &voices[1]), (9_900, &voices[2])]);
    assert!(clearly_not_heard(&one(&without, &voices[0])));
}

#[test]
fn no_stranger_is_heard_by_chance() {
    let recording = mixed(20, &[(0, &utterance(1, 20)), (0, &utterance(2, 20))]);
    let strangers = (100..115).map(|seed| utterance(seed, 3)).collect::<Vec<_>>();
    let strangers = strangers.iter().map(|voice| &voice[..]).collect::<Vec<_>>();
    for found in correlate(&recording, &strangers) {
        assert!(clearly_not_heard(&found), "{found:?}");
    }
}

#[test]
fn utterance_whose_beginning_is_cut_is_heard() {
    let voice = utterance(1, 4);
    let found = one(&mixed(8, &[(0, &voice[RATE_HZ..])]), &voice);
    assert_eq!(found.lag_samples, -(RATE_HZ as i64));
    assert!(found.score > 0.6 && found.score < 0.9, "{found:?}");
}

#[test]
fn repeated_utterance_is_heard() {
    let voice = utterance(1, 3);
    let found = one(&mixed(20, &[(1_000, &voice.repeat(5))]), &voice);
    assert!(found.score > 0.95, "{found:?}");
    assert_eq!((found.lag_samples - 1_000) % (3 * RATE_HZ as i64), 0);
}

/// A jitter buffer that finds its depth cuts the first time round into pieces, so that the beginning
/// of the second, which it leaves whole, is more like the reference than any place in the first.
#[test]
fn utterance_in_pieces_is_heard_though_it_begins_again() {
    let voice = utterance(1, 4);
    let mut recording = vec![0; 250];
    for piece in voice.chunks(3_600) {
        recording.extend(piece);
        recording.extend([0; 13]);
    }
    recording.extend(&voice[..7_000]);
    let found = one(&recording, &voice);
    assert!(clearly_heard(&found), "{found:?}");
    assert!((250..400).contains(&found.lag_samples), "{found:?}");
}

#[test]
fn silence_and_nothing_hold_and_are_nothing() {
    let voice = utterance(1, 2);
    let nothing = Match { score: 0.0, lag_samples: 0 };
    assert_eq!(one(&[0; 16_000], &voice), nothing);
    assert_eq!(one(&[], &voice), nothing);
    assert_eq!(one(&voice, &[0; 8_000]), nothing);
    assert_eq!(one(&voice, &[]), nothing);
    assert_eq!(one(&[], &[]), nothing);
    assert!(correlate(&voice, &[]).is_empty());
    // Shorter than the reference.
    assert!(one(&voice[..4_000], &voice).lag_samples == 0);
}

#[test]
fn inverted_voice_is_not_the_voice() {
    let voice = utterance(1, 4);
    let inverted = voice.iter().map(|&sample| -sample).collect::<Vec<_>>();
    assert!(clearly_not_heard(&one(&mixed(8, &[(8_000, &inverted)]), &voice)));
}
