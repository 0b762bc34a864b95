//! One leg's RTCP: what is reported and what is learned (RFC 3550 §6, §7.3).
//!
//! Every leg is a session of its own with two members, the peer and us. Nothing of one session's reports gets into
//! another; of other legs only the names of those who are heard are passed on, and that they have gone.

mod quality;

use std::net::SocketAddr;
use std::time::Duration;

use rtp::RtpPacket;
use rtp::rtcp::{
    BLOCKS_MAX, Chunk, Compound, NtpTime, Packet, Reception, ReportBlock, Schedule, SenderInfo,
    Writer,
};
use units::{Instant, Rng};

use crate::message::PortQuality;
use crate::sources::{Cited, Csrcs, Name};

/// RTCP of one leg.
#[derive(Debug)]
pub(crate) struct Control {
    rng: Rng,
    /// What we are called.
    name: Name,
    /// What the peer is called to others as long as he does not say it.
    stand_in: Name,
    schedule: Schedule,
    /// When the last report was made; before it, when the leg began.
    reported_at: Instant,
    /// Whether it is to stay so.
    is_anonymous: bool,
    /// The peer's stream; `None` before it begins, after its BYE, and when nothing has come for long.
    source: Option<Source>,
    /// Names of those whom the peer cites.
    upstream: Box<[Option<(u32, Name)>; rtp::CSRCS_MAX]>,
    sent: Sent,
    /// Where packets with our own SSRC came from, and when last.
    conflict: Option<(SocketAddr, Instant)>,
    /// An SSRC of ours that we have given up, until that is told.
    given_up: Option<u32>,
    /// Whether a source of the peer has gone and nobody has asked yet.
    has_left: bool,
    quality: PortQuality,
    /// Late packets when the last report was made.
    late_before: u64,
}

/// Our half of the leg at the moment of a report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours {
    pub(crate) ssrc: u32,
    /// Media clock now.
    pub(crate) timestamp: u32,
    /// Packets of the peer that came too late to be played, so far.
    pub(crate) late: u64,
    /// What our jitter buffer and tick add to the way from the peer, with a packet of his.
    pub(crate) buffered: Duration,
}

/// What a compound packet told that concerns more than the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The reporter goes by our SSRC.
    pub(crate) has_our_ssrc: bool,
}

/// Somebody else's packet with our SSRC: RFC 3550 §8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// He has it by chance: we take another.
    Collision,
    /// He has had the one before as well: it is what we sent.
    Loop,
}

/// The peer's stream.
#[derive(Debug)]
struct Source {
    reception: Reception,
    /// When something came of it last.
    heard_at: Instant,
    name: Option<Name>,
    /// Whom its last packet cites.
    csrcs: Csrcs,
    /// Packets received when the last report was made.
    received_before: u64,
}

/// What we have sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    packets: u32,
    payload_bytes: u32,
    /// Packets when the last report was made, and the one before.
    before: [u32; 2],
}

impl Control {
    pub(crate) fn new(now: Instant, rng: &mut Rng) -> Self {
        let mut rng = rng.fork();
        Self {
            name: random_name(&mut rng),
            stand_in: random_name(&mut rng),
            schedule: Schedule::new(now, BITS_PER_SECOND, &mut rng),
            reported_at: now,
            is_anonymous: false,
            source: None,
            upstream: Box::new([None; rtp::CSRCS_MAX]),
            sent: Sent::default(),
            conflict: None,
            given_up: None,
            has_left: false,
            quality: PortQuality::default(),
            late_before: 0,
            rng,
        }
    }

    /// The others are not to know what the peer calls himself, or may.
    pub(crate) const fn hide_name(&mut self, is_anonymous: bool) {
        self.is_anonymous = is_anonymous;
    }

    /// Takes note of an RTP packet of the peer that was accepted.
    pub(crate) fn received(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        let ssrc = packet.header.ssrc;
        if self.ssrc() != Some(ssrc) {
            self.forget_source();
        }
        let source = self.source.get_or_insert_with(|| Source {
            reception: Reception::new(ssrc, CLOCK_HZ),
            heard_at: now,
            name: None,
            csrcs: Csrcs::new(),
            received_before: 0,
        });
        source.reception.packet(now, &packet.header);
        source.heard_at = now;
        if packet.csrcs().len() > 0 || !source.csrcs.as_slice().is_empty() {
            source.csrcs = packet.csrcs().collect();
        }
    }

    /// Takes note of an RTP packet of ours.
    pub(crate) fn sent(&mut self, payload_bytes: usize) {
        let bytes = u32::try_from(payload_bytes).unwrap_or(u32::MAX);
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.payload_bytes = self.sent.payload_bytes.wrapping_add(bytes);
    }

