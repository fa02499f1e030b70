//! Whether a session's role may do what it asks for.

use std::sync::Arc;

use sql::statement::{GrantTarget, Need, Privileges, Rights, RoleChange};
use sql::{SqlError, SqlState, TableKind, names};
use zset::CollectionId;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::relation::Relation;
use crate::role::{Object, refused, unknown};

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
        for need in needs {
            let Some(relation) = self.get(&need.relation) else {
                // What is not there is not told to who may not look.
                if need.relation.contains('.') && self.namespace(&need.relation).is_some() {
                    self.permit_in_schema(role, &need.relation, Privileges::USAGE)?;
                }
                continue;
            };
            if relation.def.kind == TableKind::System && need.privileges == Privileges::SELECT {
                continue;
            }
            self.permit_in_schema(role, relation.name(), Privileges::USAGE)?;
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

    /// The schema of what goes by this full name.
    pub(crate) fn namespace(&self, full: &str) -> Option<&Namespace> {
        self.namespaces.get(names::split(full).0)
    }

    /// The schema of this name, which must be there.
    pub(crate) fn known_namespace(&self, schema: &str) -> Result<&Namespace> {
        self.namespaces.get(schema).ok_or_else(|| undefined(schema))
    }

    /// Refuses what the role may not do in the schema of what goes by this full name, and a schema that is not there.
    pub(crate) fn permit_in_schema(&self, role: &str, full: &str, privileges: Privileges) -> Result<()> {
        let schema = names::split(full).0;
        let namespace = self.known_namespace(schema)?;
        if self.roles.held(role, Object::Schema(namespace.number), &namespace.owner).covers(privileges) {
            return Ok(());
        }
        Err(refused(format!("permission denied for schema {schema}")))
    }

    /// Refuses what only a schema's owner may do.
    pub(crate) fn permit_schema_owner(&self, role: &str, schema: &str) -> Result<()> {
        match self.has_rights_of(role, &self.known_namespace(schema)?.owner) {
            true => Ok(()),
            false => Err(refused(format!("must be owner of schema {schema}"))),
        }
    }

    /// The relations in a schema.
    pub(crate) fn relations_in(&self, schema: &str) -> impl Iterator<Item = &Arc<Relation>> {
        self.stored().filter(move |relation| names::split(relation.name()).0 == schema)
    }

    /// Refuses to give what is one's own to a role that one may not act for: it would be read with that one's rights.
    pub(crate) fn permit_giving(&self, role: &str, owner: &str) -> Result<()> {
        self.roles.get(owner).ok_or_else(|| unknown(owner))?;
        match self.has_rights_of(role, owner) {
            true => Ok(()),
            false => Err(refused(format!("must be able to SET ROLE \"{owner}\""))),
        }
    }

    /// Refuses a role that may not name all of these relations: their schemas say who may.
    pub(crate) fn permit_naming(&self, role: &str, needs: &[Need]) -> Result<()> {
        let known = needs.iter().filter_map(|need| self.get(&need.relation));
        let mut own = known.filter(|relation| relation.def.kind != TableKind::System);
        own.try_for_each(|relation| self.permit_in_schema(role, relation.name(), Privileges::USAGE))
    }

    /// Refuses to drop a relation to who owns neither it nor its schema.
    pub(crate) fn permit_drop(&self, role: &str, relation: &Relation) -> Result<()> {
        let schema = self.namespace(relation.name());
        match schema.is_some_and(|namespace| self.has_rights_of(role, &namespace.owner)) {
            true => Ok(()),
            false => self.permit_owner(role, relation),
        }
    }

    /// Refuses what only a relation's owner may do.
    pub(crate) fn permit_owner(&self, role: &str, relation: &Relation) -> Result<()> {
        self.permit_in_schema(role, relation.name(), Privileges::USAGE)?;
        match self.owns(role, relation) {
            true => Ok(()),
            false => Err(refused(format!("must be owner of {} {}", kind(relation), relation.name()))),
        }
    }

    /// Whether the role may do with a relation what only its owner may.
    pub(crate) fn owns(&self, role: &str, relation: &Relation) -> bool {
        self.has_rights_of(role, &relation.owner)
    }

    /// Whether one role may do all that another may.
    pub(crate) fn has_rights_of(&self, role: &str, other: &str) -> bool {
        let groups = self.roles.with_groups(role);
        groups.contains(other) || groups.iter().any(|group| self.roles.is_superuser(group))
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
        let schemas = self.namespaces.values().map(|namespace| namespace.owner.as_str());
        let owners = relations.iter().map(|relation| relation.owner.as_str()).chain(schemas).collect();
        self.roles.change(change, by, &owners)
    }

    /// What rights are about. Only owners give and take them.
    fn objects(&self, on: &GrantTarget, by: &str) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        match on {
            GrantTarget::Schemas(schemas) => {
                for schema in schemas {
                    self.permit_schema_owner(by, schema)?;
                    objects.push(Object::Schema(self.known_namespace(schema)?.number));
                }
            }
            GrantTarget::AllRelations(schemas) | GrantTarget::AllSequences(schemas) => {
                let sequences = matches!(on, GrantTarget::AllSequences(_));
                for schema in schemas {
                    self.known_namespace(schema)?;
                    for relation in self.relations_in(schema) {
                        if relation.sequence.is_some() == sequences {
                            self.permit_owner(by, relation)?;
                            objects.push(Object::Relation(relation.id()));
                        }
                    }
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
        Ok(objects)
    }

    fn change_rights(&mut self, rights: &Rights, by: &str) -> Result<()> {
        let objects = self.objects(&rights.on, by)?;
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

fn undefined(schema: &str) -> Error {
    SqlError::new(SqlState::UndefinedSchema, format!("schema \"{schema}\" does not exist"))
        .with_hint("CREATE SCHEMA makes it")
        .into()
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
