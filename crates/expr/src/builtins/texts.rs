//! The table of functions over text.

use std::io::Write as _;

use zset::Type::{self, Bool, Bytes, Int64, Text};

use super::{Entry, Form, Prepared, Signature, is_integer};
use crate::cast;
use crate::error::Failure;
use crate::frame::kernel;
use crate::kernels::logic::known;
use crate::text_fn;

pub(super) const TABLE: &[Entry] = &[
    ("character_length", Form::Kernel(length)),
    ("char_length", Form::Kernel(length)),
    ("length", Form::Kernel(length)),
    ("octet_length", Form::Kernel(|s| bytes_to_int(s, 1))),
    ("bit_length", Form::Kernel(|s| bytes_to_int(s, 8))),
    ("ascii", Form::Kernel(|s| to_int(s, text_fn::ascii))),
    ("upper", Form::Kernel(|s| to_text(s, text_fn::upper))),
    ("lower", Form::Kernel(|s| to_text(s, text_fn::lower))),
    ("initcap", Form::Kernel(|s| to_text(s, text_fn::initcap))),
    ("reverse", Form::Kernel(|s| to_text(s, text_fn::reverse))),
    ("btrim", Form::Kernel(|s| trim(s, true, true))),
    ("trim", Form::Kernel(|s| trim(s, true, true))),
    ("ltrim", Form::Kernel(|s| trim(s, true, false))),
    ("rtrim", Form::Kernel(|s| trim(s, false, true))),
    ("concat", Form::Kernel(concat)),
    ("concat_ws", Form::Kernel(concat_ws)),
    ("replace", Form::Kernel(replace)),
    ("translate", Form::Kernel(translate)),
    ("repeat", Form::Kernel(repeat)),
    ("left", Form::Kernel(|s| part(s, text_fn::left))),
    ("right", Form::Kernel(|s| part(s, text_fn::right))),
    ("lpad", Form::Kernel(|s| pad(s, true))),
    ("rpad", Form::Kernel(|s| pad(s, false))),
    ("split_part", Form::Kernel(split_part)),
    ("substr", Form::Kernel(substring)),
    ("substring", Form::Kernel(substring)),
    ("strpos", Form::Kernel(strpos)),
    ("instr", Form::Kernel(strpos)),
    ("position", Form::Kernel(strpos)),
    ("starts_with", Form::Kernel(|s| test(s, |text, with| text.starts_with(with)))),
    ("ends_with", Form::Kernel(|s| test(s, |text, with| text.ends_with(with)))),
    ("contains", Form::Kernel(|s| test(s, |text, with| text.contains(with)))),
    ("chr", Form::Kernel(chr)),
    ("to_hex", Form::Kernel(to_hex)),
];

/// Whether the arguments are of these types, any integer standing for BIGINT.
fn takes(signature: &Signature<'_>, wanted: &[Type]) -> bool {
    let fits = |(&has, &wants): (&Type, &Type)| has == wants || (wants == Int64 && is_integer(has));
    signature.args.len() == wanted.len() && signature.args.iter().zip(wanted).all(fits)
}

fn length(signature: &Signature<'_>) -> Option<Prepared> {
    if takes(signature, &[Bytes]) { bytes_to_int(signature, 1) } else { to_int(signature, text_fn::length) }
}

fn bytes_to_int(signature: &Signature<'_>, unit: i64) -> Option<Prepared> {
    let takes = takes(signature, &[Text]) || takes(signature, &[Bytes]);
    if !takes || !is_integer(signature.result) {
        return None;
    }
    let kernel = kernel(move |frame| {
        let bytes = frame.texts(0);
        frame.each(|row| Ok(bytes.bytes(row).len() as i64 * unit))
    });
    Prepared::strict(signature.args, kernel)
}

fn to_int(signature: &Signature<'_>, f: fn(&str) -> i64) -> Option<Prepared> {
    if !takes(signature, &[Text]) || !is_integer(signature.result) {
        return None;
    }
    let kernel = kernel(move |frame| {
        let texts = frame.texts(0);
        frame.each(|row| Ok(f(texts.text(row))))
    });
    Prepared::strict([Text], kernel)
}

