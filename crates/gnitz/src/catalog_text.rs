//! The catalog as text: what the manifest keeps of it, and what a person can read of a broken database.
//!
//! One statement a line: a word, then numbers, words and strings in double quotes (with `\\`, `\"` and `\n`). A
//! `column` line belongs to the relation above it. Reading verifies everything that later code relies on: types
//! and keys of relations, that views read what exists and have their sink in the circuit, and the circuit and
//! the program themselves.

use std::fmt::Write as _;
use std::str::FromStr;

use circuit::{Circuit, Program};
use sql::statement::Privileges;
use sql::{ColumnDef, Course, Identity, TableDef, TableKind, names};
use zset::{CollectionId, ColumnType, Schema, Secret, Type};

use crate::catalog::Catalog;
use crate::counter::{Owner, Sequence};
use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::relation::{Relation, View};
use crate::role::{FIRST, Object, Role, Roles};

/// The version of the text; a reader refuses others.
const FORMAT: u32 = 1;

/// Writes the catalog.
pub(crate) fn print(catalog: &Catalog) -> String {
    let mut text = format!("gnitz-catalog {FORMAT}\nnext {}\n", catalog.next);
    for (name, namespace) in catalog.namespaces.iter().filter(|(name, _)| *name != names::PUBLIC) {
        let _ = writeln!(text, "schema {} {} {}", namespace.number, quote(name), quote(&namespace.owner));
    }
    for relation in catalog.stored() {
        print_relation(&mut text, relation);
    }
    print_roles(&mut text, &catalog.roles);
    let (circuit, program) = (catalog.circuit.to_string(), catalog.program.to_string());
    let _ = writeln!(text, "circuit {}", quote(&circuit));
    let _ = writeln!(text, "program {}", quote(&program));
    text.push_str("end\n");
    text
}

/// Reads what [`print()`] wrote; an empty text is the catalog of a new database.
pub(crate) fn parse(text: &str, secret: Secret) -> Result<Catalog> {
    let mut catalog = Catalog::empty(secret)?;
    if text.is_empty() {
        return Ok(catalog);
    }
    let mut lines = text.lines().map(Line::split);
    let mut head = lines.next().ok_or_else(|| broken("it is empty"))??;
    head.expect("gnitz-catalog")?;
    let format: u32 = head.number()?;
    if format != FORMAT {
        return Err(broken(format!("format {format} is not the format {FORMAT} of this version")));
    }
    let mut open: Option<Draft> = None;
    let mut roles = Roles::none();
    let mut ended = false;
    for line in lines {
        let mut line = line?;
        let word = line.word()?;
        if matches!(word.as_str(), "table" | "view" | "plain-view" | "sequence" | "role" | "circuit")
            && let Some(draft) = open.take()
        {
            catalog.insert(draft.finish(secret)?);
        }
        match word.as_str() {
            "next" => catalog.next = line.number()?,
            "schema" => {
                let number = line.number()?;
                catalog.namespaces.insert(line.string()?, Namespace { number, owner: line.string()? });
            }
            "table" => open = Some(Draft::new(TableKind::Table, &mut line)?),
            "view" => open = Some(Draft::new(TableKind::View, &mut line)?),
            "plain-view" => open = Some(Draft::new(TableKind::PlainView, &mut line)?),
            "sequence" => open = Some(Draft::new(TableKind::Sequence, &mut line)?),
            "role" => read_role(&mut roles, &mut line)?,
            "right" => read_right(&catalog, &mut roles, &mut line)?,
            "circuit" => catalog.circuit = parse_part::<Circuit>("circuit", &line.string()?)?,
            "program" => catalog.program = parse_part::<Program>("program", &line.string()?)?,
            "end" => ended = true,
            _ => open
                .as_mut()
                .ok_or_else(|| broken(format!("{word} outside of a relation")))?
                .read(&word, &mut line)?,
        }
    }
    if !ended {
        return Err(broken("it does not end"));
    }
    catalog.roles = roles;
    verify(&catalog)?;
    Ok(catalog)
}

