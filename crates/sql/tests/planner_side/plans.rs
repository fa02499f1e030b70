//! Which circuits views become, and what is refused.

use circuit::Op;
use sql::{ViewPlan, explain_view};

use super::{Data, Db, cases, query, small};

fn plan(db: &Db, text: &str) -> Result<ViewPlan, sql::SqlError> {
    let plan = db.planner.plan_view(&db.snapshot, &query(text)?)?;
    plan.circuit.verify().unwrap_or_else(|error| panic!("{text}: {error}\n{}", plan.circuit));
    let program = circuit::lower(&plan.circuit).expect("a program");
    program.verify().unwrap_or_else(|error| panic!("{text}: {error}\n{program}"));
    Ok(plan)
}

/// The operators' names in order, sources with their key.
fn operators(plan: &ViewPlan) -> String {
    plan.circuit.nodes().map(|(_, node)| node.op.name()).collect::<Vec<_>>().join(" ")
}

/// `refuse LINE:COLUMN words` or `refuse words`: a view of the query is refused with these words at this place.
#[test]
fn the_refusals() {
    let db = Db::new(small());
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/refusals.txt")) {
        let rest = case.keyword.strip_prefix("refuse ").expect("refuse …");
        let (place, words) = match rest.split_once(' ') {
            Some((place, words)) if place.contains(':') => (Some(place), words),
            _ => (None, rest),
        };
        let problem = match plan(&db, &case.sql) {
            Ok(plan) => Some(format!("planned as {}", operators(&plan))),
            Err(error) => {
                let found = error.position.map(|p| format!("{}:{}", p.line, p.column));
                let same = error.sqlstate() == "0A000"
                    && error.message.contains(words)
                    && (place.is_none() || found.as_deref() == place);
                (!same).then(|| format!("{found:?} {error}"))
            }
        };
        wrong.extend(problem.map(|problem| format!("line {}: {}\n  {problem}", case.line, case.sql)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `view (columns) key [..]`: the view's schema, and its operators below.
#[test]
fn the_views() {
    let db = Db::new(small());
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/views.txt")) {
        let problem = match plan(&db, &case.sql) {
            Ok(plan) => {
                let names: Vec<&str> = plan.columns.iter().map(|c| c.name.as_str()).collect();
                let schema = format!("view {} {}", names.join(","), plan.schema);
                let operators = operators(&plan);
                let same = schema == case.keyword && case.expected == [operators.clone()];
                (!same).then(|| format!("{schema}\n{operators}\n{}\n{}", plan.logical, plan.circuit))
            }
            Err(error) => Some(error.to_string()),
        };
        wrong.extend(problem.map(|problem| format!("line {}: {}\n{problem}", case.line, case.sql)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn tpch() -> Db {
    let mut data = Data::default();
    data.define(
        "lineitem",
        "l_orderkey BIGINT!; l_partkey BIGINT!; l_suppkey BIGINT!; l_linenumber INTEGER!; \
         l_quantity DECIMAL(15,2)!; l_extendedprice DECIMAL(15,2)!; l_discount DECIMAL(15,2)!; \
         l_tax DECIMAL(15,2)!; l_returnflag TEXT!; l_linestatus TEXT!; l_shipdate DATE!; l_commitdate DATE!; \
         l_receiptdate DATE!; l_shipinstruct TEXT!; l_shipmode TEXT!; l_comment TEXT!",
        &[0, 3],
    );
    data.define(
        "orders",
        "o_orderkey BIGINT!; o_custkey BIGINT!; o_orderstatus TEXT!; o_totalprice DECIMAL(15,2)!; \
         o_orderdate DATE!; o_orderpriority TEXT!; o_clerk TEXT!; o_shippriority INTEGER!; o_comment TEXT!",
        &[0],
    );
    data.define(
        "customer",
        "c_custkey BIGINT!; c_name TEXT!; c_address TEXT!; c_nationkey BIGINT!; c_phone TEXT!; \
         c_acctbal DECIMAL(15,2)!; c_mktsegment TEXT!; c_comment TEXT!",
        &[0],
    );
    Db::new(data)
}

const Q1: &str = "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty,
    sum(l_extendedprice) AS sum_base_price, sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
    sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, avg(l_quantity) AS avg_qty,
    avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc, count(*) AS count_order
    FROM lineitem WHERE l_shipdate <= date '1998-12-01' - interval '90' day
    GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus";
const Q3: &str =
    "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
    FROM customer, orders, lineitem
    WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
    AND o_orderdate < date '1995-03-15' AND l_shipdate > date '1995-03-15'
    GROUP BY l_orderkey, o_orderdate, o_shippriority";
const Q6: &str = "SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
    WHERE l_shipdate >= date '1994-01-01' AND l_shipdate < date '1994-01-01' + interval '1' year
    AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24";

#[test]
fn tpch_views_plan_and_explain() {
    let db = tpch();
    for (text, key) in [(Q1, 2), (Q3, 3), (Q6, 0)] {
        let plan = plan(&db, text).expect("a plan");
        assert_eq!(plan.schema.key.len(), key, "{}", plan.circuit);
        let explained = explain_view(&plan).expect("text");
        for part in ["logical plan:", "circuit:", "program:", "change"] {
            assert!(explained.contains(part), "{explained}");
        }
    }
    let q6 = plan(&db, Q6).expect("a plan");
    let filter = q6.circuit.nodes().find_map(|(_, node)| match &node.op {
        Op::Filter { predicate, .. } => Some(predicate.to_string()),
        _ => None,
    });
    let filter = filter.expect("a filter");
    assert!(!filter.contains("cast"), "the constants are folded: {filter}");
}

#[test]
fn an_order_is_ignored_and_said() {
    let db = Db::new(small());
    let plan = plan(&db, "SELECT a FROM t ORDER BY a").expect("a plan");
    assert!(plan.notice.is_some_and(|notice| notice.contains("ORDER BY")));
}

#[test]
fn a_product_without_keys_costs_the_whole() {
    let db = Db::new(small());
    let plan = plan(&db, "SELECT t.a, bag.v FROM t, bag WHERE t.a < bag.k").expect("a plan");
    assert!(explain_view(&plan).expect("text").lines().any(|line| line.trim_start().starts_with("whole")));
}
