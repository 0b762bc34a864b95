//! From SIP messages to the packets of a capture file: classic pcap, raw IP, microseconds.
//!
//! The IP, UDP and TCP headers are made here: what is captured are messages, not what the network card saw. Over TCP a
//! message becomes segments whose sequence numbers go on from the message before, so that a reader puts the
//! stream together; there is no handshake, and no acknowledgement alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sip::Transport;

/// Streams whose sequence numbers are kept: more than there are connections at once, as a rule. Over it
/// the one that was silent longest is forgotten; should it go on, its numbers begin anew.
const STREAMS_MAX: usize = 4_096;

/// What a segment carries at most, as on Ethernet over IPv6.
const SEGMENT_BYTES_MAX: usize = 1_440;

/// The most that fits behind the headers of one IP packet; no message of ours is longer.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// `LINKTYPE_RAW`: each packet begins with its IP header.
const LINKTYPE_RAW: u32 = 101;

const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const TCP_HEADER_BYTES: u16 = 20;
const UDP_HEADER_BYTES: u16 = 8;

/// Makes packets, and keeps where each TCP stream is.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    streams: BTreeMap<(SocketAddr, SocketAddr), Stream>,
    messages: u64,
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// The sequence number of the next byte.
    next: u32,
    /// The message that it was last used for.
    last: u64,
}

/// What a file begins with.
pub(crate) fn file_header() -> [u8; 24] {
    let mut header = [0; 24];
    header[0..4].copy_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    header[4..6].copy_from_slice(&2_u16.to_le_bytes());
    header[6..8].copy_from_slice(&4_u16.to_le_bytes());
    header[16..20].copy_from_slice(&u32::from(u16::MAX).to_le_bytes());
    header[20..24].copy_from_slice(&LINKTYPE_RAW.to_le_bytes());
    header
}

impl Encoder {
    /// Appends the packets of one message to `out`.
    pub(crate) fn message(
        &mut self,
        unix_micros: u64,
        transport: Transport,
        (from, to): (SocketAddr, SocketAddr),
        message: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.messages += 1;
        if !transport.is_reliable() {
            let payload = &message[..message.len().min(DATAGRAM_BYTES_MAX)];
            return packet(unix_micros, (from, to), PROTOCOL_UDP, &udp((from, to), payload), out);
        }
        for payload in message.chunks(SEGMENT_BYTES_MAX) {
            let acknowledged = self.stream((to, from)).next;
            let stream = self.stream((from, to));
            let sequence = stream.next;
            stream.next = sequence.wrapping_add(length32(payload));
            let segment = tcp((from, to), sequence, acknowledged, payload);
            packet(unix_micros, (from, to), PROTOCOL_TCP, &segment, out);
        }
    }

    fn stream(&mut self, path: (SocketAddr, SocketAddr)) -> &mut Stream {
        if !self.streams.contains_key(&path) && self.streams.len() >= STREAMS_MAX {
            let silent = self.streams.iter().min_by_key(|(_, stream)| stream.last);
            if let Some(path) = silent.map(|(path, _)| *path) {
                self.streams.remove(&path);
            }
        }
        let stream = self.streams.entry(path).or_insert(Stream { next: 1, last: 0 });
        stream.last = self.messages;
        stream
    }
}

/// `message` without what proves a password: with it, passwords can be tried at leisure (RFC 7616 §5.10).
/// As long as before, so that nothing else moves.
pub(crate) fn masked(message: &[u8]) -> Vec<u8> {
    const PROOF: &[u8] = b"response=\"";
    let mut masked = message.to_vec();
    let (mut at, mut is_credentials) = (0, false);
    while at < masked.len() {
        let end = masked[at..].iter().position(|byte| *byte == b'\n');
        let end = end.map_or(masked.len(), |line| at + line + 1);
        let line = &mut masked[at..end];
        at = end;
        match line.first() {
            Some(b'\r' | b'\n') | None => break, // the body
            Some(b' ' | b'\t') => {}             // goes on from the line before
            Some(_) => {
                let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                let name = name.trim_ascii().to_ascii_lowercase();
                is_credentials = name == b"authorization" || name == b"proxy-authorization";
            }
        }
        let mut from = 0;
        while let Some(found) = is_credentials.then(|| find(&line[from..], PROOF)).flatten() {
            from += found + PROOF.len();
            line[from..].iter_mut().take_while(|byte| **byte != b'"').for_each(|byte| *byte = b'x');
        }
    }
    masked
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}

/// A record: its time and length, an IP header, and what comes behind that.
fn packet(
    unix_micros: u64,
    path: (SocketAddr, SocketAddr),
    protocol: u8,
    rest: &[u8],
    out: &mut Vec<u8>,
) {
    let header = match ips(path) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((length16(rest) + 20).to_be_bytes());
            // No identification, not to be fragmented, 64 hops; the checksum comes last.
            header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (from, to) => {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length16(rest).to_be_bytes());
            header.extend([protocol, 64]);
            header.extend(v6(from).octets());
            header.extend(v6(to).octets());
            header
        }
    };
    let length = length32(&header) + length32(rest);
    // 2106 is far; then it wraps.
    let seconds = u32::try_from(unix_micros / 1_000_000 % (1 << 32)).unwrap_or(0);
    let micros = u32::try_from(unix_micros % 1_000_000).unwrap_or(0);
    for word in [seconds, micros, length, length] {
        out.extend(word.to_le_bytes());
    }
    out.extend(header);
    out.extend(rest);
}

/// RFC 768
fn udp(path: (SocketAddr, SocketAddr), payload: &[u8]) -> Vec<u8> {
    let length = UDP_HEADER_BYTES + length16(payload);
    let mut datagram = Vec::with_capacity(length.into());
    datagram.extend(path.0.port().to_be_bytes());
    datagram.extend(path.1.port().to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    // RFC 768: zero would mean none.
    let sum = match checksum(&[&pseudo_header(path, PROTOCOL_UDP, length), &datagram]) {
        0 => u16::MAX,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

/// RFC 9293 §3.1: PSH and ACK, a full window.
fn tcp(
    path: (SocketAddr, SocketAddr),
    sequence: u32,
    acknowledged: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut segment = Vec::with_capacity(usize::from(TCP_HEADER_BYTES) + payload.len());
    segment.extend(path.0.port().to_be_bytes());
    segment.extend(path.1.port().to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledged.to_be_bytes());
    segment.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    let length = length16(&segment);
    let sum = checksum(&[&pseudo_header(path, PROTOCOL_TCP, length), &segment]);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// What a checksum covers beside the packet: RFC 9293 §3.1, RFC 8200 §8.1.
fn pseudo_header(path: (SocketAddr, SocketAddr), protocol: u8, length: u16) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    match ips(path) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend(from.octets());
            header.extend(to.octets());
            header.extend([0, protocol]);
            header.extend(length.to_be_bytes());
        }
        (from, to) => {
            header.extend(v6(from).octets());
            header.extend(v6(to).octets());
            header.extend(u32::from(length).to_be_bytes());
            header.extend([0, 0, 0, protocol]);
        }
    }
    header
}

/// Both of one family: IPv4 if both are, even where they are written as IPv6.
fn ips((from, to): (SocketAddr, SocketAddr)) -> (IpAddr, IpAddr) {
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (from.into(), to.into()),
        (from, to) => (v6(from).into(), v6(to).into()),
    }
}

const fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// RFC 1071, over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let mut sum: u32 = words.map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// Lengths are below 2^16: what is longer was cut before.
fn length16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

fn length32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
