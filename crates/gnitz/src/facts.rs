//! What the PostgreSQL catalogs are computed from: one snapshot and one session, as `pgcatalog` wants to see them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use arrow::datatypes::{Field, Schema};
use pgcatalog::{Activity, Answer, Asked, Facts, PreparedStatement, Relation, RelationKind, Session};
use sql::sqlparser::ast::Query;
use sql::statement::Privileges;
use sql::{Course, Planner, Sequences, SqlError, TableKind, names, types};
use zset::{CollectionId, Type, Vector};

use crate::clock;
use crate::error::Result;
use crate::mode::Core;
use crate::namespace::Namespace;
use crate::notice::Notice;
use crate::outcome::{PG_TYPE, QueryResult};
use crate::peers::{Peers, SettingChange};
use crate::plain_view::contents;
use crate::relation;
use crate::role::{FIRST, Object, PUBLIC_NUMBER, Role};
use crate::sequence::Source;
use crate::snapshot::Snapshot;
use crate::sync::lock;

/// When this process first spoke of itself: the nearest thing to a server's start.
static STARTED: LazyLock<i64> = LazyLock::new(clock::now_micros);

/// A table larger than this is not read beside the catalogs: their queries keep all rows in memory.
const MOST_ROWS: i64 = 100_000;

/// What an owner may do by PostgreSQL's letters, those included that exist only there: who copies the rights to it is
/// to take nothing from the owner.
const OWNERS_RIGHTS: &str = "arwdDxt";

/// The same of schemas.
const OWNERS_RIGHTS_IN_SCHEMA: &str = "UC";

/// The facts for one statement.
pub(crate) struct SnapshotFacts {
    snapshot: Arc<Snapshot>,
    planner: Arc<Planner>,
    session: Arc<Session>,
    cancel: Arc<AtomicBool>,
    peers: Option<Arc<dyn Peers>>,
    now: i64,
    sequences: Source,
    /// Settings that the statement has changed.
    changes: Mutex<Vec<SettingChange>>,
    /// What the client is to be warned of.
    warnings: Mutex<Vec<Notice>>,
}

