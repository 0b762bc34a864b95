//! SIP without I/O: messages, URIs, transactions, dialogs.
//!
//! The message half: [`parse_datagram`] and [`StreamFramer`] read, [`Request::to_bytes`] and [`Response::to_bytes`] write,
//! [`Headers`] holds the fields with typed readers over them.
//!
//! The other half: [`Stack`] is the transaction layer as one machine, [`Dialog`] is data, [`uas`] has the checks that
//! every UAS core makes, [`SuccessRetransmit`], [`MergedGuard`], [`reliable`] and [`session_timer`] are parts of one;
//! [`subscription`] has both halves of an event subscription; [`digest`] says who sent a request;
//! [`Connections`] says which stream connections there are, which one a message takes, and when one has to go.

mod connections;
mod content;
mod dialog;
pub mod digest;
mod essentials;
mod frame;
mod glance;
pub mod header;
mod headers;
mod locate;
mod merged;
mod message;
mod method;
mod parse;
mod print;
pub mod reliable;
mod scan;
pub mod session_timer;
pub mod sipfrag;
mod stack;
mod status;
pub mod subscription;
mod success;
mod text_form;
mod transport;
mod txn;
pub mod uas;
pub mod uri;

pub use connections::{
    CONNECT_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_SOURCE_MAX, ConnectionClosed, ConnectionCounters,
    ConnectionDenied, ConnectionOutput, ConnectionRefused, Connections, FIRST_MESSAGE_MAX,
    IDLE_MAX, LINGER_MAX, PARTIAL_MAX, STALL_MAX, WRITE_QUEUE_BYTES_MAX, source_key,
};
pub use content::{CONTENT_DEPTH_MAX, CONTENT_PARTS_MAX, ContentError};
pub use dialog::{
    DIALOG_SNAPSHOT_VERSION, Dialog, DialogError, DialogId, DialogSnapshot, Nat, Reach,
    SnapshotError,
};
pub use essentials::{Essentials, Identifiers};
pub use frame::{Frame, FrameError, MESSAGE_BYTES_MAX, StreamFramer};
pub use glance::{Glance, Glimpse};
pub use header::{
    BRANCH_COOKIE, CSeq, Contacts, EventHeader, MediaType, NameAddr, Params, RetryAfter, SessionId,
    SessionUuid, SubscriptionState, Via, Warning,
};
pub use headers::{HeaderError, HeaderName, HeaderNameError, HeaderValue, Headers};
pub use locate::{
    Found, Locator, NextHop, NoWay, Question, Service, TARGETS_MAX, Target, Wanted, next_hop,
};
pub use merged::{MERGED_MAX, Merged, MergedGuard};
pub use message::{Message, Request, Response};
pub use method::{Method, MethodError};
pub use parse::{ParseError, ParseFailure, Salvage, parse_datagram};
pub use stack::{
    ByCause, ClientTxnId, Counters, DATAGRAM_REQUEST_BYTES_MAX, Event, Failure, Full, Incoming,
    MAX_FORWARDS, MessageDropped, MessageKind, NO_STREAM_FOR, Output, OverloadControl,
    RequestUnsent, ServerTxnId, Stack, StackConfig, StackRefusal, TXN_BYTES_MAX, TXN_MAX, Traffic,
};
pub use status::{StatusCode, StatusCodeError};
pub use success::{SuccessAction, SuccessRetransmit};
pub use transport::{Arrival, FlowId, Packet, Source, Transport};
pub use txn::{T1, T2, T4, TRANSACTION_TIMEOUT};
pub use uri::{Host, SipUri, Uri, UriError};
