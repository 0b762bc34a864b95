//! How many a first INVITE says are to come, by a list that it carries (RFC 5366 §3, RFC 4826 §3.2).
//!
//! Nobody is called for a list (`docs/DEVIATIONS.md`): one that must be processed is refused where the request is
//! taken. One that may be ignored (`handling=optional`) is, but how long it is tells how much room to hold.

use std::collections::BTreeSet;

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use sip::{Incoming, uas};

use crate::answers::CAPABILITIES;

/// RFC 4826 §3.3
const NAMESPACE: &str = "urn:ietf:params:xml:ns:resource-lists";

/// Entries that are read of one list: no focus takes more legs, and each costs a comparison.
const ENTRIES_MAX: usize = 1_000;

/// How many are to come: those on the list, each once, and whoever sends it. `None`: there is no list that is let pass, or
/// it cannot be read.
pub(super) fn listed(incoming: &Incoming) -> Option<u32> {
    // A list that is required is not served: then nobody comes by this request.
    uas::check_require(incoming, &CAPABILITIES).ok()?;
    let list =
        incoming.request.ignorable_part("recipient-list", ("application", "resource-lists+xml"))?;
    let mut who = entries(list)?;
    who.insert(incoming.essentials.from.uri.to_string());
    u32::try_from(who.len()).ok().filter(|count| *count > 1)
}

fn entries(list: &[u8]) -> Option<BTreeSet<String>> {
    let text = std::str::from_utf8(list).ok()?;
    let mut reader = NsReader::from_str(text);
    let mut who = BTreeSet::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().ok()?;
        let is_ours = namespace == ResolveResult::Bound(Namespace(NAMESPACE));
        match event {
            Event::Start(start) | Event::Empty(start)
                if is_ours && start.local_name().as_ref() == "entry" =>
            {
                let attributes = start.attributes().filter_map(Result::ok);
                let uri = attributes.into_iter().find(|it| it.key.as_ref() == "uri")?;
                if who.len() < ENTRIES_MAX {
                    who.insert(uri.normalized_value(XmlVersion::Explicit1_0).ok()?.into_owned());
                }
            }
            Event::DocType(_) => return None,
            Event::Eof => return Some(who),
            Event::Start(_)
            | Event::Empty(_)
            | Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => {}
        }
    }
}
