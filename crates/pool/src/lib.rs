//! Capacity, holds, conference URI tokens.
