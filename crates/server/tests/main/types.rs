//! Values of every type, in both formats, and the encoders against those of the driver.

use std::error::Error;

use bytes::BytesMut;
use gnitz::wire::{self, Cell};
use gnitz::{Datum, Interval};
use postgres_protocol::types as driver;
use proptest::prelude::*;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{ask, connect, start};

/// A value as the bytes it has in the binary format.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Types with a text of each.
const SAMPLES: &[(&str, &str)] = &[
    ("BOOLEAN", "t"),
    ("SMALLINT", "-32768"),
    ("INTEGER", "2147483647"),
    ("BIGINT", "-9223372036854775808"),
    ("REAL", "1.5e-10"),
    ("DOUBLE PRECISION", "0.1"),
    ("DECIMAL(12,2)", "-1234567890.05"),
    ("DECIMAL(38,10)", "9999999999999999999999999999.0000000001"),
    ("DECIMAL(38,0)", "-99999999999999999999999999999999999999"),
    ("TEXT", "naïve \" \\ text"),
    ("VARCHAR(5)", "abcde"),
    ("CHAR(3)", "xyz"),
    ("BYTEA", "\\x00ff10"),
    ("DATE", "0044-03-15 BC"),
    ("TIME", "23:59:59.999999"),
    ("TIMESTAMP", "1999-12-31 23:59:59.999999"),
    ("TIMESTAMPTZ", "2026-11-22 05:00:00+00"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_in_and_out() {
    let server = start().await;
    let client = connect(&server).await;
    for (index, (ty, text)) in SAMPLES.iter().enumerate() {
        let quoted = text.replace('\'', "''");
        ask(&client, &format!("CREATE TABLE t{index} (id BIGINT PRIMARY KEY, v {ty}, w {ty})"))
            .await
            .unwrap();
        ask(&client, &format!("INSERT INTO t{index} VALUES (1, '{quoted}', NULL)")).await.unwrap();
        let select = format!("SELECT v, w FROM t{index} WHERE id = ");
        assert_eq!(ask(&client, &format!("{select}1")).await.unwrap()[0], format!("{text}|NULL"), "{ty}");
        let row = client.query_one(&format!("{select}$1"), &[&1_i64]).await.unwrap();
        let (value, null): (Raw, Option<Raw>) = (row.get(0), row.get(1));
        assert_eq!(null, None, "{ty}");
        let put = format!("INSERT INTO t{index} VALUES (2, $1, $2)");
        client.execute(&put, &[&value, &None::<Raw>]).await.unwrap();
        assert_eq!(ask(&client, &format!("{select}2")).await.unwrap()[0], format!("{text}|NULL"), "{ty}");
        // It finds what it equals, in a key and out of one.
        let find = format!("SELECT count(*) FROM t{index} WHERE v = $1");
        assert_eq!(client.query_one(&find, &[&value]).await.unwrap().get::<_, i64>(0), 2, "{ty}");
    }
    let interval = client.query_one("SELECT INTERVAL '14 months -3 days 04:05:06.7'", &[]).await.unwrap();
    let expected =
        [&14_706_700_000_i64.to_be_bytes()[..], &(-3_i32).to_be_bytes(), &14_i32.to_be_bytes()].concat();
    assert_eq!(interval.get::<_, Raw>(0), Raw(expected));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_reads_and_writes() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (a BOOLEAN, b SMALLINT, c INTEGER, d BIGINT, e REAL, f DOUBLE PRECISION, g TEXT, h BYTEA, i TIMESTAMP, j TIMESTAMPTZ)").await.unwrap();
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_700_000_000_123_456);
    let put = "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    client
        .execute(
            put,
            &[&true, &-2_i16, &3_i32, &-4_i64, &0.5_f32, &-0.1_f64, &"é", &b"\0x".as_slice(), &now, &now],
        )
        .await
        .unwrap();
    let row = client.query_one("SELECT * FROM t", &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i16>(1), row.get::<_, i32>(2)), (true, -2, 3));
    assert_eq!((row.get::<_, i64>(3), row.get::<_, f32>(4), row.get::<_, f64>(5)), (-4, 0.5, -0.1));
    assert_eq!((row.get::<_, &str>(6), row.get::<_, &[u8]>(7)), ("é", b"\0x".as_slice()));
    assert_eq!(row.get::<_, std::time::SystemTime>(8), now);
    assert_eq!(row.get::<_, std::time::SystemTime>(9), now);
    server.stop().await;
}

