//! Messages by what they are.

use units::{Tally, causes};

causes! {
    /// What a message is: a request by its method, a response by its class. Methods that we do not know are
    /// one: a peer may make up as many as he likes.
    #[expect(missing_docs, reason = "each variant is the method, or the class, of that name")]
    pub enum MessageKind {
        Invite => "INVITE",
        Ack => "ACK",
        Bye => "BYE",
        Cancel => "CANCEL",
        Options => "OPTIONS",
        Register => "REGISTER",
        Refer => "REFER",
        Notify => "NOTIFY",
        Subscribe => "SUBSCRIBE",
        Message => "MESSAGE",
        Info => "INFO",
        Update => "UPDATE",
        Prack => "PRACK",
        Publish => "PUBLISH",
        OtherMethod => "other",
        Provisional => "1xx",
        Success => "2xx",
        Redirection => "3xx",
        RequestFailure => "4xx",
        ServerFailure => "5xx",
        GlobalFailure => "6xx",
    }
}

/// What came in and what went out, copies included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages received that could be read.
    pub received: Tally<MessageKind>,
    /// Messages sent.
    pub sent: Tally<MessageKind>,
}

impl MessageKind {
    /// Reads it off the beginning of a message that can be read, or that we have made.
    pub fn of(bytes: &[u8]) -> Self {
        if let Some(status) = bytes.strip_prefix(b"SIP/2.0 ") {
            return match status.first() {
                Some(b'1') => Self::Provisional,
                Some(b'2') => Self::Success,
                Some(b'3') => Self::Redirection,
                Some(b'4') => Self::RequestFailure,
                Some(b'5') => Self::ServerFailure,
                Some(_) | None => Self::GlobalFailure,
            };
        }
        match bytes.split(|byte| *byte == b' ').next().unwrap_or_default() {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"REFER" => Self::Refer,
            b"NOTIFY" => Self::Notify,
            b"SUBSCRIBE" => Self::Subscribe,
            b"MESSAGE" => Self::Message,
            b"INFO" => Self::Info,
            b"UPDATE" => Self::Update,
            b"PRACK" => Self::Prack,
            b"PUBLISH" => Self::Publish,
            _ => Self::OtherMethod,
        }
    }

    /// Whether it is a request.
    pub const fn is_request(self) -> bool {
        match self {
            Self::Invite
            | Self::Ack
            | Self::Bye
            | Self::Cancel
            | Self::Options
            | Self::Register
            | Self::Refer
            | Self::Notify
            | Self::Subscribe
            | Self::Message
            | Self::Info
            | Self::Update
            | Self::Prack
            | Self::Publish
            | Self::OtherMethod => true,
            Self::Provisional
            | Self::Success
            | Self::Redirection
            | Self::RequestFailure
            | Self::ServerFailure
            | Self::GlobalFailure => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use units::Cause as _;

    use super::*;

    #[test]
    fn every_kind_is_known_by_the_beginning_of_its_message() {
        for kind in MessageKind::ALL {
            let text = match kind.label().strip_suffix("xx") {
                Some(class) => format!("SIP/2.0 {class}99 Reason\r\n"),
                None => format!("{} sip:h SIP/2.0\r\n", kind.label()),
            };
            assert_eq!(MessageKind::of(text.as_bytes()), *kind, "{text}");
            assert_eq!(kind.is_request(), !text.starts_with("SIP"));
        }
        assert_eq!(MessageKind::of(b"invite sip:h SIP/2.0"), MessageKind::OtherMethod);
        assert_eq!(MessageKind::of(b""), MessageKind::OtherMethod);
    }
}
