//! What a node is told when it starts.

use std::net::{IpAddr, SocketAddr};

use focus::factory::FactoryConfig;
use pool::{PoolConfig, TokenKeys};
use sip::Host;

/// Everything that a node needs to know, checked by whoever read it from a file.
#[derive(Debug)]
pub struct NodeConfig {
    /// The number of this node in its pool; part of every conference URI.
    pub node: u16,
    /// Where SIP comes in, and what others shall call that place. At least one.
    pub listens: Vec<SipListen>,
    /// The addresses that media shard `n` is known by to terminals, one of each family that it has ports of; one entry a
    /// shard, at least one.
    pub media_advertise: Vec<Vec<IpAddr>>,
    /// The factories; a request matches the first that fits.
    pub factories: Vec<FactoryConfig>,
    /// Room and its rules.
    pub pool: PoolConfig,
    /// Secrets.
    pub keys: Keys,
}

/// One place where SIP comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipListen {
    /// The socket's own address.
    pub bind: SocketAddr,
    /// Host and port as they go into Via, Contact and conference URIs.
    pub advertise: (Host, u16),
}

/// The node's secrets. They come from the rim's random source, or from a file where conference
/// URIs shall survive a restart.
#[derive(Clone)]
pub struct Keys {
    /// Derives the identity of a conference from the request that asks for it, and the prints of PINs.
    pub identity: [u8; 32],
    /// Proves that an ACK answers one of our stateless answers.
    pub stateless: [u8; 32],
    /// Signs the user part of conference URIs.
    pub token: TokenKeys,
}

impl std::fmt::Debug for Keys {
    /// Shows nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}
