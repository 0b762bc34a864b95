//! The targets of one call (RFC 3261 §8.1.3.4).

use sip::{NameAddr, SipUri, Uri};

use crate::config::{REDIRECTS_MAX, TARGETS_MAX};

/// Where a call may go. Begins with the URI that was called and grows by redirections.
#[derive(Clone, Debug)]
pub(crate) struct TargetSet {
    /// Every URI that was ever put in, tried or not.
    seen: Vec<Uri>,
    /// Not tried yet, best first.
    waiting: Vec<Target>,
    redirects: usize,
}

/// A URI to try.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// As it stood in the Contact.
    pub(crate) uri: Uri,
    /// Whether the Contact says `isfocus`.
    pub(crate) is_focus: bool,
    /// Thousandths.
    q: u16,
}

/// More than [`REDIRECTS_MAX`] redirections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl TargetSet {
    pub(crate) fn new(called: Uri) -> Self {
        Self { seen: vec![called], waiting: Vec::new(), redirects: 0 }
    }

    /// Takes the Contacts of a 3xx to the request for `from`. What was seen before, by the rules
    /// of RFC 3261 §19.1.4, is not put in again: that ends a loop A-B-A.
    pub(crate) fn redirected(
        &mut self,
        from: &Uri,
        contacts: Vec<NameAddr>,
    ) -> Result<(), TooMany> {
        if self.redirects == REDIRECTS_MAX {
            return Err(TooMany);
        }
        self.redirects += 1;
        for contact in contacts {
            if self.seen.len() == TARGETS_MAX {
                break;
            }
            let is_known = self.seen.iter().any(|seen| seen.equivalent(&contact.uri));
            if is_known || downgrades(from, &contact.uri) {
                continue;
            }
            self.seen.push(contact.uri.clone());
            let is_focus = contact.is_focus();
            let q = thousandths(contact.params.value("q"));
            // RFC 3261 §8.1.3.4: by falling q; those of equal q in the order they came in.
            let place = self.waiting.partition_point(|other| other.q >= q);
            self.waiting.insert(place, Target { uri: contact.uri, is_focus, q });
        }
        Ok(())
    }

    /// The next URI to try.
    pub(crate) fn next(&mut self) -> Option<Target> {
        (!self.waiting.is_empty()).then(|| self.waiting.remove(0))
    }
}

/// RFC 3261 §8.1.3.4 leaves it to us whether a sips: request may be redirected to sip:. It may not.
fn downgrades(from: &Uri, to: &Uri) -> bool {
    let secure = |uri: &Uri| matches!(uri, Uri::Sip(SipUri { secure: true, .. }));
    secure(from) && !secure(to)
}

/// RFC 3261 §25.1: `0.xyz` or `1.000`. What is absent or malformed counts as 1.
fn thousandths(q: Option<&str>) -> u16 {
    const ONE: u16 = 1_000;
    let Some((whole, fraction)) = q.map(|q| q.split_once('.').unwrap_or((q, ""))) else {
        return ONE;
    };
    let digits = fraction.bytes().filter(u8::is_ascii_digit).count();
    if whole != "0" || digits != fraction.len() || digits > 3 {
        return ONE;
    }
    format!("{fraction:0<3}").parse().unwrap_or(ONE)
}

#[cfg(test)]
mod tests;
