//! Who may do what.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};

use super::problem::{Fault, Problem};
use crate::tokens::{TokenFile, TokenRole};

/// Who is let in. Clones know of the same tokens.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    tokens: Arc<RwLock<Tokens>>,
    /// Whether whoever has no token may do everything.
    is_open: bool,
    /// Whether only programs of this machine can come.
    is_loopback: bool,
}

/// The tokens file as it was read last.
#[derive(Debug)]
struct Tokens {
    file: TokenFile,
    /// How often it was read anew.
    generation: u64,
}

/// Whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The name of his token.
    pub(crate) name: Option<String>,
    pub(crate) role: TokenRole,
    /// Whether he is shown conference URIs. Each is a way in.
    pub(crate) sees_uris: bool,
    /// By which reading of the tokens file he was let in: after another one somebody else may be.
    generation: u64,
}

impl Caller {
    /// Who he is, for logs and for his idempotency keys.
    pub(crate) fn principal(&self) -> String {
        self.name.as_ref().map_or_else(|| "anybody here".to_owned(), |name| format!("token {name}"))
    }
}

impl Access {
    pub(crate) fn new(file: TokenFile, is_open: bool, is_loopback: bool) -> Self {
        let tokens = Arc::new(RwLock::new(Tokens { file, generation: 0 }));
        Self { tokens, is_open, is_loopback }
    }

