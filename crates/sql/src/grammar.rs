//! The grammar: sqlparser's PostgreSQL dialect, but for one thing that would let a short text be read for hours.
//!
//! That dialect reads each argument of a call twice, first as the name of a named argument, which may be any expression.
//! Calls within calls double the work with each level. Here the name of an argument is a name.

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

/// The grammar of statements.
#[derive(Debug)]
pub(crate) struct Grammar;

/// What is answered as PostgreSQL's dialect answers it: all that it says itself, and does not leave to the default.
macro_rules! as_postgresql {
    ($($name:ident($($argument:ident: $ty:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self $(, $argument: $ty)*) -> $answer {
            PostgreSqlDialect {}.$name($($argument),*)
        })*
    };
}

impl Dialect for Grammar {
    /// The parser takes it for PostgreSQL's where it asks for that.
    fn dialect(&self) -> TypeId {
        PostgreSqlDialect {}.dialect()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    as_postgresql! {
        identifier_quote_style(identifier: &str) -> Option<char>;
        is_delimited_identifier_start(ch: char) -> bool;
        is_identifier_start(ch: char) -> bool;
        is_identifier_part(ch: char) -> bool;
        supports_unicode_string_literal() -> bool;
        is_reserved_for_identifier(kw: Keyword) -> bool;
        is_custom_operator_part(ch: char) -> bool;
        get_next_precedence(parser: &Parser<'_>) -> Option<Result<u8, ParserError>>;
        supports_filter_during_aggregation() -> bool;
        supports_group_by_expr() -> bool;
        prec_value(prec: Precedence) -> u8;
        allow_extract_custom() -> bool;
        allow_extract_single_quotes() -> bool;
        supports_create_index_with_clause() -> bool;
        supports_explain_with_utility_options() -> bool;
        supports_listen_notify() -> bool;
        supports_factorial_operator() -> bool;
        supports_bitwise_shift_operators() -> bool;
        supports_comment_on() -> bool;
        supports_load_extension() -> bool;
        supports_named_fn_args_with_colon_operator() -> bool;
        supports_empty_projections() -> bool;
        supports_nested_comments() -> bool;
        supports_string_escape_constant() -> bool;
        supports_numeric_literal_underscores() -> bool;
        supports_array_typedef_with_brackets() -> bool;
        supports_geometric_types() -> bool;
        supports_set_names() -> bool;
        supports_alter_column_type_using() -> bool;
        supports_notnull_operator() -> bool;
        supports_interval_options() -> bool;
        supports_insert_table_alias() -> bool;
        supports_create_table_like_parenthesized() -> bool;
        supports_select_wildcard_with_alias() -> bool;
        supports_comma_separated_trim() -> bool;
        supports_xml_expressions() -> bool;
        supports_comment_optimizer_hint() -> bool;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Parser::parse_sql(&Grammar, text).unwrap_or_else(|error| panic!("{text}: {error}"))[0].to_string()
    }

    #[test]
    fn calls_within_calls_are_read_in_time() {
        let text = format!("SELECT {}1{}", "abs(".repeat(40), ")".repeat(40));
        assert_eq!(parsed(&text), text);
        let text = format!("SELECT {}1{}", "coalesce(nullif(".repeat(20), ", 1), 2)".repeat(20));
        assert_eq!(parsed(&text), text);
        assert!(
            Parser::parse_sql(&Grammar, &format!("SELECT {}1 +{}", "f(".repeat(40), ")".repeat(40))).is_err()
        );
    }

    #[test]
    fn the_rest_is_postgresqls() {
        for text in [
            "SELECT x::INT, 'a' || 'b', a @> b, ARRAY[1, 2][1], make_interval(days => 1) FROM t",
            "SELECT EXTRACT(YEAR FROM d), E'\\n', count(*) FILTER (WHERE x) FROM t AS \"T\" WHERE a ~* 'b' COLLATE \"C\"",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = EXCLUDED.a RETURNING *",
        ] {
            let theirs = Parser::parse_sql(&PostgreSqlDialect {}, text).expect("SQL")[0].to_string();
            assert_eq!(parsed(text), theirs);
        }
    }
}
