//! Roles: who there is, who belongs to whom, and what each may do with which relation.
//!
//! They are part of the catalog, so a change of them is a change of the catalog: transactional, durable with the
//! manifest. There is always the superuser [`FIRST`], whose every embedded session is; a role that owns something
//! cannot go. Rights are held by roles and by everybody (`PUBLIC`), and a member has those of the roles it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use sql::statement::{Privileges, RoleChange, RoleOptions};
use sql::{SqlError, SqlState};
use zset::CollectionId;

use crate::error::{Error, Result};

/// The superuser that every database begins with.
pub(crate) const FIRST: &str = "gnitz";

/// The number of the schema `public`.
pub(crate) const PUBLIC_NUMBER: u32 = 0;

/// What a right is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    /// A schema, by its number.
    Schema(u32),
    /// A table or view.
    Relation(CollectionId),
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// May begin a session.
    pub(crate) login: bool,
    /// May do everything.
    pub(crate) superuser: bool,
    /// May make and change roles that are not superusers.
    pub(crate) create_role: bool,
    /// How many sessions at once; -1 for any number.
    pub(crate) connection_limit: i32,
    /// The text of the [`Verifier`](crate::Verifier) of its password.
    pub(crate) verifier: Option<String>,
    /// The roles whose rights it has.
    pub(crate) member_of: BTreeSet<String>,
}

impl Role {
    /// A role that may do nothing.
    pub(crate) fn new() -> Role {
        Role {
            login: false,
            superuser: false,
            create_role: false,
            connection_limit: -1,
            verifier: None,
            member_of: BTreeSet::new(),
        }
    }

    fn set(&mut self, options: &RoleOptions) {
        self.login = options.login.unwrap_or(self.login);
        self.superuser = options.superuser.unwrap_or(self.superuser);
        self.create_role = options.create_role.unwrap_or(self.create_role);
        self.connection_limit = options.connection_limit.unwrap_or(self.connection_limit);
        if let Some(password) = &options.password {
            self.verifier.clone_from(password);
        }
    }
}

/// All roles and rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    all: BTreeMap<String, Role>,
    /// By object and role; `None` is everybody.
    rights: BTreeMap<(Object, Option<String>), Privileges>,
}

impl Roles {
    /// The roles of a new database.
    pub(crate) fn new() -> Roles {
        let first = Role { login: true, superuser: true, create_role: true, ..Role::new() };
        let rights = BTreeMap::from([((Object::Schema(PUBLIC_NUMBER), None), Privileges::USAGE)]);
        Roles { all: BTreeMap::from([(FIRST.to_string(), first)]), rights }
    }

    /// No roles and no rights: what is read from a stored catalog is added.
    pub(crate) fn none() -> Roles {
        Roles { all: BTreeMap::new(), rights: BTreeMap::new() }
    }

