//! Users from a list: a line each, the name, a colon, and the password or what PostgreSQL stores of it.

use std::collections::HashMap;

use crate::pg::scram::{Secret, Users};

/// A list of users.
#[derive(Clone, Debug, Default)]
pub struct UserList {
    secrets: HashMap<String, Secret>,
}

impl UserList {
    /// Reads a list. Empty lines and lines that begin with `#` are skipped; the error is the number of a line that
    /// has no colon.
    pub fn parse(text: &str) -> Result<UserList, usize> {
        let mut list = UserList::default();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, password) = line.split_once(':').ok_or(index + 1)?;
            let secret = password.parse().unwrap_or_else(|_| Secret::of_password(password));
            list.secrets.insert(name.to_string(), secret);
        }
        Ok(list)
    }

    /// The same list with one more user.
    pub fn with(mut self, name: &str, password: &str) -> UserList {
        self.secrets.insert(name.to_string(), Secret::of_password(password));
        self
    }
}

impl Users for UserList {
    fn secret(&self, name: &str) -> Option<Secret> {
        self.secrets.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_user() {
        let secret = Secret::of_password("x:y");
        let list = UserList::parse(&format!("# ours\nann:a:b\n\nbob:{secret}\n")).expect("a list");
        assert_eq!(list.secret("bob"), Some(secret));
        assert!(list.secret("ann").is_some() && list.secret("eve").is_none());
        assert_eq!(UserList::parse("ann:a\nbob").err(), Some(2));
    }
}
