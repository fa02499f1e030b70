//! Statements that are the session's own and not the database's: settings, prepared statements by name, cursors.
//!
//! They are few and plain, so words are enough to read them; a statement that begins with none of theirs is left to
//! the engine, which also refuses what nobody has (LISTEN, NOTIFY) by its name.

use crate::pg::error::Report;
use crate::pg::types::oid::{self, Given};

mod words;

use words::{Word, Words};

/// A statement of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `SET [LOCAL] name TO value`; no value is the default.
    Set {
        /// The setting.
        name: String,
        /// Its value.
        value: Option<String>,
        /// For the transaction alone.
        local: bool,
    },
    /// `SET TRANSACTION …`, or `SET SESSION CHARACTERISTICS AS TRANSACTION …`
    SetTransaction {
        /// For the transactions to come, and not for this one.
        session: bool,
        /// Whether it may only read, if that is said.
        read_only: Option<bool>,
    },
    /// `SET ROLE NONE` and the like, which change nothing.
    SetNothing,
    /// `RESET name`; no name for all.
    Reset(Option<String>),
    /// `SHOW name`; no name for all.
    Show(Option<String>),
    /// `PREPARE name [(types)] AS statement`
    Prepare {
        /// Its name.
        name: String,
        /// The types of its parameters, by number.
        types: Vec<u32>,
        /// Where the statement begins in the text.
        start: usize,
    },
    /// `EXECUTE name [(values)]`
    Execute {
        /// The statement's name.
        name: String,
        /// The values, as a select list.
        values: Option<String>,
    },
    /// `DEALLOCATE name`; no name for all.
    Deallocate(Option<String>),
    /// `DISCARD what`
    Discard(Discard),
    /// `DECLARE name CURSOR FOR query`
    Declare {
        /// Its name.
        name: String,
        /// It outlives its transaction.
        hold: bool,
        /// It only goes forward.
        forward: bool,
        /// Its rows are given in binary.
        binary: bool,
        /// Where the query begins in the text.
        start: usize,
    },
    /// `FETCH` and `MOVE`
    Fetch {
        /// The cursor's name.
        name: String,
        /// Which rows.
        to: Direction,
        /// Only go there.
        only_move: bool,
        /// How long to wait for changes, as an interval.
        timeout: Option<String>,
    },
    /// `CLOSE name`; no name for all.
    Close(Option<String>),
    /// `UNLISTEN`, of which there is nothing to do.
    Unlisten,
}

/// What `DISCARD` forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discard {
    /// Everything.
    All,
    /// The values that were taken from sequences.
    Sequences,
    /// Plans, temporary tables: nothing that can be seen.
    Nothing(&'static str),
}

/// Which rows of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// So many from here on; backwards if negative; 0 for the one it stands on.
    Forward(i64),
    /// All from here on.
    All,
    /// All from here back.
    BackwardAll,
    /// The row of this number; from the end if negative.
    Absolute(i64),
    /// The row so many away.
    Relative(i64),
}

impl Command {
    /// The command that a statement is; nothing if it is the engine's.
    pub(crate) fn parse(text: &str) -> Option<Result<Command, Report>> {
        let mut words = Words::new(text);
        let first = words.keyword()?;
        let command = match first.as_str() {
            "set" => set(&mut words),
            "reset" => one_or_all(&mut words).map(Command::Reset),
            "show" => match words.peek_keyword().as_deref() {
                Some("tables") => return None,
                _ => show(&mut words).map(Command::Show),
            },
            "prepare" => prepare(&mut words),
            "execute" => execute(&mut words),
            "deallocate" => {
                words.skip("prepare");
                one_or_all(&mut words).map(Command::Deallocate)
            }
            "discard" => discard(&mut words),
            "declare" => declare(&mut words),
            "fetch" => fetch(&mut words, false),
            "move" => fetch(&mut words, true),
            "close" => one_or_all(&mut words).map(Command::Close),
            "unlisten" => {
                words.next();
                Ok(Command::Unlisten)
            }
            _ => return None,
        };
        Some(command.and_then(|command| words.end().map(|()| command)))
    }

    /// Its tag.
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Command::Set { .. } | Command::SetTransaction { .. } | Command::SetNothing => "SET",
            Command::Reset(_) => "RESET",
            Command::Show(_) => "SHOW",
            Command::Prepare { .. } => "PREPARE",
            Command::Execute { .. } => "EXECUTE",
            Command::Deallocate(Some(_)) => "DEALLOCATE",
            Command::Deallocate(None) => "DEALLOCATE ALL",
            Command::Discard(Discard::All) => "DISCARD ALL",
            Command::Discard(Discard::Sequences) => "DISCARD SEQUENCES",
            Command::Discard(Discard::Nothing(tag)) => tag,
            Command::Declare { .. } => "DECLARE CURSOR",
            Command::Fetch { only_move: true, .. } => "MOVE",
            Command::Fetch { .. } => "FETCH",
            Command::Close(Some(_)) => "CLOSE CURSOR",
            Command::Close(None) => "CLOSE CURSOR ALL",
            Command::Unlisten => "UNLISTEN",
        }
    }
}

