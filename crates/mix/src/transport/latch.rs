//! Which source a port listens to.

use std::net::SocketAddr;
use std::time::Duration;

use rtp::{Header, sequence};
use units::Instant;

use super::Rank;

/// Picks one source and stays with it.
///
/// Three packets in sequence prove a source (RFC 3550 Appendix A.1 has two). The address in the SDP
/// is final. Any other is provisional for [`WINDOW`]: within it, a source of higher rank that proves
/// itself takes over. After that nothing does, until the SDP names another address.
#[derive(Debug)]
pub(super) struct Latch {
    state: State,
    /// Sources on their way to being proved.
    candidates: [Option<Candidate>; CANDIDATES_MAX],
    /// The source that the last SDP change has left, which may not win by being there first.
    left: Option<Left>,
}

#[derive(Debug)]
enum State {
    /// Nobody has proved himself yet.
    Open,
    /// The port listens to one source.
    Latched {
        remote: SocketAddr,
        ssrc: u32,
        rank: Rank,
        /// Until when a higher rank may take over; `None`: never.
        provisional_until: Option<Instant>,
        /// When this SSRC was last heard.
        heard_at: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    rank: Rank,
    /// The highest sequence number of the run.
    last: u16,
    /// Packets in sequence so far.
    run: u32,
    heard_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    remote: SocketAddr,
    until: Instant,
}

/// What a latch says to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// From the source that the port listens to.
    Accepted,
    /// From another source than the port listens to.
    Foreign,
    /// The one that proves its source, which the port listens to from now on. Other SSRC or other
    /// address: nothing that came before belongs to it.
    Restarted,
    /// From a source that is on its way to being proved.
    Unproved,
}

impl Latch {
    pub(super) const fn new() -> Self {
        Self { state: State::Open, candidates: [None; CANDIDATES_MAX], left: None }
    }

    /// Forgets the source: the SDP names another address.
    pub(super) fn reopen(&mut self, now: Instant) {
        self.left = self.remote().map(|remote| Left { remote, until: now + WINDOW });
        self.state = State::Open;
        self.candidates = [None; CANDIDATES_MAX];
    }

    pub(super) const fn remote(&self) -> Option<SocketAddr> {
        match self.state {
            State::Open => None,
            State::Latched { remote, .. } => Some(remote),
        }
    }

    pub(super) fn judge(
        &mut self,
        now: Instant,
        from: SocketAddr,
        rank: Rank,
        header: &Header,
    ) -> Judgement {
        match &mut self.state {
            State::Open => {
                if self.left.is_some_and(|left| {
                    left.remote == from && now < left.until && rank < Rank::SdpAddress
                }) {
                    return Judgement::Foreign;
                }
            }
            State::Latched { remote, ssrc, heard_at, .. } if *remote == from => {
                if *ssrc == header.ssrc {
                    *heard_at = now;
                    return Judgement::Accepted;
                }
                // RFC 3550 §8.2: two sources behind one address are told apart by SSRC. The first
                // one stays as long as it speaks, else the two would cut each other off for ever.
                if now.since(*heard_at) < SSRC_QUIET {
                    return Judgement::Foreign;
                }
            }
            State::Latched { rank: held, provisional_until, .. } => {
                if rank <= *held || provisional_until.is_none_or(|until| now > until) {
                    return Judgement::Foreign;
                }
            }
        }
        self.prove(now, from, rank, header)
    }

    /// Takes a packet as proof of its source.
    fn prove(&mut self, now: Instant, from: SocketAddr, rank: Rank, header: &Header) -> Judgement {
        let Some(candidate) = self.candidate(now, from, rank, header) else {
            return Judgement::Foreign;
        };
        candidate.heard_at = now;
        match sequence::distance(candidate.last, header.sequence) {
            // The same again, or overtaken on the way: proves nothing, refutes nothing.
            REORDER_MIN..=0 if candidate.run > 0 => {}
            1 => {
                candidate.run += 1;
                candidate.last = header.sequence;
            }
            _ => {
                candidate.run = 1;
                candidate.last = header.sequence;
            }
        }
        if candidate.run < PROOF_PACKETS {
            return Judgement::Unproved;
        }
        let provisional_until = match &self.state {
            State::Latched { remote, provisional_until, .. } if *remote == from => {
                *provisional_until // only the SSRC is new
            }
            State::Open | State::Latched { .. } => match rank {
                Rank::SdpAddress => None,
                Rank::SignallingSource | Rank::Other => Some(now + WINDOW),
            },
        };
        self.state = State::Latched {
            remote: from,
            ssrc: header.ssrc,
            rank,
            provisional_until,
            heard_at: now,
        };
        self.candidates = [None; CANDIDATES_MAX];
        Judgement::Restarted
    }

    /// The entry of a source, made if there is place.
    fn candidate(
        &mut self,
        now: Instant,
        from: SocketAddr,
        rank: Rank,
        header: &Header,
    ) -> Option<&mut Candidate> {
        let known = |entry: &Option<Candidate>| {
            entry.is_some_and(|it| it.from == from && it.ssrc == header.ssrc)
        };
        let index = self.candidates.iter().position(known).or_else(|| self.place_for(rank))?;
        let fresh = Candidate {
            from,
            ssrc: header.ssrc,
            rank,
            last: header.sequence,
            run: 0,
            heard_at: now,
        };
        let entry = &mut self.candidates[index];
        if !known(entry) {
            *entry = Some(fresh);
        }
        entry.as_mut()
    }

    /// A free place, else that of the lowest rank not above `rank`, and there of the one not heard
    /// for longest: whoever sprays from many addresses displaces his own like.
    fn place_for(&self, rank: Rank) -> Option<usize> {
        if let Some(free) = self.candidates.iter().position(Option::is_none) {
            return Some(free);
        }
        let (index, lowest) = self
            .candidates
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| entry.as_ref().map(|it| (index, it)))
            .min_by_key(|(_, it)| (it.rank, it.heard_at))?;
        (lowest.rank <= rank).then_some(index)
    }
}

/// Packets in sequence that prove a source.
const PROOF_PACKETS: u32 = 3;

/// How far behind the run a packet may come without ending it.
const REORDER_MIN: i16 = -16;

/// How long a source of lower rank may still be displaced: longer than any phone takes from its answer
/// to its first packets, short enough that nobody can take over a running call.
const WINDOW: Duration = Duration::from_secs(5);

/// How long the SSRC must have been quiet before another one from the same address is listened to.
const SSRC_QUIET: Duration = Duration::from_millis(100);

/// Sources that may be on their way at the same time: the SDP address, the signalling source, and
/// two others. The least likely is displaced.
const CANDIDATES_MAX: usize = 4;
