//! Which conference a request means, and whether its sender receives where he sends from.

use std::fmt;
use std::net::IpAddr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sip::{Identifiers, Incoming};
use subtle::ConstantTimeEq;

/// Who asks, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// A digest user or a certificate.
    Authenticated(&'a str),
    /// Only an address; the port is left out, NATs change it.
    Source(IpAddr),
}

/// The secret that conferences are named with, ready to be used: what HMAC does with a key alone is done once.
#[derive(Clone)]
pub struct IdentityKey(Labelled);

impl IdentityKey {
    /// Makes it ready.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Labelled::new(secret, "convoke conference id 2"))
    }

    /// Names the conference that a request to a factory means: the same request again (other branch,
    /// other CSeq, other transport, after a 401, after a restart) gives the same ten bytes. `generation`
    /// rises when that conference was joined, has ended or has lost its owner.
    pub fn identity(
        &self,
        factory_uri: &str,
        call_id: &str,
        from_tag: &str,
        who: Who<'_>,
        generation: u32,
    ) -> [u8; 10] {
        let mut mac = self.0.clone();
        mac.field(factory_uri.as_bytes());
        mac.field(call_id.as_bytes());
        mac.field(from_tag.as_bytes());
        match who {
            Who::Authenticated(name) => {
                mac.field(b"name");
                mac.field(name.as_bytes());
            }
            Who::Source(address) => {
                mac.field(b"address");
                mac.field(&octets(address));
            }
        }
        mac.field(&generation.to_be_bytes());
        mac.cut()
    }
}

/// Names what `asker` has made under a key of his own: the same two mean the same conference. It stands in stores with the prints
/// of PINs, which are salted with it: a later version finds what an earlier one has made only as long as nothing here changes.
pub fn identity_under_key(secret: &[u8; 32], asker: &str, key: &str) -> [u8; 10] {
    let mut mac = Labelled::new(secret, "convoke conference id 1");
    for field in ["/v1/conferences", key, "", "name", asker] {
        mac.field(field.as_bytes());
    }
    mac.field(&[0; 4]);
    mac.cut()
}

/// The secret that the To tags of stateless answers are made with, ready to be used.
///
/// A tag is a prefix and an HMAC of Call-ID, From tag, CSeq number and source address. Who echoes it in the ACK receives at that
/// address (RFC 3261 §8.2.7 asks for the same tag on every copy; the rest is ours).
#[derive(Clone)]
pub struct TagKey(Labelled);

impl TagKey {
    /// Makes it ready.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Labelled::new(secret, "tag 2"))
    }

    /// The tag of an answer to this request.
    pub fn tag(&self, prefix: &str, incoming: &Incoming) -> String {
        let source = incoming.source.remote.ip();
        self.tag_of(prefix, incoming.essentials.identifiers(), source, &[])
    }

    /// The tag of an answer that tells of this conference: whoever sees it in the ACK sees which one that was.
    pub fn tag_about(&self, prefix: &str, incoming: &Incoming, conference: [u8; 10]) -> String {
        let source = incoming.source.remote.ip();
        self.tag_of(prefix, incoming.essentials.identifiers(), source, &conference)
    }

    /// Whether the To tag of this ACK is one that we gave to the INVITE it belongs to: its sender receives where he sends from.
    /// Constant time.
    pub fn proves_source(&self, prefix: &str, ack: &Incoming) -> bool {
        let to_tag = ack.essentials.to.tag().unwrap_or_default();
        let source = ack.source.remote.ip();
        let about = conference_in(prefix, to_tag);
        self.is_tag_of(prefix, (ack.essentials.identifiers(), to_tag), source, about.as_ref())
    }

    /// Which conference the answer told of that this ACK from `source` belongs to, by the tag in its To; `None`: of none, or
    /// the tag is none of ours.
    pub fn told_of(
        &self,
        prefix: &str,
        (ack, to_tag): (Identifiers<'_>, &str),
        source: IpAddr,
    ) -> Option<[u8; 10]> {
        let about = conference_in(prefix, to_tag)?;
        self.is_tag_of(prefix, (ack, to_tag), source, Some(&about)).then_some(about)
    }

    fn is_tag_of(
        &self,
        prefix: &str,
        (ack, to_tag): (Identifiers<'_>, &str),
        source: IpAddr,
        about: Option<&[u8; 10]>,
    ) -> bool {
        let about = about.map_or(&[][..], |about| about);
        // The prefix is no secret: whoever has another one was not answered here.
        to_tag.starts_with(prefix)
            && bool::from(
                to_tag.as_bytes().ct_eq(self.tag_of(prefix, ack, source, about).as_bytes()),
            )
    }

    fn tag_of(
        &self,
        prefix: &str,
        request: Identifiers<'_>,
        source: IpAddr,
        about: &[u8],
    ) -> String {
        let mut mac = self.0.clone();
        mac.field(request.call_id.as_bytes());
        mac.field(request.from_tag.unwrap_or_default().as_bytes());
        // The last fields have one length, but for what it is about; whether that is there the whole length says.
        mac.rest(&request.cseq.to_be_bytes());
        mac.rest(&octets(source));
        mac.rest(about);
        let proof: [u8; TAG_BYTES] = mac.cut();
        let mut tag = String::with_capacity(prefix.len() + 2 * TAG_CHARS);
        tag.push_str(prefix);
        for part in [about, &proof] {
            BASE32_NOPAD.encode_append(part, &mut tag);
        }
        tag[prefix.len()..].make_ascii_lowercase();
        tag
    }
}

/// The conference that a tag says it is about; nothing is checked.
fn conference_in(prefix: &str, tag: &str) -> Option<[u8; 10]> {
    let text = tag.strip_prefix(prefix).filter(|text| text.len() == 2 * TAG_CHARS)?;
    let bytes = BASE32_NOPAD_NOCASE.decode(text.as_bytes().get(..TAG_CHARS)?).ok()?;
    bytes.try_into().ok()
}

/// The same host may come as IPv4 or as mapped IPv6, by the socket it came in on: both are sixteen bytes, and the same.
const fn octets(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// An HMAC-SHA-256 over fields, each with its length in front, so that no two lists of fields look
/// alike; the label keeps uses of one key apart.
#[derive(Clone)]
pub struct Labelled(Hmac<Sha256>);

impl Labelled {
    /// Over no field yet.
    pub fn new(key: &[u8; 32], label: &str) -> Self {
        let mac = Hmac::new_from_slice(key).expect("invariant: HMAC takes any key length");
        let mut labelled = Self(mac);
        labelled.field(label.as_bytes());
        labelled
    }

    /// Takes one more.
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// What ends the list, if its length says where each part of it ends.
    fn rest(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The first N bytes, at most 32.
    pub fn cut<const N: usize>(self) -> [u8; N] {
        const { assert!(N <= 32, "SHA-256 has no more") };
        let mut cut = [0; N];
        cut.copy_from_slice(&self.0.finalize().into_bytes()[..N]);
        cut
    }
}

impl fmt::Debug for IdentityKey {
    /// Shows nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey")
    }
}

impl fmt::Debug for TagKey {
    /// Shows nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey")
    }
}

/// 80 bits: it must not be guessed by who sends one ACK per try.
const TAG_BYTES: usize = 10;
/// As base32 writes them, and the ten bytes of a conference too.
const TAG_CHARS: usize = 16;
