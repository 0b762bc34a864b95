//! The signature of an event: HMAC-SHA-256 over id, time and body, as Standard Webhooks has it.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;
use std::path::Path;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::line_file;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Bytes of a secret: the specification's bounds.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Secrets in one file: the one in use, and the ones before while receivers change over.
const SECRETS_MAX: usize = 4;

/// The secrets of one receiver; each signs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    /// Reads a file of secrets, one a line.
    ///
    /// # Errors
    /// What is wrong, in words that do not hold the secret.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Self::parse(&line_file::read_text(path)?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
        let secret = |line: &str| {
            let secret = BASE64.decode(line.strip_prefix(PREFIX)?.as_bytes()).ok()?;
            BYTES.contains(&secret.len()).then_some(secret)
        };
        let secrets: Option<Vec<_>> = lines.map(secret).collect();
        match secrets {
            Some(secrets) if (1..=SECRETS_MAX).contains(&secrets.len()) => Ok(Self(secrets)),
            Some(_) | None => Err(format!(
                "each of 1 to {SECRETS_MAX} lines must be {PREFIX} and the base64 of {} to {} random bytes: \
                 echo {PREFIX}$(head -c 32 /dev/urandom | base64)",
                BYTES.start(),
                BYTES.end()
            )),
        }
    }

    /// The header: a signature by each secret.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &str) -> String {
        let signatures = self.0.iter().map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret)
                .expect("invariant: HMAC takes keys of any length");
            mac.update(format!("{id}.{seconds}.{body}").as_bytes());
            format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_is_the_signature_that_others_compute() {
        let secrets = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("good");
        let signed =
            secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_secrets_change_each_signs() {
        let one = format!("whsec_{}", BASE64.encode(&[1; 32]));
        let other = format!("whsec_{}", BASE64.encode(&[2; 32]));
        let both = Secrets::parse(&format!("# new\n{other}\n\n{one}\n")).expect("good");
        let signed = both.sign("i", 7, "b");
        let alone = |text: &str| Secrets::parse(text).expect("good").sign("i", 7, "b");
        assert_eq!(signed, format!("{} {}", alone(&other), alone(&one)));
        assert_ne!(alone(&one), alone(&other));
        assert!(!format!("{both:?}").contains('['));
    }

    #[test]
    fn what_is_no_secret_is_told_without_it() {
        let short = format!("whsec_{}", BASE64.encode(&[1; 23]));
        for bad in ["", "# none\n", "hunter2", "whsec_hunter2!", short.as_str()] {
            let error = Secrets::parse(bad).expect_err("bad");
            assert!(error.contains("urandom") && !error.contains("hunter"), "{error}");
        }
    }
}
