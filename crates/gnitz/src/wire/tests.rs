//! Values out and in again, and the bytes that PostgreSQL would send.

use zset::{Datum, Interval, Type};

use super::{Cell, binary, text};

fn decimal(precision: u8, scale: u8) -> Type {
    Type::Decimal { precision, scale }
}

fn as_text(datum: &Datum, ty: Type) -> String {
    let mut out = Vec::new();
    text::write(Cell::from(datum), ty, &mut out);
    String::from_utf8(out).expect("text")
}

fn as_binary(datum: &Datum, ty: Type) -> Vec<u8> {
    let mut out = Vec::new();
    binary::write(Cell::from(datum), ty, &mut out);
    out
}

#[test]
fn text_is_what_values_show() {
    let cases = [
        (Datum::Int(i64::MIN), Type::Int64, "-9223372036854775808"),
        (Datum::Int(0), Type::Int16, "0"),
        (Datum::Int(-5), decimal(10, 2), "-0.05"),
        (Datum::Bytes(vec![0, 0xab]), Type::Bytes, "\\x00ab"),
        (Datum::Bool(false), Type::Bool, "f"),
        (Datum::Int(0), Type::TimestampTz, "1970-01-01 00:00:00+00"),
        (Datum::Null, Type::Text, ""),
    ];
    for (datum, ty, shown) in cases {
        assert_eq!(as_text(&datum, ty), shown);
        if !datum.is_null() {
            assert_eq!(text::read(shown, ty).expect(shown).datum, datum);
        }
    }
}

#[test]
fn numbers_in_text_keep_their_digits() {
    let read = |text: &str| {
        let value = text::read(text, decimal(12, 2)).map_err(|error| error.sqlstate())?;
        Ok((value.datum.display(value.ty).to_string(), value.ty))
    };
    assert_eq!(read("12.345"), Ok(("12.345".to_string(), decimal(5, 3))));
    assert_eq!(read(" -1e3 "), Ok(("-1000".to_string(), decimal(4, 0))));
    assert_eq!(read("1.5E-3"), Ok(("0.0015".to_string(), decimal(4, 4))));
    assert_eq!(read(".5"), Ok(("0.5".to_string(), decimal(1, 1))));
    assert_eq!(read("0e99"), Ok(("0".to_string(), decimal(1, 0))));
    let nines = "9".repeat(38);
    assert_eq!(read(&nines), Ok((nines.clone(), decimal(38, 0))));
    for (bad, state) in [("", "22P02"), ("1.2.3", "22P02"), ("x", "22P02"), ("1e", "22P02"), ("--1", "22P02")]
    {
        assert_eq!(read(bad), Err(state), "{bad}");
    }
    for bad in ["1e40", "1e-40", &format!("{nines}9"), "1e999999999999", "1e2147483647", "1e-2147483648"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn numbers_in_binary_are_postgresqls() {
    let cases: [(i128, u8, &[u16]); 8] = [
        (0, 0, &[0, 0, 0, 0]),
        (0, 2, &[0, 0, 0, 2]),
        (1, 0, &[1, 0, 0, 0, 1]),
        (-12_345_678, 2, &[3, 1, 0x4000, 2, 12, 3456, 7800]),
        (10_000, 0, &[1, 1, 0, 0, 1]),
        (1, 4, &[1, 0xffff, 0, 4, 1]),
        (1, 5, &[1, 0xfffe, 0, 5, 1000]),
        (100_010_000, 4, &[2, 1, 0, 4, 1, 1]),
    ];
    for (unscaled, scale, words) in cases {
        let datum = Datum::Wide(unscaled);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(as_binary(&datum, decimal(38, scale)), bytes, "{unscaled} {scale}");
        let value = binary::read(&bytes, decimal(38, 0)).expect("a number");
        assert_eq!(value.datum.display(value.ty).to_string(), as_text(&datum, decimal(38, scale)));
    }
    for scale in 0..=38 {
        for unscaled in [i128::from(i64::MAX), 10_i128.pow(37), -(10_i128.pow(38) - 1), 1] {
            let bytes = as_binary(&Datum::Wide(unscaled), decimal(38, scale));
            let value = binary::read(&bytes, decimal(38, 0)).expect("a number");
            let shown = as_text(&Datum::Wide(unscaled), decimal(38, scale));
            assert_eq!(value.datum.display(value.ty).to_string(), shown);
        }
    }
}

#[test]
fn times_in_binary_are_counted_from_2000() {
    let days = 10_957;
    assert_eq!(as_binary(&Datum::Int(days), Type::Date), [0; 4]);
    assert_eq!(as_binary(&Datum::Int(days * 86_400_000_000 + 1), Type::Timestamp), 1_i64.to_be_bytes());
    let interval = Interval { months: 14, days: -3, micros: 5 };
    let bytes = as_binary(&Datum::Interval(interval), Type::Interval);
    assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 253, 0, 0, 0, 14]);
    assert_eq!(binary::read(&bytes, Type::Interval).expect("an interval").datum, Datum::Interval(interval));
    let state = |bytes: &[u8], ty| binary::read(bytes, ty).map_err(|error| error.sqlstate()).err();
    assert_eq!(state(&i32::MAX.to_be_bytes(), Type::Date), Some("0A000"));
    assert_eq!(state(&(i32::MAX - 1).to_be_bytes(), Type::Date), Some("22008"));
    assert_eq!(state(&(i64::MIN + 1).to_be_bytes(), Type::Timestamp), Some("22008"));
    assert_eq!(state(&86_400_000_001_i64.to_be_bytes(), Type::Time), Some("22008"));
}

#[test]
fn bytes_that_are_no_value_are_refused() {
    for ty in
        [Type::Bool, Type::Int16, Type::Int32, Type::Int64, Type::Float32, Type::Interval, decimal(5, 1)]
    {
        assert_eq!(binary::read(&[1, 2, 3], ty).map_err(|error| error.sqlstate()), Err("22P03"), "{ty}");
    }
    assert_eq!(binary::read(&[0xff], Type::Text).map_err(|error| error.sqlstate()), Err("22021"));
    let words = |words: [u16; 5]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    for (number, state) in [
        (words([1, 0, 0xc000, 0, 1]), "0A000"),
        (words([1, 0, 0, 0, 10_000]), "22P03"),
        (words([2, 0, 0, 0, 1]), "22P03"),
        (words([1, 50, 0, 0, 1]), "22003"),
        (words([1, 0, 0, 99, 1]), "22003"),
    ] {
        assert_eq!(binary::read(&number, decimal(5, 1)).map_err(|error| error.sqlstate()), Err(state));
    }
}

#[test]
fn a_stored_number_is_rounded_to_its_column() {
    let bytes = as_binary(&Datum::Int(12_345), decimal(5, 3));
    assert_eq!(binary::read_stored(&bytes, decimal(12, 2)).expect("fits"), Datum::Int(1_235));
    assert!(binary::read_stored(&bytes, decimal(2, 2)).is_err());
}
