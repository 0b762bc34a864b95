//! The node's side of the media shards: lent ports, slots, commands under way.
//!
//! Everything here is messages; the shards may be threads of this process or of another one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use mix::message::{
    Action, Command, ConferenceKey, Done, Epoch, Event, Key, LentPort, Listeners, PortId,
    PortReport, Prompt, Refused, StreamSpec, TransportSpec,
};
use sdp::Family;

/// Where a conference is mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MediaKey {
    /// The shard.
    pub(crate) shard: u16,
    /// The conference on that shard.
    pub(crate) key: ConferenceKey,
}

/// What an event from a shard means to the node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MediaFact {
    /// The shard cannot mix the conference (any more): it must end.
    ConferenceFailed(MediaKey),
    /// The shard refused the port: the leg must end.
    PortFailed(MediaKey, PortId),
    /// So much has gone through the port so far.
    PortMeasured(MediaKey, PortId, PortReport),
    /// The shard's ticks were so late of late, in microseconds on average.
    ShardPaced(u16, u64),
    /// The port is out; this went through it.
    PortRemoved(MediaKey, PortId, PortReport),
    /// Nothing has come from the peer for long.
    PortSilent(MediaKey, PortId),
    /// Who is behind the port has pressed a key.
    KeyPressed(MediaKey, PortId, Key),
    /// Who is behind the port has begun to talk or has stopped.
    PortTalks(MediaKey, PortId, bool),
}

/// What a command was for, until its reply comes.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Open,
    Close,
    Play,
    Add(PortId, LentPort),
    Update(PortId),
    Remove(PortId),
}

#[derive(Debug)]
struct ShardLink {
    /// One of each family.
    advertise: Vec<IpAddr>,
    /// Lent and not used. Bounded by how far ahead a shard lends.
    lent: VecDeque<LentPort>,
    /// The generation that each slot was last used with, and the slots nobody uses.
    generations: Vec<u32>,
    free_slots: Vec<u32>,
}

/// All shards.
#[derive(Debug)]
pub(crate) struct MediaLink {
    shards: Vec<ShardLink>,
    /// Ports in use by conference, entered with `OpenConference`, gone with the reply to
    /// `CloseConference`. Bounded by [`mix::CONFERENCES_MAX`] a shard.
    ports: BTreeMap<MediaKey, BTreeMap<PortId, LentPort>>,
    /// Bounded by the commands that legs and conferences give, which the pool's capacity bounds.
    pending: BTreeMap<u64, (MediaKey, Pending)>,
    last_command: u64,
    commands: VecDeque<(u16, Command)>,
}

impl ShardLink {
    /// Where the next port of this family stands. Ports of both come in turn, so it is not far.
    fn first(&self, family: Family) -> Option<usize> {
        self.lent.iter().position(|port| Family::of(port.address.ip()) == family)
    }
}

/// The one owner there is on a single node.
const EPOCH: Epoch = Epoch(1);

impl MediaLink {
    /// One link a shard; `advertise` are the addresses that terminals send to.
    pub(crate) fn new(advertise: Vec<Vec<IpAddr>>) -> Self {
        let shards = advertise.into_iter().map(|advertise| ShardLink {
            advertise,
            lent: VecDeque::new(),
            generations: Vec::new(),
            free_slots: Vec::new(),
        });
        Self {
            shards: shards.collect(),
            ports: BTreeMap::new(),
            pending: BTreeMap::new(),
            last_command: 0,
            commands: VecDeque::new(),
        }
    }

    /// Commands to hand to the shards.
    pub(crate) fn poll_command(&mut self) -> Option<(u16, Command)> {
        self.commands.pop_front()
    }

    /// The address families that some shard has ports of.
    pub(crate) fn families(&self) -> Vec<Family> {
        let all = self.shards.iter().flat_map(|link| &link.advertise).map(|&ip| Family::of(ip));
        let all: BTreeSet<_> = all.collect();
        all.into_iter().collect()
    }

    /// Opens a conference on the shard that holds room for it. `None`: that one has no port of this family
    /// to lend, or no place.
    pub(crate) fn open(&mut self, family: Family, shard: u16) -> Option<MediaKey> {
        let link = self.shards.get_mut(usize::from(shard))?;
        link.first(family)?;
        let slot = match link.free_slots.pop() {
            Some(slot) => slot,
            None if link.generations.len() < mix::CONFERENCES_MAX as usize => {
                link.generations.push(0);
                u32::try_from(link.generations.len() - 1).ok()?
            }
            None => return None,
        };
        let generation = &mut link.generations[slot as usize];
        *generation = generation.checked_add(1)?;
        let key = ConferenceKey { slot, generation: *generation };
        let media = MediaKey { shard, key };
        self.ports.insert(media, BTreeMap::new());
        self.command(media, Pending::Open, Action::OpenConference);
        Some(media)
    }

    /// Takes a lent port of this family for a leg; gives it with the address that goes into the SDP.
    pub(crate) fn take_port(
        &mut self,
        media: MediaKey,
        family: Family,
    ) -> Option<(LentPort, SocketAddr)> {
        let link = self.shards.get_mut(usize::from(media.shard))?;
        let ip = link.advertise.iter().copied().find(|&ip| Family::of(ip) == family)?;
        let port = link.lent.remove(link.first(family)?)?;
        Some((port, SocketAddr::new(ip, port.address.port())))
    }

