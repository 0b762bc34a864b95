//! What a leg costs and what a mixer has, in the four things that run out.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An amount of each thing that a mixer can run out of: what something costs, or what there is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cost {
    /// Microseconds of one core, each second.
    pub cpu_us_per_s: u64,
    /// Packets sent, each second. As many come in.
    pub tx_pps: u64,
    /// What these packets are on the wire, IP and UDP header included, in 1,000 bits each second.
    pub kbit_per_s: u64,
    /// UDP ports.
    pub sockets: u64,
}

/// One of the things that a mixer can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Processor time.
    Cpu,
    /// Packets a second.
    Packets,
    /// Bits a second.
    Bandwidth,
    /// Ports.
    Sockets,
}

impl Dimension {
    /// All of them, in the order of the fields of [`Cost`].
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Packets, Self::Bandwidth, Self::Sockets];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "processor time",
            Self::Packets => "packets per second",
            Self::Bandwidth => "bandwidth",
            Self::Sockets => "media ports",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self { cpu_us_per_s: 0, tx_pps: 0, kbit_per_s: 0, sockets: 0 };

    /// How much of one thing.
    pub const fn of(&self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Cpu => self.cpu_us_per_s,
            Dimension::Packets => self.tx_pps,
            Dimension::Bandwidth => self.kbit_per_s,
            Dimension::Sockets => self.sockets,
        }
    }

    fn each(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            cpu_us_per_s: of(self.cpu_us_per_s, other.cpu_us_per_s),
            tx_pps: of(self.tx_pps, other.tx_pps),
            kbit_per_s: of(self.kbit_per_s, other.kbit_per_s),
            sockets: of(self.sockets, other.sockets),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What is left of it; nothing where there is less.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.each(other, u64::max)
    }

    /// The smaller of each.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        self.each(other, u64::min)
    }

    /// So many of these.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        self.each(Self::ZERO, |one, _| one.saturating_mul(count.into()))
    }

    /// A share of each, in percent, rounded down.
    #[must_use]
    pub fn percent(self, share: u32) -> Self {
        self.each(Self::ZERO, |all, _| {
            let part = u128::from(all) * u128::from(share) / 100;
            u64::try_from(part).unwrap_or(u64::MAX)
        })
    }

    /// One of so many equal parts, rounded down.
    #[must_use]
    pub fn divided(self, parts: u32) -> Self {
        self.each(Self::ZERO, |all, _| all / u64::from(parts.max(1)))
    }

    /// Whether there is this much.
    pub fn fits_into(&self, room: &Self) -> bool {
        Dimension::ALL.into_iter().all(|what| self.of(what) <= room.of(what))
    }

    /// How often `one` fits into this; what costs nothing is not counted. [`u32::MAX`] if nothing is.
    pub fn count_of(&self, one: &Self) -> u32 {
        let fit = |what| self.of(what).checked_div(one.of(what));
        let least = Dimension::ALL.into_iter().filter_map(fit).min();
        least.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX)
    }

    /// How many of `one` make up at least this much; 0 where `one` has nothing of what is missing.
    pub(crate) fn covered_by(&self, one: &Self) -> u32 {
        let needed = |what| {
            let one = one.of(what);
            (one > 0).then(|| self.of(what).div_ceil(one))
        };
        let most = Dimension::ALL.into_iter().filter_map(needed).max().unwrap_or(0);
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    /// The fullest thing: parts per thousand of it that `self` takes of `capacity`, at most 1,000
    /// where it fits.
    pub fn load_of(&self, capacity: &Self) -> u64 {
        let part = |what| match (self.of(what), capacity.of(what)) {
            (0, _) => 0,
            (_, 0) => u64::MAX,
            (taken, all) => {
                u64::try_from(u128::from(taken) * 1_000 / u128::from(all)).unwrap_or(u64::MAX)
            }
        };
        Dimension::ALL.into_iter().map(part).max().unwrap_or(0)
    }

    /// What there is too little of in `room` for this.
    pub fn short_of(&self, room: &Self) -> Vec<Shortage> {
        let all = Dimension::ALL.into_iter();
        all.filter(|&what| self.of(what) > room.of(what))
            .map(|what| Shortage { what, asked: self.of(what), free: room.of(what) })
            .collect()
    }
}

/// Too little of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Of what.
    pub what: Dimension,
    /// How much was asked.
    pub asked: u64,
    /// How much was to be had.
    pub free: u64,
}

impl fmt::Display for Shortage {
    /// As in `media ports (10 asked, 9 to be had)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = |number: u64| match self.what {
            Dimension::Cpu => format!("{}.{:02} % of a core", number / 10_000, number / 100 % 100),
            Dimension::Packets | Dimension::Sockets => number.to_string(),
            Dimension::Bandwidth => format!("{number} kbit/s"),
        };
        write!(f, "{} ({} asked, {} to be had)", self.what, amount(self.asked), amount(self.free))
    }
}

