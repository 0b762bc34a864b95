//! What one leg gets.

use std::time::Duration;

use rtp::rtcp::Reception;
use rtp::{RtpPacket, is_rtcp};
use units::Instant;

use crate::click::{ClickFinder, Found};
use crate::spread::Spread;

/// Counts one leg's packets, and listens for clicks in them.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    reception: Option<Reception>,
    /// Of sources before the current one.
    before: Packets,
    last_at: Option<Instant>,
    last_sequence: Option<u16>,
    finder: ClickFinder,
}

/// Packets of one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packets {
    /// That came, copies included.
    pub(crate) received: u64,
    /// Whose numbers were left out.
    pub(crate) lost: u64,
}

/// What is found in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// No packet of ours: RTCP, or malformed.
    NoMedia,
    /// Something, but no click.
    Media,
    /// A click began at this moment.
    Click(Instant),
}

impl Ears {
    /// Takes a datagram that came to its socket at `at`.
    pub(crate) fn packet(&mut self, at: Instant, bytes: &[u8], gaps: &mut Spread) -> Heard {
        if is_rtcp(bytes) {
            return Heard::NoMedia;
        }
        let Ok(packet) = RtpPacket::parse(bytes) else { return Heard::NoMedia };
        if let Some(last) = self.last_at.replace(at) {
            gaps.add(at.since(last));
        }
        let follows =
            self.last_sequence.is_some_and(|it| it.wrapping_add(1) == packet.header.sequence);
        self.last_sequence = Some(packet.header.sequence);
        if !follows {
            self.finder.gap();
        }
        let ssrc = packet.header.ssrc;
        if self.reception.as_ref().is_some_and(|reception| reception.ssrc() != ssrc) {
            self.before = self.packets();
            self.reception = None;
        }
        let reception = self.reception.get_or_insert_with(|| Reception::new(ssrc, CLOCK_HZ));
        reception.packet(at, &packet.header);
        match self.finder.packet(packet.payload) {
            Some(Found { at_sample }) => Heard::Click(moved(at, at_sample)),
            None => Heard::Media,
        }
    }

    pub(crate) fn packets(&self) -> Packets {
        let Packets { received, lost } = self.before;
        self.reception.as_ref().map_or(self.before, |reception| Packets {
            received: received + reception.received(),
            lost: lost + u64::try_from(reception.lost()).unwrap_or(0),
        })
    }

    /// RFC 3550 §6.4.1, of the current source; `None`: nothing has come.
    pub(crate) fn jitter(&self) -> Option<Duration> {
        self.reception.as_ref().map(Reception::jitter)
    }
}

/// `at`, and so many samples later or earlier.
fn moved(at: Instant, samples: i64) -> Instant {
    let nanos = samples * (1_000_000_000 / i64::from(CLOCK_HZ));
    Instant::from_nanos(at.as_nanos().saturating_add_signed(nanos))
}

/// G.711 (RFC 3551 §4.5.14).
const CLOCK_HZ: u32 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::click::Sounds;
    use crate::mouth::{Mouth, PACKET_BYTES_MAX, SAMPLES_MAX};
    use crate::plan::Role;
    use units::Rng;

    /// A talker's packets every 20 ms; those at `lost` do not come, and at `clicks` a click begins.
    fn heard(ears: &mut Ears, gaps: &mut Spread, lost: &[u64], clicks: &[u64]) -> Vec<Heard> {
        let mut rng = Rng::from_number(3);
        let sounds = Sounds::new(&mut rng, SAMPLES_MAX);
        let mut mouth = Mouth::new(Role::Clicker, 0, 20, &mut rng);
        let mut out = [0; PACKET_BYTES_MAX];
        let mut heard = Vec::new();
        for n in 0..100 {
            let (bytes, _) = mouth.write(&sounds, clicks.contains(&n), &mut out);
            if !lost.contains(&n) {
                heard.push(ears.packet(at(n), &out[..bytes], gaps));
            }
        }
        heard
    }

    fn at(n: u64) -> Instant {
        Instant::from_millis(1_000 + 20 * n)
    }

    #[test]
    fn what_is_missing_is_lost_and_makes_a_gap() {
        let (mut ears, mut gaps) = (Ears::default(), Spread::new());
        heard(&mut ears, &mut gaps, &[10, 11, 50], &[]);
        assert_eq!(ears.packets(), Packets { received: 97, lost: 3 });
        assert_eq!(gaps.longest(), Duration::from_millis(60));
        assert_eq!(gaps.count(), 96);
        assert_eq!(ears.jitter(), Some(Duration::ZERO));
    }

    #[test]
    fn a_click_is_heard_when_it_begins() {
        let (mut ears, mut gaps) = (Ears::default(), Spread::new());
        let heard = heard(&mut ears, &mut gaps, &[], &[30, 80]);
        let clicks: Vec<&Heard> =
            heard.iter().filter(|heard| matches!(heard, Heard::Click(_))).collect();
        assert_eq!(clicks, [&Heard::Click(at(30)), &Heard::Click(at(80))]);
    }

    #[test]
    fn another_source_begins_its_own_count() {
        let (mut ears, mut gaps) = (Ears::default(), Spread::new());
        heard(&mut ears, &mut gaps, &[10], &[]);
        let mut other = [0x80, 0, 0x12, 0x34, 0, 0, 0, 0, 9, 9, 9, 9, 0xFF, 0xFF];
        assert_eq!(ears.packet(at(101), &other, &mut gaps), Heard::Media);
        other[3] = 0x36;
        assert_eq!(ears.packet(at(102), &other, &mut gaps), Heard::Media);
        assert_eq!(ears.packets(), Packets { received: 101, lost: 2 });
    }

    #[test]
    fn rtcp_and_rubbish_are_no_media() {
        let (mut ears, mut gaps) = (Ears::default(), Spread::new());
        let report = [0x80, 200, 0, 6, 1, 2, 3, 4, 0, 0, 0, 0];
        assert_eq!(ears.packet(at(0), &report, &mut gaps), Heard::NoMedia);
        assert_eq!(ears.packet(at(0), b"rubbish", &mut gaps), Heard::NoMedia);
        assert_eq!(ears.packets(), Packets::default());
        assert_eq!(ears.jitter(), None);
    }
}
