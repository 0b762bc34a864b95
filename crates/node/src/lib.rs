//! A Convoke node without I/O: SIP stack, factory, focuses and pool as one machine.