    /// Takes a compound packet of the peer, whose session is with `ours`.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        bytes: usize,
        compound: &Compound<'_>,
        ours: &Ours,
    ) -> Told {
        self.schedule.measure(bytes);
        let mut told = Told::default();
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport { ssrc, sender, blocks } => {
                    told.has_our_ssrc |= ssrc == ours.ssrc;
                    if let Some(source) = self.source_named(ssrc) {
                        source.heard_at = now;
                        source.reception.sender_report(now, sender.ntp);
                    }
                    blocks.iter().for_each(|block| self.block(now, &block, ours));
                }
                Packet::ReceiverReport { ssrc, blocks } => {
                    told.has_our_ssrc |= ssrc == ours.ssrc;
                    if let Some(source) = self.source_named(ssrc) {
                        source.heard_at = now;
                    }
                    blocks.iter().for_each(|block| self.block(now, &block, ours));
                }
                Packet::Description(chunks) => {
                    chunks.iter().for_each(|chunk| self.described(&chunk))
                }
                Packet::Bye(bye) => {
                    // RFC 3550 §6.3.4; of other sources than his own he has nothing to say.
                    if bye.ssrcs().any(|ssrc| self.ssrc() == Some(ssrc)) {
                        self.forget_source();
                    }
                }
                Packet::Other => {}
            }
        }
        told
    }

    /// A packet of the peer bears our SSRC. On a collision the caller has to take another one.
    pub(crate) fn clash(&mut self, now: Instant, from: SocketAddr, ours: u32) -> Clash {
        let before = self.conflict.replace((from, now));
        match before {
            // RFC 3550 §8.2: his address is known for it.
            Some((known, at)) if known == from && now.since(at) < CONFLICT_FOR => Clash::Loop,
            Some(_) | None => {
                self.given_up = Some(ours);
                self.sent = Sent::default();
                Clash::Collision
            }
        }
    }

    /// Whether a report is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.schedule.deadline() <= now || self.given_up.is_some()
    }

    /// Makes the report that is due, and sets when the next one is. `cited` are the conference's sources with the
    /// place of this leg.
    pub(crate) fn report<'o>(
        &mut self,
        now: Instant,
        ours: &Ours,
        cited: Option<(&Cited, usize)>,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> &'o [u8] {
        if self.source.as_ref().is_some_and(|it| now.since(it.heard_at) >= SOURCE_TIMEOUT) {
            // RFC 3550 §6.3.5
            self.forget_source();
        }
        let since = self.reported_at;
        let block = self.own_block(now, ours);
        let mut byes = ByeList::new();
        self.given_up.take().into_iter().for_each(|ssrc| byes.add(ssrc));
        if let Some((cited, place)) = cited {
            cited.gone_since(since, place).for_each(|ssrc| byes.add(ssrc));
        }
        let bytes = self.compound(now, ours, block, cited, &byes, out);
        self.reported_at = now;
        self.sent.before = [self.sent.packets, self.sent.before[0]];
        self.schedule.sent(now, bytes.len(), &mut self.rng);
        bytes
    }

    /// The last report: the leg ends (RFC 3550 §6.3.7, §7.3). `None`: we have never sent anything.
    pub(crate) fn goodbye<'o>(
        &mut self,
        now: Instant,
        ours: &Ours,
        cited: Option<(&Cited, usize)>,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> Option<&'o [u8]> {
        if self.sent.packets == 0 && !self.schedule.has_sent() {
            return None;
        }
        let block = self.own_block(now, ours);
        let mut byes = ByeList::new();
        byes.add(ours.ssrc);
        if let Some((cited, place)) = cited {
            cited.since(Instant::ZERO, place).for_each(|(ssrc, _)| byes.add(ssrc));
        }
        Some(self.compound(now, ours, block, cited, &byes, out))
    }

    /// The peer's SSRC.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.reception.ssrc())
    }

    /// Whose sound the peer's last packet had in it, by its own word: RFC 3550 §7.4. Empty: his alone.
    pub(crate) fn csrcs(&self) -> &[u32] {
        self.source.as_ref().map_or(&[], |source| source.csrcs.as_slice())
    }

    /// What the peer, or whom he cites, is called.
    pub(crate) fn name_of(&self, ssrc: u32) -> Option<&Name> {
        if self.ssrc() == Some(ssrc) {
            let name = self.source.as_ref().and_then(|source| source.name.as_ref());
            return Some(name.filter(|_| !self.is_anonymous).unwrap_or(&self.stand_in));
        }
        self.upstream.iter().flatten().find(|(of, _)| *of == ssrc).map(|(_, name)| name)
    }

    /// Whether a source of the peer has gone since this was asked last.
    pub(crate) const fn has_left(&mut self) -> bool {
        std::mem::replace(&mut self.has_left, false)
    }

    /// How well it goes.
    pub(crate) const fn quality(&self) -> &PortQuality {
        &self.quality
    }

    fn forget_source(&mut self) {
        self.has_left |= self.source.take().is_some();
        self.upstream.fill(None);
    }

    fn source_named(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.source.as_mut().filter(|source| source.reception.ssrc() == ssrc)
    }

    fn described(&mut self, chunk: &Chunk<'_>) {
        let Some(name) = chunk.cname.and_then(Name::new) else { return };
        let Some(source) = &mut self.source else { return };
        if source.reception.ssrc() == chunk.ssrc {
            source.name = Some(name);
        } else if source.csrcs.contains(chunk.ssrc) {
            let csrcs = source.csrcs;
            // Who is cited has a place; there are as many as can be cited.
            let is_his =
                |entry: &Option<(u32, Name)>| entry.is_some_and(|(of, _)| of == chunk.ssrc);
            let is_free =
                |entry: &Option<(u32, Name)>| entry.is_none_or(|(of, _)| !csrcs.contains(of));
            let place = self.upstream.iter().position(is_his);
            if let Some(place) = place.or_else(|| self.upstream.iter().position(is_free)) {
                self.upstream[place] = Some((chunk.ssrc, name));
            }
        }
    }

    /// What the peer says of our stream.
    fn block(&mut self, now: Instant, block: &ReportBlock, ours: &Ours) {
        if block.ssrc != ours.ssrc {
            return;
        }
        quality::reported(&mut self.quality, NtpTime::of_uptime(now), block, BUFFERED_BY_PEERS);
    }

    /// What we say of his, if anything came since the last time: RFC 3550 §6.4.
    fn own_block(&mut self, now: Instant, ours: &Ours) -> Option<ReportBlock> {
        let source = self.source.as_mut()?;
        let received = source.reception.received();
        let fresh =
            received.saturating_sub(std::mem::replace(&mut source.received_before, received));
        if fresh == 0 {
            return None;
        }
        let block = source.reception.block(now);
        let late = ours.late.saturating_sub(std::mem::replace(&mut self.late_before, ours.late));
        quality::measured(
            &mut self.quality,
            &source.reception,
            &block,
            (late, fresh),
            ours.buffered,
        );
        Some(block)
    }

    /// RFC 3550 §6.1: report, names, and BYE last.
    fn compound<'o>(
        &self,
        now: Instant,
        ours: &Ours,
        block: Option<ReportBlock>,
        cited: Option<(&Cited, usize)>,
        byes: &ByeList,
        out: &'o mut [u8; RTCP_BYTES_MAX],
    ) -> &'o [u8] {
        // RFC 3550 §6.4: whoever has sent since the report before the last is a sender.
        let is_sender = self.sent.packets != self.sent.before[1];
        let sender = is_sender.then(|| SenderInfo {
            ntp: NtpTime::of_uptime(now),
            timestamp: ours.timestamp,
            packets: self.sent.packets,
            payload_bytes: self.sent.payload_bytes,
        });
        let mut writer = Writer::new(&mut out[..]);
        let mut names = [(ours.ssrc, self.name.as_slice()); BLOCKS_MAX];
        let mut count = 1;
        let mut room = NAMES_BYTES_MAX;
        if let Some((cited, place)) = cited {
            for (ssrc, name) in cited.since(self.reported_at, place) {
                let bytes = 4 + (2 + name.len() + 1).next_multiple_of(4);
                if count < names.len() && bytes <= room && ssrc != ours.ssrc {
                    names[count] = (ssrc, name);
                    count += 1;
                    room -= bytes;
                }
            }
        }
        // The buffer holds the most that these can be, so none is refused.
        let _ = writer.report(ours.ssrc, sender.as_ref(), block.as_slice());
        let _ = writer.names(names[..count].iter().copied());
        if !byes.as_slice().is_empty() {
            let _ = writer.bye(byes.as_slice());
        }
        writer.finish()
    }
}

