//! `--explain CODE`: the page of a finding code.

use redis_persistence::verify::Code;

/// The page of a code, or names near to one that does not exist.
///
/// # Errors
/// One line that says so, with up to five names that may have been meant.
pub fn explain(name: &str) -> Result<String, String> {
    match Code::from_name(name) {
        Some(code) => Ok(format!("{code} ({})\n\n{}\n", code.severity(), code.explain())),
        None => {
            let near = near(name);
            let hint = if near.is_empty() { String::new() } else { format!("; near to it: {}", near.join(", ")) };
            Err(format!("there is no finding code {}{hint}", crate::escape::quoted(name.as_bytes())))
        }
    }
}

/// The codes that differ from `name` by a few letters, or hold it, or are held by it.
fn near(name: &str) -> Vec<&'static str> {
    let name = name.to_ascii_lowercase();
    let name: String = name.chars().take(64).collect();
    let mut near: Vec<_> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter_map(|code| {
            let away = distance(&name, code);
            let part = name.len() > 3 && (code.contains(&name) || name.contains(code));
            (part || away * 3 <= code.len()).then_some((away, code))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, code)| code).collect()
}

/// How many letters have to be added, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_slip_finds_its_code() {
        assert_eq!(near("rdb-duplicat-key").first(), Some(&"rdb-duplicate-key"));
        assert!(near("backlen").contains(&"listpack-bad-backlen"));
        assert!(near("something else altogether").is_empty());
    }
}
