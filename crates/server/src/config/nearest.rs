//! The known name that is nearest to a misspelt one.

/// The nearest name by the number of letters to change, leave out, add or swap with their neighbour.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> &'a str {
    known.iter().min_by_key(|candidate| distance(name, candidate)).map_or("", String::as_str)
}

fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let changed = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisetn", "listen"), 1);
        assert_eq!(distance("listn", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        let known = ["http.listen", "http.max_body", "log.level"].map(str::to_string);
        assert_eq!(nearest("http.maxbody", &known), "http.max_body");
        assert_eq!(nearest("log.lvl", &known), "log.level");
    }
}