/// Sources in one BYE.
struct ByeList {
    list: [u32; BLOCKS_MAX],
    count: usize,
}

impl ByeList {
    const fn new() -> Self {
        Self { list: [0; BLOCKS_MAX], count: 0 }
    }

    fn add(&mut self, ssrc: u32) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = ssrc;
            self.count += 1;
        }
    }

    fn as_slice(&self) -> &[u32] {
        &self.list[..self.count]
    }
}

/// RFC 7022 §4.2: a name for this session only, of 96 random bits.
fn random_name(rng: &mut Rng) -> Name {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let name = rng.bytes::<16>().map(|byte| ALPHABET[usize::from(byte & 0x3F)]);
    Name::of_16(&name)
}

/// What the way to the peer adds that he does not tell: a packet of 20 ms, and a jitter buffer of 40 ms and a tick of 10 ms as
/// phones have them.
const BUFFERED_BY_PEERS: Duration = Duration::from_millis(20 + 40 + 10);

/// G.711, the only media there is.
const BITS_PER_SECOND: u32 = 64_000;
const CLOCK_HZ: u32 = 8_000;

/// Longest compound packet that we send: fits every path's MTU (RFC 3550 §6.1) with IPv6 and a tunnel.
pub const RTCP_BYTES_MAX: usize = 1_200;

/// What names of others may take of that: the rest is for the report (52 bytes), our name (28) and BYE (128). Who finds no
/// place is named in a later report.
const NAMES_BYTES_MAX: usize = 900;

/// Five intervals of 5 s: RFC 3550 §6.3.5.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(25);

/// Ten intervals of 5 s: RFC 3550 §8.2.
const CONFLICT_FOR: Duration = Duration::from_secs(50);
