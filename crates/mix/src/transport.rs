//! Where a port's packets come from and go to: latching, and what may be sent before it.

mod latch;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rtp::Header;
use units::Instant;

use crate::TICK;
use crate::message::{Channel, Refused, RtcpPath, SILENT_AFTER_MS, TransportSpec};
pub(crate) use latch::Judgement;
use latch::Latch;

/// Plain RTP over UDP between one socket of ours and one peer.
#[derive(Debug)]
pub(crate) struct Transport {
    spec: TransportSpec,
    latch: Latch,
    /// Where RTCP came from on a socket of its own, and when last.
    rtcp_latch: Option<(SocketAddr, Instant)>,
    /// Whether the address in the SDP has sent us anything since it was named.
    remote_heard: bool,
    /// Frames that may still go to an address that has sent us nothing.
    blind_frames: u32,
    /// The last sign of life.
    alive_at: Instant,
    /// That, or when the silence since then was told last.
    quiet_since: Instant,
}

/// Where to send the next 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// There.
    To(SocketAddr),
    /// The peer gave no address.
    Nowhere,
    /// The address has sent us nothing for too long.
    Withheld,
}

impl Transport {
    /// Starts with nothing heard; `now` counts as the last sign of life.
    pub(crate) fn new(now: Instant, spec: TransportSpec) -> Result<Self, Refused> {
        check(&spec)?;
        Ok(Self {
            spec,
            latch: Latch::new(),
            rtcp_latch: None,
            remote_heard: false,
            blind_frames: BLIND_FRAMES_MAX,
            alive_at: now,
            quiet_since: now,
        })
    }

    /// What it was made of.
    pub(crate) const fn spec(&self) -> &TransportSpec {
        &self.spec
    }

    /// Changes the peer. Only another address in the SDP opens the latch again; whoever only changes
    /// direction or codec keeps it.
    pub(crate) fn update(&mut self, now: Instant, spec: TransportSpec) -> Result<(), Refused> {
        check(&spec)?;
        if spec.lent != self.spec.lent {
            return Err(Refused::OtherSocket { got: spec.lent, current: self.spec.lent });
        }
        if spec.remote != self.spec.remote {
            self.latch.reopen(now);
            self.remote_heard = false;
            // The blind frames are not given anew: else a peer that renames its address every 5 s
            // could aim us at others for ever. A latch gives them back.
        }
        if (spec.remote, spec.rtcp) != (self.spec.remote, self.spec.rtcp) {
            self.rtcp_latch = None;
        }
        self.spec = spec;
        Ok(())
    }

    /// Judges an RTP packet with an agreed payload type.
    pub(crate) fn judge(&mut self, now: Instant, from: SocketAddr, header: &Header) -> Judgement {
        let rank = self.rank(from);
        let judgement = self.latch.judge(now, from, rank, header);
        match judgement {
            Judgement::Accepted => {}
            Judgement::Restarted => self.blind_frames = BLIND_FRAMES_MAX,
            Judgement::Foreign | Judgement::Unproved => {}
        }
        let proved = matches!(judgement, Judgement::Accepted | Judgement::Restarted);
        if proved || self.is_peer(from) {
            self.sign_of_life(now, from);
        }
        judgement
    }

    /// Takes note of a packet that carries no media for us (another payload type). Says whether it is the
    /// peer's.
    pub(crate) fn note(&mut self, now: Instant, from: SocketAddr) -> Origin {
        if self.is_peer(from) {
            self.sign_of_life(now, from);
            Origin::Peer
        } else {
            Origin::Stranger
        }
    }

    /// Takes note of RTCP that is well formed. Says whether it is the peer's: from the address of his RTP where
    /// both share it (RFC 5761), else from his host, and there from one port only.
    pub(crate) fn note_rtcp(&mut self, now: Instant, channel: Channel, from: SocketAddr) -> Origin {
        let is_his = match (channel, self.spec.rtcp) {
            (Channel::Rtp, RtcpPath::Muxed) => {
                self.latch.remote().map_or_else(|| self.is_peer(from), |latched| latched == from)
            }
            // Nobody was told of that port.
            (Channel::Rtcp, RtcpPath::Muxed) => false,
            // Some phones send it to the port of RTP though nobody said so. It is read; answers go where they should.
            (Channel::Rtp, RtcpPath::Apart(_)) => self.is_peer(from),
            (Channel::Rtcp, RtcpPath::Apart(told)) => {
                let is_new = self.rtcp_latch.is_none_or(|(latched, at)| {
                    latched != from && (told == Some(from) || now.since(at) >= RTCP_QUIET)
                });
                let is_latched = self.rtcp_latch.is_some_and(|(latched, _)| latched == from);
                let is_his = self.is_peer(from) && (is_new || is_latched);
                if is_his {
                    self.rtcp_latch = Some((from, now));
                }
                is_his
            }
        };
        if !is_his {
            return Origin::Stranger;
        }
        self.sign_of_life(now, from);
        Origin::Peer
    }

