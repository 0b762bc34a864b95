//! The user agent: calls and references around one `sip::Stack`.

use std::net::SocketAddr;

use sdp::LocalMedia;
use sip::{Packet, StatusCode, Uri};
use units::{Instant, Rng};

use crate::config::{CallOptions, UaConfig};
use crate::event::{CallId, CommandError, How, Output, ReferId, ReferralId, ResolveId};

/// A user agent.
#[derive(Debug)]
pub struct Ua {}

impl Ua {
    /// Makes a user agent that knows nobody yet.
    pub fn new(_config: UaConfig, _rng: Rng) -> Self {
        todo!()
    }

    /// Calls `target`.
    ///
    /// # Errors
    ///
    /// [`CommandError::UnsupportedUri`], [`CommandError::Full`].
    pub fn call(
        &mut self,
        _now: Instant,
        _target: &Uri,
        _options: CallOptions,
    ) -> Result<CallId, CommandError> {
        todo!()
    }

    /// Ends a call, whatever its state: CANCEL, BYE, or a refusal. Nothing if it is gone.
    pub fn hangup(&mut self, _now: Instant, _call: CallId) {
        todo!()
    }

    /// Sends 180 for an incoming call.
    pub fn ring(&mut self, _now: Instant, _call: CallId) -> Result<(), CommandError> {
        todo!()
    }

    /// Answers an incoming call with 200.
    pub fn accept(
        &mut self,
        _now: Instant,
        _call: CallId,
        _media: LocalMedia,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// Refuses an incoming call.
    pub fn reject(
        &mut self,
        _now: Instant,
        _call: CallId,
        _status: StatusCode,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// Asks `target` to call `refer_to`. `target` is not used inside a dialog.
    pub fn refer(
        &mut self,
        _now: Instant,
        _target: &Uri,
        _refer_to: &Uri,
        _how: How,
    ) -> Result<ReferId, CommandError> {
        todo!()
    }

    /// Follows a REFER: 200, NOTIFY 100, then a call with Referred-By.
    pub fn accept_referral(
        &mut self,
        _now: Instant,
        _referral: ReferralId,
        _media: LocalMedia,
    ) -> Result<CallId, CommandError> {
        todo!()
    }

    /// Refuses a REFER.
    pub fn reject_referral(
        &mut self,
        _now: Instant,
        _referral: ReferralId,
        _status: StatusCode,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// Answers [`Output::Resolve`]; `None`: the name has no address.
    pub fn resolved(&mut self, _now: Instant, _id: ResolveId, _address: Option<SocketAddr>) {
        todo!()
    }

    /// Takes one datagram.
    pub fn handle_packet(&mut self, _now: Instant, _packet: Packet) {
        todo!()
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, _now: Instant) {
        todo!()
    }

    /// When something will be due.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
}
