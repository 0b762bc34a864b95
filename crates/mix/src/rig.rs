//! What the tests stand on: peers that talk and listen, and a clock that they move.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use audio::{Decoder as _, Encoder as _, G711};
use rtp::rtcp::{NtpTime, ReportBlock, SenderInfo, Writer};
use rtp::{Header, RtpPacket};
use units::{Instant, Rng};

use crate::message::{
    Action, Channel, Codec, Command, ConferenceKey, Direction, Done, Epoch, Event, Format,
    LentPort, PortId, PortReport, Refused, StreamSpec, TransportSpec,
};
use crate::{Farewell, Shard, ShardConfig, Sink, TICK};

pub(crate) const PCMU: Format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };
pub(crate) const PCMA: Format = Format { codec: Codec::Pcma, payload_type: 8, ptime_ms: 20 };

/// The address of peer number `n`: another host for each.
pub(crate) fn peer(n: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)), 4_000)
}

pub(crate) fn transport(lent: u32, remote: SocketAddr) -> TransportSpec {
    TransportSpec::muxed(lent, remote)
}

pub(crate) fn stream(direction: Direction, send: Format) -> StreamSpec {
    let (receive, label) = (vec![PCMU, PCMA], "leg".to_owned());
    StreamSpec { direction, receive, label, ..StreamSpec::both_ways(send) }
}

/// A source of RTP packets.
#[derive(Clone, Debug)]
pub(crate) struct Talker {
    pub(crate) header: Header,
    codec: G711,
    /// What it says, over and over; a whole number of periods.
    voice: Vec<i16>,
    position: usize,
}

impl Talker {
    /// Speaks a tone of `hz` (a multiple of 10), `dbfs` loud.
    pub(crate) fn tone(ssrc: u32, format: Format, hz: f64, dbfs: f64) -> Self {
        let sequence = u16::try_from(65_530 + ssrc % 5).expect("near the wrap");
        let header = Header {
            marker: false,
            payload_type: format.payload_type,
            sequence,
            timestamp: u32::MAX - 1_000,
            ssrc,
        };
        let codec = match format.codec {
            Codec::Pcma => G711::Alaw,
            Codec::Pcmu => G711::Ulaw,
        };
        Self { header, codec, voice: audio::tone(hz, 8_000, dbfs, 8_000), position: 0 }
    }

    /// Says these samples over and over.
    pub(crate) fn saying(ssrc: u32, format: Format, voice: Vec<i16>) -> Self {
        Self { voice, ..Self::tone(ssrc, format, 400.0, -10.0) }
    }

    /// Goes on with another tone.
    pub(crate) fn say(&mut self, hz: f64, dbfs: f64) {
        self.voice = audio::tone(hz, 8_000, dbfs, 8_000);
    }

    /// The next `samples` as a packet.
    pub(crate) fn packet(&mut self, samples: usize) -> Vec<u8> {
        let said: Vec<i16> =
            (0..samples).map(|n| self.voice[(self.position + n) % self.voice.len()]).collect();
        let mut payload = vec![0; samples];
        self.codec.encode(&said, &mut payload);
        let mut bytes = vec![0; 12 + samples];
        let len = rtp::write(&self.header, &payload, &mut bytes).expect("fits");
        bytes.truncate(len);
        self.position += samples;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        let ticks = u32::try_from(samples).expect("small");
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks);
        bytes
    }
}

/// Something like a voice, `samples` long: vowels of 125 Hz with pauses between.
pub(crate) fn voice(samples: usize) -> Vec<i16> {
    let tones: Vec<Vec<i16>> = (1..=10)
        .map(|n| audio::tone(125.0 * f64::from(n), 8_000, -18.0 - 2.5 * f64::from(n), samples))
        .collect();
    let loud = |at: usize| if at % 4_000 < 2_800 { 1 } else { 0 };
    (0..samples).map(|at| tones.iter().map(|tone| tone[at]).sum::<i16>() * loud(at)).collect()
}