    /// Where to send a report, and from which socket; `None`: to nobody. Uses up nothing.
    pub(crate) fn rtcp_destination(&self) -> Option<(Channel, SocketAddr)> {
        // RFC 3264 §8.4
        let remote = self.spec.remote?;
        let latched = self.latch.remote();
        let is_proved = |ip: IpAddr| {
            ip == self.spec.signalling
                || latched.is_some_and(|latched| latched.ip() == ip)
                || (self.remote_heard && remote.ip() == ip)
                || self.blind_frames > 0
        };
        let to = match self.spec.rtcp {
            RtcpPath::Muxed => {
                let to = latched.unwrap_or(remote);
                return is_proved(to.ip()).then_some((Channel::Rtp, to));
            }
            RtcpPath::Apart(told) => match (self.rtcp_latch, latched) {
                (Some((from, _)), _) => from,
                // Behind a NAT the port that was told is nobody's, or another's.
                (None, Some(latched)) if latched.ip() != remote.ip() => return None,
                (None, _) => told?,
            },
        };
        is_proved(to.ip()).then_some((Channel::Rtcp, to))
    }

    /// Where to send the next 10 ms; uses up what may be sent blindly.
    pub(crate) fn destination(&mut self) -> Destination {
        // RFC 3264 §8.4: with c=0.0.0.0 neither RTP nor RTCP goes to the peer, whatever it sends.
        let Some(remote) = self.spec.remote else { return Destination::Nowhere };
        if let Some(latched) = self.latch.remote() {
            return Destination::To(latched);
        }
        if self.remote_heard || remote.ip() == self.spec.signalling {
            return Destination::To(remote);
        }
        match self.blind_frames.checked_sub(1) {
            Some(left) => {
                self.blind_frames = left;
                Destination::To(remote)
            }
            None => Destination::Withheld,
        }
    }

    /// Where the peer's media is known to come from.
    pub(crate) const fn latched(&self) -> Option<SocketAddr> {
        self.latch.remote()
    }

    /// How long nothing has come, if that is too long and was not [told](Self::silence_told) lately.
    pub(crate) fn silent_for_ms(&self, now: Instant) -> Option<u64> {
        let ms = |since| u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        (ms(self.quiet_since) >= SILENT_AFTER_MS).then(|| ms(self.alive_at))
    }

    /// Keeps [`Self::silent_for_ms`] from telling the same silence again too soon.
    pub(crate) const fn silence_told(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    fn sign_of_life(&mut self, now: Instant, from: SocketAddr) {
        self.alive_at = now;
        self.quiet_since = now;
        let rtcp = match self.spec.rtcp {
            RtcpPath::Apart(told) => told,
            RtcpPath::Muxed => None,
        };
        if let Some(remote) = self.spec.remote
            && (from == remote || (Some(from) == rtcp && from.ip() == remote.ip()))
        {
            self.remote_heard = true;
        }
    }

    /// Whether something without proof may be the peer's: it comes from the host that the latch holds
    /// to, else from one that the signalling names. RTCP has another port (RFC 3550 §11).
    fn is_peer(&self, from: SocketAddr) -> bool {
        match self.latch.remote() {
            Some(latched) => from.ip() == latched.ip(),
            None => {
                from.ip() == self.spec.signalling
                    || self.spec.remote.is_some_and(|remote| from.ip() == remote.ip())
            }
        }
    }

    fn rank(&self, from: SocketAddr) -> Rank {
        if self.spec.remote == Some(from) {
            Rank::SdpAddress
        } else if from.ip() == self.spec.signalling {
            Rank::SignallingSource
        } else {
            Rank::Other
        }
    }
}

/// Whose a packet without media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Peer,
    Stranger,
}

/// How much speaks for an address; a higher rank wins over a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Nothing but that it sends.
    Other,
    /// The signalling comes from this host.
    SignallingSource,
    /// The SDP names it.
    SdpAddress,
}

/// An address that can only be meant to harm others is not sent to.
fn check(spec: &TransportSpec) -> Result<(), Refused> {
    let rtcp = match spec.rtcp {
        RtcpPath::Apart(told) => told,
        RtcpPath::Muxed => None,
    };
    let one_host = |remote: &SocketAddr| {
        let is_one = match remote.ip() {
            IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast()),
            IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast()),
        };
        is_one && remote.port() != 0
    };
    match spec.remote.into_iter().chain(rtcp).find(|remote| !one_host(remote)) {
        Some(got) => Err(Refused::BadRemote { got }),
        None => Ok(()),
    }
}

/// After so long without RTCP from where it came from, it may come from another port: a NAT has forgotten the old one.
/// Six intervals.
const RTCP_QUIET: Duration = Duration::from_secs(30);

/// What may go to an address that has sent us nothing and is not where the signalling comes from: 5 s
/// of media. Enough for a phone that only listens to open its NAT; little for one who aims us at
/// others. When used up, media is withheld until the address sends something.
#[expect(clippy::cast_possible_truncation, reason = "500")]
const BLIND_FRAMES_MAX: u32 = (5_000 / TICK.as_millis()) as u32;
