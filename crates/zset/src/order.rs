//! Comparing byte strings quickly: eight bytes at a time, as big-endian integers.
//!
//! Keys are short and differ early, so a call of `memcmp` costs more than the comparison. Integer comparison of
//! big-endian words is byte order.

use std::cmp::Ordering;

/// Byte order of two keys.
#[inline]
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    if let (Some(a), Some(b)) = (left.first_chunk::<8>(), right.first_chunk::<8>()) {
        let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b));
        if a != b {
            return if a < b { Ordering::Less } else { Ordering::Greater };
        }
    }
    left.cmp(right)
}

/// The eight bytes of `key` after the first `skip` as an integer whose order is theirs; bytes beyond the key
/// read as zero. If two words differ, so do the keys, and in the same direction where they agree before.
#[inline]
pub(crate) fn word_at(key: &[u8], skip: usize) -> u64 {
    match key.get(skip..skip + 8) {
        Some(word) => {
            u64::from_be_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]])
        }
        None => short_word(key, skip),
    }
}

#[inline(never)]
fn short_word(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or_default();
    rest.iter().enumerate().fold(0, |word, (at, &byte)| word | u64::from(byte) << (56 - 8 * at))
}

/// How many leading bytes two keys share.
pub(crate) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// The least byte string above every string that starts with `prefix`, or `None` if there is none.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_order_like_bytes() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"abcdefgh", b"abcdefghi", b"b"];
        for a in keys {
            for b in keys {
                assert_eq!(compare(a, b), a.cmp(b));
                let words = word_at(a, 0).cmp(&word_at(b, 0));
                assert!(words == Ordering::Equal || words == a.cmp(b), "{a:?} {b:?}");
            }
        }
        assert_eq!(word_at(b"abc", 1), 0x6263_0000_0000_0000);
        assert_eq!(word_at(b"abc", 7), 0);
        assert_eq!(common_prefix(b"abc", b"abd"), 2);
    }

    #[test]
    fn successors() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff"), None);
        assert_eq!(successor(b""), None);
    }
}
