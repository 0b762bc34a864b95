//! A stack whose requests prove who sends them, when they are asked to.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use sip::digest::{Attempts, Keyring};
use sip::{ClientTxnId, Event, Full, HeaderName, Method, Output, Request, Response, Source, Stack};
use units::Instant;

/// A [`Stack`] with a [`Keyring`]. A request that is sent again with proof is the same request to its
/// owner: what comes of it comes under the id of its first transaction.
#[derive(Debug)]
pub(super) struct SigningStack {
    stack: Stack,
    keyring: Keyring,
    /// Requests as they were sent last, by the id that their owner knows. Empty without an account.
    sent: BTreeMap<ClientTxnId, Sent>,
    /// Later transactions of the same requests, and those given up for them.
    known_as: BTreeMap<ClientTxnId, ClientTxnId>,
}

#[derive(Debug)]
struct Sent {
    request: Request,
    path: Source,
    attempts: Attempts,
    /// The transaction that it runs in now.
    current: ClientTxnId,
}

impl SigningStack {
    pub(super) fn new(stack: Stack, keyring: Keyring) -> Self {
        Self { stack, keyring, sent: BTreeMap::new(), known_as: BTreeMap::new() }
    }

    /// As [`Stack::request`], with proof for whom this call has been challenged by before.
    pub(super) fn request(
        &mut self,
        now: Instant,
        request: Request,
        to: Source,
    ) -> Result<ClientTxnId, Full> {
        self.request_any(now, request, &[to])
    }

    /// As [`Stack::request_any`], with proof for whom this call has been challenged by before.
    pub(super) fn request_any(
        &mut self,
        now: Instant,
        mut request: Request,
        paths: &[Source],
    ) -> Result<ClientTxnId, Full> {
        let to = paths.iter().copied();
        let Some(first) = paths.first().filter(|_| !self.keyring.is_empty()) else {
            return self.stack.request_any(now, request, to);
        };
        let attempts = self.keyring.dress(&mut request);
        let txn = self.stack.request_any(now, request.clone(), to)?;
        self.sent.insert(txn, Sent { request, path: *first, attempts, current: txn });
        Ok(txn)
    }

    /// The request with proof for the challenges in its answer; the number is still the old one.
    /// `None`: the answer counts as it is.
    pub(super) fn prove(&mut self, txn: ClientTxnId, answer: &Response) -> Option<Request> {
        let sent = self.sent.get_mut(&txn)?;
        self.keyring.answer(&sent.request, answer, &mut sent.attempts)
    }

    /// Sends a request once more, under the same id, in a transaction of its own.
    pub(super) fn again(
        &mut self,
        now: Instant,
        txn: ClientTxnId,
        request: Request,
    ) -> Result<(), Full> {
        let Some(sent) = self.sent.get_mut(&txn) else { return Err(Full) };
        // Where the challenge came from, be it the first place or not.
        sent.path = self.stack.path_of(sent.current).unwrap_or(sent.path);
        let current = self.stack.request(now, request.clone(), sent.path)?;
        sent.request = request;
        sent.current = current;
        self.known_as.insert(current, txn);
        Ok(())
    }

    /// As [`Stack::cancel`].
    pub(super) fn cancel(&mut self, now: Instant, txn: ClientTxnId) {
        let current = self.sent.get(&txn).map_or(txn, |sent| sent.current);
        self.stack.cancel(now, current);
    }

    /// As [`Stack::send_once`]. RFC 3261 §22.1: an ACK brings the credentials of its INVITE.
    pub(super) fn send_once(&mut self, now: Instant, mut request: Request, to: Source) {
        if let Some(invite) = self.invite_of(&request) {
            for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
                request.headers.copy_all(&invite.headers, &name);
            }
        }
        self.stack.send_once(now, request, to);
    }

    /// As [`Stack::poll_output`].
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        loop {
            match self.stack.poll_output()? {
                Output::Event(event) => {
                    if let Some(event) = self.renamed(event) {
                        return Some(Output::Event(event));
                    }
                }
                send @ Output::Send(_) => return Some(send),
            }
        }
    }

    fn invite_of(&self, ack: &Request) -> Option<&Request> {
        let (call_id, number) = (ack.headers.call_id().ok()?, ack.headers.cseq().ok()?.number);
        self.sent.values().map(|sent| &sent.request).find(|request| {
            request.method == Method::Invite
                && request.headers.call_id() == Ok(call_id)
                && request.headers.cseq().is_ok_and(|cseq| cseq.number == number)
        })
    }

    /// The event under the id that the owner knows; `None` for what comes of a transaction that was
    /// given up for a later one.
    fn renamed(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Response { txn, response, essentials, source } => {
                let txn = self.owners(txn)?;
                Some(Event::Response { txn, response, essentials, source })
            }
            Event::Failed { txn, why } => Some(Event::Failed { txn: self.owners(txn)?, why }),
            Event::ClientEnded { txn } => {
                let owners = self.owners(txn);
                self.known_as.remove(&txn);
                let txn = owners?;
                self.sent.remove(&txn);
                Some(Event::ClientEnded { txn })
            }
            event @ (Event::Request(_)
            | Event::Cancelled { .. }
            | Event::AckMissing { .. }
            | Event::ServerEnded { .. }) => Some(event),
        }
    }

    fn owners(&self, txn: ClientTxnId) -> Option<ClientTxnId> {
        let owners = self.known_as.get(&txn).copied().unwrap_or(txn);
        let is_over = self.sent.get(&owners).is_some_and(|sent| sent.current != txn);
        (!is_over).then_some(owners)
    }
}

impl Deref for SigningStack {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl DerefMut for SigningStack {
    fn deref_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }
}