/// A value of any type, and its type.
fn value() -> impl Strategy<Value = (Datum, gnitz::Type)> {
    use gnitz::Type as T;
    let decimal = (1..=38_u8, any::<i128>()).prop_flat_map(|(precision, seed)| {
        let unscaled = seed % 10_i128.pow(u32::from(precision));
        (0..=precision).prop_map(move |scale| {
            let datum = if precision <= 18 { Datum::Int(unscaled as i64) } else { Datum::Wide(unscaled) };
            (datum, T::Decimal { precision, scale })
        })
    });
    let seconds = -100_000_000_000_000_000..200_000_000_000_000_000_i64;
    prop_oneof![
        any::<bool>().prop_map(|v| (Datum::Bool(v), T::Bool)),
        any::<i16>().prop_map(|v| (Datum::Int(v.into()), T::Int16)),
        any::<i32>().prop_map(|v| (Datum::Int(v.into()), T::Int32)),
        any::<i64>().prop_map(|v| (Datum::Int(v), T::Int64)),
        any::<f32>().prop_map(|v| (Datum::Float(v.into()), T::Float32)),
        any::<f64>().prop_map(|v| (Datum::Float(v), T::Float64)),
        "\\PC*".prop_map(|v| (Datum::Text(v), T::Text)),
        any::<Vec<u8>>().prop_map(|v| (Datum::Bytes(v), T::Bytes)),
        (-2_000_000..100_000_000_i64).prop_map(|v| (Datum::Int(v), T::Date)),
        (0..86_400_000_000_i64).prop_map(|v| (Datum::Int(v), T::Time)),
        seconds.clone().prop_map(|v| (Datum::Int(v), T::Timestamp)),
        seconds.prop_map(|v| (Datum::Int(v), T::TimestampTz)),
        (-1_000_000..1_000_000_i32, -1_000_000..1_000_000_i32, -(1_i64 << 50)..1_i64 << 50).prop_map(
            |(months, days, micros)| (Datum::Interval(Interval { months, days, micros }), T::Interval)
        ),
        decimal,
    ]
}

/// What the driver reads, as text; nothing for types that it does not know.
fn driver_reads(bytes: &[u8], ty: gnitz::Type) -> Option<Datum> {
    use gnitz::Type as T;
    Some(match ty {
        T::Bool => Datum::Bool(driver::bool_from_sql(bytes).ok()?),
        T::Int16 => Datum::Int(driver::int2_from_sql(bytes).ok()?.into()),
        T::Int32 => Datum::Int(driver::int4_from_sql(bytes).ok()?.into()),
        T::Int64 => Datum::Int(driver::int8_from_sql(bytes).ok()?),
        T::Float32 => Datum::Float(driver::float4_from_sql(bytes).ok()?.into()),
        T::Float64 => Datum::Float(driver::float8_from_sql(bytes).ok()?),
        T::Text => Datum::Text(driver::text_from_sql(bytes).ok()?.to_string()),
        T::Bytes => Datum::Bytes(driver::bytea_from_sql(bytes).to_vec()),
        // The driver counts from 2000-01-01.
        T::Date => Datum::Int(i64::from(driver::date_from_sql(bytes).ok()?) + 10_957),
        T::Time => Datum::Int(driver::time_from_sql(bytes).ok()?),
        T::Timestamp | T::TimestampTz => {
            Datum::Int(driver::timestamp_from_sql(bytes).ok()? + 946_684_800_000_000)
        }
        T::Interval | T::Decimal { .. } => return None,
    })
}

/// A numeric read digit by digit: the slow and plain way.
fn numeric_text(bytes: &[u8]) -> String {
    let word = |at: usize| i32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]) as i16);
    let (groups, weight, negative, scale) = (word(0), word(2), word(4) == 0x4000, word(6));
    let mut digits: std::collections::BTreeMap<i32, char> = std::collections::BTreeMap::new();
    for group in 0..groups {
        let text = format!("{:04}", word(8 + 2 * group as usize));
        for (index, digit) in text.chars().enumerate() {
            digits.insert((weight - group) * 4 + 3 - index as i32, digit);
        }
    }
    let top = (weight * 4 + 3).max(0);
    let at = |power: i32| digits.get(&power).copied().unwrap_or('0');
    let whole: String = (0..=top).rev().map(at).collect();
    let whole = whole.trim_start_matches('0');
    let fraction: String = (1..=scale).map(|power| at(-power)).collect();
    let sign = if negative { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{}{point}{fraction}", if whole.is_empty() { "0" } else { whole })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn encoders_are_the_drivers((datum, ty) in value()) {
        let mut bytes = Vec::new();
        wire::binary::write(Cell::from(&datum), ty, &mut bytes);
        let shown = datum.display(ty).to_string();
        if let gnitz::Type::Decimal { .. } = ty {
            prop_assert_eq!(numeric_text(&bytes), shown.clone());
            let value = wire::binary::read(&bytes, ty).unwrap();
            prop_assert_eq!(value.datum.display(value.ty).to_string(), shown.clone());
        } else {
            prop_assert_eq!(&wire::binary::read(&bytes, ty).unwrap().datum, &datum);
        }
        if let Some(read) = driver_reads(&bytes, ty) {
            prop_assert_eq!(&read, &datum);
        }
        let mut text = Vec::new();
        wire::text::write(Cell::from(&datum), ty, &mut text);
        prop_assert_eq!(std::str::from_utf8(&text).unwrap(), shown.as_str());
        let read = wire::text::read(&shown, ty).unwrap();
        prop_assert_eq!(read.datum.display(read.ty).to_string(), shown);
    }

    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>, text: String) {
        use gnitz::Type as T;
        let decimal = T::Decimal { precision: 10, scale: 2 };
        for ty in [T::Bool, T::Int32, T::Float64, decimal, T::Text, T::Bytes, T::Date, T::Time, T::TimestampTz, T::Interval] {
            let _ = wire::binary::read(&bytes, ty);
            let _ = wire::text::read(&text, ty);
        }
    }
}
