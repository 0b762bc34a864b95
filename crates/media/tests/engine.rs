//! Real sockets on loopback. Nothing here waits for a time to pass: the tests block on what must come,
//! and the time-outs only end a test that has failed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use audio::{Decoder as _, Encoder as _, G711};
use media::{DSCP_EF, Delivery, Engine, EngineConfig, MediaBind, ShardReport, StartError};
use mix::ShardConfig;
use mix::message::{
    Action, Codec, Command, ConferenceKey, Done, Epoch, Event, Format, LentPort, PortId, Refused,
    RtcpPath, StreamSpec, TransportSpec,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A loopback address that no other test, nor another run of this one, uses at the same time.
fn own_ip() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    IpAddr::V4(Ipv4Addr::from_bits(0x7f00_0000 | (std::process::id() & 0xffff) << 8 | n))
}

fn config(ip: IpAddr, ports: RangeInclusive<u16>) -> EngineConfig {
    EngineConfig {
        binds: vec![MediaBind { ip, ports }],
        shards: 1,
        cores: vec![],
        seed: [7; 32],
        dscp: DSCP_EF,
        // What comes back is lent again at once.
        rest: Duration::ZERO,
        shard: ShardConfig::default(),
    }
}

/// An engine and what it tells.
struct Rig {
    engine: Engine,
    events: Receiver<(u16, Event)>,
    lent: Vec<LentPort>,
    last_command: u64,
}

const CONFERENCE: ConferenceKey = ConferenceKey { slot: 0, generation: 1 };

impl Rig {
    fn start(config: &EngineConfig) -> Self {
        let (sender, events) = sync_channel(10_000);
        let engine = Engine::start(config, move |shard, event| {
            sender.try_send((shard, event)).expect("room for every event of a test");
            Delivery::Taken
        });
        Self { engine: engine.expect("starts"), events, lent: vec![], last_command: 0 }
    }

    fn event(&mut self) -> (u16, Event) {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// Gives a command and waits for its reply; keeps what is lent meanwhile.
    fn command(&mut self, shard: u16, action: Action) -> Result<Done, Refused> {
        self.last_command += 1;
        let id = self.last_command;
        let command = Command { id, conference: CONFERENCE, epoch: Epoch(1), action };
        self.engine.command(shard, command).expect("taken");
        loop {
            match self.event() {
                (_, Event::Lent { ports }) => self.lent.extend(ports),
                (of, Event::Reply { id: replied, outcome, .. }) => {
                    assert_eq!((of, replied), (shard, id));
                    return outcome;
                }
                (
                    _,
                    Event::Latched { .. }
                    | Event::Measured { .. }
                    | Event::Paced { .. }
                    | Event::Silent { .. }
                    | Event::Talking { .. },
                ) => {}
                (_, event @ (Event::Failed { .. } | Event::KeyPressed { .. })) => {
                    panic!("{event:?}")
                }
            }
        }
    }

    /// Waits until something is lent.
    fn wait_lent(&mut self) -> Vec<LentPort> {
        loop {
            if let (_, Event::Lent { ports }) = self.event() {
                return ports;
            }
        }
    }

    fn add(&mut self, shard: u16, n: u32, lent: LentPort, remote: SocketAddr) {
        self.add_apart(shard, n, lent, (remote, RtcpPath::Muxed));
    }

    fn add_apart(
        &mut self,
        shard: u16,
        n: u32,
        lent: LentPort,
        (remote, rtcp): (SocketAddr, RtcpPath),
    ) {
        let format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };
        let transport =
            TransportSpec { lent: lent.id, remote: Some(remote), rtcp, signalling: remote.ip() };
        let stream = StreamSpec::both_ways(format);
        let added = self.command(shard, Action::AddPort { port: PortId(n), transport, stream });
        assert_eq!(added, Ok(Done::PortAdded));
    }

