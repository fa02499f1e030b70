//! The tables with their primary keys, and the views: TPC-H Q1, Q3 and Q6 (their ORDER BY and LIMIT belong to the
//! reader of a view, not to its contents), and the customers with what they ordered.

use gnitz::{Error, Session};

/// A view to keep fresh: its name, its query, and how its first rows are shown.
pub struct View {
    /// The name it is created under.
    pub name: &'static str,
    /// What it is, for a heading.
    pub title: &'static str,
    /// The defining query.
    pub query: &'static str,
    /// The ORDER BY and LIMIT of the benchmark's text, for showing it.
    pub order: &'static str,
}

/// The four views of the demo.
pub const VIEWS: &[View] = &[
    View {
        name: "q1",
        title: "Q1: pricing summary",
        query: "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base_price, \
                sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price, \
                sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, avg(l_quantity) AS avg_qty, \
                avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc, count(*) AS count_order \
                FROM lineitem WHERE l_shipdate <= date '1998-12-01' - interval '90' day \
                GROUP BY l_returnflag, l_linestatus",
        order: "ORDER BY l_returnflag, l_linestatus",
    },
    View {
        name: "q3",
        title: "Q3: unshipped orders of most value",
        query: "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority \
                FROM customer, orders, lineitem \
                WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey \
                AND o_orderdate < date '1995-03-15' AND l_shipdate > date '1995-03-15' \
                GROUP BY l_orderkey, o_orderdate, o_shippriority",
        order: "ORDER BY revenue DESC, o_orderdate LIMIT 10",
    },
    View {
        name: "q6",
        title: "Q6: revenue that a discount cost",
        query: "SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem \
                WHERE l_shipdate >= date '1994-01-01' AND l_shipdate < date '1994-01-01' + interval '1' year \
                AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24",
        order: "",
    },
    View {
        name: "top_customers",
        title: "Customers who ordered most",
        query: "SELECT c_custkey, c_name, count(*) AS orders, sum(o_totalprice) AS spent \
                FROM customer JOIN orders ON c_custkey = o_custkey GROUP BY c_custkey, c_name",
        order: "ORDER BY spent DESC, c_custkey LIMIT 10",
    },
];

/// Creates the eight empty tables.
pub fn create_tables(session: &Session) -> Result<(), Error> {
    for statement in DDL {
        session.execute(statement)?;
    }
    Ok(())
}

const DDL: &[&str] = &[
    "CREATE TABLE region (r_regionkey BIGINT PRIMARY KEY, r_name TEXT NOT NULL, r_comment TEXT NOT NULL)",
    "CREATE TABLE nation (n_nationkey BIGINT PRIMARY KEY, n_name TEXT NOT NULL, n_regionkey BIGINT NOT NULL, \
     n_comment TEXT NOT NULL)",
    "CREATE TABLE supplier (s_suppkey BIGINT PRIMARY KEY, s_name TEXT NOT NULL, s_address TEXT NOT NULL, \
     s_nationkey BIGINT NOT NULL, s_phone TEXT NOT NULL, s_acctbal DECIMAL(15,2) NOT NULL, s_comment TEXT NOT NULL)",
    "CREATE TABLE customer (c_custkey BIGINT PRIMARY KEY, c_name TEXT NOT NULL, c_address TEXT NOT NULL, \
     c_nationkey BIGINT NOT NULL, c_phone TEXT NOT NULL, c_acctbal DECIMAL(15,2) NOT NULL, \
     c_mktsegment TEXT NOT NULL, c_comment TEXT NOT NULL)",
    "CREATE TABLE part (p_partkey BIGINT PRIMARY KEY, p_name TEXT NOT NULL, p_mfgr TEXT NOT NULL, \
     p_brand TEXT NOT NULL, p_type TEXT NOT NULL, p_size INTEGER NOT NULL, p_container TEXT NOT NULL, \
     p_retailprice DECIMAL(15,2) NOT NULL, p_comment TEXT NOT NULL)",
    "CREATE TABLE partsupp (ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INTEGER NOT NULL, \
     ps_supplycost DECIMAL(15,2) NOT NULL, ps_comment TEXT NOT NULL, PRIMARY KEY (ps_partkey, ps_suppkey))",
    "CREATE TABLE orders (o_orderkey BIGINT PRIMARY KEY, o_custkey BIGINT NOT NULL, o_orderstatus TEXT NOT NULL, \
     o_totalprice DECIMAL(15,2) NOT NULL, o_orderdate DATE NOT NULL, o_orderpriority TEXT NOT NULL, \
     o_clerk TEXT NOT NULL, o_shippriority INTEGER NOT NULL, o_comment TEXT NOT NULL)",
    "CREATE TABLE lineitem (l_orderkey BIGINT, l_partkey BIGINT NOT NULL, l_suppkey BIGINT NOT NULL, \
     l_linenumber INTEGER, l_quantity DECIMAL(15,2) NOT NULL, l_extendedprice DECIMAL(15,2) NOT NULL, \
     l_discount DECIMAL(15,2) NOT NULL, l_tax DECIMAL(15,2) NOT NULL, l_returnflag TEXT NOT NULL, \
     l_linestatus TEXT NOT NULL, l_shipdate DATE NOT NULL, l_commitdate DATE NOT NULL, l_receiptdate DATE NOT NULL, \
     l_shipinstruct TEXT NOT NULL, l_shipmode TEXT NOT NULL, l_comment TEXT NOT NULL, \
     PRIMARY KEY (l_orderkey, l_linenumber))",
];
