//! A whole world of nodes, terminals and network in one thread, under virtual time.
