//! What a port's report says was dropped, and reports together.

use units::{Tally, causes};

use super::PortReport;

causes! {
    /// Why a packet that came to a port was not taken.
    pub enum PacketDropped {
        /// Neither RTP nor RTCP, broken, or longer than any packet we take.
        Malformed => "malformed",
        /// Not from the peer's address, or with an SSRC not confirmed yet.
        Foreign => "foreign",
        /// A payload type that was not agreed on.
        PayloadType => "payload_type",
        /// We do not listen (hold).
        Held => "held",
        /// The first packets of a source, which only serve to prove it.
        Unproved => "unproved",
    }
}

impl PortReport {
    /// What was dropped, by cause.
    pub fn dropped(&self) -> Tally<PacketDropped> {
        use PacketDropped as D;
        let dropped = [
            (D::Malformed, self.dropped_malformed),
            (D::Foreign, self.dropped_foreign),
            (D::PayloadType, self.dropped_payload_type),
            (D::Held, self.dropped_held),
            (D::Unproved, self.dropped_unproved),
        ];
        dropped.into_iter().collect()
    }

    /// Takes another port's report into this one.
    pub const fn add(&mut self, other: &Self) {
        let Self {
            received,
            received_bytes,
            rtcp,
            dropped_malformed,
            dropped_foreign,
            dropped_payload_type,
            dropped_held,
            dropped_unproved,
            duplicate,
            late,
            skipped,
            lost,
            reordered,
            concealed_samples,
            lengthened_samples,
            shortened_samples,
            delay_us,
            keys,
            restarts,
            sent,
            sent_bytes,
            withheld_frames,
        } = *other;
        self.received += received;
        self.received_bytes += received_bytes;
        self.rtcp += rtcp;
        self.dropped_malformed += dropped_malformed;
        self.dropped_foreign += dropped_foreign;
        self.dropped_payload_type += dropped_payload_type;
        self.dropped_held += dropped_held;
        self.dropped_unproved += dropped_unproved;
        self.duplicate += duplicate;
        self.late += late;
        self.skipped += skipped;
        self.lost += lost;
        self.reordered += reordered;
        self.concealed_samples += concealed_samples;
        self.lengthened_samples += lengthened_samples;
        self.shortened_samples += shortened_samples;
        if delay_us > self.delay_us {
            self.delay_us = delay_us;
        }
        self.keys += keys;
        self.restarts += restarts;
        self.sent += sent;
        self.sent_bytes += sent_bytes;
        self.withheld_frames += withheld_frames;
    }
}
