//! The schema of RFC 4575 §6, as far as our documents use it: which children an element may have, in which order.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

/// An element, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Self>,
    pub(crate) text: String,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap();
            (attribute.key.as_ref().to_owned(), value.into_owned())
        });
        Self {
            name: start.name().as_ref().to_owned(),
            attributes: attributes.collect(),
            children: vec![],
            text: String::new(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of an element further down.
    pub(crate) fn at(&self, path: &str) -> &str {
        let mut here = Some(self);
        for name in path.split('/') {
            here = here.and_then(|element| element.child(name));
        }
        here.map_or("", |element| &element.text)
    }

    pub(crate) fn users(&self) -> &[Self] {
        self.child("users").map_or(&[], |users| &users.children)
    }

    pub(crate) fn user(&self, entity: &str) -> Option<&Self> {
        self.users().iter().find(|user| user.get("entity") == entity)
    }
}

/// Reads a document and checks it.
pub(crate) fn read(bytes: &[u8]) -> Element {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{text}");
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![];
    let mut root = None;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(Element::of(&start)),
            Event::Empty(start) => close(&mut open, &mut root, Element::of(&start)),
            Event::End(_) => {
                let element = open.pop().unwrap();
                close(&mut open, &mut root, element);
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(name) => {
                let text = format!("&{};", &*name);
                open.last_mut().unwrap().text.push_str(&unescape(&text).unwrap());
            }
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("{other:?} in {text}"),
        }
    }
    assert!(open.is_empty());
    let root = root.unwrap();
    assert_eq!(root.name, "conference-info");
    assert_eq!(root.get("xmlns"), "urn:ietf:params:xml:ns:conference-info");
    check(&root, "full");
    root
}

fn close(open: &mut [Element], root: &mut Option<Element>, element: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => assert!(root.replace(element).is_none(), "two roots"),
    }
}

/// Elements that may have a `state` (RFC 4575 §4.4), and those that are known by a key (§4.5).
const STATEFUL: [&str; 4] = ["conference-info", "users", "user", "endpoint"];
const KEYED: [(&str, &str); 3] = [("user", "entity"), ("endpoint", "entity"), ("media", "id")];

fn check(element: &Element, parent_state: &str) {
    let order = children_of(&element.name);
    let mut at = 0;
    for child in &element.children {
        let found = order[at..].iter().position(|name| *name == child.name);
        at += found.unwrap_or_else(|| panic!("{} in {} out of order", child.name, element.name));
    }
    let state = match element.get("state") {
        "" => "full",
        state => state,
    };
    assert!(["full", "partial", "deleted"].contains(&state));
    if STATEFUL.contains(&element.name.as_str()) && element.name != "conference-info" {
        assert!(parent_state == "partial" || state == "full", "{} {state}", element.name);
    }
    if state == "deleted" {
        assert_eq!(element.children, []);
    }
    for (name, key) in KEYED {
        let siblings = || element.children.iter().filter(|child| child.name == name);
        let mut keys: Vec<_> = siblings().map(|child| child.get(key)).collect();
        keys.sort_unstable();
        assert!(keys.iter().all(|key| !key.is_empty()));
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{name}: {keys:?}");
    }
    if element.name == "conference-info" {
        assert!(element.get("version").parse::<u32>().is_ok());
        if state == "full" {
            // RFC 4575 §5.2
            assert!(element.child("conference-description").is_some());
            assert!(element.child("users").is_some());
        }
    }
    let inherited = if STATEFUL.contains(&element.name.as_str()) { state } else { parent_state };
    element.children.iter().for_each(|child| check(child, inherited));
}

fn children_of(name: &str) -> &'static [&'static str] {
    match name {
        "conference-info" => &["conference-description", "conference-state", "users"],
        "conference-description" => {
            &["conf-uris", "service-uris", "maximum-user-count", "available-media"]
        }
        "conf-uris" | "service-uris" | "available-media" | "roles" => &["entry"],
        "entry" => &["uri", "type", "purpose", "status"],
        "conference-state" => &["user-count", "active", "locked"],
        "users" => &["user"],
        "user" => &["display-text", "roles", "endpoint"],
        "endpoint" => &[
            "referred",
            "status",
            "joining-method",
            "joining-info",
            "disconnection-method",
            "disconnection-info",
            "media",
            "call-info",
        ],
        "referred" | "joining-info" | "disconnection-info" => &["when", "reason", "by"],
        "media" => &["type", "label", "src-id", "status"],
        "call-info" => &["sip"],
        "sip" => &["call-id", "from-tag", "to-tag"],
        _ => &[],
    }
}
