//! Which settings there are, and what each takes. Their names, types and first values are PostgreSQL's.

use std::collections::HashMap;
use std::sync::LazyLock;

use gnitz::settings::{SettingInfo, setting_info};

/// What a setting takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// Any value of its type: the server acts on it, or it changes no answer.
    Free,
    /// One of these, in any case; they mean the same.
    OneOf(&'static [&'static str]),
    /// What the transaction takes, which knows its value.
    Ignored,
    /// Nothing: it can be shown.
    Nothing,
}

/// A setting.
pub(super) struct Known {
    /// What it is.
    pub(super) info: &'static SettingInfo,
    /// Its name in small letters.
    pub(super) name: String,
    /// Its first value, as it is shown.
    pub(super) value: String,
    /// What it takes.
    pub(super) takes: Takes,
    /// Clients are told of changes.
    pub(super) told: bool,
}

const UTF8: Takes = Takes::OneOf(&["utf8", "utf-8", "unicode"]);
const ON: Takes = Takes::OneOf(&["on", "true", "yes", "1"]);
const OFF: Takes = Takes::OneOf(&["off", "false", "no", "0"]);
const LEVELS: Takes = Takes::OneOf(&["repeatable read", "read committed", "read uncommitted"]);
const ISO: Takes = Takes::OneOf(&["iso", "iso, mdy", "iso, dmy", "iso, ymd"]);
const UTC: Takes = Takes::OneOf(&["utc", "gmt", "etc/utc", "z", "0", "+00:00"]);
const PLAIN: Takes = Takes::OneOf(&["c", "posix", "c.utf-8", "en_us.utf-8", ""]);

/// Settings of which clients are told.
const TOLD: &[(&str, Takes)] = &[
    ("application_name", Takes::Free),
    ("client_encoding", UTF8),
    ("DateStyle", ISO),
    ("default_transaction_read_only", Takes::Free),
    ("in_hot_standby", Takes::Nothing),
    ("integer_datetimes", Takes::Nothing),
    ("IntervalStyle", Takes::OneOf(&["postgres"])),
    ("is_superuser", Takes::Nothing),
    ("server_encoding", Takes::Nothing),
    ("server_version", Takes::Nothing),
    ("session_authorization", Takes::Nothing),
    ("standard_conforming_strings", ON),
    ("TimeZone", UTC),
];

/// Settings that the server acts on, or that can only be what they are.
const OTHERS: &[(&str, Takes)] = &[
    ("array_nulls", ON),
    ("backslash_quote", Takes::OneOf(&["safe_encoding"])),
    ("block_size", Takes::Nothing),
    ("bytea_output", Takes::OneOf(&["hex"])),
    ("client_min_messages", Takes::Free),
    ("default_table_access_method", Takes::OneOf(&["heap"])),
    ("default_tablespace", Takes::OneOf(&[""])),
    ("default_transaction_deferrable", OFF),
    ("default_transaction_isolation", LEVELS),
    ("exit_on_error", OFF),
    ("extra_float_digits", Takes::Free),
    ("fsync", Takes::Nothing),
    ("idle_in_transaction_session_timeout", Takes::Free),
    ("idle_session_timeout", Takes::Free),
    ("lc_collate", Takes::Nothing),
    ("lc_ctype", Takes::Nothing),
    ("lc_messages", PLAIN),
    ("lc_monetary", PLAIN),
    ("lc_numeric", PLAIN),
    ("lc_time", PLAIN),
    ("max_connections", Takes::Nothing),
    ("max_identifier_length", Takes::Nothing),
    ("max_index_keys", Takes::Nothing),
    ("password_encryption", Takes::OneOf(&["scram-sha-256"])),
    ("quote_all_identifiers", OFF),
    ("search_path", Takes::Free),
    ("server_version_num", Takes::Nothing),
    ("session_replication_role", Takes::OneOf(&["origin"])),
    ("statement_timeout", Takes::Free),
    ("temp_tablespaces", Takes::OneOf(&[""])),
    ("transaction_deferrable", OFF),
    ("transaction_isolation", LEVELS),
    ("transaction_read_only", Takes::Ignored),
    ("transform_null_equals", OFF),
    ("wal_level", Takes::Nothing),
];

/// How PostgreSQL's planner looks for a plan. Ours looks in its own way, and the answer is the same whichever is found.
const PLANNING: &[&str] = &[
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "default_statistics_target",
    "effective_cache_size",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "force_parallel_mode",
    "from_collapse_limit",
    "geqo",
    "geqo_effort",
    "geqo_generations",
    "geqo_pool_size",
    "geqo_seed",
    "geqo_selection_bias",
    "geqo_threshold",
    "jit",
    "jit_above_cost",
    "jit_expressions",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "jit_tuple_deforming",
    "join_collapse_limit",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "random_page_cost",
    "recursive_worktable_factor",
    "seq_page_cost",
    "synchronize_seqscans",
];

/// How much memory and how many reads at once PostgreSQL allows a statement. Here the server's own limits hold for all.
const RESOURCES: &[&str] = &[
    "backend_flush_after",
    "effective_io_concurrency",
    "hash_mem_multiplier",
    "logical_decoding_work_mem",
    "maintenance_io_concurrency",
    "maintenance_work_mem",
    "temp_buffers",
    "work_mem",
];

/// How much of a commit's safety a client would give up. A commit that is answered is on the disk, whatever is asked.
const COMMITS: &[&str] = &["commit_siblings", "synchronous_commit"];

/// How long to wait for what another session has locked. Nothing is ever locked: two who change one row are told apart
/// when they commit.
const WAITS: &[&str] = &["lock_timeout"];

/// What concerns features that do not exist here, or remarks on a statement's text: functions' bodies, row security,
/// compression of single values, XML, text search.
const ABSENT: &[&str] = &[
    "check_function_bodies",
    "default_text_search_config",
    "default_toast_compression",
    "escape_string_warning",
    "row_security",
    "xmlbinary",
    "xmloption",
];

/// Every setting.
pub(super) fn all() -> &'static [Known] {
    &REGISTRY.all
}

/// The setting of a name in small letters.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    REGISTRY.by_name.get(name).map(|at| &REGISTRY.all[*at])
}

struct Registry {
    all: Vec<Known>,
    by_name: HashMap<String, usize>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let known = |name: &str, takes, told| {
        let info = setting_info(name)?;
        let (name, value) = (info.name.to_ascii_lowercase(), info.default_shown());
        Some(Known { info, name, value, takes, told })
    };
    let told = TOLD.iter().filter_map(|(name, takes)| known(name, *takes, true));
    let others = OTHERS.iter().filter_map(|(name, takes)| known(name, *takes, false));
    let free = [PLANNING, RESOURCES, COMMITS, WAITS, ABSENT].concat();
    let free = free.into_iter().filter_map(|name| known(name, Takes::Free, false));
    let mut all: Vec<Known> = told.chain(others).chain(free).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let by_name = all.iter().enumerate().map(|(at, known)| (known.name.clone(), at)).collect();
    Registry { all, by_name }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_catalogs_is_known_and_no_other() {
        let listed = TOLD.len() + OTHERS.len();
        let free: usize = [PLANNING, RESOURCES, COMMITS, WAITS, ABSENT].iter().map(|names| names.len()).sum();
        assert_eq!(all().len(), listed + free, "a name is not PostgreSQL's");
        for info in gnitz::settings::all_settings() {
            assert!(find(&info.name.to_ascii_lowercase()).is_some(), "{}", info.name);
        }
    }
}
