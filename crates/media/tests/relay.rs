//! A talker behind a bad network, with real sockets on loopback: a seeded relay loses, delays and reorders what he
//! sends. Nothing here waits for a time to pass: the mixer's own packets are the clock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use audio::{Decoder as _, Encoder as _, G711};
use media::{Delivery, Engine, EngineConfig, MediaBind};
use mix::message::{
    Action, Codec, Command, ConferenceKey, Done, Epoch, Event, Format, LentPort, PortId,
    PortReport, StreamSpec, TransportSpec,
};
use units::Rng;

const PATIENCE: Duration = Duration::from_secs(30);
const CONFERENCE: ConferenceKey = ConferenceKey { slot: 0, generation: 1 };
const PCMU: Format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };

/// Forwards datagrams, but not all, and not all at once.
struct Relay {
    socket: UdpSocket,
    to: SocketAddr,
    rng: Rng,
    /// What is held back, and for how many turns more.
    held: Vec<(u64, Vec<u8>)>,
    lost: u64,
    forwarded: u64,
}

impl Relay {
    /// One turn of 20 ms: takes a datagram (5 % of them never leave), and forwards what has been held for long
    /// enough. Every fourth is held for one to three turns, and so comes after later ones.
    fn turn(&mut self, datagram: Vec<u8>) {
        if self.rng.percent(5.0) {
            self.lost += 1;
        } else {
            let turns = if self.rng.percent(25.0) { 1 + self.rng.below(3) } else { 0 };
            self.held.push((turns, datagram));
        }
        for (turns, datagram) in &mut self.held {
            if *turns == 0 {
                self.socket.send_to(datagram, self.to).expect("sent");
                self.forwarded += 1;
            }
        }
        self.held.retain(|(turns, _)| *turns > 0);
        self.held.iter_mut().for_each(|(turns, _)| *turns -= 1);
    }
}

fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket
}

/// What a listener hears, tick by tick of his packets.
fn listen(socket: &UdpSocket, heard: &mut Vec<i16>) {
    let mut bytes = [0; 1_000];
    let len = loop {
        let (len, _) = socket.recv_from(&mut bytes).expect("a packet");
        if !rtp::is_rtcp(&bytes[..len]) {
            break len;
        }
    };
    let packet = rtp::RtpPacket::parse(&bytes[..len]).expect("RTP");
    let begin = heard.len();
    heard.resize(begin + packet.payload.len(), 0);
    G711::Ulaw.decode(packet.payload, &mut heard[begin..]);
}

/// The engine's replies and sockets.
struct Mixer {
    engine: Engine,
    events: Receiver<Event>,
    lent: Vec<LentPort>,
    last: u64,
}

impl Mixer {
    fn start(ip: IpAddr) -> Self {
        let (sender, events) = sync_channel(10_000);
        let config = EngineConfig {
            binds: vec![MediaBind { ip, ports: 20_000..=29_999 }],
            shards: 1,
            cores: vec![],
            seed: [9; 32],
            dscp: media::DSCP_EF,
            rest: Duration::ZERO,
            shard: mix::ShardConfig::default(),
        };
        let engine = Engine::start(&config, move |_, event| {
            sender.try_send(event).expect("room for every event of a test");
            Delivery::Taken
        });
        Self { engine: engine.expect("starts"), events, lent: vec![], last: 0 }
    }

    fn command(&mut self, action: Action) -> Done {
        self.last += 1;
        let command = Command { id: self.last, conference: CONFERENCE, epoch: Epoch(1), action };
        self.engine.command(0, command).expect("taken");
        loop {
            match self.events.recv_timeout(PATIENCE).expect("an event") {
                Event::Lent { ports } => self.lent.extend(ports),
                Event::Reply { outcome, .. } => return outcome.expect("done"),
                _ => {}
            }
        }
    }

    fn join(&mut self, n: usize, remote: SocketAddr) -> SocketAddr {
        let lent = self.lent[n];
        let transport = TransportSpec::muxed(lent.id, remote);
        let stream = StreamSpec::both_ways(PCMU);
        let port = PortId(u32::try_from(n).expect("small"));
        assert_eq!(self.command(Action::AddPort { port, transport, stream }), Done::PortAdded);
        lent.address
    }

    fn leave(&mut self, n: u32) -> PortReport {
        match self.command(Action::RemovePort { port: PortId(n) }) {
            Done::PortRemoved(report) => *report,
            other => panic!("{other:?}"),
        }
    }
}

/// What the relay loses is concealed, what it reorders is put in order, and the voice is heard as loud as it was.
#[test]
fn a_voice_comes_through_a_relay_that_loses_and_reorders() {
    const PACKETS: u32 = 400;
    let ip = IpAddr::V4(Ipv4Addr::new(127, 77, std::process::id().to_le_bytes()[0], 7));
    let mut mixer = Mixer::start(ip);
    assert_eq!(mixer.command(Action::OpenConference), Done::ConferenceOpened);
    let (relay, listener) = (socket(ip), socket(ip));
    let to = mixer.join(0, relay.local_addr().expect("bound"));
    mixer.join(1, listener.local_addr().expect("bound"));
    let (held, rng) = (vec![], Rng::from_number(11));
    let mut relay = Relay { socket: relay, to, rng, held, lost: 0, forwarded: 0 };
    let voice = audio::tone(400.0, 8_000, -12.0, 160);
    let mut payload = [0; 160];
    G711::Ulaw.encode(&voice, &mut payload);
    let mut heard = Vec::new();
    for n in 0..PACKETS {
        listen(&listener, &mut heard);
        let sequence = u16::try_from(n).expect("small");
        let header = rtp::Header { ssrc: 5, sequence, timestamp: n * 160, ..Default::default() };
        let mut bytes = vec![0; 172];
        rtp::write(&header, &payload, &mut bytes).expect("fits");
        relay.turn(bytes);
    }
    let report = mixer.leave(0);
    assert!(relay.lost >= 10 && relay.forwarded >= 350, "else nothing is tested");
    assert!(report.received + report.dropped_unproved + 8 >= relay.forwarded, "{report:?}");
    assert!(report.lost >= relay.lost - 2, "{report:?}");
    assert!(report.reordered + report.late >= 20, "{report:?}");
    assert!(report.concealed_samples > 0, "{report:?}");
    let level = audio::goertzel(&heard[heard.len() - 24_000..], 8_000, 400.0);
    assert!(level > -16.0, "the tone at {level} dB, of -12 said; {report:?}");
}
