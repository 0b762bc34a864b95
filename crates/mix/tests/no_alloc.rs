//! The tick and the arrival of packets do not allocate, whatever arrives.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mix::message::{
    Action, Channel, Codec, Command, ConferenceKey, Epoch, Event, Format, LentPort, Listeners,
    PortId, Prompt, StreamSpec, TransportSpec,
};
use mix::{Shard, ShardConfig, Sink, TICK};
use units::{Instant, Rng};

/// The system's allocator, which counts what this thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ASKED.with(|asked| asked.set(asked.get() + 1));
}

#[expect(unsafe_code, reason = "there is no other way to see an allocation")]
// SAFETY: everything is handed on to the system's allocator, unchanged; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` asks the allocator for anything, or gives anything back.
fn asked_by(work: impl FnOnce()) -> u64 {
    let before = ASKED.with(Cell::get);
    work();
    ASKED.with(Cell::get) - before
}

const CONFERENCES: u32 = 10;
const LEGS: u32 = 10;
const TICKS: u64 = 8_000;

struct Count {
    packets: u64,
    bytes: usize,
}

impl Sink for Count {
    fn send(&mut self, _lent: u32, _channel: Channel, _to: SocketAddr, bytes: &[u8]) {
        self.packets += 1;
        self.bytes += bytes.len();
    }
}

#[test]
fn the_counter_sees_an_allocation() {
    assert!(asked_by(|| drop(std::hint::black_box(vec![1_u8]))) >= 2);
    assert_eq!(asked_by(|| ()), 0);
}

#[test]
fn ten_conferences_of_ten_legs_mix_without_an_allocation() {
    let mut shard = shard_with_legs();
    let mut now = Instant::from_millis(1);
    let mut sink = Count { packets: 0, bytes: 0 };
    let mut rng = Rng::from_number(1);
    let (mut asked, mut silent, mut latched, mut talked, mut keys) = (0, 0, 0, 0, 0);
    let (mut measured, mut paced) = (0, 0);
    let mut bytes = [0; 700];
    for tick in 0..TICKS {
        for leg in (0..CONFERENCES * LEGS).filter(|leg| (u64::from(*leg) + tick) % 2 == 0) {
            for _ in 0..=rng.below(2) {
                let len = packet(leg, tick, &mut rng, &mut bytes);
                let from = if rng.percent(2.0) { address(leg, 9_999) } else { address(leg, 4_000) };
                asked += asked_by(|| {
                    shard.handle_packet(now, (leg + 1, Channel::Rtp), from, &bytes[..len]);
                });
            }
        }
        if tick % 500 == 0 {
            // Between the ticks: prompts, some over others.
            for to in [Listeners::Everybody, Listeners::Port(PortId(1)), Listeners::Port(PortId(2))]
            {
                let conference = ConferenceKey { slot: 0, generation: 1 };
                let action = Action::Play { to, prompt: Prompt::EndsSoon };
                let command = Command { id: 1 << 40, conference, epoch: Epoch(1), action };
                shard.handle_command(now, command);
                assert!(matches!(shard.poll_event(), Some(Event::Reply { outcome: Ok(_), .. })));
            }
        }
        now += TICK;
        if tick % 997 == 0 {
            now += Duration::from_millis(200); // late: some ticks are left out
        }
        asked += asked_by(|| shard.tick(now, &mut sink));
        while let Some(event) = shard.poll_event() {
            match event {
                Event::Silent { .. } => silent += 1,
                Event::Latched { .. } => latched += 1,
                Event::Talking { .. } => talked += 1,
                Event::KeyPressed { .. } => keys += 1,
                Event::Measured { .. } => measured += 1,
                Event::Paced { .. } => paced += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(asked, 0);
    // What was measured did happen.
    assert_eq!(shard.counters().ticks, TICKS);
    assert!(shard.counters().ticks_skipped > 0);
    assert!(sink.packets > TICKS * 40, "{}", sink.packets);
    assert!(sink.bytes > 0);
    assert!(latched >= 90, "{latched}");
    assert!(silent >= 10, "{silent}");
    assert!(talked >= 90, "{talked}");
    assert!(keys > 0);
    assert!(measured >= 1_000, "{measured}");
    assert_eq!(paced, TICKS / 100);
}

/// Writes what leg number `leg` sends: mostly RTP, some of it broken in one way or another.
fn packet(leg: u32, tick: u64, rng: &mut Rng, bytes: &mut [u8]) -> usize {
    // Every tenth leg sends for a while, and then no more.
    if leg % 10 == 9 && tick > 2_000 {
        return rtp_free(bytes);
    }
    match rng.below(100) {
        0 => {
            bytes[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 1]); // RTCP
            8
        }
        1 => {
            let len = usize::try_from(rng.below(700)).expect("small");
            bytes[..len].fill(u8::try_from(rng.below(256)).expect("a byte"));
            len
        }
        kind => {
            let number = tick / 2 + if kind == 2 { rng.below(60_000) } else { 0 };
            let number = u32::try_from(number).expect("small");
            let ssrc = if tick < 5_000 { leg } else { leg + 1_000 };
            let payload_type = [0, 0, 8, 13, 101][usize::try_from(rng.below(5)).expect("small")];
            bytes[..2]
                .copy_from_slice(&[0x80, if leg.is_multiple_of(2) { 0 } else { payload_type }]);
            bytes[2..4].copy_from_slice(&number.to_be_bytes()[2..]);
            bytes[4..8].copy_from_slice(&number.wrapping_mul(160).to_be_bytes());
            bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
            let len = 12 + if kind == 3 { 0 } else { 160 };
            bytes[12..len].fill(u8::try_from(kind).expect("small"));
            len
        }
    }
}

/// A datagram that is no sign of life.
fn rtp_free(bytes: &mut [u8]) -> usize {
    bytes[..4].copy_from_slice(b"\r\n\r\n");
    4
}

fn address(leg: u32, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + leg)), port)
}

fn shard_with_legs() -> Shard {
    let mut shard = Shard::new(ShardConfig::default(), Rng::from_number(1));
    let mut id = 0;
    let now = Instant::ZERO;
    for slot in 0..CONFERENCES {
        let conference = ConferenceKey { slot, generation: 1 };
        let mut command = |shard: &mut Shard, action| {
            id += 1;
            shard.handle_command(now, Command { id, conference, epoch: Epoch(1), action });
        };
        command(&mut shard, Action::OpenConference);
        for n in 0..LEGS {
            let leg = slot * LEGS + n;
            shard.add_lent(LentPort { id: leg + 1, address: address(0, 20_000) });
            let format = |codec, payload_type| Format { codec, payload_type, ptime_ms: 20 };
            let (pcmu, pcma) = (format(Codec::Pcmu, 0), format(Codec::Pcma, 8));
            let remote = address(leg, 4_000);
            let transport = TransportSpec::muxed(leg + 1, remote);
            let stream = StreamSpec {
                receive: vec![pcmu, pcma],
                keys: (n % 3 == 0).then_some(101),
                ..StreamSpec::both_ways(if n % 2 == 0 { pcmu } else { pcma })
            };
            command(&mut shard, Action::AddPort { port: PortId(n), transport, stream });
        }
    }
    while let Some(event) = shard.poll_event() {
        if let Event::Reply { outcome, .. } = event {
            outcome.expect("done");
        }
    }
    shard
}