fn one_or_all(words: &mut Words<'_>) -> Result<Option<String>, Report> {
    match words.peek_keyword().as_deref() {
        Some("all") => {
            words.next();
            Ok(None)
        }
        _ => words.name().map(Some),
    }
}

fn show(words: &mut Words<'_>) -> Result<Option<String>, Report> {
    let named = |words: &mut Words<'_>, name: &str| {
        words.next();
        Ok(Some(name.to_string()))
    };
    match words.peek_keyword().as_deref() {
        Some("time") => {
            words.next();
            words.expect("zone")?;
            Ok(Some("timezone".to_string()))
        }
        Some("transaction") => {
            words.next();
            words.expect("isolation")?;
            words.expect("level")?;
            Ok(Some("transaction_isolation".to_string()))
        }
        Some("session") => {
            words.next();
            named(words, "session_authorization")
        }
        _ => {
            let setting = one_or_all(words)?;
            Ok(setting.map(|setting| dotted(words, setting)))
        }
    }
}

/// The rest of a name that has points.
fn dotted(words: &mut Words<'_>, mut name: String) -> String {
    while words.skip_symbol('.') {
        let Ok(part) = words.name() else { break };
        name = format!("{name}.{part}");
    }
    name
}

fn set(words: &mut Words<'_>) -> Result<Command, Report> {
    let local = words.skip("local");
    let session = !local && words.skip("session");
    match words.peek_keyword().as_deref() {
        Some("characteristics") if session => {
            ["characteristics", "as", "transaction"].iter().try_for_each(|word| words.expect(word))?;
            return modes(words).map(|read_only| Command::SetTransaction { session, read_only });
        }
        Some("transaction") if !session => {
            words.next();
            return modes(words).map(|read_only| Command::SetTransaction { session, read_only });
        }
        Some("time") => {
            words.next();
            words.expect("zone")?;
            let value = values(words)?;
            return Ok(Command::Set { name: "timezone".to_string(), value: no_local(value), local });
        }
        Some("names") => {
            words.next();
            return Ok(Command::Set { name: "client_encoding".to_string(), value: values(words)?, local });
        }
        Some(what @ ("role" | "authorization")) => {
            let what = what.to_ascii_uppercase();
            words.next();
            return match values(words)?.as_deref() {
                None | Some("none") => Ok(Command::SetNothing),
                Some(_) => Err(Report::unsupported(format!("SET {what}"))),
            };
        }
        _ => {}
    }
    let name = words.name()?;
    let name = dotted(words, name);
    if !words.skip("to") && !words.skip_symbol('=') {
        return Err(words.unexpected());
    }
    let value = if name == "search_path" { names(words)? } else { values(words)? };
    Ok(Command::Set { name, value, local })
}

/// A list of names as one text, each quoted if it must be; nothing for `DEFAULT`.
fn names(words: &mut Words<'_>) -> Result<Option<String>, Report> {
    if words.skip("default") {
        return Ok(None);
    }
    let mut list = Vec::new();
    loop {
        list.push(match words.next() {
            Some(Word::Plain(name)) => name.to_lowercase(),
            Some(Word::Quoted(name) | Word::Text(name)) => gnitz::quote_ident(&name),
            _ => return Err(words.unexpected()),
        });
        if !words.skip_symbol(',') {
            return Ok(Some(list.join(", ")));
        }
    }
}

/// `LOCAL` as a time zone is the default one.
fn no_local(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.eq_ignore_ascii_case("local"))
}

/// A list of values as one text; nothing for `DEFAULT`.
fn values(words: &mut Words<'_>) -> Result<Option<String>, Report> {
    if words.skip("default") {
        return Ok(None);
    }
    let mut list = Vec::new();
    loop {
        list.push(words.value()?);
        if !words.skip_symbol(',') {
            return Ok(Some(list.join(", ")));
        }
    }
}

/// Modes of a transaction: whether it may only read, if they say it. Those that it does not have are refused.
fn modes(words: &mut Words<'_>) -> Result<Option<bool>, Report> {
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        rest.push(word.text().to_ascii_lowercase());
    }
    let text = rest.join(" ").replace(" ,", "");
    for wrong in ["serializable", "snapshot"] {
        if text.contains(wrong) {
            return Err(Report::unsupported(format!("a transaction that is {}", wrong.to_ascii_uppercase())));
        }
    }
    let known = [
        "isolation",
        "level",
        "read",
        "committed",
        "uncommitted",
        "repeatable",
        "write",
        "only",
        "not",
        "deferrable",
    ];
    match rest.iter().find(|word| *word != "," && !known.contains(&word.as_str())) {
        Some(word) => Err(Report::syntax(format!("syntax error at or near \"{word}\""))),
        None if rest.is_empty() => Err(words.unexpected()),
        None if text.contains("read only") => Ok(Some(true)),
        None => Ok(text.contains("read write").then_some(false)),
    }
}

