//! Retry-After: when to try again.

use std::{fmt, str::FromStr};

use crate::{
    header::{Params, ValueError},
    scan,
};

/// Says when it makes sense to try again (RFC 3261 §20.33). A comment is read over and not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds from now. A number above `u32::MAX` was read as that.
    pub seconds: u32,
    /// duration and others.
    pub params: Params,
}

impl RetryAfter {
    /// Makes one without parameters.
    pub const fn new(seconds: u32) -> Self {
        Self { seconds, params: Params::new() }
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}

impl FromStr for RetryAfter {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = scan::trim(text);
        let len = text.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = text.split_at(len);
        let seconds = scan::number(digits).ok_or(ValueError)?;
        let rest = match scan::trim(rest) {
            comment if comment.starts_with('(') => {
                &comment[comment_len(comment).ok_or(ValueError)?..]
            }
            params => params,
        };
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Ok(Self { seconds, params: Params::parse_header(rest)? })
    }
}

/// Gives the length of the comment at the start. Comments nest.
fn comment_len(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}
