//! SCRAM-SHA-256 (RFC 5802, 7677), the server's side: neither the password nor what would do in its place is ever
//! sent or stored.
//!
//! ```text
//! client first:  n,,n=,r=CLIENT
//! server first:  r=CLIENT+SERVER,s=SALT,i=ITERATIONS
//! client final:  c=biws,r=CLIENT+SERVER,p=PROOF
//! server final:  v=SIGNATURE
//! ```
//!
//! A user who does not exist goes through the same exchange with a made-up secret, so that names cannot be probed.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

/// The name of the mechanism.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

const ITERATIONS: u32 = 4096;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;

/// Who may connect.
pub trait Users: Send + Sync {
    /// What the user proves to know; `None` if there is no such user.
    fn secret(&self, name: &str) -> Option<Secret>;
}

/// What is kept of a password: enough to check a proof, not enough to make one. Its text is the one that PostgreSQL
/// stores: `SCRAM-SHA-256$4096:SALT$STORED:SERVER`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    iterations: u32,
    salt: Vec<u8>,
    stored: [u8; 32],
    server: [u8; 32],
}

impl Secret {
    /// The secret of a password, with a salt of its own.
    pub fn of_password(password: &str) -> Secret {
        let mut salt = vec![0; SALT_BYTES];
        // Without randomness a salt that is the same for all is still one.
        let _ = SystemRandom::new().fill(&mut salt);
        Secret::salted(password, salt, ITERATIONS)
    }

    fn salted(password: &str, salt: Vec<u8>, iterations: u32) -> Secret {
        let mut salted = [0; 32];
        let count = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, &salt, password.as_bytes(), &mut salted);
        let client = sign(&salted, b"Client Key");
        Secret { iterations, salt, stored: hash(&client), server: sign(&salted, b"Server Key") }
    }

    /// A secret that nobody knows, the same for a name while the server runs.
    fn made_up(name: &str, key: &[u8; 32]) -> Secret {
        let noise = sign(key, name.as_bytes());
        Secret {
            iterations: ITERATIONS,
            salt: noise[..SALT_BYTES].to_vec(),
            stored: sign(key, &noise),
            server: noise,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [self.salt.as_slice(), &self.stored, &self.server].map(|b| BASE64.encode(b));
        write!(f, "{MECHANISM}${}:{salt}${stored}:{server}", self.iterations)
    }
}

/// A text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSecret;

impl fmt::Display for NoSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a SCRAM-SHA-256 secret")
    }
}

impl std::error::Error for NoSecret {}

impl FromStr for Secret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Secret, NoSecret> {
        let parse = || {
            let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
            let (head, keys) = rest.split_once('$')?;
            let (iterations, salt) = head.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            let key = |text: &str| <[u8; 32]>::try_from(BASE64.decode(text).ok()?).ok();
            Some(Secret {
                iterations: iterations.parse().ok()?,
                salt: BASE64.decode(salt).ok()?,
                stored: key(stored)?,
                server: key(server)?,
            })
        };
        parse().ok_or(NoSecret)
    }
}

/// Why an exchange ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The message is none of this exchange.
    Malformed,
    /// The proof is wrong.
    Wrong,
}

/// An exchange that has sent its first answer.
pub(crate) struct Exchange {
    secret: Secret,
    /// Whether there is such a user.
    exists: bool,
    nonce: String,
    client_first_bare: String,
    header: String,
    /// The answer.
    pub(crate) server_first: String,
}

impl Exchange {
    /// Answers the client's first message. `key` makes up the secrets of users who do not exist.
    pub(crate) fn begin(
        name: &str,
        users: &dyn Users,
        key: &[u8; 32],
        client_first: &[u8],
    ) -> Result<Exchange, Refusal> {
        let message = std::str::from_utf8(client_first).map_err(|_| Refusal::Malformed)?;
        let mut parts = message.splitn(3, ',');
        let (flag, identity, bare) = (parts.next(), parts.next(), parts.next());
        let (Some(flag @ ("n" | "y")), Some(identity), Some(bare)) = (flag, identity, bare) else {
            return Err(Refusal::Malformed);
        };
        let client_nonce =
            bare.split(',').find_map(|part| part.strip_prefix("r=")).ok_or(Refusal::Malformed)?;
        let mut random = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| Refusal::Malformed)?;
        let nonce = format!("{client_nonce}{}", BASE64.encode(random));
        let known = users.secret(name);
        let exists = known.is_some();
        let secret = known.unwrap_or_else(|| Secret::made_up(name, key));
        let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&secret.salt), secret.iterations);
        Ok(Exchange {
            secret,
            exists,
            nonce,
            client_first_bare: bare.to_string(),
            header: BASE64.encode(format!("{flag},{identity},")),
            server_first,
        })
    }

    /// Checks the client's proof and gives the server's.
    pub(crate) fn finish(&self, client_final: &[u8]) -> Result<String, Refusal> {
        let message = std::str::from_utf8(client_final).map_err(|_| Refusal::Malformed)?;
        let (unproved, proof) = message.rsplit_once(",p=").ok_or(Refusal::Malformed)?;
        let part = |prefix| unproved.split(',').find_map(|part: &str| part.strip_prefix(prefix));
        if part("c=") != Some(self.header.as_str()) || part("r=") != Some(self.nonce.as_str()) {
            return Err(Refusal::Malformed);
        }
        let proof = BASE64.decode(proof).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let proof = proof.ok_or(Refusal::Malformed)?;
        let signed = format!("{},{},{unproved}", self.client_first_bare, self.server_first);
        let signature = sign(&self.secret.stored, signed.as_bytes());
        let mut client = [0; 32];
        client.iter_mut().zip(proof.iter().zip(signature)).for_each(|(out, (a, b))| *out = a ^ b);
        if hash(&client) != self.secret.stored || !self.exists {
            return Err(Refusal::Wrong);
        }
        Ok(format!("v={}", BASE64.encode(sign(&self.secret.server, signed.as_bytes()))))
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

fn hash(message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
    out
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut out = [0; N];
    let failed = |_| std::io::Error::other("the system gives no randomness");
    SystemRandom::new().fill(&mut out).map_err(failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_postgresql_stores() {
        // The example of RFC 7677: user "user", password "pencil".
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let secret = Secret::salted("pencil", salt, 4096);
        assert_eq!(secret.to_string().parse(), Ok(secret.clone()));
        let exchange = Exchange {
            secret,
            exists: true,
            nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_string(),
            client_first_bare: "n=user,r=rOprNGfwEbeRWgbNEkqO".to_string(),
            header: "biws".to_string(),
            server_first:
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
                    .to_string(),
        };
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let answer = exchange.finish(last.as_bytes());
        assert_eq!(answer.as_deref(), Ok("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        let wrong = last.replace("dHzb", "dHzc");
        assert_eq!(exchange.finish(wrong.as_bytes()), Err(Refusal::Wrong));
        assert_eq!(exchange.finish(b"c=biws,p=x"), Err(Refusal::Malformed));
    }

    #[test]
    fn other_texts_are_no_secrets() {
        for text in ["", "md5abc", "SCRAM-SHA-256$4096:x", "SCRAM-SHA-256$x:AA==$AA==:AA=="] {
            assert_eq!(text.parse::<Secret>(), Err(NoSecret), "{text}");
        }
    }
}