    /// A leg for a phone of ours, on a conference that is open.
    fn join(&mut self, shard: u16, n: u32, lent: LentPort, hz: f64) -> Phone {
        let phone = Phone::new(lent.address, n, hz);
        self.add(shard, n, lent, phone.socket.local_addr().expect("bound"));
        phone
    }

    fn report(&self, shard: usize) -> ShardReport {
        self.engine.report().shards[shard]
    }
}

/// Speaks a tone, and keeps what it hears.
struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    header: rtp::Header,
    voice: Vec<i16>,
    heard: Vec<i16>,
    /// The number of the last packet that came, and how many were missing between any two.
    last: Option<u16>,
    gaps: u32,
}

impl Phone {
    fn new(to: SocketAddr, ssrc: u32, hz: f64) -> Self {
        let socket = UdpSocket::bind((to.ip(), 0)).expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let header = rtp::Header { ssrc, ..rtp::Header::default() };
        let voice = audio::tone(hz, 8_000, -15.0, 8_000);
        Self { socket, to, header, voice, heard: vec![], last: None, gaps: 0 }
    }

    /// Waits for a packet, and answers it with one: so the mixer's clock is the phone's as well.
    fn exchange(&mut self) {
        let mut bytes = [0; 1_500];
        let len = loop {
            let (len, from) = self.socket.recv_from(&mut bytes).expect("a packet");
            assert_eq!(from, self.to, "symmetric RTP");
            if !rtp::is_rtcp(&bytes[..len]) {
                break len;
            }
        };
        let packet = rtp::RtpPacket::parse(&bytes[..len]).expect("RTP");
        let sequence = packet.header.sequence;
        if self.last.replace(sequence).is_some_and(|last| last.wrapping_add(1) != sequence) {
            self.gaps += 1;
        }
        let mut samples = [0; 160];
        let count = G711::Ulaw.decode(packet.payload, &mut samples);
        self.heard.extend(&samples[..count]);

        let begin = usize::from(self.header.sequence) * 160 % 8_000;
        let mut payload = [0; 160];
        G711::Ulaw.encode(&self.voice[begin..begin + 160], &mut payload);
        let len = rtp::write(&self.header, &payload, &mut bytes).expect("fits");
        self.socket.send_to(&bytes[..len], self.to).expect("sent");
        self.header.sequence += 1;
        self.header.timestamp += 160;
    }

    /// How loud a tone was in the last second.
    fn level(&self, hz: f64) -> f64 {
        audio::goertzel(&self.heard[self.heard.len() - 8_000..], 8_000, hz)
    }
}

#[test]
fn two_phones_hear_each_other_and_not_themselves() {
    let mut rig = Rig::start(&config(own_ip(), 20_000..=29_999));
    let lent = rig.wait_lent();
    assert_eq!(rig.command(0, Action::OpenConference), Ok(Done::ConferenceOpened));
    let mut a = rig.join(0, 1, lent[0], 300.0);
    let mut b = rig.join(0, 2, lent[1], 700.0);
    for _ in 0..100 {
        a.exchange();
        b.exchange();
    }
    assert!(a.level(700.0) > a.level(300.0) + 15.0, "{} {}", a.level(700.0), a.level(300.0));
    assert!(b.level(300.0) > b.level(700.0) + 15.0, "{} {}", b.level(300.0), b.level(700.0));
    let Ok(Done::PortRemoved(report)) = rig.command(0, Action::RemovePort { port: PortId(1) })
    else {
        panic!("no report");
    };
    assert!((90..=98).contains(&report.received), "{report:?}");
    assert!(report.sent >= 100);
    let closed = rig.command(0, Action::CloseConference);
    assert_eq!(closed, Ok(Done::ConferenceClosed { ports: 1 }));
    let end = rig.engine.stop().shards[0];
    assert_eq!((end.conferences, end.legs, end.sockets, end.conferences_failed), (0, 0, 0, 0));
    assert!(end.received >= 190 && end.sent >= 200 && end.send_errors == 0, "{end:?}");
}