/// One peer of a shard: talks, and keeps what it is sent.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) lent: u32,
    pub(crate) address: SocketAddr,
    pub(crate) talker: Option<Talker>,
    pub(crate) headers: Vec<Header>,
    /// Whom each packet cites.
    pub(crate) csrcs: Vec<Vec<u32>>,
    /// Compound packets of RTCP, with the tick in which each came.
    pub(crate) reports: Vec<(u64, Vec<u8>)>,
    /// The RTP packets themselves.
    pub(crate) packets: Vec<Vec<u8>>,
    /// In ticks since the rig began, when each packet came.
    pub(crate) ticks: Vec<u64>,
    pub(crate) heard: Vec<i16>,
}

impl Peer {
    /// How loud a tone is in the last `ms` of what was heard, in dB below full scale.
    pub(crate) fn level(&self, hz: f64, ms: usize) -> f64 {
        let begin = self.heard.len().checked_sub(ms * 8).expect("heard for so long");
        audio::goertzel(&self.heard[begin..], 8_000, hz)
    }
}

/// A shard and its peers.
pub(crate) struct Rig {
    pub(crate) shard: Shard,
    pub(crate) now: Instant,
    pub(crate) peers: Vec<Peer>,
    pub(crate) events: Vec<Event>,
    pub(crate) released: Vec<u32>,
    /// Packets to addresses where no peer is.
    pub(crate) elsewhere: Vec<SocketAddr>,
    pub(crate) farewells: Vec<Farewell>,
    /// What was told every few seconds.
    pub(crate) figures: Vec<Event>,
    /// Decides whether a peer's packet gets through: the peer's index and the tick.
    pub(crate) lossy: fn(usize, u64) -> bool,
    last_command: u64,
    tick: u64,
}

/// When a tick of a rig was, that never stood still.
pub(crate) fn instant_of(tick: u64) -> Instant {
    Instant::from_millis(1_000 + 10 * tick)
}

/// The first conference of a rig.
pub(crate) const CONFERENCE: ConferenceKey = ConferenceKey { slot: 0, generation: 1 };

impl Rig {
    /// An idle shard with sockets 1 to 99.
    pub(crate) fn new() -> Self {
        Self::with(ShardConfig::default())
    }

    pub(crate) fn with(config: ShardConfig) -> Self {
        Self::seeded(config, 7)
    }

