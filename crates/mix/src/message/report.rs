//! What a port's report says was dropped, and reports together.

use serde::{Deserialize, Serialize};
use units::{Tally, causes};

use super::PortReport;

/// How well sound gets through, by what RTCP and our own counts say. Whole numbers, so that reports compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortQuality {
    /// To the peer and back, in microseconds; `None`: he has not reported on us yet.
    pub round_trip_us: Option<u64>,
    /// From the peer to us; `None`: nothing has come yet.
    pub from_peer: Option<WayQuality>,
    /// From us to the peer, as he reports it; `None`: he does not.
    pub to_peer: Option<WayQuality>,
}

/// How well sound gets through one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayQuality {
    /// RTP packets lost on the way since the source began; below zero if copies came (RFC 3550 §6.4.1).
    pub lost: i64,
    /// Of those expected between the last two reports, those lost or late, in 1/10,000.
    pub loss_e4: u32,
    /// Mean deviation of the time between arrivals, in microseconds (RFC 3550 Appendix A.8).
    pub jitter_us: u64,
    /// The mean opinion score that these let expect, in 1/100: 100 to 441 (ITU-T G.107).
    pub mos_e2: u32,
    /// The lowest of those of the whole call.
    pub mos_e2_min: u32,
}

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
        /// More than any phone sends at a time.
        Flood => "flood",
        /// Our own packets, come back.
        Looped => "looped",
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
            (D::Flood, self.dropped_flood),
            (D::Looped, self.dropped_looped),
        ];
        dropped.into_iter().collect()
    }

    /// Takes another port's report into this one. Quality has no sum.
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
            dropped_flood,
            dropped_looped,
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
            collisions,
            loops,
            sent,
            sent_bytes,
            rtcp_sent,
            withheld_frames,
            quality: _,
        } = *other;
        self.received += received;
        self.received_bytes += received_bytes;
        self.rtcp += rtcp;
        self.dropped_malformed += dropped_malformed;
        self.dropped_foreign += dropped_foreign;
        self.dropped_payload_type += dropped_payload_type;
        self.dropped_held += dropped_held;
        self.dropped_unproved += dropped_unproved;
        self.dropped_flood += dropped_flood;
        self.dropped_looped += dropped_looped;
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
        self.collisions += collisions;
        self.loops += loops;
        self.sent += sent;
        self.sent_bytes += sent_bytes;
        self.rtcp_sent += rtcp_sent;
        self.withheld_frames += withheld_frames;
    }
}