fn to_text(signature: &Signature<'_>, f: fn(&str, &mut Vec<u8>)) -> Option<Prepared> {
    if !takes(signature, &[Text]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(move |frame| {
        let texts = frame.texts(0);
        frame.each_text(|row, out| {
            f(texts.text(row), out);
            Ok(())
        })
    });
    Prepared::strict([Text], kernel)
}

fn trim(signature: &Signature<'_>, start: bool, end: bool) -> Option<Prepared> {
    let with_set = takes(signature, &[Text, Text]);
    if !(with_set || takes(signature, &[Text])) || signature.result != Text {
        return None;
    }
    let kernel = kernel(move |frame| {
        let texts = frame.texts(0);
        let sets = with_set.then(|| frame.texts(1));
        frame.each_text(|row, out| {
            let set = sets.map_or(" ", |sets| sets.text(row));
            out.extend_from_slice(text_fn::trim(texts.text(row), set, start, end).as_bytes());
            Ok(())
        })
    });
    Prepared::strict(signature.args, kernel)
}

/// All arguments as text, one after the other; NULLs are skipped and the result never is one.
fn concat(signature: &Signature<'_>) -> Option<Prepared> {
    if signature.result != Text {
        return None;
    }
    let types = signature.args.to_vec();
    let kernel = kernel(move |frame| {
        let args = frame.args;
        let mut all = crate::frame::Frame { rows: frame.rows, args: &[], pool: &mut *frame.pool };
        all.each_text(|row, out| {
            let start = out.len();
            for (arg, ty) in args.iter().zip(&types) {
                if known(arg).get(row) {
                    cast::write_text(arg, *ty, row, out);
                    text_fn::bounded(out.len() - start)?;
                }
            }
            Ok(())
        })
    });
    Prepared::lenient(signature.args, kernel)
}

/// As `concat`, with the first argument between the others; NULL where that is.
fn concat_ws(signature: &Signature<'_>) -> Option<Prepared> {
    if signature.result != Text || signature.args.first() != Some(&Text) {
        return None;
    }
    let types = signature.args[1..].to_vec();
    let kernel = kernel(move |frame| {
        let Some((separator, args)) = frame.args.split_first() else { return frame.each_text(|_, _| Ok(())) };
        let separators = frame.texts(0);
        let separator = std::slice::from_ref(separator);
        let is_known = known(&separator[0]);
        let mut only = crate::frame::Frame { rows: frame.rows, args: separator, pool: &mut *frame.pool };
        let mut result = only.each_text(|row, out| {
            let (mut first, start) = (true, out.len());
            for (arg, ty) in args.iter().zip(&types).filter(|(arg, _)| known(arg).get(row)) {
                if !std::mem::take(&mut first) {
                    out.extend_from_slice(separators.bytes(row));
                }
                cast::write_text(arg, *ty, row, out);
                text_fn::bounded(out.len() - start)?;
            }
            Ok(())
        })?;
        if let crate::operand::Operand::Scalar(false) = is_known {
            result.valid = Some(only.pool.filled(false, only.rows.count));
        }
        Ok(result)
    });
    Prepared::lenient(signature.args, kernel)
}

fn replace(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Text, Text, Text]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(|frame| {
        let (texts, from, to) = (frame.texts(0), frame.texts(1), frame.texts(2));
        frame.each_text(|row, out| text_fn::replace(texts.text(row), from.text(row), to.text(row), out))
    });
    Prepared::strict(signature.args, kernel)
}

fn translate(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Text, Text, Text]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(|frame| {
        let (texts, from, to) = (frame.texts(0), frame.texts(1), frame.texts(2));
        frame.each_text(|row, out| {
            text_fn::translate(texts.text(row), from.text(row), to.text(row), out);
            Ok(())
        })
    });
    Prepared::strict(signature.args, kernel)
}

fn repeat(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Text, Int64]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(|frame| {
        let (texts, counts) = (frame.texts(0), frame.ints(1));
        frame.each_text(|row, out| text_fn::repeat(texts.text(row), counts.get(row), out))
    });
    Prepared::strict(signature.args, kernel)
}