/// One shard with an address of each family: legs of both are in one mix.
#[test]
fn phones_of_both_families_hear_each_other() {
    // There is but one IPv6 address for all the tests of this machine.
    let first = 24_000 + u16::try_from(std::process::id() % 1_000).expect("small") * 4;
    let mut config = config(own_ip(), first..=first + 2);
    config.binds.push(MediaBind { ip: Ipv6Addr::LOCALHOST.into(), ports: first..=first + 2 });
    let mut rig = Rig::start(&config);
    let lent = rig.wait_lent();
    let of = |is_v6| lent.iter().find(|port| port.address.is_ipv6() == is_v6).expect("lent");
    let (v4, v6) = (of(false), of(true));
    assert_eq!(rig.command(0, Action::OpenConference), Ok(Done::ConferenceOpened));
    let mut a = rig.join(0, 1, *v4, 300.0);
    let mut b = rig.join(0, 2, *v6, 700.0);
    for _ in 0..100 {
        a.exchange();
        b.exchange();
    }
    assert!(a.level(700.0) > a.level(300.0) + 15.0, "{} {}", a.level(700.0), a.level(300.0));
    assert!(b.level(300.0) > b.level(700.0) + 15.0, "{} {}", b.level(300.0), b.level(700.0));
    // What comes back is lent again, of each family by itself.
    for (n, family) in [(1, false), (2, true)] {
        let removed = rig.command(0, Action::RemovePort { port: PortId(n) });
        assert!(matches!(removed, Ok(Done::PortRemoved(_))));
        let again = rig.wait_lent();
        assert_eq!(again.iter().map(|port| port.address.is_ipv6()).collect::<Vec<_>>(), [family]);
    }
}

/// Only even ports are bound, all come back, and when none is left none is lent.
#[test]
fn ports_are_lent_until_none_is_left_and_again_when_they_come_back() {
    let ip = own_ip();
    let mut rig = Rig::start(&config(ip, 20_001..=20_007));
    let lent = rig.wait_lent();
    let mut numbers: Vec<u16> = lent.iter().map(|port| port.address.port()).collect();
    assert_eq!(numbers, [20_002, 20_004, 20_006]);
    rig.command(0, Action::OpenConference).expect("opened");
    let phones: Vec<Phone> =
        (0..).zip(&lent).map(|(n, port)| rig.join(0, n, *port, 300.0)).collect();
    assert_eq!(rig.lent, [], "nothing is left to lend");
    assert_eq!(rig.report(0).sockets, 6, "two each");

    assert!(matches!(
        rig.command(0, Action::RemovePort { port: PortId(1) }),
        Ok(Done::PortRemoved(_))
    ));
    let again = rig.wait_lent();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].address.port(), 20_004);
    assert!(lent.iter().all(|port| port.id != again[0].id), "a lending's number is used once");
    let closed = rig.command(0, Action::CloseConference);
    assert_eq!(closed, Ok(Done::ConferenceClosed { ports: 2 }));
    drop(phones);

    rig.engine.stop();
    for port in numbers.drain(..) {
        UdpSocket::bind((ip, port)).expect("free after the stop");
    }
}

/// Nobody can be let in any more, so no command comes that would make the shard look again.
#[test]
fn ports_that_others_give_up_are_lent_though_nobody_asks() {
    let ip = own_ip();
    let other = UdpSocket::bind((ip, 20_004)).expect("free");
    let mut rig = Rig::start(&config(ip, 20_002..=20_005));
    let lent = rig.wait_lent();
    assert_eq!(lent.iter().map(|port| port.address.port()).collect::<Vec<_>>(), [20_002]);
    rig.command(0, Action::OpenConference).expect("opened");
    let nobody = SocketAddr::new(ip, 9);
    rig.add(0, 1, lent[0], nobody);
    assert_eq!(rig.lent, [], "the only other one is taken");
    // It was tried at the start and after each reply; only then does the other give it up.
    while rig.report(0).bind_failures < 3 {
        std::thread::yield_now();
    }
    drop(other);
    let again = rig.wait_lent();
    assert_eq!(again.iter().map(|port| port.address.port()).collect::<Vec<_>>(), [20_004]);
}

