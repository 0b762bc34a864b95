//! The top Via: what is written into it when a request comes in, and where it sends the answer.

use std::net::SocketAddr;

use crate::{Source, Via, scan};

/// What clients are asked to do that speak overload control (RFC 7339), in every answer to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverloadControl {
    /// By how much they are to reduce what they send: percent, 0 to 100. With 0 the control is off.
    pub loss: u8,
    /// When this was decided, in milliseconds of a clock that never goes back: a newer value has a greater one (§4.4).
    pub decided: u64,
}

/// For how long a reduction holds that is not told anew: the default of RFC 7339 §4.3.
pub(super) const OC_VALIDITY_MS: u16 = 500;

impl OverloadControl {
    /// Writes the four parameters of RFC 7339 §4 into the Via of a client that asks for them, as `received` is written: the
    /// answers, all of them, have it from there. Says whether it did.
    fn write(self, via: &mut Via) -> bool {
        if !via.params.has("oc") {
            return false;
        }
        // §4.2: without a list of algorithms the client can do "loss", as all must.
        let algorithms = via.params.unquoted("oc-algo").unwrap_or_else(|| LOSS.to_owned());
        let knows_loss = algorithms.split(',').any(|name| name.trim().eq_ignore_ascii_case(LOSS));
        if !knows_loss {
            return false;
        }
        let Self { loss, decided } = self;
        // §5.7: a validity of 0 says that there is no control now.
        let validity = if loss == 0 { 0 } else { OC_VALIDITY_MS };
        via.params.set("oc", Some(&loss.min(100).to_string()));
        via.params.set("oc-algo", Some("\"loss\""));
        via.params.set("oc-validity", Some(&validity.to_string()));
        via.params.set("oc-seq", Some(&format!("{}.{:03}", decided / 1_000, decided % 1_000)));
        true
    }
}

/// The algorithm that every client knows (RFC 7339 §7), and the only one that we do.
pub(super) const LOSS: &str = "loss";

/// Writes where a message really came from into its top Via (RFC 3261 §18.2.1, RFC 3581 §4), and what we ask its sender to
/// do (RFC 7339); says whether that changed anything.
pub(crate) fn stamp(via: &mut Via, source: &Source, control: OverloadControl) -> bool {
    let ip = source.remote.ip().to_canonical();
    // Whoever stands before us may not say for us where the packet came from: the answer goes there.
    let lied = via.params.remove("received");
    let symmetric = via.params.has("rport");
    if symmetric {
        via.params.set_text("rport", Some(source.remote.port().to_string()));
    }
    // RFC 3581 §4: with rport, received is added even if it is equal.
    let differs = via.host.ip() != Some(ip);
    if symmetric || differs {
        via.params.set_text("received", Some(scan::address(ip)));
    }
    let controlled = control.write(via);
    lied || symmetric || differs || controlled
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