fn prepare(words: &mut Words<'_>) -> Result<Command, Report> {
    if words.peek_keyword().as_deref() == Some("transaction") {
        return Err(Report::unsupported("PREPARE TRANSACTION"));
    }
    let name = words.name()?;
    let mut types = Vec::new();
    if let Some(list) = words.parenthesised()? {
        for part in split_list(list) {
            let known = gnitz::type_named(part).filter(|&ty| oid::given(ty) != Given::Foreign);
            types.push(
                known.ok_or_else(|| Report::error("42704", format!("type \"{part}\" does not exist")))?,
            );
        }
    }
    words.expect("as")?;
    Ok(Command::Prepare { name, types, start: words.rest() })
}

/// The parts of a list between commas outside of parentheses.
fn split_list(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    list.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .map(str::trim)
}

fn execute(words: &mut Words<'_>) -> Result<Command, Report> {
    let name = words.name()?;
    let values = words.parenthesised()?.map(str::to_string).filter(|values| !values.trim().is_empty());
    Ok(Command::Execute { name, values })
}

fn discard(words: &mut Words<'_>) -> Result<Command, Report> {
    let what = words.keyword().ok_or_else(|| words.unexpected())?;
    Ok(Command::Discard(match what.as_str() {
        "all" => Discard::All,
        "plans" => Discard::Nothing("DISCARD PLANS"),
        "sequences" => Discard::Sequences,
        "temp" | "temporary" => Discard::Nothing("DISCARD TEMP"),
        other => return Err(Report::syntax(format!("syntax error at or near \"{other}\""))),
    }))
}

fn declare(words: &mut Words<'_>) -> Result<Command, Report> {
    let name = words.name()?;
    let (mut forward, mut binary, mut hold) = (false, false, false);
    loop {
        let word = words.keyword().ok_or_else(|| words.unexpected())?;
        match word.as_str() {
            "cursor" => break,
            "binary" => binary = true,
            // A cursor's rows are those of one snapshot, and they are all there once it is declared.
            "insensitive" | "asensitive" | "scroll" => {}
            "no" => {
                words.expect("scroll")?;
                forward = true;
            }
            other => return Err(Report::syntax(format!("syntax error at or near \"{other}\""))),
        }
    }
    if words.skip("with") {
        words.expect("hold")?;
        hold = true;
    } else if words.skip("without") {
        words.expect("hold")?;
    }
    words.expect("for")?;
    Ok(Command::Declare { name, hold, forward, binary, start: words.rest() })
}

fn fetch(words: &mut Words<'_>, only_move: bool) -> Result<Command, Report> {
    let to = direction(words)?.unwrap_or(Direction::Forward(1));
    if !words.skip("from") {
        words.skip("in");
    }
    let name = words.name()?;
    let timeout = match !only_move && words.skip("with") {
        true => Some(timeout(words)?),
        false => None,
    };
    Ok(Command::Fetch { name, to, only_move, timeout })
}

/// `(TIMEOUT = '1 second')`
fn timeout(words: &mut Words<'_>) -> Result<String, Report> {
    let list = words.parenthesised()?.ok_or_else(|| words.unexpected())?;
    let mut option = Words::new(list);
    option.expect("timeout")?;
    option.skip_symbol('=');
    let value = option.value()?;
    option.end().map(|()| value)
}

fn direction(words: &mut Words<'_>) -> Result<Option<Direction>, Report> {
    if let Some(count) = words.integer() {
        return Ok(Some(Direction::Forward(count)));
    }
    let Some(word) = words.peek_keyword() else { return Ok(None) };
    let fixed = match word.as_str() {
        "next" => Some(Direction::Forward(1)),
        "prior" => Some(Direction::Forward(-1)),
        "first" => Some(Direction::Absolute(1)),
        "last" => Some(Direction::Absolute(-1)),
        "all" => Some(Direction::All),
        _ => None,
    };
    if fixed.is_some() {
        words.next();
        return Ok(fixed);
    }
    if !matches!(word.as_str(), "absolute" | "relative" | "forward" | "backward") {
        return Ok(None);
    }
    words.next();
    let back = word == "backward";
    if matches!(word.as_str(), "forward" | "backward") {
        if words.skip("all") {
            return Ok(Some(if back { Direction::BackwardAll } else { Direction::All }));
        }
        let count = words.integer().unwrap_or(1);
        return Ok(Some(Direction::Forward(if back { count.saturating_neg() } else { count })));
    }
    let count = words.integer().ok_or_else(|| words.unexpected())?;
    Ok(Some(if word == "absolute" { Direction::Absolute(count) } else { Direction::Relative(count) }))
}

/// Whether a word can be the value of a setting as it stands.
fn plain(word: &Word<'_>) -> bool {
    !matches!(word, Word::Symbol(_))
}

#[cfg(test)]
mod tests;