#[test]
fn two_engines_share_a_range() {
    let ip = own_ip();
    let mut first = Rig::start(&config(ip, 20_000..=20_999));
    let taken = first.wait_lent();
    let mut second = Rig::start(&config(ip, 20_000..=20_999));
    let others = second.wait_lent();
    assert_eq!(others.len(), taken.len());
    assert!(others.iter().all(|port| taken.iter().all(|it| it.address != port.address)));
    assert_eq!(second.report(0).bind_failures, taken.len() as u64);
}

/// An idle server costs nothing: while another shard works for a second, this one is not woken once.
#[test]
fn an_idle_shard_is_not_woken() {
    let mut config = config(own_ip(), 20_000..=29_999);
    config.shards = 2;
    let mut rig = Rig::start(&config);
    let mut lent = [vec![], vec![]];
    while lent.iter().any(Vec::is_empty) {
        if let (shard, Event::Lent { ports }) = rig.event() {
            lent[usize::from(shard)].extend(ports);
        }
    }
    // Each in turn works while the other is idle: not begun yet, or idle again.
    assert_eq!(rig.report(0).wakeups, 0);
    for (busy, idle, late_max) in [(1, 0, 0), (0, 1, LATE_WAKEUPS_MAX)] {
        let before = rig.report(idle).wakeups;
        let shard = u16::try_from(busy).expect("small");
        rig.command(shard, Action::OpenConference).expect("opened");
        let mut phone = rig.join(shard, 1, lent[busy][0], 300.0);
        for _ in 0..50 {
            phone.exchange();
        }
        assert!(
            rig.report(busy).ticks >= 90,
            "50 packets take 100 ticks; the last may be uncounted"
        );
        let wakeups = rig.report(idle).wakeups - before;
        assert!(wakeups <= late_max, "shard {idle} was woken {wakeups} times");
        let closed = rig.command(shard, Action::CloseConference);
        assert_eq!(closed, Ok(Done::ConferenceClosed { ports: 1 }));
    }
}

/// After the reply to the last command, its wake-up may still have to be counted, and if the thread was
/// awake when the command came there is another one that finds nothing to do.
const LATE_WAKEUPS_MAX: u64 = 2;

#[test]
fn a_caller_that_is_full_gets_every_event_later_and_in_order() {
    let (sender, events) = sync_channel(1);
    let config = config(own_ip(), 20_000..=20_003);
    let engine = Engine::start(&config, move |_, event| match sender.try_send(event) {
        Ok(()) => Delivery::Taken,
        Err(error) => match error {
            std::sync::mpsc::TrySendError::Full(event)
            | std::sync::mpsc::TrySendError::Disconnected(event) => Delivery::Full(event),
        },
    })
    .expect("starts");
    for id in 0..50 {
        let action = Action::OpenConference;
        let command = Command { id, conference: CONFERENCE, epoch: Epoch(1), action };
        engine.command(0, command).expect("taken");
    }
    let mut replied = 0;
    while replied < 50 {
        match events.recv_timeout(PATIENCE).expect("an event") {
            Event::Reply { id, .. } => {
                assert_eq!(id, replied);
                replied += 1;
            }
            event => assert!(matches!(event, Event::Lent { .. })),
        }
    }
}

#[test]
fn what_was_left_open_is_reported_and_its_sockets_are_closed() {
    let ip = own_ip();
    let mut rig = Rig::start(&config(ip, 20_000..=20_003));
    let lent = rig.wait_lent();
    rig.command(0, Action::OpenConference).expect("opened");
    let mut phone = rig.join(0, 1, lent[0], 300.0);
    phone.exchange();
    let end = rig.engine.stop().shards[0];
    assert_eq!((end.conferences, end.legs, end.sockets), (1, 1, 0));
    for port in lent {
        UdpSocket::bind(port.address).expect("free after the stop");
    }
}

