//! Passwords: what is kept of one, and how it is checked.
//!
//! The verifier is PostgreSQL's (`SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, RFC 5802 and RFC 7677):
//! who reads it can check a password and can not log in with it. It is stored in the catalog, so roles can be carried
//! from one server to another with their passwords.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sql::statement::RoleChange;
use sql::{SqlError, SqlState};

use crate::error::Result;

/// The change with verifiers in the place of passwords.
pub(crate) fn hide(change: &RoleChange) -> Result<RoleChange> {
    let mut change = change.clone();
    let (RoleChange::Create { options, .. } | RoleChange::Alter { options, .. }) = &mut change else {
        return Ok(change);
    };
    if let Some(Some(password)) = &mut options.password
        && Verifier::parse(password).is_none()
    {
        if password.is_empty() {
            return Err(SqlError::new(SqlState::InvalidPassword, "a password must not be empty").into());
        }
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt).map_err(|error| SqlError::internal(error.to_string()))?;
        *password = Verifier::of_password(password, salt).text();
    }
    Ok(change)
}

/// Rounds of the key derivation, as PostgreSQL has it.
const ITERATIONS: u32 = 4096;

/// What is kept of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of the key derivation.
    pub iterations: u32,
    /// Random bytes.
    pub salt: Vec<u8>,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Verifier {
    /// Of a password in the clear.
    pub fn of_password(password: &str, salt: Vec<u8>) -> Verifier {
        let salted = derive(password, &salt, ITERATIONS);
        let stored_key = Sha256::digest(mac(&salted, b"Client Key")).into();
        Verifier { iterations: ITERATIONS, stored_key, server_key: mac(&salted, b"Server Key"), salt }
    }

    /// Of no password at all: what a role that does not exist is checked against. `key` must be a secret.
    pub fn of_nothing(salt: Vec<u8>, key: [u8; 32]) -> Verifier {
        Verifier { iterations: ITERATIONS, stored_key: key, server_key: key, salt }
    }

    /// Of the text that PostgreSQL and [`Verifier::text`] write.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (rounds, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = rounds.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
        Some(Verifier {
            iterations: iterations.parse().ok().filter(|rounds| (1..=10_000_000).contains(rounds))?,
            salt: STANDARD.decode(salt).ok()?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }

    /// The verifier as text.
    pub fn text(&self) -> String {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        format!("SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }

    /// Whether this is the password.
    pub fn accepts(&self, password: &str) -> bool {
        let salted = derive(password, &self.salt, self.iterations);
        let stored: [u8; 32] = Sha256::digest(mac(&salted, b"Client Key")).into();
        same(&stored, &self.stored_key)
    }

    /// Whether a client that sent this proof for these messages knows the password; the server's answer, which
    /// proves that it knows the verifier, if so.
    pub fn check_proof(&self, messages: &str, proof: &[u8]) -> Option<[u8; 32]> {
        let proof: [u8; 32] = proof.try_into().ok()?;
        let signature = mac(&self.stored_key, messages.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        same(&stored, &self.stored_key).then(|| mac(&self.server_key, messages.as_bytes()))
    }
}

/// `Hi` of RFC 5802, which is PBKDF2 with one block.
fn derive(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let password = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
    let mut block = [salt, &1_u32.to_be_bytes()].concat();
    let mut sum = [0; 32];
    for _ in 0..iterations {
        block = mac(password.as_bytes(), &block).to_vec();
        sum.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // A key of any length is taken: it is hashed if it is longer than a block.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Compares in a time that does not depend on where they differ.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn the_rfcs_example() {
        let verifier = Verifier::of_password("pencil", STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap());
        let messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let answer = verifier.check_proof(messages, &proof).unwrap();
        assert_eq!(STANDARD.encode(answer), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(verifier.check_proof(&messages.replace("user", "usor"), &proof).is_none());
        assert!(verifier.check_proof(messages, &proof[1..]).is_none());
    }

    #[test]
    fn text_is_read_back() {
        let verifier = Verifier::of_password("pass wörd", vec![1, 2, 3]);
        assert_eq!(Verifier::parse(&verifier.text()), Some(verifier.clone()));
        assert!(verifier.accepts("pass wörd"));
        assert!(!verifier.accepts("pass word"));
        for broken in ["", "md5123", "SCRAM-SHA-256$0:AQ==$AQ==:AQ==", "SCRAM-SHA-256$4096:AQ==$AQ==:AQ=="] {
            assert_eq!(Verifier::parse(broken), None, "{broken}");
        }
    }
}
