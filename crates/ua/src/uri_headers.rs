//! Headers that a URI brings along (RFC 3261 §19.1.5).
