//! The conference factory and the focus: who is in, who leaves, when it ends.
