//! The targets of one call (RFC 3261 §8.1.3.4).
