//! Who a request is from: a role of the database, found out from the credentials in its headers.
//!
//! What the role may then do is the database's question, the same as over any other protocol. Here it is only said
//! who comes in: without credentials the machine itself, with a bearer token or a password the role that has it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use gnitz::{Database, Session};

/// What a request says of who it is from.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// `Authorization: Bearer token`
    Bearer(String),
    /// `Authorization: Basic …`
    Password {
        /// The role.
        role: String,
        /// Its password.
        password: String,
    },
}

/// Who a request is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The role whose rights count.
    pub role: String,
}

/// Why a request is not let in; the log has the reason, the client has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The role that it named, if it named one.
    pub role: String,
    /// Why.
    pub reason: &'static str,
}

/// Says who requests are from.
pub trait Authenticator: Send + Sync {
    /// The identity that the credentials prove. `peer` is where the request comes from, if that is known. It may take
    /// as long as checking a password takes.
    fn identify(&self, credentials: &Credentials, peer: Option<IpAddr>) -> Result<Identity, Denied>;

    /// A session with the rights of an identity.
    fn session(&self, database: &Database, identity: &Identity) -> gnitz::Result<Session> {
        database.session_as(&identity.role)
    }
}

/// Checks a role's password.
pub type PasswordCheck = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// The usual authenticator: tokens, passwords, and trust in the machine itself.
#[derive(Clone, Default)]
pub struct Access {
    /// Who the machine itself is without credentials; `gnitz` unless said otherwise.
    pub local_role: Option<String>,
    /// Roles with their tokens.
    pub tokens: Vec<(String, String)>,
    /// Who knows the passwords; without it none is right.
    pub passwords: Option<PasswordCheck>,
    /// Whether some role has a password: then the machine itself needs credentials, too.
    pub guarded: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Authenticator for Access {
    fn identify(&self, credentials: &Credentials, peer: Option<IpAddr>) -> Result<Identity, Denied> {
        let denied = |role: &str, reason| Err(Denied { role: role.to_string(), reason });
        match credentials {
            Credentials::None if self.guarded.as_ref().is_some_and(|guarded| guarded()) => {
                denied("", "no credentials, and roles have passwords")
            }
            Credentials::None if peer.is_some_and(|peer| peer.to_canonical().is_loopback()) => {
                Ok(Identity { role: self.local_role.clone().unwrap_or_else(|| "gnitz".to_string()) })
            }
            Credentials::None => denied("", "no credentials, and not from this machine"),
            Credentials::Bearer(token) => {
                // Every token is looked at to its end, so that the time taken tells nothing.
                let role = self.tokens.iter().fold(None, |found, (role, known)| {
                    if same(known.as_bytes(), token.as_bytes()) { Some(role) } else { found }
                });
                match role {
                    Some(role) => Ok(Identity { role: role.clone() }),
                    None => denied("", "unknown token"),
                }
            }
            Credentials::Password { role, password } => match &self.passwords {
                None => denied(role, "no passwords are set"),
                Some(check) if check(role, password) => Ok(Identity { role: role.clone() }),
                Some(_) => denied(role, "wrong password"),
            },
        }
    }
}

/// Whether two byte strings are the same, in a time that depends on their lengths only.
fn same(left: &[u8], right: &[u8]) -> bool {
    let pairs = left.iter().zip(right);
    left.len() == right.len() && pairs.fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// As short as a token may be.
const SHORTEST_TOKEN: usize = 16;

/// Reads a file of tokens: on each line a role, blanks, and its token.
pub fn read_tokens(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut tokens = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| Err(format!("{}:{}: {what}", path.display(), at + 1));
        match line.split_once(char::is_whitespace) {
            None => return wrong("a line is a role, blanks, and a token"),
            Some((_, token)) if token.trim().len() < SHORTEST_TOKEN => {
                return wrong("the token is shorter than 16 characters");
            }
            Some((role, token)) => tokens.push((role.to_string(), token.trim().to_string())),
        }
    }
    Ok(tokens)
}

/// The credentials in a request's headers; an error if they cannot be read.
pub fn credentials(headers: &HeaderMap) -> Result<Credentials, &'static str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Credentials::None) };
    let value = value.to_str().map_err(|_| "the Authorization header is not ASCII")?;
    let (scheme, rest) = value.split_once(' ').ok_or("the Authorization header has no credentials")?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Ok(Credentials::Bearer(rest.trim().to_string())),
        "basic" => {
            let decoded = base64(rest.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or("the Basic credentials are not base64 of UTF-8")?;
            let (role, password) = decoded.split_once(':').ok_or("the Basic credentials have no colon")?;
            Ok(Credentials::Password { role: role.to_string(), password: password.to_string() })
        }
        _ => Err("the Authorization header is neither Bearer nor Basic"),
    }
}

/// Decodes base64 with padding (RFC 4648).
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.as_bytes().chunks(4) {
        let bits = group.iter().try_fold(0_u32, |bits, &c| Some(bits << 6 | u32::from(digit(c)?)))?;
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn base64_is_decoded() {
        let decode = |text: &str| base64(text).and_then(|bytes| String::from_utf8(bytes).ok());
        assert_eq!(decode("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(), Some("Aladdin:open sesame"));
        assert_eq!(decode("YWI=").as_deref(), Some("ab"));
        assert_eq!(decode("YWJj").as_deref(), Some("abc"));
        assert_eq!(decode(""), Some(String::new()));
        assert_eq!((decode("YWJ"), decode("Y==="), decode("Y*Jj")), (None, None, None));
    }

    #[test]
    fn only_the_machine_itself_comes_in_without_credentials() {
        let access = Access::default();
        let from = |ip: [u8; 4]| access.identify(&Credentials::None, Some(IpAddr::V4(Ipv4Addr::from(ip))));
        assert!(from([127, 0, 0, 1]).is_ok());
        assert!(from([192, 168, 0, 1]).is_err());
        assert!(access.identify(&Credentials::None, None).is_err());
    }

    #[test]
    fn tokens_and_passwords_name_roles() {
        let check: PasswordCheck = Arc::new(|role, password| (role, password) == ("ada", "secret"));
        let tokens = vec![("bo".to_string(), "0123456789abcdef".to_string())];
        let access = Access { tokens, passwords: Some(check), ..Access::default() };
        let bearer = |token: &str| access.identify(&Credentials::Bearer(token.into()), None);
        assert_eq!(bearer("0123456789abcdef").map(|id| id.role), Ok("bo".to_string()));
        assert!(bearer("0123456789abcdeF").is_err());
        let basic = |password: &str| {
            let credentials = Credentials::Password { role: "ada".into(), password: password.into() };
            access.identify(&credentials, None)
        };
        assert_eq!(basic("secret").map(|id| id.role), Ok("ada".to_string()));
        assert_eq!(basic("Secret").map_err(|denied| denied.role), Err("ada".to_string()));
    }

    #[test]
    fn the_file_of_tokens_is_checked() {
        let path = std::env::temp_dir().join(format!("gnitz-tokens-{}", std::process::id()));
        std::fs::write(&path, "# roles\nada  0123456789abcdef\n\n").unwrap();
        assert_eq!(read_tokens(&path).unwrap(), [("ada".to_string(), "0123456789abcdef".to_string())]);
        std::fs::write(&path, "ada short\n").unwrap();
        assert!(read_tokens(&path).unwrap_err().contains(":1: the token is shorter"));
        std::fs::remove_file(&path).unwrap();
    }
}
