//! Whether a session's role may do what it asks for.

use std::sync::Arc;

use sql::statement::{GrantTarget, Need, Privileges, Rights, RoleChange};
use sql::{SqlError, SqlState, TableKind};
use zset::CollectionId;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::role::{FIRST, Object, refused, unknown};

impl Catalog {
    /// Refuses what the role may not do. Everybody may read system tables.
    pub(crate) fn permit(&self, role: &str, needs: &[Need]) -> Result<()> {
        for need in needs {
            let plain = self.get(&need.relation).filter(|relation| relation.is_plain_view());
            plain.map_or(Ok(()), |relation| self.permit_behind(relation))?;
        }
        if self.roles.is_superuser(role) {
            return Ok(());
        }
        self.roles.get(role).ok_or_else(|| unknown(role))?;
        self.permit_in_schema(role, Privileges::USAGE)?;
        for need in needs {
            let Some(relation) = self.get(&need.relation) else { continue };
            if relation.def.kind == TableKind::System && need.privileges == Privileges::SELECT {
                continue;
            }
            let held = self.roles.held(role, Object::Relation(relation.id()), &relation.owner);
            if !held.covers(need.privileges) {
                return Err(denied(relation));
            }
        }
        Ok(())
    }

    /// Refuses a role that may not read all of these relations. Of those that are gone nothing is asked, and a role that
    /// is gone may read nothing.
    pub(crate) fn permit_reading(&self, role: &str, relations: &[CollectionId]) -> Result<()> {
        let relations = || relations.iter().filter_map(|&id| self.by_id(id));
        if self.roles.get(role).is_none() {
            return relations().next().map_or(Ok(()), |relation| Err(denied(relation)));
        }
        let need = |relation: &Arc<Relation>| Need {
            relation: relation.name().to_string(),
            privileges: Privileges::SELECT,
        };
        self.permit(role, &relations().map(need).collect::<Vec<_>>())
    }

    /// Refuses a plain view whose owner may not read what its query reads: that is done with the owner's rights.
    fn permit_behind(&self, plain: &Relation) -> Result<()> {
        let sources = plain.view.iter().flat_map(|view| &view.sources);
        for source in sources.filter_map(|&source| self.by_id(source)) {
            let held = self.roles.held(&plain.owner, Object::Relation(source.id()), &source.owner);
            if source.def.kind != TableKind::System && !held.covers(Privileges::SELECT) {
                return Err(denied(source));
            }
            if source.is_plain_view() {
                self.permit_behind(source)?;
            }
        }
        Ok(())
    }

    /// Refuses what the role may not do in the schema.
    pub(crate) fn permit_in_schema(&self, role: &str, privileges: Privileges) -> Result<()> {
        if self.roles.held(role, Object::Schema, FIRST).covers(privileges) {
            return Ok(());
        }
        Err(refused("permission denied for schema public"))
    }

    /// Refuses what only a relation's owner may do.
    pub(crate) fn permit_owner(&self, role: &str, relation: &Relation) -> Result<()> {
        match self.owns(role, relation) {
            true => Ok(()),
            false => Err(refused(format!("must be owner of {} {}", kind(relation), relation.name()))),
        }
    }

    /// Whether the role may do with a relation what only its owner may.
    pub(crate) fn owns(&self, role: &str, relation: &Relation) -> bool {
        let groups = self.roles.with_groups(role);
        groups.contains(relation.owner.as_str()) || groups.iter().any(|group| self.roles.is_superuser(group))
    }

    /// Refuses what touches the server's own files.
    pub(crate) fn permit_files(&self, role: &str) -> Result<()> {
        match self.roles.is_superuser(role) {
            true => Ok(()),
            false => Err(refused("permission denied to COPY to or from a file of the server")),
        }
    }

    /// Makes a change of roles or rights that `by` asks for.
    pub(crate) fn change_roles(&mut self, change: &RoleChange, by: &str) -> Result<()> {
        if let RoleChange::Rights(rights) = change {
            return self.change_rights(rights, by);
        }
        let relations: Vec<_> = self.stored().cloned().collect();
        let owners = relations.iter().map(|relation| relation.owner.as_str()).collect();
        self.roles.change(change, by, &owners)
    }

    fn change_rights(&mut self, rights: &Rights, by: &str) -> Result<()> {
        let mut objects = Vec::new();
        match &rights.on {
            GrantTarget::Schema => {
                if !self.roles.is_superuser(by) {
                    return Err(refused("must be owner of schema public"));
                }
                objects.push(Object::Schema);
            }
            GrantTarget::AllRelations => {
                for relation in self.stored().filter(|relation| relation.sequence.is_none()) {
                    self.permit_owner(by, relation)?;
                    objects.push(Object::Relation(relation.id()));
                }
            }
            GrantTarget::AllSequences => {
                for relation in self.stored().filter(|relation| relation.sequence.is_some()) {
                    self.permit_owner(by, relation)?;
                    objects.push(Object::Relation(relation.id()));
                }
            }
            GrantTarget::Sequences(names) => {
                for name in names {
                    let relation =
                        self.get(name).ok_or_else(|| Error::UndefinedTable { name: name.clone() })?;
                    if relation.sequence.is_none() {
                        return Err(Error::WrongKind { name: name.clone(), expected: "a sequence" });
                    }
                    self.permit_owner(by, relation)?;
                    objects.push(Object::Relation(relation.id()));
                }
            }
            GrantTarget::Relations(names) => {
                for name in names {
                    let relation = self.get(name).filter(|relation| relation.def.kind != TableKind::System);
                    let relation = relation.ok_or_else(|| Error::UndefinedTable { name: name.clone() })?;
                    self.permit_owner(by, relation)?;
                    objects.push(Object::Relation(relation.id()));
                }
            }
        }
        for grantee in &rights.grantees {
            if let Some(name) = grantee {
                self.roles.get(name).ok_or_else(|| unknown(name))?;
            }
            for &object in &objects {
                match rights.grant {
                    true => self.roles.grant(object, grantee.clone(), rights.privileges),
                    false => self.roles.revoke(object, grantee.clone(), rights.privileges),
                }
            }
        }
        Ok(())
    }
}

/// What messages call a relation of its kind.
pub(crate) fn kind(relation: &Relation) -> &'static str {
    match relation.def.kind {
        TableKind::Table => "table",
        TableKind::View => "materialized view",
        TableKind::PlainView => "view",
        TableKind::System => "system table",
        TableKind::Sequence => "sequence",
    }
}

fn denied(relation: &Relation) -> Error {
    refused(format!("permission denied for {} {}", kind(relation), relation.name()))
}

/// The relation is of another kind than the statement is about.
pub(crate) fn not_a(relation: &Relation, expected: &str) -> Error {
    let message = format!("\"{}\" is not {expected}", relation.name());
    let kind = kind(relation);
    let hint = format!("Use DROP {} to remove a {kind}.", kind.to_ascii_uppercase());
    SqlError::new(SqlState::WrongObjectType, message).with_hint(hint).into()
}
