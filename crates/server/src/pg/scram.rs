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
//! A user who does not exist goes through the same exchange with a made-up verifier, so that names cannot be probed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gnitz::Verifier;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// The name of the mechanism.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;

/// A verifier of no password, the same for a name while the server runs.
pub(crate) fn made_up(name: &str, key: &[u8; 32]) -> Verifier {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), name.as_bytes());
    Verifier::of_nothing(tag.as_ref()[..SALT_BYTES].to_vec(), *key)
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
    verifier: Verifier,
    nonce: String,
    client_first_bare: String,
    header: String,
    /// The answer.
    pub(crate) server_first: String,
}

impl Exchange {
    /// Answers the client's first message.
    pub(crate) fn begin(verifier: Verifier, client_first: &[u8]) -> Result<Exchange, Refusal> {
        let message = std::str::from_utf8(client_first).map_err(|_| Refusal::Malformed)?;
        let mut parts = message.splitn(3, ',');
        let (flag, identity, bare) = (parts.next(), parts.next(), parts.next());
        let (Some(flag @ ("n" | "y")), Some(identity), Some(bare)) = (flag, identity, bare) else {
            return Err(Refusal::Malformed);
        };
        let client_nonce =
            bare.split(',').find_map(|part| part.strip_prefix("r=")).ok_or(Refusal::Malformed)?;
        let random = random::<NONCE_BYTES>().map_err(|_| Refusal::Malformed)?;
        let nonce = format!("{client_nonce}{}", BASE64.encode(random));
        let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
        Ok(Exchange {
            verifier,
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
        let proof = BASE64.decode(proof).map_err(|_| Refusal::Malformed)?;
        let messages = format!("{},{},{unproved}", self.client_first_bare, self.server_first);
        let answer = self.verifier.check_proof(&messages, &proof).ok_or(Refusal::Wrong)?;
        Ok(format!("v={}", BASE64.encode(answer)))
    }
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
    fn the_exchange_of_the_rfc() {
        // The example of RFC 7677: user "user", password "pencil".
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let exchange = Exchange {
            verifier: Verifier::of_password("pencil", salt),
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
    fn nobody_proves_to_be_a_user_who_does_not_exist() {
        let (key, other) = ([7; 32], [8; 32]);
        assert_eq!(made_up("eve", &key), made_up("eve", &key));
        assert_ne!(made_up("eve", &key).salt, made_up("ann", &key).salt);
        assert_ne!(made_up("eve", &key).salt, made_up("eve", &other).salt);
        assert!(!made_up("eve", &key).accepts(""));
    }
}