    /// Goes by these tokens from now on.
    pub(crate) fn reload(&self, file: TokenFile) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        *tokens = Tokens { file, generation: tokens.generation + 1 };
    }

    /// Whether he would have to be looked at anew: the tokens have been read again since he was let in.
    pub(crate) fn is_outdated(&self, caller: &Caller) -> bool {
        self.tokens().generation != caller.generation
    }

    fn tokens(&self) -> RwLockReadGuard<'_, Tokens> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who this is, if he may do what needs this role.
    pub(crate) fn admit(&self, headers: &HeaderMap, need: TokenRole) -> Result<Caller, Fault> {
        let caller = self.caller(headers)?;
        if caller.role >= need {
            return Ok(caller);
        }
        let need = need.name();
        Err(match &caller.name {
            Some(name) => Fault::new(
                Problem::Role,
                format!(
                    "the token {name} is one for {}s; this needs one for {need}s",
                    caller.role.name()
                ),
            ),
            None => Fault::new(
                Problem::NoToken,
                format!(
                    "this needs a token for {need}s: make one with `convoke token add NAME --role {need} \
                     --tokens FILE`, name the file as tokens under [admin], and send Authorization: Bearer TOKEN; \
                     or let every program of this machine do everything by open = true under [admin]"
                ),
            ),
        })
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return self.nobody();
        };
        // RFC 6750 §2.1
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let token = token.map(|(_, token)| token.trim());
        // Each is looked at: in the same time, whichever it is.
        let tokens = self.tokens();
        let known = tokens.file.entries().filter(|entry| token.is_some_and(|it| entry.is(it)));
        let Some(entry) = known.last() else {
            return Err(Fault::new(
                Problem::BadToken,
                "this token is not in the tokens file, which the server reads when it starts and at SIGHUP: see `convoke token list`",
            ));
        };
        let sees_uris = entry.role >= TokenRole::Operator;
        let (name, generation) = (Some(entry.name.clone()), tokens.generation);
        Ok(Caller { name, role: entry.role, sees_uris, generation })
    }

    /// Somebody without a token. On loopback he may look, as ever; at URIs only where nobody has a token.
    fn nobody(&self) -> Result<Caller, Fault> {
        let tokens = self.tokens();
        let nobody =
            |role, sees_uris| Caller { name: None, role, sees_uris, generation: tokens.generation };
        if self.is_open {
            return Ok(nobody(TokenRole::Admin, true));
        }
        if self.is_loopback {
            return Ok(nobody(TokenRole::Reader, tokens.file.entries().next().is_none()));
        }
        Err(Fault::new(Problem::NoToken, "send a token as Authorization: Bearer TOKEN"))
    }

    /// Whether a request comes from where it says, and not from a web page that has a browser of this machine send it.
    /// A page can point its own name at 127.0.0.1 and have us read; its Host header tells. Or it can name us and
    /// have us written to; its Origin tells.
    pub(crate) fn is_from_here(&self, request: &Request) -> bool {
        let text = |name| {
            request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok())
        };
        let has_origin = request.headers().contains_key(header::ORIGIN);
        let origin =
            text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        if !self.is_loopback {
            // A name of ours may be any; a page elsewhere has no token. What changes nothing is not its own either.
            return !has_origin || request.method() == Method::GET || origin == text(header::HOST);
        }
        text(header::HOST).is_some_and(is_local) && (!has_origin || origin.is_some_and(is_local))
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::tokens::new_token;

    fn access(is_open: bool, is_loopback: bool) -> (Access, String, String) {
        let (reader, read) = new_token("r", TokenRole::Reader, [1; 32]);
        let (operator, operate) = new_token("o", TokenRole::Operator, [2; 32]);
        let mut tokens = TokenFile::default();
        tokens.set(reader);
        tokens.set(operator);
        (Access::new(tokens, is_open, is_loopback), read, operate)
    }

    fn asks(
        access: &Access,
        authorization: Option<&str>,
        need: TokenRole,
    ) -> Result<Caller, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
        }
        access.admit(&headers, need).map_err(|fault| fault.problem)
    }

    #[test]
    fn a_role_is_enough_for_itself_and_what_is_below() {
        let (access, read, operate) = access(false, true);
        let bearer = |token: &str| format!("bearer {token}");
        let (read, operate) = (bearer(&read), bearer(&operate));
        let sees = |asked: Result<Caller, Problem>| asked.map(|caller| caller.sees_uris);
        assert_eq!(sees(asks(&access, Some(&read), TokenRole::Reader)), Ok(false));
        assert_eq!(sees(asks(&access, Some(&read), TokenRole::Operator)), Err(Problem::Role));
        assert_eq!(sees(asks(&access, Some(&operate), TokenRole::Operator)), Ok(true));
        assert_eq!(sees(asks(&access, Some(&operate), TokenRole::Admin)), Err(Problem::Role));
        for wrong in ["Bearer x", "Bearer", "Basic eDp5", "", "Bearer "] {
            let asked = asks(&access, Some(wrong), TokenRole::Reader);
            assert_eq!(asked, Err(Problem::BadToken), "{wrong}: never taken for nobody");
        }
    }

    #[test]
    fn without_a_token_one_may_look_on_loopback_and_nothing_more() {
        let (tokens, _, _) = access(false, true);
        let looks = asks(&tokens, None, TokenRole::Reader).expect("looks");
        assert!(!looks.sees_uris, "there are tokens for those who may");
        assert_eq!(asks(&tokens, None, TokenRole::Operator), Err(Problem::NoToken));
        let none = Access::new(TokenFile::default(), false, true);
        assert!(asks(&none, None, TokenRole::Reader).expect("looks").sees_uris, "as ever");
        assert_eq!(asks(&none, None, TokenRole::Operator), Err(Problem::NoToken));
        let (outside, _, _) = access(false, false);
        assert_eq!(asks(&outside, None, TokenRole::Reader), Err(Problem::NoToken));
        let open = Access::new(TokenFile::default(), true, true);
        assert!(asks(&open, None, TokenRole::Admin).is_ok());
    }

    /// Whoever's token is taken out is not let in any more, and who was let in by another reading is to be looked at anew.
    #[test]
    fn tokens_that_are_read_anew_count_at_once() {
        let (access, _, operate) = access(false, true);
        let bearer = format!("Bearer {operate}");
        let known = asks(&access, Some(&bearer), TokenRole::Operator).expect("known");
        assert!(!access.is_outdated(&known));
        let (other, token) = new_token("other", TokenRole::Admin, [3; 32]);
        let mut tokens = TokenFile::default();
        tokens.set(other);
        access.clone().reload(tokens);
        assert_eq!(asks(&access, Some(&bearer), TokenRole::Reader), Err(Problem::BadToken));
        assert!(asks(&access, Some(&format!("Bearer {token}")), TokenRole::Admin).is_ok());
        assert!(access.is_outdated(&known));
    }

    #[test]
    fn only_loopback_names_are_local() {
        for local in ["localhost", "localhost:5080", "127.0.0.1:5080", "127.8.8.8", "[::1]:5080"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["", "example.com", "example.com:5080", "192.0.2.1:5080", "127.0.0.1.evil"] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn a_web_page_elsewhere_is_not_from_here() {
        let (access, _, _) = access(true, true);
        let from_here = |host: &str, origin: Option<&str>| {
            let mut request = Request::post("/").header("host", host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            access.is_from_here(&request.body(Body::empty()).expect("a request"))
        };
        assert!(from_here("127.0.0.1:5080", None));
        assert!(from_here("localhost:5080", Some("http://localhost:3000")));
        assert!(!from_here("127.0.0.1:5080", Some("https://evil.example")));
        assert!(!from_here("127.0.0.1:5080", Some("null")));
        assert!(!from_here("evil.example", None));
    }
}