/// What is sent to a leg and comes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Every codec that a leg can have.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The name on the command line and in session descriptions, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
        }
    }

    /// Reads that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Bits a second without any header.
    const fn bit_per_s(self) -> u64 {
        match self {
            Self::Pcmu | Self::Pcma => 64_000,
        }
    }
}

/// What calls cost on one machine: measured there, or assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostModel {
    /// Nanoseconds of one core for one packet in and one out, with all that is done for them.
    pub packet_ns: u64,
    /// Microseconds of one core each second for a leg, whatever its packets.
    pub leg_us_per_s: u64,
    /// Microseconds of one core each second for a conference, whatever its legs.
    pub conference_us_per_s: u64,
}

impl Default for CostModel {
    /// What a plain leg may cost at worst on a machine that nobody has measured: a packet in and out 50
    /// times a second at 15 µs the pair on a slow virtual machine, and 100 ticks.
    fn default() -> Self {
        Self { packet_ns: 15_000, leg_us_per_s: 650, conference_us_per_s: 0 }
    }
}

impl CostModel {
    /// What a leg of this codec and packet time costs.
    pub fn leg(&self, codec: Codec, ptime: Duration) -> Cost {
        let ptime_ms = u64::try_from(ptime.as_millis()).unwrap_or(u64::MAX).clamp(1, 1_000);
        let tx_pps = 1_000_u64.div_ceil(ptime_ms);
        let bit_per_s = codec.bit_per_s() + tx_pps * HEADER_BITS;
        Cost {
            cpu_us_per_s: self.leg_us_per_s + (tx_pps * self.packet_ns).div_ceil(1_000),
            tx_pps,
            kbit_per_s: bit_per_s.div_ceil(1_000),
            sockets: 1,
        }
    }

    /// What a plain leg costs: G.711, 20 ms. The unit of [`crate::Seats`].
    pub fn plain_leg(&self) -> Cost {
        self.leg(Codec::Pcmu, Duration::from_millis(20))
    }

    /// What a conference costs beside its legs.
    pub const fn conference(&self) -> Cost {
        Cost { cpu_us_per_s: self.conference_us_per_s, ..Cost::ZERO }
    }
}

/// RTP, UDP and IPv6 headers of a packet.
const HEADER_BITS: u64 = (12 + 8 + 40) * 8;

#[cfg(test)]
mod tests {
    use super::*;

    const fn cost(cpu: u64, pps: u64, kbit: u64, sockets: u64) -> Cost {
        Cost { cpu_us_per_s: cpu, tx_pps: pps, kbit_per_s: kbit, sockets }
    }

    #[test]
    fn what_runs_out_first_decides_how_much_fits() {
        let room = cost(10_000, 1_000, 100_000, 7);
        assert_eq!(room.count_of(&cost(1_000, 50, 88, 1)), 7);
        assert_eq!(room.count_of(&cost(2_000, 50, 88, 1)), 5);
        assert_eq!(room.count_of(&cost(0, 500, 0, 0)), 2);
        assert_eq!(room.count_of(&Cost::ZERO), u32::MAX);
        let asked = cost(10_001, 0, 0, 8);
        assert!(!asked.fits_into(&room));
        let short: Vec<Dimension> = asked.short_of(&room).iter().map(|it| it.what).collect();
        assert_eq!(short, [Dimension::Cpu, Dimension::Sockets]);
        assert_eq!(cost(5_000, 900, 0, 0).load_of(&room), 900);
        assert_eq!(cost(0, 0, 0, 1).load_of(&Cost::ZERO), u64::MAX);
    }

    #[test]
    fn missing_room_is_made_up_by_whole_legs() {
        let missing = cost(1_500, 60, 0, 1);
        assert_eq!(missing.covered_by(&cost(1_000, 50, 88, 1)), 2);
        assert_eq!(missing.covered_by(&cost(1_000, 10, 88, 1)), 6);
        assert_eq!(Cost::ZERO.covered_by(&cost(1_000, 10, 88, 1)), 0);
    }

    #[test]
    fn shorter_packets_cost_more_of_everything_but_ports() {
        let model = CostModel::default();
        let plain = model.plain_leg();
        assert_eq!(plain, cost(1_400, 50, 88, 1));
        let short = model.leg(Codec::Pcma, Duration::from_millis(10));
        assert_eq!(short, cost(2_150, 100, 112, 1));
        assert_eq!(model.leg(Codec::Pcmu, Duration::ZERO).tx_pps, 1_000);
        assert_eq!(model.leg(Codec::Pcmu, Duration::MAX).tx_pps, 1);
    }
}
