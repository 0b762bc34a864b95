//! SIP without I/O: messages, URIs, transactions, dialogs.
