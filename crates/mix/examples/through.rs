//! One talker through the mixer, over a bad network, under virtual time: what the listener hears, to be judged by a
//! program that knows speech.
//!
//! `through IN OUT LOSS JITTER SEED`: files of 16-bit little-endian samples at 8 kHz; loss in percent, jitter in
//! milliseconds (uniform, 0 to that much), and a number that repeats the run.

#![expect(clippy::print_stdout, reason = "a command line tool: the report is what it says")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use audio::{Decoder as _, Encoder as _, G711};
use mix::message::{
    Action, Channel, Codec, Command, ConferenceKey, Done, Epoch, Event, Format, LentPort, PortId,
    PortReport, StreamSpec, TransportSpec,
};
use mix::{Shard, ShardConfig, Sink, TICK};
use rtp::{HEADER_BYTES, Header, RtpPacket};
use units::{Instant, Rng};

const PACKET_SAMPLES: usize = 160;
const CONFERENCE: ConferenceKey = ConferenceKey { slot: 0, generation: 1 };
const PCMU: Format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };

/// The listener's ears: packets come at once and in order.
struct Ears(Vec<i16>);

impl Sink for Ears {
    fn send(&mut self, lent: u32, _: Channel, _to: SocketAddr, bytes: &[u8]) {
        if rtp::is_rtcp(bytes) {
            return;
        }
        let Ok(packet) = RtpPacket::parse(bytes) else { return };
        if lent != 2 {
            return;
        }
        let begin = self.0.len();
        self.0.resize(begin + packet.payload.len(), 0);
        G711::Ulaw.decode(packet.payload, &mut self.0[begin..]);
    }
}

fn peer(n: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)), 4_000)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, loss, jitter, seed] = words.as_slice() else {
        return Err("through IN OUT LOSS JITTER SEED".into());
    };
    let bytes = std::fs::read(input)?;
    let voice: Vec<i16> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let way =
        Way { loss: loss.parse()?, jitter_us: jitter.parse::<u64>()? * 1_000, seed: seed.parse()? };
    let (heard, report) = through(&voice, &way);
    println!("{}", serde_json::to_string(&report)?);
    let bytes: Vec<u8> = heard.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    Ok(std::fs::write(output, bytes)?)
}

/// What happens to packets.
struct Way {
    loss: f64,
    jitter_us: u64,
    seed: u64,
}

fn through(voice: &[i16], way: &Way) -> (Vec<i16>, PortReport) {
    let mut rng = Rng::from_number(way.seed);
    let mut shard = shard();
    let begin = Instant::from_millis(1_007);
    let mut under_way: Vec<(Instant, Vec<u8>)> = Vec::new();
    for (n, said) in (0..).zip(voice.chunks_exact(PACKET_SAMPLES)) {
        let late = Duration::from_micros(rng.below(way.jitter_us + 1));
        if !rng.percent(way.loss) {
            under_way.push((begin + Duration::from_millis(20) * n + late, packet(n, said)));
        }
    }
    under_way.sort_by_key(|(at, _)| *at);
    let mut arriving = under_way.into_iter().peekable();
    let mut ears = Ears(Vec::new());
    let ticks = voice.len() / 80 + 50;
    let mut now = Instant::from_millis(1_000);
    for _ in 0..ticks {
        now += TICK;
        while let Some((at, bytes)) = arriving.next_if(|(at, _)| *at <= now) {
            shard.handle_packet(at, (1, Channel::Rtp), peer(1), &bytes);
        }
        shard.tick(now, &mut ears);
        while shard.poll_event().is_some() {}
    }
    let action = Action::RemovePort { port: PortId(1) };
    shard.handle_command(now, Command { id: 9, conference: CONFERENCE, epoch: Epoch(1), action });
    let report = std::iter::from_fn(|| shard.poll_event()).find_map(|event| match event {
        Event::Reply { outcome: Ok(Done::PortRemoved(report)), .. } => Some(*report),
        _ => None,
    });
    (ears.0, report.unwrap_or_default())
}

fn packet(n: u32, said: &[i16]) -> Vec<u8> {
    let mut payload = [0; PACKET_SAMPLES];
    G711::Ulaw.encode(said, &mut payload);
    let header = Header {
        marker: n == 0,
        payload_type: 0,
        sequence: u16::try_from(n).unwrap_or_default(),
        timestamp: n * 160,
        ssrc: 7,
    };
    let mut bytes = vec![0; HEADER_BYTES + PACKET_SAMPLES];
    let len = rtp::write(&header, &payload, &mut bytes).unwrap_or_default();
    bytes.truncate(len);
    bytes
}

/// A talker (1) and a listener (2) in one conference.
fn shard() -> Shard {
    let mut shard = Shard::new(ShardConfig::default(), Rng::from_number(1));
    let now = Instant::from_millis(1_000);
    let mut id = 0;
    let mut command = |shard: &mut Shard, action| {
        id += 1;
        shard.handle_command(now, Command { id, conference: CONFERENCE, epoch: Epoch(1), action });
    };
    command(&mut shard, Action::OpenConference);
    for n in [1, 2] {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 20_000 + 2 * u16::from(n));
        shard.add_lent(LentPort { id: u32::from(n), address });
        let (remote, lent) = (peer(n), u32::from(n));
        let transport = TransportSpec::muxed(lent, remote);
        let stream = StreamSpec::both_ways(PCMU);
        command(&mut shard, Action::AddPort { port: PortId(lent), transport, stream });
    }
    while shard.poll_event().is_some() {}
    shard
}