fn part(signature: &Signature<'_>, f: fn(&str, i64) -> &str) -> Option<Prepared> {
    if !takes(signature, &[Text, Int64]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(move |frame| {
        let (texts, counts) = (frame.texts(0), frame.ints(1));
        frame.each_text(|row, out| {
            out.extend_from_slice(f(texts.text(row), counts.get(row)).as_bytes());
            Ok(())
        })
    });
    Prepared::strict(signature.args, kernel)
}

fn pad(signature: &Signature<'_>, at_left: bool) -> Option<Prepared> {
    let with_fill = takes(signature, &[Text, Int64, Text]);
    if !(with_fill || takes(signature, &[Text, Int64])) || signature.result != Text {
        return None;
    }
    let kernel = kernel(move |frame| {
        let (texts, widths) = (frame.texts(0), frame.ints(1));
        let fills = with_fill.then(|| frame.texts(2));
        frame.each_text(|row, out| {
            let fill = fills.map_or(" ", |fills| fills.text(row));
            text_fn::pad(texts.text(row), widths.get(row), fill, at_left, out)
        })
    });
    Prepared::strict(signature.args, kernel)
}

fn split_part(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Text, Text, Int64]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(|frame| {
        let (texts, delimiters, fields) = (frame.texts(0), frame.texts(1), frame.ints(2));
        frame.each_text(|row, out| -> Result<(), Failure> {
            let part = text_fn::split_part(texts.text(row), delimiters.text(row), fields.get(row))?;
            out.extend_from_slice(part.as_bytes());
            Ok(())
        })
    });
    Prepared::strict(signature.args, kernel)
}

fn substring(signature: &Signature<'_>) -> Option<Prepared> {
    let with_length = takes(signature, &[Text, Int64, Int64]);
    if !(with_length || takes(signature, &[Text, Int64])) || signature.result != Text {
        return None;
    }
    let kernel = kernel(move |frame| {
        let (texts, starts) = (frame.texts(0), frame.ints(1));
        let lengths = with_length.then(|| frame.ints(2));
        frame.each_text(|row, out| {
            let length = lengths.map(|lengths| lengths.get(row));
            let part = text_fn::substring(texts.text(row), starts.get(row), length)?;
            out.extend_from_slice(part.as_bytes());
            Ok(())
        })
    });
    Prepared::strict(signature.args, kernel)
}

fn strpos(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Text, Text]) || !is_integer(signature.result) {
        return None;
    }
    let kernel = kernel(|frame| {
        let (texts, wanted) = (frame.texts(0), frame.texts(1));
        frame.each(|row| Ok(text_fn::position(texts.text(row), wanted.text(row))))
    });
    Prepared::strict(signature.args, kernel)
}

fn test(signature: &Signature<'_>, f: fn(&str, &str) -> bool) -> Option<Prepared> {
    if !takes(signature, &[Text, Text]) || signature.result != Bool {
        return None;
    }
    let kernel = kernel(move |frame| {
        let (texts, with) = (frame.texts(0), frame.texts(1));
        frame.each(|row| Ok(f(texts.text(row), with.text(row))))
    });
    Prepared::strict(signature.args, kernel)
}

fn chr(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Int64]) || signature.result != Text {
        return None;
    }
    let kernel = kernel(|frame| {
        let codes = frame.ints(0);
        frame.each_text(|row, out| text_fn::chr(codes.get(row), out))
    });
    Prepared::strict(signature.args, kernel)
}

/// Two's complement digits, at 32 bits for the smaller integers as in PostgreSQL.
fn to_hex(signature: &Signature<'_>) -> Option<Prepared> {
    if !takes(signature, &[Int64]) || signature.result != Text {
        return None;
    }
    let wide = signature.args == [Int64];
    let kernel = kernel(move |frame| {
        let values = frame.ints(0);
        frame.each_text(|row, out| {
            let value = values.get(row);
            let written = if wide { write!(out, "{value:x}") } else { write!(out, "{:x}", value as i32) };
            debug_assert!(written.is_ok(), "a Vec takes every write");
            Ok(())
        })
    });
    Prepared::strict(signature.args, kernel)
}
