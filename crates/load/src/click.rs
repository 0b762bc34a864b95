//! What is said, and how a click is found in what is heard. All is mu-law at 8 kHz.

use audio::g711::{ulaw_decode, ulaw_encode};
use units::Rng;

/// One millisecond, and one cycle of the click's tone.
pub(crate) const CYCLE: usize = 8;

/// 20 ms.
pub(crate) const CLICK_SAMPLES: usize = 160;

/// 1 kHz of this amplitude: 0.7 of full scale.
const CLICK_AMPLITUDE: f64 = 22_937.0;

/// A click is heard where the tone has at least this amplitude, half of what was sent ...
const HEARD_AMPLITUDE: i64 = 11_468;

/// ... for so many milliseconds: by chance neither a voice nor a hundred of them do that.
const HEARD_CYCLES: u32 = 8;

/// What a talker repeats: a second.
const LOOP_SAMPLES: usize = 8_000;

/// Peak of the noise that the loudest talkers send: -24 dBov.
const LOUD_PEAK: i16 = 3_580;

/// The others are 12 dB below: talkers still, but never louder than those who click.
const TALK_PEAK: i16 = 899;

/// The sounds that legs send, encoded once.
#[derive(Debug)]
pub(crate) struct Sounds {
    pub(crate) click: Vec<u8>,
    pub(crate) loud: Vec<u8>,
    pub(crate) talk: Vec<u8>,
    pub(crate) silence: Vec<u8>,
}

impl Sounds {
    /// Each loop has `more` samples behind its end, the first ones again: a packet may begin anywhere.
    pub(crate) fn new(rng: &mut Rng, more: usize) -> Self {
        let click = (0..CLICK_SAMPLES).map(|n| ulaw_encode(click_sample(n))).collect();
        let silence = vec![ulaw_encode(0); LOOP_SAMPLES + more];
        let [loud, talk] = [LOUD_PEAK, TALK_PEAK].map(|peak| noise(rng, peak, more));
        Self { click, loud, talk, silence }
    }

    /// Where a loop begins anew.
    pub(crate) const fn loop_samples() -> usize {
        LOOP_SAMPLES
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below full scale")]
fn click_sample(n: usize) -> i16 {
    let turns = u32::try_from(n % CYCLE).map_or(0.0, f64::from) / 8.0;
    (CLICK_AMPLITUDE * (turns * std::f64::consts::TAU).sin()) as i16
}

fn noise(rng: &mut Rng, peak: i16, more: usize) -> Vec<u8> {
    let span = u64::from(peak.unsigned_abs()) * 2 + 1;
    let sample = |rng: &mut Rng| i16::try_from(rng.below(span)).unwrap_or(0) - peak;
    let mut noise: Vec<u8> = (0..LOOP_SAMPLES).map(|_| ulaw_encode(sample(rng))).collect();
    noise.extend_from_within(..more);
    noise
}

/// Finds clicks in what one leg hears.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClickFinder {
    /// Milliseconds in a row that the tone was there.
    cycles: u32,
}

/// Where a click begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// In samples from the current packet's first one; below zero: in a packet before.
    pub(crate) at_sample: i64,
}

impl ClickFinder {
    /// Takes a packet's payload; says where a click begins, once it is long enough to be one.
    pub(crate) fn packet(&mut self, payload: &[u8]) -> Option<Found> {
        let mut found = None;
        for (index, cycle) in payload.chunks_exact(CYCLE).enumerate() {
            if !has_tone(cycle) {
                self.cycles = 0;
                continue;
            }
            self.cycles = self.cycles.saturating_add(1);
            if self.cycles == HEARD_CYCLES {
                let end = i64::try_from(index + 1).unwrap_or(i64::MAX);
                let begin = end - i64::from(HEARD_CYCLES);
                found = Some(Found { at_sample: begin * 8 });
            }
        }
        found
    }

    /// Forgets what came before: a packet is missing.
    pub(crate) const fn gap(&mut self) {
        self.cycles = 0;
    }
}

/// Whether 1 kHz is there with the amplitude of a click, from one cycle: the Fourier sum with the factors 0, ±0.707, ±1.
fn has_tone(cycle: &[u8]) -> bool {
    let mut x = [0_i64; CYCLE];
    for (sample, byte) in x.iter_mut().zip(cycle) {
        *sample = i64::from(ulaw_decode(*byte));
    }
    // 181 / 256 is the square root of a half.
    let sine = (x[2] - x[6]) * 256 + (x[1] + x[3] - x[5] - x[7]) * 181;
    let cosine = (x[0] - x[4]) * 256 + (x[1] - x[3] - x[5] + x[7]) * 181;
    // The sum over a cycle of amplitude A is 4 A.
    let wanted = HEARD_AMPLITUDE * 4 * 256;
    sine * sine + cosine * cosine >= wanted * wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounds() -> Sounds {
        Sounds::new(&mut Rng::from_number(7), 480)
    }

    /// The click at this sample of a stream of loud talk, in packets of 20 ms; in which packet it was found, and where.
    fn found_at(sample: usize) -> Vec<(usize, i64)> {
        let sounds = sounds();
        let mut stream = sounds.loud.clone();
        stream[sample..sample + CLICK_SAMPLES].copy_from_slice(&sounds.click);
        let mut finder = ClickFinder::default();
        let packets = stream.chunks(160).enumerate();
        packets.filter_map(|(n, packet)| Some((n, finder.packet(packet)?.at_sample))).collect()
    }

    #[test]
    fn a_click_is_found_once_and_where_it_begins() {
        assert_eq!(found_at(1_600), [(10, 0)]);
        assert_eq!(found_at(1_680), [(10, 80)]);
        // Too little of it in this packet: found in the next.
        assert_eq!(found_at(1_720), [(11, -40)]);
    }

    #[test]
    fn a_click_between_two_cycles_is_found_a_millisecond_off_at_most() {
        for sample in 1_600..1_608 {
            let found = found_at(sample);
            let (packet, at) = found[0];
            let error =
                (i64::try_from(packet).unwrap() * 160 + at) - i64::try_from(sample).unwrap();
            assert!(found.len() == 1 && error.abs() <= 8, "{sample}: {found:?}");
        }
    }

    #[test]
    fn three_loud_voices_and_half_a_click_are_no_click() {
        let sounds = sounds();
        let mixed: Vec<u8> = (0..7_000)
            .map(|n| {
                let sum: i32 =
                    [0, 333, 777].iter().map(|k| i32::from(ulaw_decode(sounds.loud[n + k]))).sum();
                ulaw_encode(i16::try_from(sum).unwrap())
            })
            .collect();
        let mut finder = ClickFinder::default();
        assert!(mixed.chunks(160).all(|packet| finder.packet(packet).is_none()));
        assert_eq!(finder.packet(&sounds.click[..56]), None);
        assert_eq!(finder.packet(&sounds.silence[..160]), None);
    }

    #[test]
    fn a_lost_packet_makes_no_click_of_two_halves() {
        let sounds = sounds();
        let mut finder = ClickFinder::default();
        assert_eq!(finder.packet(&sounds.click[..56]), None);
        finder.gap();
        assert_eq!(finder.packet(&sounds.click[..56]), None);
    }

    #[test]
    fn a_loop_goes_on_where_it_ends() {
        let sounds = sounds();
        let end = Sounds::loop_samples();
        assert_eq!(sounds.loud[end..end + 480], sounds.loud[..480]);
        assert_ne!(sounds.loud[..480], sounds.loud[480..960]);
    }
}
