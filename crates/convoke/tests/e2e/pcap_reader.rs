//! A reader of capture files, as small as may be, that believes nothing: every length and checksum is looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) unix_micros: u64,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// Sequence and acknowledgement number, if it is TCP.
    pub(crate) tcp: Option<(u32, u32)>,
    pub(crate) payload: Vec<u8>,
}

/// Reads a whole file.
pub(crate) fn read(file: &[u8]) -> Vec<Captured> {
    assert_eq!(little(&file[0..4]), 0xa1b2_c3d4, "microseconds, little-endian");
    assert_eq!((&file[4..8], &file[8..16]), (&[2, 0, 4, 0][..], &[0; 8][..]), "version 2.4, UTC");
    assert_eq!(little(&file[20..24]), 101, "raw IP");
    let mut rest = &file[24..];
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (seconds, micros) = (little(&rest[0..4]), little(&rest[4..8]));
        let (length, original) = (little(&rest[8..12]) as usize, little(&rest[12..16]) as usize);
        assert!(micros < 1_000_000 && length == original && length <= 65_535, "{micros} {length}");
        let unix_micros = u64::from(seconds) * 1_000_000 + u64::from(micros);
        packets.push(packet(unix_micros, &rest[16..16 + length]));
        rest = &rest[16 + length..];
    }
    packets
}

fn packet(unix_micros: u64, ip: &[u8]) -> Captured {
    let (from, to, protocol, pseudo, rest): (IpAddr, IpAddr, u8, Vec<u8>, &[u8]) = match ip[0] >> 4
    {
        4 => {
            assert_eq!((ip[0], usize::from(big(&ip[2..4]))), (0x45, ip.len()), "no options");
            assert_eq!(sum(&ip[..20]), 0xffff, "the header's checksum");
            let address = |at: usize| Ipv4Addr::from_octets(ip[at..at + 4].try_into().expect("4"));
            let length = u16::try_from(ip.len() - 20).expect("short").to_be_bytes();
            let pseudo = [&ip[12..20], &[0, ip[9]], &length].concat();
            (address(12).into(), address(16).into(), ip[9], pseudo, &ip[20..])
        }
        6 => {
            assert_eq!(usize::from(big(&ip[4..6])), ip.len() - 40);
            let address =
                |at: usize| Ipv6Addr::from_octets(ip[at..at + 16].try_into().expect("16"));
            let pseudo = [&ip[8..40], &[0, 0], &ip[4..6], &[0, 0, 0, ip[6]]].concat();
            (address(8).into(), address(24).into(), ip[6], pseudo, &ip[40..])
        }
        version => panic!("IP version {version}"),
    };
    assert_eq!(sum(&[&pseudo, rest].concat()), 0xffff, "the checksum");
    let (from, to) =
        (SocketAddr::new(from, big(&rest[0..2])), SocketAddr::new(to, big(&rest[2..4])));
    let (tcp, begin) = match protocol {
        17 => {
            assert_eq!(usize::from(big(&rest[4..6])), rest.len());
            (None, 8)
        }
        6 => {
            assert_eq!((rest[12], rest[13]), (0x50, 0x18), "no options; PSH and ACK");
            let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("4"));
            (Some((number(4), number(8))), 20)
        }
        protocol => panic!("protocol {protocol}"),
    };
    Captured { unix_micros, from, to, tcp, payload: rest[begin..].to_vec() }
}

fn little(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

fn big(bytes: &[u8]) -> u16 {
    u16::from_be_bytes(bytes.try_into().expect("two bytes"))
}

/// The sum of RFC 1071: all ones where the checksum is right.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded")
}