fn print_relation(text: &mut String, relation: &Relation) {
    let def = &relation.def;
    if let Some(sequence) = &relation.sequence {
        return print_sequence(text, relation, sequence);
    }
    let kind = match def.kind {
        TableKind::View => "view",
        TableKind::PlainView => "plain-view",
        TableKind::Table | TableKind::System | TableKind::Sequence => "table",
    };
    let _ = writeln!(text, "{kind} {} {}", def.id.0, quote_full(&def.name));
    for column in &def.columns {
        let null = if column.ty.nullable { "null" } else { "not-null" };
        let _ = write!(text, "column {} {} {null}", quote(&column.name), quote(&column.ty.ty.to_string()));
        if let Some(limit) = column.max_len {
            let _ = write!(text, " max {limit}");
        }
        if let Some(default) = &column.default {
            let _ = write!(text, " default {}", quote(default));
        }
        if let Some(Identity { always, sequence }) = &column.identity {
            let how = if *always { "always" } else { "by-default" };
            let _ = write!(text, " identity {how} {}", quote_full(sequence));
        }
        text.push('\n');
    }
    print_numbers(text, "primary", def.primary_key.iter().copied());
    print_numbers(text, "key", def.schema.key.iter().copied());
    let _ = writeln!(text, "created {} {}", relation.created, quote(&relation.owner));
    if let Some(view) = &relation.view {
        let _ = writeln!(text, "query {}", quote(&view.query));
        match relation.is_plain_view() {
            true => _ = writeln!(text, "size {} {}", view.depth, view.parts),
            false => _ = writeln!(text, "logical {}", quote(&view.logical)),
        }
        print_numbers(text, "sources", view.sources.iter().map(|id| id.0));
    }
}

fn print_sequence(text: &mut String, relation: &Relation, sequence: &Sequence) {
    let Course { ty, start, increment, min, max } = sequence.course;
    let _ = writeln!(text, "sequence {} {}", relation.id().0, quote_full(relation.name()));
    let _ = writeln!(text, "counts {} {start} {increment} {min} {max}", quote(&ty.to_string()));
    if let Some(Owner { table, column, identity }) = sequence.owner {
        let how = if identity { "identity" } else { "default" };
        let _ = writeln!(text, "of {} {column} {how}", table.0);
    }
    let _ = writeln!(text, "created {} {}", relation.created, quote(&relation.owner));
}

fn print_roles(text: &mut String, roles: &Roles) {
    for (name, role) in roles.iter() {
        let _ = write!(text, "role {} limit {}", quote(name), role.connection_limit);
        let flags = [("login", role.login), ("superuser", role.superuser), ("create-role", role.create_role)];
        for (flag, _) in flags.into_iter().filter(|(_, on)| *on) {
            let _ = write!(text, " {flag}");
        }
        for group in &role.member_of {
            let _ = write!(text, " in {}", quote(group));
        }
        if let Some(verifier) = &role.verifier {
            let _ = write!(text, " password {}", quote(verifier));
        }
        text.push('\n');
    }
    for (object, role, privileges) in roles.rights() {
        let object = match object {
            Object::Schema(number) => number,
            Object::Relation(id) => id.0,
        };
        let _ = write!(text, "right {object} {}", quote(role.unwrap_or_default()));
        for name in privileges.names() {
            let _ = write!(text, " {name}");
        }
        text.push('\n');
    }
}

fn read_role(roles: &mut Roles, line: &mut Line) -> Result<()> {
    let name = line.string()?;
    let mut role = Role::new();
    while !line.is_empty() {
        match line.word()?.as_str() {
            "limit" => role.connection_limit = line.number()?,
            "login" => role.login = true,
            "superuser" => role.superuser = true,
            "create-role" => role.create_role = true,
            "in" => role.member_of.extend([line.string()?]),
            "password" => role.verifier = Some(line.string()?),
            other => return Err(broken(format!("unknown property {other} of a role"))),
        }
    }
    roles.restore(name, role);
    Ok(())
}

/// The number is a schema's or a relation's, and the empty name stands for everybody.
fn read_right(catalog: &Catalog, roles: &mut Roles, line: &mut Line) -> Result<()> {
    let number = line.number()?;
    let object = match catalog.namespaces.values().any(|namespace| namespace.number == number) {
        true => Object::Schema(number),
        false => Object::Relation(CollectionId(number)),
    };
    let role = Some(line.string()?).filter(|name| !name.is_empty());
    let mut privileges = Privileges::NONE;
    while !line.is_empty() {
        let name = line.word()?;
        let one = Privileges::named(&name).ok_or_else(|| broken(format!("unknown right {name}")))?;
        privileges = privileges.and(one);
    }
    roles.grant(object, role, privileges);
    Ok(())
}