    fn seeded(config: ShardConfig, seed: u64) -> Self {
        let mut shard = Shard::new(config, Rng::from_number(seed));
        for id in 1..100 {
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 20_000 + 2 * id);
            shard.add_lent(LentPort { id: u32::from(id), address });
        }
        let mut rig = Self {
            shard,
            now: Instant::from_millis(1_000),
            peers: Vec::new(),
            events: Vec::new(),
            released: Vec::new(),
            elsewhere: Vec::new(),
            farewells: Vec::new(),
            figures: Vec::new(),
            lossy: |_, _| true,
            last_command: 0,
            tick: 0,
        };
        rig.drain();
        rig.events.clear();
        rig
    }

    /// A shard with an open conference, three of which are heard.
    pub(crate) fn with_conference() -> Self {
        Self::new().opened()
    }

    /// The same on another machine: with other random numbers.
    pub(crate) fn elsewhere_with_conference(seed: u64) -> Self {
        Self::seeded(ShardConfig::default(), seed).opened()
    }

    /// The same without that limit.
    pub(crate) fn where_all_are_heard() -> Self {
        Self::with(ShardConfig { heard: u32::MAX, ..ShardConfig::default() }).opened()
    }

    /// What was told, without who talks.
    pub(crate) fn events_but_talking(&self) -> Vec<Event> {
        let is_talking = |event: &&Event| matches!(event, Event::Talking { .. });
        self.events.iter().filter(|event| !is_talking(event)).cloned().collect()
    }

    fn opened(self) -> Self {
        let mut rig = self;
        assert_eq!(rig.command(Action::OpenConference), Ok(Done::ConferenceOpened));
        rig
    }

    /// Commands the first conference.
    pub(crate) fn command(&mut self, action: Action) -> Result<Done, Refused> {
        self.command_as(CONFERENCE, Epoch(1), action)
    }

    /// Gives a command, and checks that there is exactly one reply and that it is this command's.
    pub(crate) fn command_as(
        &mut self,
        key: ConferenceKey,
        in_epoch: Epoch,
        action: Action,
    ) -> Result<Done, Refused> {
        self.last_command += 1;
        let id = self.last_command;
        let command = Command { id, conference: key, epoch: in_epoch, action };
        self.shard.handle_command(self.now, command);
        let mut event = self.shard.poll_event();
        while let Some(figure @ Event::Paced { .. }) = event {
            self.figures.push(figure);
            event = self.shard.poll_event();
        }
        let Some(Event::Reply { id: of, conference, epoch, outcome }) = event else {
            panic!("no reply");
        };
        assert_eq!((of, conference, epoch), (id, key, in_epoch));
        assert_eq!(self.shard.poll_event(), None, "one reply only");
        self.drain();
        outcome
    }

    /// Adds a leg for the next peer, which says `talker`; gives the peer's index.
    pub(crate) fn join(&mut self, talker: Option<Talker>, spec: StreamSpec) -> usize {
        self.join_conference(CONFERENCE, talker, spec)
    }

    pub(crate) fn join_conference(
        &mut self,
        key: ConferenceKey,
        talker: Option<Talker>,
        stream: StreamSpec,
    ) -> usize {
        let n = u8::try_from(self.peers.len() + 1).expect("few peers");
        self.join_at(key, talker, transport(u32::from(n), peer(n)), stream)
    }

    /// The same with all that is known of where the peer is.
    pub(crate) fn join_at(
        &mut self,
        key: ConferenceKey,
        talker: Option<Talker>,
        transport: TransportSpec,
        stream: StreamSpec,
    ) -> usize {
        let index = self.peers.len();
        let (lent, address) = (transport.lent, transport.remote.expect("named"));
        let port = PortId(lent);
        let action = Action::AddPort { port, transport, stream };
        assert_eq!(self.command_as(key, Epoch(1), action), Ok(Done::PortAdded));
        let (headers, csrcs, reports, packets) = (vec![], vec![], vec![], vec![]);
        let (ticks, heard) = (vec![], vec![]);
        let peer = Peer { lent, address, talker, headers, csrcs, reports, packets, ticks, heard };
        self.peers.push(peer);
        index
    }

    /// A leg both ways in PCMU that speaks a tone at -20 dB.
    pub(crate) fn join_tone(&mut self, hz: f64) -> usize {
        let ssrc = u32::try_from(self.peers.len()).expect("few peers");
        let talker = Talker::tone(ssrc, PCMU, hz, -20.0);
        self.join(Some(talker), stream(Direction::SendRecv, PCMU))
    }

    /// The same at this moment.
    pub(crate) fn measured_now(&mut self, index: usize) -> PortReport {
        self.shard.report_of(CONFERENCE, PortId(self.peers[index].lent)).expect("is in")
    }

    /// A peer sends something to the socket that he shares for RTP and RTCP.
    pub(crate) fn give(&mut self, index: usize, bytes: &[u8]) {
        let Peer { lent, address, .. } = self.peers[index];
        self.shard.handle_packet(self.now, (lent, Channel::Rtp), address, bytes);
        self.drain();
    }

    /// A peer sends a report as sender with his name, and what else he likes.
    pub(crate) fn give_report(
        &mut self,
        index: usize,
        (ssrc, name): (u32, &[u8]),
        blocks: &[ReportBlock],
        more: impl FnOnce(&mut Writer<'_>),
    ) {
        let mut out = [0; 1_500];
        let mut writer = Writer::new(&mut out);
        let ntp = NtpTime::of_uptime(self.now);
        let sender = SenderInfo { ntp, ..SenderInfo::default() };
        writer.report(ssrc, Some(&sender), blocks).expect("room");
        writer.names([(ssrc, name)].into_iter()).expect("room");
        more(&mut writer);
        let bytes = writer.finish().to_vec();
        self.give(index, &bytes);
    }

    /// What has gone through a leg, as it was told last.
    pub(crate) fn measured(&self, index: usize) -> PortReport {
        let id = PortId(self.peers[index].lent);
        let last = self.figures.iter().rev().find_map(|event| match event {
            Event::Measured { port, report, .. } if *port == id => Some(*report),
            _ => None,
        });
        last.expect("a report was due")
    }

    /// Takes a peer's leg out.
    pub(crate) fn leave(&mut self, index: usize) -> PortReport {
        self.peers[index].talker = None;
        let port = PortId(self.peers[index].lent);
        match self.command(Action::RemovePort { port }) {
            Ok(Done::PortRemoved(report)) => *report,
            other => panic!("{other:?}"),
        }
    }

    /// Changes a leg's direction and format; its address stays.
    pub(crate) fn update(&mut self, index: usize, stream: StreamSpec) {
        let (lent, address) = (self.peers[index].lent, self.peers[index].address);
        let transport = transport(lent, address);
        let action = Action::UpdatePort { port: PortId(lent), transport, stream };
        assert_eq!(self.command(action), Ok(Done::PortUpdated));
    }

    /// Lets time pass: each peer sends 20 ms packets, the shard ticks.
    pub(crate) fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.busy_ms(10);
            self.tick_now();
        }
    }

    /// Ticks without moving the clock.
    pub(crate) fn tick_now(&mut self) {
        let mut sink = Kept(Vec::new());
        self.shard.tick(self.now, &mut sink);
        for (lent, channel, to, bytes) in sink.0 {
            match self.peers.iter_mut().find(|peer| peer.address == to) {
                Some(peer) if rtp::is_rtcp(&bytes) => {
                    assert_eq!((lent, channel), (peer.lent, Channel::Rtp), "muxed");
                    peer.reports.push((self.tick, bytes));
                }
                Some(peer) => peer.take(lent, self.tick, &bytes),
                None => self.elsewhere.push(to),
            }
        }
        self.drain();
    }

    /// Lets time pass in which the peers talk and are read, and the thread does not come to tick.
    pub(crate) fn busy_ms(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.tick += 1;
            if self.tick.is_multiple_of(2) {
                self.talk();
            }
            self.now += TICK;
        }
    }

    /// Lets time pass in which the machine stands still.
    pub(crate) fn freeze(&mut self, time: Duration) {
        self.now += time;
    }

    fn talk(&mut self) {
        for (index, peer) in self.peers.iter_mut().enumerate() {
            let Some(talker) = &mut peer.talker else { continue };
            let bytes = talker.packet(160);
            if (self.lossy)(index, self.tick) {
                let at = (peer.lent, Channel::Rtp);
                self.shard.handle_packet(self.now, at, peer.address, &bytes);
            }
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            match event {
                Event::Measured { .. } | Event::Paced { .. } => self.figures.push(event),
                event => self.events.push(event),
            }
        }
        self.farewells.extend(std::iter::from_fn(|| self.shard.poll_farewell()));
        self.released.extend(std::iter::from_fn(|| self.shard.poll_released()));
    }
}

impl Peer {
    fn take(&mut self, lent: u32, tick: u64, bytes: &[u8]) {
        assert_eq!(lent, self.lent, "sent from another leg's socket");
        let packet = RtpPacket::parse(bytes).expect("what we send is RTP");
        let mut codec = match packet.header.payload_type {
            8 => G711::Alaw,
            _ => G711::Ulaw,
        };
        let mut samples = vec![0; packet.payload.len()];
        codec.decode(packet.payload, &mut samples);
        self.heard.extend(samples);
        self.headers.push(packet.header);
        self.csrcs.push(packet.csrcs().collect());
        self.packets.push(bytes.to_vec());
        self.ticks.push(tick);
    }
}

/// Keeps what is sent.
struct Kept(Vec<(u32, Channel, SocketAddr, Vec<u8>)>);

impl Sink for Kept {
    fn send(&mut self, lent: u32, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        self.0.push((lent, channel, to, bytes.to_vec()));
    }
}