#[test]
fn errors_of_sending_and_strays_are_counted_and_touch_nobody_else() {
    let mut rig = Rig::start(&config(own_ip(), 20_000..=20_099));
    let lent = rig.wait_lent();
    rig.command(0, Action::OpenConference).expect("opened");
    // An address of another family cannot be sent to from our socket.
    rig.add(0, 7, lent[0], "[::1]:4000".parse().expect("an address"));
    let mut phone = rig.join(0, 1, lent[1], 300.0);
    phone.socket.send_to(b"to a socket without a leg", lent[2].address).expect("sent");
    for _ in 0..10 {
        phone.exchange();
    }
    let report = rig.engine.stop().shards[0];
    assert!(report.send_errors >= 8, "{report:?}");
    assert_eq!(report.stray, 1);
    assert!(report.sent >= 10);
}

#[test]
fn a_core_that_is_not_there_is_counted_and_the_shard_works() {
    let mut config = config(own_ip(), 20_000..=20_003);
    config.cores = vec![100_000];
    let mut rig = Rig::start(&config);
    rig.command(0, Action::OpenConference).expect("opened");
    assert_eq!(rig.engine.stop().shards[0].pin_failures, 1);

    config.cores = vec![0];
    let mut rig = Rig::start(&config);
    rig.command(0, Action::OpenConference).expect("opened");
    assert_eq!(rig.engine.stop().shards[0].pin_failures, 0);
}

#[test]
fn what_cannot_start_says_why_and_leaves_nothing_bound() {
    let start = |config: &EngineConfig| Engine::start(config, |_, _| Delivery::Taken).map(|_| ());
    let ip = own_ip();
    let mut none = config(ip, 20_000..=20_003);
    none.shards = 0;
    assert_eq!(start(&none), Err(StartError::ShardCount { got: 0, max: 256 }));

    let odd = config(ip, 20_001..=20_001);
    assert_eq!(start(&odd), Err(StartError::NoPorts { first: 20_001, last: 20_001, shards: 1 }));

    // Documentation addresses (RFC 5737 §3) are nobody's.
    let foreign = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let kind = std::io::ErrorKind::AddrNotAvailable;
    let (first, last) = (20_000, 20_003);
    let refused = StartError::Bind { ip: foreign, first, last, kind };
    assert_eq!(start(&config(foreign, first..=last)), Err(refused));

    let taken = UdpSocket::bind((ip, 20_002)).expect("free");
    let mut both = config(ip, first..=last);
    both.shards = 2;
    let kind = std::io::ErrorKind::AddrInUse;
    assert_eq!(start(&both), Err(StartError::Bind { ip, first, last, kind }));
    drop(taken);
    UdpSocket::bind((ip, 20_000)).expect("the first shard's socket was closed again");
}

/// F20 · RFC 3550 §11: a phone that does not share the port of RTP gets RTCP on its next one, from our next one.
#[test]
fn rtcp_goes_from_port_to_port_where_it_is_apart() {
    let ip = own_ip();
    let mut rig = Rig::start(&config(ip, 20_000..=20_099));
    let lent = rig.wait_lent();
    rig.command(0, Action::OpenConference).expect("opened");
    let phone = Phone::new(lent[0].address, 1, 300.0);
    let rtcp = UdpSocket::bind((ip, 0)).expect("a free port");
    rtcp.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let apart = RtcpPath::Apart(Some(rtcp.local_addr().expect("bound")));
    rig.add_apart(0, 1, lent[0], (phone.socket.local_addr().expect("bound"), apart));
    let mut bytes = [0; 1_500];
    let (len, from) = rtcp.recv_from(&mut bytes).expect("a report, within 3 s");
    assert!(rtp::is_rtcp(&bytes[..len]));
    assert_eq!(from, SocketAddr::new(ip, lent[0].address.port() + 1));
    // And a BYE when the leg ends.
    rig.command(0, Action::RemovePort { port: PortId(1) }).expect("removed");
    loop {
        let (len, _) = rtcp.recv_from(&mut bytes).expect("BYE");
        let compound = rtp::rtcp::Compound::parse(&bytes[..len]).expect("well formed");
        if compound.packets().any(|packet| matches!(packet, rtp::rtcp::Packet::Bye(_))) {
            break;
        }
    }
}

