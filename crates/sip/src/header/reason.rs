//! Reason: why a request was sent, as in the BYE of who turns somebody away.

use std::{fmt, str::FromStr};

use crate::header::event::token_and_params;
use crate::header::{Params, ValueError};
use crate::{HeaderName, Headers, scan};

/// Says why, by the book of one protocol (RFC 3326 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another book of causes.
    pub protocol: String,
    /// cause, text and others.
    pub params: Params,
}

impl Reason {
    /// The number of the cause in that book.
    pub fn cause(&self) -> Option<u32> {
        u32::try_from(scan::number(self.params.value("cause")?)?).ok()
    }

    /// What it says to people.
    pub fn text(&self) -> Option<String> {
        self.params.unquoted("text").filter(|text| !text.trim().is_empty())
    }
}

impl Headers {
    /// Reads what can be read of all Reason fields: they are for people and their books, and a malformed one takes
    /// nothing from the request.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for value in self.all(&HeaderName::Reason) {
            let text = value.text();
            let parts = scan::split_text(&text, b',').unwrap_or_default();
            reasons.extend(parts.into_iter().filter_map(|part| part.parse::<Reason>().ok()));
        }
        reasons
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.protocol, self.params)
    }
}

impl FromStr for Reason {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (protocol, params) = token_and_params(text)?;
        Ok(Self { protocol, params })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<(String, Option<u32>, Option<String>)> {
        let mut headers = Headers::new();
        lines.iter().for_each(|line| headers.push(HeaderName::Reason, *line));
        let all = headers.reasons().into_iter();
        all.map(|reason| (reason.protocol.clone(), reason.cause(), reason.text())).collect()
    }

    fn row(
        protocol: &str,
        cause: u32,
        text: Option<&str>,
    ) -> (String, Option<u32>, Option<String>) {
        (protocol.to_owned(), Some(cause), text.map(str::to_owned))
    }

    /// RFC 3326 §2, with its own examples.
    #[test]
    fn several_reasons_are_read_each_of_its_own_book() {
        let rows = read(&[r#"SIP ;cause=200 ;text="Call completed elsewhere""#, "Q.850;cause=16"]);
        assert_eq!(
            rows,
            [row("SIP", 200, Some("Call completed elsewhere")), row("Q.850", 16, None)]
        );
        let rows = read(&[r#"SIP;cause=403;text="Wrong, \"very\" wrong",Q.850;cause=21;text="""#]);
        assert_eq!(rows, [row("SIP", 403, Some("Wrong, \"very\" wrong")), row("Q.850", 21, None)]);
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        assert_eq!(read(&[]), []);
        assert_eq!(read(&["", ";cause=3", "SIP;text=\"open"]), []);
        assert_eq!(read(&["SIP;cause=many"]), [("SIP".to_owned(), None, None)]);
        assert_eq!(read(&["SIP;cause=99999999999"]), [("SIP".to_owned(), None, None)]);
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let text = r#"SIP;cause=403;text="Wrong PIN""#;
        assert_eq!(text.parse::<Reason>().unwrap().to_string(), text);
    }
}
