//! Session descriptions, and offer/answer as a function.