fn print_numbers(text: &mut String, word: &str, numbers: impl Iterator<Item = u32>) {
    text.push_str(word);
    for number in numbers {
        let _ = write!(text, " {number}");
    }
    text.push('\n');
}

fn parse_part<T: FromStr>(what: &str, text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| broken(format!("{what}: {error}")))
}

/// What the rest of the engine takes for granted of a catalog that was read.
fn verify(catalog: &Catalog) -> Result<()> {
    if !catalog.roles.is_superuser(FIRST) {
        return Err(broken(format!("the role {FIRST} is missing")));
    }
    let roles = |relation: &Relation| catalog.roles.get(&relation.owner).is_some();
    if let Some(orphan) = catalog.stored().find(|relation| !roles(relation)) {
        return Err(broken(format!("{} belongs to nobody", orphan.name())));
    }
    for (name, namespace) in &catalog.namespaces {
        if catalog.roles.get(&namespace.owner).is_none() || namespace.number >= catalog.next {
            return Err(broken(format!("the schema {name} belongs to nobody, or has no number")));
        }
    }
    let placed = |relation: &Relation| catalog.namespace(relation.name()).is_some();
    if let Some(lost) = catalog.stored().find(|relation| !placed(relation)) {
        return Err(broken(format!("{} is in no schema", lost.name())));
    }
    catalog.circuit.verify().map_err(|error| broken(format!("circuit: {error}")))?;
    catalog.program.verify().map_err(|error| broken(format!("program: {error}")))?;
    for relation in catalog.stored() {
        let Some(view) = &relation.view else { continue };
        let name = relation.name();
        if view.sources.iter().any(|&source| catalog.by_id(source).is_none()) {
            return Err(broken(format!("view {name} reads what does not exist")));
        }
        if relation.is_plain_view() {
            continue;
        }
        let sink = catalog.circuit.sink_of(relation.id());
        let node = sink.ok_or_else(|| broken(format!("view {name} is not in the circuit")))?;
        if catalog.circuit.node(node).schema != relation.def.schema {
            return Err(broken(format!("view {name} and its circuit differ in schema")));
        }
    }
    verify_sequences(catalog)?;
    let plain = catalog.stored().filter(|relation| relation.is_plain_view()).map(|relation| relation.id());
    if catalog.collections().into_iter().chain(plain).any(|id| id.0 >= catalog.next) {
        return Err(broken("a collection's number is not below the next"));
    }
    Ok(())
}

/// Columns have the sequences that they name, and sequences the columns.
fn verify_sequences(catalog: &Catalog) -> Result<()> {
    for relation in catalog.stored() {
        let name = relation.name();
        let sequence = |name: &String| catalog.get(name).is_some_and(|found| found.sequence.is_some());
        let mut named = relation.def.columns.iter().filter_map(|column| column.identity.as_ref());
        if named.any(|identity| !sequence(&identity.sequence)) {
            return Err(broken(format!("{name} has an identity column without a sequence")));
        }
        let owner = relation.sequence.as_ref().and_then(|sequence| sequence.owner);
        let Some(Owner { table, column, .. }) = owner else { continue };
        let columns = catalog.by_id(table).map_or(0, |table| table.def.columns.len());
        if column as usize >= columns {
            return Err(broken(format!("sequence {name} belongs to a column that does not exist")));
        }
    }
    Ok(())
}

/// A relation whose lines are being read.
struct Draft {
    def: TableDef,
    created: u64,
    owner: String,
    view: Option<View>,
    course: Option<Course>,
    column: Option<Owner>,
}

impl Draft {
    fn new(kind: TableKind, line: &mut Line) -> Result<Draft> {
        let id = CollectionId(line.number()?);
        let name = line.full_name()?;
        let schema = Schema { columns: Vec::new(), key: Vec::new() };
        let is_view = matches!(kind, TableKind::View | TableKind::PlainView);
        let view = is_view.then(|| View {
            query: String::new(),
            logical: String::new(),
            sources: Vec::new(),
            depth: 0,
            parts: 0,
        });
        let def = TableDef { id, name, kind, columns: Vec::new(), primary_key: Vec::new(), schema };
        Ok(Draft { def, created: 0, owner: String::new(), view, course: None, column: None })
    }

