//! The top Via: what is written into it when a request comes in, and where it sends the answer.

use std::net::SocketAddr;

use crate::{Source, Via};

/// Writes where a message really came from into its top Via (RFC 3261 §18.2.1, RFC 3581 §4), and says
/// whether that changed anything.
pub(crate) fn stamp(via: &mut Via, source: &Source) -> bool {
    let ip = source.remote.ip().to_canonical();
    // Whoever stands before us may not say for us where the packet came from: the answer goes there.
    let lied = via.params.remove("received");
    let symmetric = via.params.has("rport");
    if symmetric {
        via.params.set("rport", Some(&source.remote.port().to_string()));
    }
    // RFC 3581 §4: with rport, received is added even if it is equal.
    let differs = via.host.ip() != Some(ip);
    if symmetric || differs {
        via.params.set("received", Some(&ip.to_string()));
    }
    lied || symmetric || differs
}

/// Where the answer to a stamped request goes (RFC 3261 §18.2.2, RFC 3581 §4).
///
/// Always to the address that the packet came from. Over UDP to the port it came from if the client
/// asked for that by `rport`, else to the one in sent-by. Over TCP by the same connection; the
/// address is where a new one is opened if that is gone. `maddr` is not followed: it would let
/// anybody turn our answers on a third party.
pub(crate) fn answer_path(via: &Via, source: Source) -> Source {
    let symmetric = !source.transport.is_reliable() && via.params.has("rport");
    let port = if symmetric { source.remote.port() } else { via.sent_by_port() };
    Source { remote: SocketAddr::new(source.remote.ip(), port), ..source }
}