impl SnapshotFacts {
    pub(crate) fn new(snapshot: &Arc<Snapshot>, core: &Core) -> SnapshotFacts {
        let sequences = Source::at(core, snapshot.version());
        LazyLock::force(&STARTED);
        SnapshotFacts {
            snapshot: Arc::clone(snapshot),
            planner: Arc::clone(&core.engine().planner),
            session: core.facts(),
            cancel: Arc::clone(core.cancel()),
            peers: core.peers(),
            now: clock::now_micros(),
            sequences,
            changes: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Hands on what the statement has set and warned of. Settings are the server's to change, where there is one.
    fn finish(&self, core: &Core) {
        core.note(std::mem::take(&mut *lock(&self.warnings)));
        let changes = std::mem::take(&mut *lock(&self.changes));
        if self.peers.is_some() {
            core.change_settings(changes);
        } else if !changes.is_empty() {
            let mut session = Session::clone(&self.session);
            changes.iter().for_each(|change| session.set(&change.name, &change.value));
            core.set_facts(session);
        }
    }

    fn relation(&self, relation: &relation::Relation) -> Relation {
        let def = &relation.def;
        let (rows, bytes) = self.snapshot.version().size_of(def.id);
        let (schema, own) = match def.kind {
            TableKind::System => ("pg_catalog", def.name.as_str()),
            _ => names::split(&def.name),
        };
        let column = |column: &sql::ColumnDef| pgcatalog::Column {
            name: column.name.clone(),
            ty: column.ty.ty,
            max_len: column.max_len,
            nullable: column.ty.nullable,
            default: column.default.clone(),
            identity: column.identity.as_ref().map(|identity| identity.always),
        };
        let sequence = relation.sequence.as_ref().map(|sequence| {
            let Course { ty, start, increment, min, max } = sequence.course;
            let mark = sequence.counter.mark();
            pgcatalog::Sequence {
                ty,
                start,
                increment,
                min,
                max,
                last: mark.called.then_some(mark.last),
                owner: sequence.owner.map(|owner| (owner.table.0, owner.column)),
                identity: sequence.owner.is_some_and(|owner| owner.identity),
            }
        });
        Relation {
            id: def.id.0,
            schema: schema.to_string(),
            name: own.to_string(),
            kind: match def.kind {
                TableKind::Table => RelationKind::Table,
                TableKind::View => RelationKind::View,
                TableKind::PlainView => RelationKind::PlainView,
                TableKind::System => RelationKind::System,
                TableKind::Sequence => RelationKind::Sequence,
            },
            columns: def.columns.iter().map(column).collect(),
            primary_key: def.primary_key.clone(),
            query: relation.view.as_ref().map(|view| view.query.clone()),
            reads: relation.view.iter().flat_map(|view| &view.sources).map(|source| source.0).collect(),
            owner: Some(relation.owner.clone()).filter(|owner| owner != FIRST),
            sequence,
            rows,
            bytes,
        }
    }

    /// An access list: what the owner has, and what was granted.
    fn granted(&self, object: Object, owner: &str, owners: &str) -> Vec<String> {
        let roles = &self.snapshot.version().compiled.catalog.roles;
        let entry = |role: &str, letters: &str| format!("{role}={letters}/{owner}");
        let given = roles.rights().filter(|(of, role, _)| *of == object && *role != Some(owner));
        let given = given.map(|(_, role, rights)| entry(role.unwrap_or_default(), &rights.letters()));
        std::iter::once(entry(owner, owners)).chain(given).collect()
    }

    fn read(&self, name: &str) -> Result<Vec<Vec<Option<Arc<str>>>>> {
        let query = contents(name)?;
        let snapshot: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(&self.snapshot);
        let rows = self.planner.query(&snapshot, &query, &[], self.now, &self.cancel)?;
        let result = QueryResult { schema: rows.schema, batches: rows.batches };
        let types = result.types()?;
        let text = |(datum, ty): (zset::Datum, &zset::Type)| {
            (!datum.is_null()).then(|| Arc::from(datum.display(*ty).to_string()))
        };
        Ok(result.rows()?.into_iter().map(|row| row.into_iter().zip(&types).map(text).collect()).collect())
    }
}

impl Facts for SnapshotFacts {
    fn relations(&self) -> Vec<Relation> {
        let catalog = &self.snapshot.version().compiled.catalog;
        catalog.relations().map(|relation| self.relation(relation)).collect()
    }

    fn session(&self) -> &Session {
        &self.session
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn started(&self) -> i64 {
        *STARTED
    }

    fn query_memory(&self) -> usize {
        self.planner.query_memory()
    }

    fn is_canceled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn epoch(&self) -> i64 {
        i64::try_from(self.snapshot.version().state.epoch).unwrap_or(i64::MAX)
    }

    fn roles(&self) -> Vec<pgcatalog::Role> {
        let roles = &self.snapshot.version().compiled.catalog.roles;
        let role = |(name, role): (&str, &Role)| pgcatalog::Role {
            oid: role_number(name),
            name: name.to_string(),
            superuser: role.superuser,
            login: role.login,
            create_role: role.create_role,
            create_database: role.superuser,
            member_of: role.member_of.iter().map(|group| role_number(group)).collect(),
        };
        let mut all: Vec<pgcatalog::Role> = roles.iter().map(role).collect();
        // The first is the owner of the database.
        all.sort_by_key(|role| role.name != FIRST);
        all
    }

    fn schemas(&self) -> Vec<pgcatalog::Schema> {
        let namespaces = &self.snapshot.version().compiled.catalog.namespaces;
        let schema = |(name, namespace): (&String, &Namespace)| pgcatalog::Schema {
            id: namespace.number,
            name: name.clone(),
            owner: Some(namespace.owner.clone()).filter(|owner| owner != FIRST),
        };
        namespaces.iter().map(schema).collect()
    }

    fn has_schema_privilege(&self, role: &str, schema: &pgcatalog::Schema, privilege: &str) -> bool {
        let roles = &self.snapshot.version().compiled.catalog.roles;
        let held = roles.held(role, Object::Schema(schema.id), schema.owner.as_deref().unwrap_or(FIRST));
        Privileges::named(privilege).is_some_and(|asked| held.covers(asked))
    }

    fn schema_access_list(&self, schema: &pgcatalog::Schema, owner: &str) -> Option<Vec<String>> {
        let list = self.granted(Object::Schema(schema.id), owner, OWNERS_RIGHTS_IN_SCHEMA);
        // `public` begins with rights, so that to have none says something.
        Some(list).filter(|list| list.len() > 1 || schema.id == PUBLIC_NUMBER)
    }

    fn has_privilege(&self, role: &str, relation: &Relation, privilege: &str) -> bool {
        if relation.kind == RelationKind::System {
            return privilege == "SELECT";
        }
        let roles = &self.snapshot.version().compiled.catalog.roles;
        let owner = relation.owner.as_deref().unwrap_or(FIRST);
        let held = roles.held(role, Object::Relation(CollectionId(relation.id)), owner);
        Privileges::named(privilege).is_some_and(|asked| held.covers(asked))
    }

    fn access_list(&self, relation: &Relation) -> Option<Vec<String>> {
        let owner = relation.owner.as_deref().unwrap_or(FIRST);
        let list = self.granted(Object::Relation(CollectionId(relation.id)), owner, OWNERS_RIGHTS);
        Some(list).filter(|list| list.len() > 1)
    }

    fn set(&self, name: &str, value: &str, local: bool) {
        lock(&self.changes).push(SettingChange { name: name.to_string(), value: value.to_string(), local });
    }

    fn sessions(&self) -> Vec<Activity> {
        self.peers.as_ref().map(|peers| peers.sessions()).unwrap_or_default()
    }

    fn stop(&self, pid: i32, asked: Asked) -> bool {
        self.peers.as_ref().is_some_and(|peers| peers.stop(pid, asked))
    }

    fn prepared(&self) -> Vec<PreparedStatement> {
        self.peers.as_ref().map(|peers| peers.prepared()).unwrap_or_default()
    }

    fn current_value(&self, sequence: &str) -> std::result::Result<i64, SqlError> {
        self.sequences.current(&sql::sequence::name_in(sequence)?)
    }

    fn last_value(&self) -> std::result::Result<i64, SqlError> {
        self.sequences.last()
    }

    fn warn(&self, message: String) {
        lock(&self.warnings).push(Notice::warning(message));
    }

    fn rows(&self, relation: &Relation) -> Option<Vec<Vec<Option<Arc<str>>>>> {
        let stored = self.snapshot.version().compiled.catalog.by_id(CollectionId(relation.id))?;
        self.read(stored.name()).ok().filter(|_| relation.rows <= MOST_ROWS)
    }
}

/// A role's number, the same as long as it has its name: a hash of it (FNV-1a) above the numbers of relations.
fn role_number(name: &str) -> u32 {
    if name == FIRST {
        return pgcatalog::BOOTSTRAP_ROLE;
    }
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    0x8000_0000 | name.bytes().fold(0x811c_9dc5, step)
}

/// Runs a query over the catalogs. Settings that it changes hold for the session from then on.
pub(crate) fn run(
    core: &Core,
    facts: &SnapshotFacts,
    prepared: &pgcatalog::Prepared,
    params: &[sql::Parameter],
) -> Result<QueryResult> {
    let answer = prepared.run(facts, params)?;
    facts.finish(core);
    result(&answer)
}

/// Binds a query over the catalogs.
pub(crate) fn prepare(
    facts: &SnapshotFacts,
    query: &Query,
    given: &[Option<Type>],
) -> Result<pgcatalog::Prepared> {
    let given: Vec<Option<u32>> =
        given.iter().map(|ty| ty.map(|ty| pgcatalog::pg_type_of(ty, None).0)).collect();
    Ok(pgcatalog::Prepared::new(facts, query, &given)?)
}

/// An answer of the catalogs as Arrow has it. Each column says its PostgreSQL type.
fn result(answer: &Answer) -> Result<QueryResult> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (at, column) in answer.columns.iter().enumerate() {
        let ty = pgcatalog::storage_type(column.ty);
        let mut vector = Vector::with_capacity(ty.lane(), answer.rows.len());
        answer.rows.iter().for_each(|row| vector.push_datum(&row[at]));
        let metadata = [(PG_TYPE.to_string(), column.ty.to_string())].into();
        fields.push(Field::new(&column.name, types::to_arrow(ty), true).with_metadata(metadata));
        arrays.push(types::to_array(vector, ty)?);
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = types::record_batch(&schema, arrays, answer.rows.len())?;
    Ok(QueryResult { schema, batches: vec![batch] })
}