    fn read(&mut self, word: &str, line: &mut Line) -> Result<()> {
        match (word, &mut self.view) {
            ("column", _) => {
                let column = read_column(line)?;
                self.def.schema.columns.push(column.ty);
                self.def.columns.push(column);
            }
            ("counts", _) => self.course = Some(read_course(line)?),
            ("of", _) => {
                let (table, column) = (CollectionId(line.number()?), line.number()?);
                self.column = Some(Owner { table, column, identity: line.word()? == "identity" });
            }
            ("primary", _) => self.def.primary_key = line.numbers()?,
            ("key", _) => self.def.schema.key = line.numbers()?,
            ("created", _) => (self.created, self.owner) = (line.number()?, line.string()?),
            ("query", Some(view)) => view.query = line.string()?,
            ("size", Some(view)) => (view.depth, view.parts) = (line.number()?, line.number()?),
            ("logical", Some(view)) => view.logical = line.string()?,
            ("sources", Some(view)) => view.sources = line.numbers()?.into_iter().map(CollectionId).collect(),
            _ => return Err(broken(format!("unknown line {word}"))),
        }
        Ok(())
    }

    fn finish(self, secret: Secret) -> Result<Relation> {
        if self.def.kind == TableKind::Sequence {
            let missing = || broken(format!("sequence {} has no values", self.def.name));
            let course = self.course.ok_or_else(missing)?;
            let TableDef { id, name, .. } = self.def;
            let sequence = Relation::of_sequence(id, name, (course, self.column), secret);
            return Ok(sequence.made(self.created, self.owner));
        }
        let columns = self.def.columns.len() as u32;
        let mut keys = self.def.primary_key.iter().chain(&self.def.schema.key);
        if keys.any(|&column| column >= columns) {
            return Err(broken(format!("{} has a key column that does not exist", self.def.name)));
        }
        Ok(Relation::new(self.def, self.view, secret).made(self.created, self.owner))
    }
}

fn read_course(line: &mut Line) -> Result<Course> {
    let ty = read_type(line)?;
    let [start, increment, min, max] = [line.number()?, line.number()?, line.number()?, line.number()?];
    if increment == 0 || min > max || start < min || start > max {
        return Err(broken("a sequence counts nowhere"));
    }
    Ok(Course { ty, start, increment, min, max })
}

fn read_type(line: &mut Line) -> Result<Type> {
    let text = line.string()?;
    text.parse::<Type>().map_err(|_| broken(format!("unknown type {text}")))
}

fn read_column(line: &mut Line) -> Result<ColumnDef> {
    let name = line.string()?;
    let ty = read_type(line)?;
    let nullable = match line.word()?.as_str() {
        "null" => true,
        "not-null" => false,
        other => return Err(broken(format!("{other} in the place of null or not-null"))),
    };
    let mut column = ColumnDef::new(name, ColumnType { ty, nullable });
    while !line.is_empty() {
        match line.word()?.as_str() {
            "max" => column.max_len = Some(line.number()?),
            "default" => column.default = Some(line.string()?),
            "identity" => {
                let always = match line.word()?.as_str() {
                    "always" => true,
                    "by-default" => false,
                    other => return Err(broken(format!("{other} is no way to be generated"))),
                };
                column.identity = Some(Identity { always, sequence: line.full_name()? });
            }
            other => return Err(broken(format!("unknown property {other} of a column"))),
        }
    }
    Ok(column)
}

/// The tokens of a line, taken from the front.
struct Line {
    tokens: std::vec::IntoIter<Token>,
}

enum Token {
    Word(String),
    Text(String),
}

impl Line {
    fn split(text: &str) -> Result<Line> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(&first) = chars.peek() {
            if first == ' ' {
                chars.next();
            } else if first == '"' {
                chars.next();
                tokens.push(Token::Text(unquote(&mut chars)?));
            } else {
                let mut word = String::new();
                while let Some(c) = chars.next_if(|&c| c != ' ') {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
        Ok(Line { tokens: tokens.into_iter() })
    }

    fn is_empty(&self) -> bool {
        self.tokens.len() == 0
    }

    fn word(&mut self) -> Result<String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(broken("a word is missing")),
        }
    }