    /// The role of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Role> {
        self.all.get(name)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.all.iter().map(|(name, role)| (name.as_str(), role))
    }

    /// All rights: on what, whose, which.
    pub(crate) fn rights(&self) -> impl Iterator<Item = (Object, Option<&str>, Privileges)> {
        self.rights.iter().map(|((object, role), rights)| (*object, role.as_deref(), *rights))
    }

    /// Adds a role as it was stored.
    pub(crate) fn restore(&mut self, name: String, role: Role) {
        self.all.insert(name, role);
    }

    /// Gives rights.
    pub(crate) fn grant(&mut self, object: Object, role: Option<String>, privileges: Privileges) {
        let held = self.rights.entry((object, role)).or_default();
        *held = held.and(privileges);
    }

    /// Takes rights away.
    pub(crate) fn revoke(&mut self, object: Object, role: Option<String>, privileges: Privileges) {
        let key = (object, role);
        let left = self.rights.get(&key).map_or(Privileges::NONE, |held| held.without(privileges));
        match left.is_empty() {
            true => self.rights.remove(&key),
            false => self.rights.insert(key, left),
        };
    }

    /// Forgets the rights on what goes.
    pub(crate) fn forget(&mut self, gone: Object) {
        self.rights.retain(|(object, _), _| *object != gone);
    }

    /// Whether the role may do everything.
    pub(crate) fn is_superuser(&self, role: &str) -> bool {
        self.get(role).is_some_and(|role| role.superuser)
    }

    /// The role and all it belongs to, directly or not.
    pub(crate) fn with_groups<'a>(&'a self, role: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = vec![role];
        while let Some(name) = open.pop() {
            if found.insert(name) {
                open.extend(self.get(name).iter().flat_map(|role| role.member_of.iter().map(String::as_str)));
            }
        }
        found
    }

    /// What a role may do with an object of this owner.
    pub(crate) fn held(&self, role: &str, object: Object, owner: &str) -> Privileges {
        let groups = self.with_groups(role);
        if groups.contains(owner) || groups.iter().any(|group| self.is_superuser(group)) {
            return Privileges::ALL_OF_RELATION.and(Privileges::ALL_OF_SCHEMA);
        }
        let held = |whose: Option<String>| self.rights.get(&(object, whose)).copied().unwrap_or_default();
        groups.iter().map(|group| held(Some(group.to_string()))).fold(held(None), Privileges::and)
    }

    /// Makes a change that is about roles alone; `by` asks for it, and `owners` are the roles that own something.
    pub(crate) fn change(&mut self, change: &RoleChange, by: &str, owners: &BTreeSet<&str>) -> Result<()> {
        match change {
            RoleChange::Create { names, if_not_exists, options, member_of } => {
                self.check_may_manage(by, options.superuser == Some(true))?;
                names.iter().try_for_each(|name| self.create(name, *if_not_exists, options, member_of))
            }
            RoleChange::Alter { name, options } => {
                let own_password =
                    RoleOptions { password: None, ..options.clone() } == RoleOptions::default();
                if !(own_password && name == by) {
                    let superuser = self.is_superuser(name) || options.superuser == Some(true);
                    self.check_may_manage(by, superuser)?;
                }
                if name == FIRST && options.superuser == Some(false) {
                    return Err(refused(format!("role \"{FIRST}\" stays a superuser")));
                }
                self.known_mut(name)?.set(options);
                Ok(())
            }
            RoleChange::Rename { name, to } => {
                self.check_may_manage(by, self.is_superuser(name))?;
                if owners.contains(name.as_str()) || name == FIRST || name == by {
                    return Err(in_use(
                        format!("role \"{name}\" cannot be renamed"),
                        "it owns tables, views or schemas, or is in use",
                    ));
                }
                self.rename(name, to)
            }
            RoleChange::Drop { names, if_exists } => {
                names.iter().try_for_each(|name| self.drop(name, *if_exists, by, owners))
            }
            RoleChange::Membership { grant, roles, members } => self.membership(*grant, roles, members, by),
            RoleChange::Rights(_) => Err(SqlError::internal("rights are granted by the catalog").into()),
        }
    }

    fn create(
        &mut self,
        name: &str,
        if_not_exists: bool,
        options: &RoleOptions,
        member_of: &[String],
    ) -> Result<()> {
        if name == "public" || name == "none" || name.starts_with("pg_") {
            return Err(SqlError::new(
                SqlState::InvalidParameter,
                format!("role name \"{name}\" is reserved"),
            )
            .into());
        }
        if self.all.contains_key(name) {
            let exists =
                || SqlError::new(SqlState::DuplicateObject, format!("role \"{name}\" already exists"));
            return if if_not_exists { Ok(()) } else { Err(exists().into()) };
        }
        member_of.iter().try_for_each(|group| self.known(group).map(|_| ()))?;
        let mut role = Role::new();
        role.set(options);
        role.member_of.extend(member_of.iter().cloned());
        self.all.insert(name.to_string(), role);
        Ok(())
    }

    fn drop(&mut self, name: &str, if_exists: bool, by: &str, owners: &BTreeSet<&str>) -> Result<()> {
        self.check_may_manage(by, self.is_superuser(name))?;
        if if_exists && !self.all.contains_key(name) {
            return Ok(());
        }
        self.known(name)?;
        let refuse = |why| Err(in_use(format!("role \"{name}\" cannot be dropped"), why));
        if owners.contains(name) {
            return refuse("it owns tables, views or schemas");
        }
        if name == FIRST || name == by {
            return refuse("it is in use");
        }
        if self.rights.keys().any(|(_, role)| role.as_deref() == Some(name)) {
            return refuse("it has rights: revoke them first");
        }
        self.all.remove(name);
        self.all.values_mut().for_each(|role| {
            role.member_of.remove(name);
        });
        Ok(())
    }

    fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        self.known(name)?;
        self.create(to, false, &RoleOptions::default(), &[])?;
        let role = self.all.remove(name).unwrap_or_else(Role::new);
        self.all.insert(to.to_string(), role);
        for role in self.all.values_mut() {
            if role.member_of.remove(name) {
                role.member_of.insert(to.to_string());
            }
        }
        let moved = std::mem::take(&mut self.rights).into_iter().map(|((object, role), held)| {
            let role = if role.as_deref() == Some(name) { Some(to.to_string()) } else { role };
            ((object, role), held)
        });
        self.rights = moved.collect();
        Ok(())
    }

    fn membership(&mut self, grant: bool, roles: &[String], members: &[String], by: &str) -> Result<()> {
        for role in roles {
            self.check_may_manage(by, self.is_superuser(role))?;
            self.known(role)?;
            for member in members {
                self.known(member)?;
                if grant && self.with_groups(role).contains(member.as_str()) {
                    let message = format!("role \"{role}\" is a member of role \"{member}\"");
                    return Err(SqlError::new(SqlState::InvalidGrant, message).into());
                }
                let groups = &mut self.known_mut(member)?.member_of;
                if grant {
                    groups.insert(role.clone());
                } else {
                    groups.remove(role);
                }
            }
        }
        Ok(())
    }

    fn check_may_manage(&self, by: &str, superuser: bool) -> Result<()> {
        let me = self.known(by)?;
        if me.superuser || me.create_role && !superuser {
            return Ok(());
        }
        Err(refused(if superuser {
            "only a superuser may change superusers"
        } else {
            "permission denied to change roles"
        }))
    }

    fn known(&self, name: &str) -> Result<&Role> {
        self.all.get(name).ok_or_else(|| unknown(name))
    }

    fn known_mut(&mut self, name: &str) -> Result<&mut Role> {
        self.all.get_mut(name).ok_or_else(|| unknown(name))
    }
}

/// No role of this name.
pub(crate) fn unknown(name: &str) -> Error {
    SqlError::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist")).into()
}

/// The role may not do that.
pub(crate) fn refused(message: impl Into<String>) -> Error {
    SqlError::new(SqlState::InsufficientPrivilege, message).into()
}

fn in_use(message: String, why: &str) -> Error {
    SqlError::new(SqlState::DependentObjects, message).with_hint(why).into()
}
