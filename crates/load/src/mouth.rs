//! What one leg sends.

use rtp::{HEADER_BYTES, Header};
use units::Rng;

use crate::click::{CLICK_SAMPLES, Sounds};
use crate::plan::Role;

/// Makes the RTP packets of one leg: one each time it is asked.
#[derive(Debug)]
pub(crate) struct Mouth {
    role: Role,
    header: Header,
    /// Samples in a packet.
    samples: usize,
    /// Where in its loop it is.
    position: usize,
    /// Samples of the current click that were sent; all of them: there is none.
    clicked: usize,
}

/// Whether a packet is the first of a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sounding {
    ClickBegins,
    GoesOn,
}

impl Mouth {
    /// Sends packets of `ptime_ms` with this payload type.
    pub(crate) fn new(role: Role, payload_type: u8, ptime_ms: u32, rng: &mut Rng) -> Self {
        let [high, low, position @ ..]: [u8; 6] = rng.bytes();
        let header = Header {
            marker: true,
            payload_type,
            sequence: u16::from_be_bytes([high, low]),
            timestamp: rng.u32(),
            ssrc: rng.u32(),
        };
        let position = u32::from_be_bytes(position) as usize % Sounds::loop_samples();
        Self { role, header, samples: samples(ptime_ms), position, clicked: CLICK_SAMPLES }
    }

    /// Whether it sends at all.
    pub(crate) const fn sends(&self) -> bool {
        match self.role {
            Role::Clicker | Role::Talker | Role::Silent => true,
            Role::Mute => false,
        }
    }

    /// Writes the next packet; its length in bytes. With `click` a click begins in it.
    pub(crate) fn write(
        &mut self,
        sounds: &Sounds,
        click: bool,
        out: &mut [u8; PACKET_BYTES_MAX],
    ) -> (usize, Sounding) {
        if click {
            self.clicked = 0;
        }
        let of_loop = match self.role {
            Role::Clicker => &sounds.loud,
            Role::Talker => &sounds.talk,
            Role::Silent | Role::Mute => &sounds.silence,
        };
        let end = HEADER_BYTES + self.samples;
        let payload = &mut out[HEADER_BYTES..end];
        payload.copy_from_slice(&of_loop[self.position..self.position + self.samples]);
        let left = &sounds.click[self.clicked..];
        let taken = left.len().min(self.samples);
        payload[..taken].copy_from_slice(&left[..taken]);
        self.clicked += taken;
        self.position = (self.position + self.samples) % Sounds::loop_samples();
        // The payload type is below 128 and the buffer long enough: nothing can go wrong.
        let _ = rtp::write_header(&self.header, &[], &mut out[..]);
        self.header.marker = false;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks(self.samples));
        (end, if click { Sounding::ClickBegins } else { Sounding::GoesOn })
    }
}

/// Samples of 8 kHz.
pub(crate) fn samples(ptime_ms: u32) -> usize {
    usize::try_from(ptime_ms).map_or(SAMPLES_MAX, |ms| (ms * 8).min(SAMPLES_MAX))
}

/// The media clock counts samples.
fn ticks(samples: usize) -> u32 {
    u32::try_from(samples).unwrap_or(0)
}

/// 60 ms.
pub(crate) const SAMPLES_MAX: usize = 480;

pub(crate) const PACKET_BYTES_MAX: usize = HEADER_BYTES + SAMPLES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::RtpPacket;

    #[test]
    fn packets_follow_one_another_and_a_click_is_sent_whole() {
        let mut rng = Rng::from_number(3);
        let sounds = Sounds::new(&mut rng, SAMPLES_MAX);
        let mut mouth = Mouth::new(Role::Clicker, 0, 10, &mut rng);
        let mut out = [0; PACKET_BYTES_MAX];
        let mut heard = Vec::new();
        let mut headers = Vec::new();
        for n in 0..4 {
            let (bytes, sounding) = mouth.write(&sounds, n == 1, &mut out);
            assert_eq!(sounding == Sounding::ClickBegins, n == 1);
            let packet = RtpPacket::parse(&out[..bytes]).unwrap();
            assert_eq!(packet.payload.len(), 80);
            heard.extend_from_slice(packet.payload);
            headers.push(packet.header);
        }
        assert_eq!(heard[80..240], sounds.click);
        assert_ne!(heard[240..320], sounds.click[..80]);
        assert!(headers[0].marker && !headers[1].marker);
        for pair in headers.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(80));
        }
    }

    #[test]
    fn who_says_nothing_sends_nothing() {
        let mut rng = Rng::from_number(3);
        assert!(!Mouth::new(Role::Mute, 0, 20, &mut rng).sends());
        assert!(Mouth::new(Role::Silent, 0, 20, &mut rng).sends());
    }
}