    /// Gives back a port that was taken and not added.
    pub(crate) fn give_back(&mut self, media: MediaKey, port: LentPort) {
        if let Some(link) = self.shards.get_mut(usize::from(media.shard)) {
            link.lent.push_front(port);
        }
    }

    pub(crate) fn add(
        &mut self,
        media: MediaKey,
        port: PortId,
        lent: LentPort,
        transport: TransportSpec,
        stream: StreamSpec,
    ) {
        self.ports.entry(media).or_default().insert(port, lent);
        self.command(media, Pending::Add(port, lent), Action::AddPort { port, transport, stream });
    }

    pub(crate) fn update(
        &mut self,
        media: MediaKey,
        port: PortId,
        transport: TransportSpec,
        stream: StreamSpec,
    ) {
        self.command(media, Pending::Update(port), Action::UpdatePort { port, transport, stream });
    }

    pub(crate) fn mute(&mut self, media: MediaKey, port: PortId, is_muted: bool) {
        self.command(media, Pending::Update(port), Action::MutePort { port, is_muted });
    }

    pub(crate) fn play(&mut self, media: MediaKey, to: Listeners, prompt: Prompt) {
        self.command(media, Pending::Play, Action::Play { to, prompt });
    }

    pub(crate) fn remove(&mut self, media: MediaKey, port: PortId) {
        self.command(media, Pending::Remove(port), Action::RemovePort { port });
    }

    pub(crate) fn close(&mut self, media: MediaKey) {
        self.command(media, Pending::Close, Action::CloseConference);
    }

    fn command(&mut self, media: MediaKey, pending: Pending, action: Action) {
        self.last_command += 1;
        let id = self.last_command;
        self.pending.insert(id, (media, pending));
        self.commands
            .push_back((media.shard, Command { id, conference: media.key, epoch: EPOCH, action }));
    }

    /// Takes what a shard told.
    pub(crate) fn handle_event(&mut self, shard: u16, event: Event) -> Option<MediaFact> {
        match event {
            Event::Lent { ports } => {
                if let Some(link) = self.shards.get_mut(usize::from(shard)) {
                    link.lent.extend(ports);
                }
                None
            }
            Event::Paced { late_us } => Some(MediaFact::ShardPaced(shard, late_us)),
            Event::Measured { conference, port, report } => {
                Some(MediaFact::PortMeasured(MediaKey { shard, key: conference }, port, report))
            }
            Event::Latched { .. } => None,
            Event::Silent { conference, port, .. } => {
                Some(MediaFact::PortSilent(MediaKey { shard, key: conference }, port))
            }
            Event::Talking { conference, port, is_talking } => {
                Some(MediaFact::PortTalks(MediaKey { shard, key: conference }, port, is_talking))
            }
            Event::KeyPressed { conference, port, key, for_ms: _ } => {
                Some(MediaFact::KeyPressed(MediaKey { shard, key: conference }, port, key))
            }
            Event::Failed { conference, .. } => {
                // Commands that are under way still have their replies.
                let media = MediaKey { shard, key: conference };
                self.forget(media);
                Some(MediaFact::ConferenceFailed(media))
            }
            Event::Reply { id, outcome, .. } => {
                let (media, pending) = self.pending.remove(&id)?;
                self.replied(media, pending, outcome)
            }
        }
    }

    fn replied(
        &mut self,
        media: MediaKey,
        was: Pending,
        outcome: Result<Done, Refused>,
    ) -> Option<MediaFact> {
        match (was, outcome) {
            (Pending::Open, Err(_)) => {
                self.forget(media);
                Some(MediaFact::ConferenceFailed(media))
            }
            (Pending::Close, _) => {
                self.forget(media);
                None
            }
            (Pending::Add(port, lent), Err(refused)) => {
                self.drop_port(media, port);
                // What the shard did not take is lent all the same.
                if !matches!(refused, Refused::NotLent { .. }) {
                    self.give_back(media, lent);
                }
                Some(MediaFact::PortFailed(media, port))
            }
            (Pending::Remove(port), done) => {
                self.drop_port(media, port);
                let report = match done {
                    Ok(Done::PortRemoved(report)) => *report,
                    _ => PortReport::default(),
                };
                Some(MediaFact::PortRemoved(media, port, report))
            }
            (Pending::Update(port), Err(_)) => Some(MediaFact::PortFailed(media, port)),
            // Who has just gone hears nothing, and misses nothing.
            (Pending::Play, _) => None,
            (Pending::Open | Pending::Add(..) | Pending::Update(_), Ok(_)) => None,
        }
    }

    fn drop_port(&mut self, media: MediaKey, port: PortId) {
        if let Some(ports) = self.ports.get_mut(&media) {
            ports.remove(&port);
        }
    }

    /// The conference is gone from its shard: its slot may be used again.
    fn forget(&mut self, media: MediaKey) {
        if self.ports.remove(&media).is_some()
            && let Some(link) = self.shards.get_mut(usize::from(media.shard))
        {
            link.free_slots.push(media.key.slot);
        }
    }

    /// Ports in use on all shards.
    pub(crate) fn ports_in_use(&self) -> usize {
        self.ports.values().map(BTreeMap::len).sum()
    }

    /// Commands without a reply.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }
}