    fn string(&mut self) -> Result<String> {
        match self.tokens.next() {
            Some(Token::Text(text)) => Ok(text),
            _ => Err(broken("a string is missing")),
        }
    }

    /// What [`quote_full`] wrote.
    fn full_name(&mut self) -> Result<String> {
        let own = self.string()?;
        if !matches!(self.tokens.as_slice().first(), Some(Token::Word(word)) if word == "in") {
            return Ok(names::full(names::PUBLIC, &own));
        }
        self.expect("in")?;
        Ok(names::full(&self.string()?, &own))
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.word()? == word { Ok(()) } else { Err(broken(format!("{word} is missing"))) }
    }

    fn number<N: FromStr>(&mut self) -> Result<N> {
        self.word()?.parse().map_err(|_| broken("a number is missing"))
    }

    fn numbers(&mut self) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        while !self.is_empty() {
            numbers.push(self.number()?);
        }
        Ok(numbers)
    }
}

fn quote(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r")
    )
}

/// The own name of a relation, and its schema if that is not `public`.
fn quote_full(full: &str) -> String {
    match names::split(full) {
        (names::PUBLIC, own) => quote(own),
        (schema, own) => format!("{} in {}", quote(own), quote(schema)),
    }
}

/// Reads a string from behind its opening quote.
fn unquote(chars: &mut impl Iterator<Item = char>) -> Result<String> {
    let mut text = String::new();
    loop {
        match chars.next().ok_or_else(|| broken("a string does not end"))? {
            '"' => return Ok(text),
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some(c @ ('"' | '\\')) => text.push(c),
                _ => return Err(broken("an unknown escape in a string")),
            },
            c => text.push(c),
        }
    }
}

fn broken(message: impl Into<String>) -> Error {
    Error::Catalog { message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableDef {
        let mut name = ColumnDef::new("na\"me", ColumnType { ty: Type::Text, nullable: true });
        name.max_len = Some(10);
        name.default = Some("'a\\b\nc'".into());
        let id = ColumnDef::new("id", ColumnType { ty: Type::Int64, nullable: false });
        let columns = vec![name, id];
        let schema = Schema { columns: columns.iter().map(|c| c.ty).collect(), key: vec![1] };
        TableDef {
            id: CollectionId(1),
            name: "t".into(),
            kind: TableKind::Table,
            columns,
            primary_key: vec![1],
            schema,
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let secret = Secret([7; 16]);
        let mut catalog = Catalog::empty(secret).unwrap();
        assert_eq!(catalog.allocate(), CollectionId(1));
        catalog.insert(Relation::new(table(), None, secret));
        let owner = Owner { table: CollectionId(1), column: 1, identity: true };
        let course = Course { start: 7, increment: -2, min: -9, max: 8, ty: Type::Int16 };
        let id = catalog.allocate();
        catalog.insert(Relation::of_sequence(id, "t_id_seq".into(), (course, Some(owner)), secret));
        let text = print(&catalog);
        let again = parse(&text, secret).unwrap();
        let sequence = again.get("t_id_seq").unwrap().sequence.as_ref().unwrap();
        assert_eq!((sequence.course, sequence.owner), (course, Some(owner)));
        assert_eq!(again.get("t").unwrap().def, catalog.get("t").unwrap().def);
        assert_eq!(print(&again), text);
    }

    #[test]
    fn what_is_broken_is_refused() {
        let secret = Secret([7; 16]);
        let mut catalog = Catalog::empty(secret).unwrap();
        catalog.next = 2;
        catalog.insert(Relation::new(table(), None, secret));
        let text = print(&catalog);
        for (from, to) in [
            ("gnitz-catalog 1", "gnitz-catalog 2"),
            ("next 2", "next 1"),
            ("key 1", "key 2"),
            ("BIGINT", "BIGLY"),
            ("end\n", ""),
            ("table 1 \"t\"", "table 1 \"t"),
        ] {
            let broken = text.replace(from, to);
            assert_ne!(broken, text, "{from}");
            assert!(matches!(parse(&broken, secret), Err(Error::Catalog { .. })), "{from}");
        }
    }
}