/// T53: late packets of a leg that has ended come to nobody, and its port is not lent meanwhile.
#[test]
fn a_port_that_came_back_rests_and_what_comes_late_is_counted() {
    let mut config = config(own_ip(), 20_000..=20_001);
    config.rest = Duration::from_secs(3_600);
    let mut rig = Rig::start(&config);
    let lent = rig.wait_lent();
    rig.command(0, Action::OpenConference).expect("opened");
    let mut phone = rig.join(0, 1, lent[0], 300.0);
    phone.exchange();
    rig.command(0, Action::RemovePort { port: PortId(1) }).expect("removed");
    let late = b"what was under way";
    phone.socket.send_to(late, phone.to).expect("sent");
    while rig.report(0).late < 1 {
        std::thread::yield_now();
    }
    // Had it been lent again, that had been told before this reply.
    rig.command(0, Action::OpenConference).expect("open still");
    let report = rig.report(0);
    assert_eq!((report.resting, report.sockets, report.stray), (1, 2, 0));
    assert_eq!(rig.lent, []);
}

/// A fault in one conference ends that one; of the others not one packet is missing.
#[test]
fn a_fault_in_one_conference_costs_the_others_nothing() {
    let mut config = config(own_ip(), 20_000..=20_099);
    config.shard.fault_in = Some(1);
    let mut rig = Rig::start(&config);
    let lent = rig.wait_lent();
    rig.command(0, Action::OpenConference).expect("opened");
    let mut victim = rig.join(0, 1, lent[0], 300.0);
    let second = ConferenceKey { slot: 1, generation: 1 };
    let command = |rig: &mut Rig, action| {
        rig.last_command += 1;
        let (id, epoch) = (rig.last_command, Epoch(1));
        let command = Command { id, conference: second, epoch, action };
        rig.engine.command(0, command).expect("taken");
    };
    command(&mut rig, Action::OpenConference);
    let mut phone = Phone::new(lent[1].address, 2, 500.0);
    let remote = phone.socket.local_addr().expect("bound");
    let format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };
    let transport = TransportSpec::muxed(lent[1].id, remote);
    let stream = StreamSpec::both_ways(format);
    command(&mut rig, Action::AddPort { port: PortId(2), transport, stream });
    victim.exchange();
    for _ in 0..100 {
        phone.exchange();
    }
    let failed = loop {
        if let (0, event @ Event::Failed { .. }) = rig.event() {
            break event;
        }
    };
    assert_eq!(failed, Event::Failed { conference: CONFERENCE, epoch: Epoch(1) });
    let end = rig.engine.stop().shards[0];
    assert_eq!((end.conferences_failed, end.conferences, end.legs), (1, 1, 1));
    assert_eq!(phone.gaps, 0, "every packet of two seconds");
}

/// T42, T55: whoever floods one socket takes his turn and no more; ticks and the others go on.
#[test]
fn a_flooded_socket_is_left_alone_for_the_rest_of_the_tick() {
    let mut rig = Rig::start(&config(own_ip(), 20_000..=20_099));
    let lent = rig.wait_lent();
    rig.command(0, Action::OpenConference).expect("opened");
    let mut phone = rig.join(0, 1, lent[0], 300.0);
    while rig.report(0).pauses < 5 {
        for _ in 0..500 {
            // A full buffer is part of it.
            let _ = phone.socket.send_to(b"flood", lent[1].address);
        }
    }
    for _ in 0..10 {
        phone.exchange();
    }
    let end = rig.engine.stop().shards[0];
    assert!(end.stray >= 5 * 64, "{end:?}");
    assert_eq!(phone.gaps, 0);
}
