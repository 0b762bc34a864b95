//! Typed readers. A parsed message went through those of Via (the top one), From, To, Call-ID, CSeq, Max-Forwards and
//! Contact already, so on it they do not fail.

use crate::{
    header::{
        CSeq, Contacts, EventHeader, MediaType, NameAddr, RetryAfter, SessionId, SubscriptionState,
        Via, Warning,
    },
    headers::{HeaderError, HeaderName, HeaderValue, Headers},
    method::Method,
    scan,
};

impl Headers {
    /// Reads the topmost Via. It must be UTF-8: it goes back with `received` in it, and bytes read as Latin-1 would come
    /// back as others, and as more.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        match self.get(&HeaderName::Via) {
            Some(value) if value.as_str().is_none() => Err(HeaderError::Malformed(HeaderName::Via)),
            Some(_) | None => self.required(HeaderName::Via),
        }
    }

    /// Reads all Via values, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.list(HeaderName::Via)
    }

    /// Reads From.
    pub fn from_(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::From)
    }

    /// Reads To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::To)
    }

    /// Reads Call-ID: opaque text without white space, compared byte by byte (RFC 3261 §20.8).
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let value =
            self.get(&HeaderName::CallId).ok_or(HeaderError::Missing(HeaderName::CallId))?;
        let bad = |byte: u8| byte <= b' ' || byte == 0x7f;
        match value.as_str() {
            Some(text) if !text.is_empty() && !text.bytes().any(bad) => Ok(text),
            _ => Err(HeaderError::Malformed(HeaderName::CallId)),
        }
    }

    /// Reads CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.required(HeaderName::CSeq)
    }

    /// Reads Max-Forwards. A number above 255 counts as 255 (RFC 3261 §20.22 ends there).
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let number = self.number(HeaderName::MaxForwards)?;
        Ok(number.map(|number| u8::try_from(number).unwrap_or(u8::MAX)))
    }

    /// Reads all Contact values.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let malformed = || HeaderError::Malformed(HeaderName::Contact);
        let is_star = |value: &HeaderValue| value.as_bytes() == b"*";
        if self.all(&HeaderName::Contact).any(is_star) {
            // RFC 3261 §20.10: "*" stands alone.
            return if self.count(&HeaderName::Contact) == 1 {
                Ok(Contacts::Star)
            } else {
                Err(malformed())
            };
        }
        self.list(HeaderName::Contact).map(Contacts::List)
    }

    /// Reads the first Contact. `None` when there is none or it is `*`.
    pub fn contact(&self) -> Result<Option<NameAddr>, HeaderError> {
        match self.get(&HeaderName::Contact) {
            Some(value) if value.as_bytes() == b"*" => Ok(None),
            Some(_) | None => self.optional(HeaderName::Contact),
        }
    }

    /// Reads Record-Route, topmost first.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::RecordRoute)
    }

    /// Reads Route, topmost first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::Route)
    }

    /// Reads Content-Type.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.optional(HeaderName::ContentType)
    }

    /// Reads the option tags of Require.
    pub fn require(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(&HeaderName::Require)
    }

    /// Reads the option tags of Supported.
    pub fn supported(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(&HeaderName::Supported)
    }

    /// Reads the option tags of Unsupported.
    pub fn unsupported(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(&HeaderName::Unsupported)
    }

    /// Reads the event packages of Allow-Events.
    pub fn allow_events(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(&HeaderName::AllowEvents)
    }

    /// Reads the methods of Allow. `None` when the field is absent, which says nothing (RFC 3261 §20.5).
    pub fn allow(&self) -> Result<Option<Vec<Method>>, HeaderError> {
        if self.get(&HeaderName::Allow).is_none() {
            return Ok(None);
        }
        let malformed = || HeaderError::Malformed(HeaderName::Allow);
        let tokens = self.tokens(&HeaderName::Allow)?;
        tokens
            .iter()
            .map(|token| Method::parse(token).ok_or_else(malformed))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Reads the media ranges of Accept. `None` when the field is absent, which means `application/sdp`; an empty list
    /// when it is there and empty, which means that nothing is acceptable (RFC 3261 §20.1).
    pub fn accept(&self) -> Result<Option<Vec<MediaType>>, HeaderError> {
        if self.get(&HeaderName::Accept).is_none() {
            return Ok(None);
        }
        self.list(HeaderName::Accept).map(Some)
    }

    /// Reads Refer-To. Missing or repeated is an error: a REFER has exactly one (RFC 3515 §2.4.1, §2.4.2).
    pub fn refer_to(&self) -> Result<NameAddr, HeaderError> {
        self.unique(HeaderName::ReferTo)?.ok_or(HeaderError::Missing(HeaderName::ReferTo))
    }

    /// Reads Referred-By.
    pub fn referred_by(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.unique(HeaderName::ReferredBy)
    }

    /// Reads Event.
    pub fn event(&self) -> Result<Option<EventHeader>, HeaderError> {
        self.unique(HeaderName::Event)
    }

    /// Reads Subscription-State.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, HeaderError> {
        self.unique(HeaderName::SubscriptionState)
    }

    /// Reads Retry-After.
    pub fn retry_after(&self) -> Result<Option<RetryAfter>, HeaderError> {
        self.optional(HeaderName::RetryAfter)
    }

    /// Reads all Warning values.
    pub fn warnings(&self) -> Result<Vec<Warning>, HeaderError> {
        self.list(HeaderName::Warning)
    }

    /// Session-ID. `None` where there is none, or none that can be read: then it means nothing, and the message stays
    /// valid (RFC 7989 §6).
    pub fn session_id(&self) -> Option<SessionId> {
        self.get(&HeaderName::SessionId)?.as_str()?.parse().ok()
    }

    /// Reads Expires, in seconds. A number above `u32::MAX` counts as that.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        let number = self.number(HeaderName::Expires)?;
        Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Reads a field of tokens between commas, over all its lines. Empty elements are skipped.
    pub fn tokens(&self, name: &HeaderName) -> Result<Vec<String>, HeaderError> {
        let mut tokens = Vec::new();
        for value in self.all(name) {
            let text = value.text();
            for token in text.split(',').map(scan::trim).filter(|token| !token.is_empty()) {
                if !scan::is_token(token) {
                    return Err(HeaderError::Malformed(name.clone()));
                }
                tokens.push(token.to_owned());
            }
        }
        Ok(tokens)
    }

    fn number(&self, name: HeaderName) -> Result<Option<u64>, HeaderError> {
        match self.get(&name).map(|value| scan::number(&value.text())) {
            Some(None) => Err(HeaderError::Malformed(name)),
            Some(number) => Ok(number),
            None => Ok(None),
        }
    }

    fn optional<T: std::str::FromStr>(&self, name: HeaderName) -> Result<Option<T>, HeaderError> {
        match self.get(&name).map(|value| value.text().parse()) {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(HeaderError::Malformed(name)),
            None => Ok(None),
        }
    }

    fn required<T: std::str::FromStr>(&self, name: HeaderName) -> Result<T, HeaderError> {
        self.optional(name.clone())?.ok_or(HeaderError::Missing(name))
    }

    fn unique<T: std::str::FromStr>(&self, name: HeaderName) -> Result<Option<T>, HeaderError> {
        if self.count(&name) > 1 {
            return Err(HeaderError::Repeated(name));
        }
        self.optional(name)
    }

    fn list<T: std::str::FromStr>(&self, name: HeaderName) -> Result<Vec<T>, HeaderError> {
        let mut list = Vec::new();
        for value in self.all(&name) {
            let text = value.text();
            let malformed = || HeaderError::Malformed(name.clone());
            if !text.is_empty() && memchr::memchr(b',', text.as_bytes()).is_none() {
                list.push(text.parse().map_err(|_| malformed())?);
                continue;
            }
            for part in scan::split_text(&text, b',').ok_or_else(malformed)? {
                // RFC 3261 §20.1: an Accept may be empty. An empty value between commas is an error elsewhere.
                if !(part.is_empty() && name == HeaderName::Accept) {
                    list.push(part.parse().map_err(|_| malformed())?);
                }
            }
        }
        Ok(list)
    }
}
