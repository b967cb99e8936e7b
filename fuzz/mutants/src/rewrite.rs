//! Puts mutants into the source of a file, each behind a switch.

use std::{collections::BTreeMap, ops::Range};

/// A change of a source file: `before` goes in at `start`, `after` at `end`.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Bytes of the file that it surrounds; empty where something is only put in.
    pub range: Range<usize>,
    /// What of changes to the same range is the inner one.
    pub inner: u8,
    /// Text before the range.
    pub before: String,
    /// Text after it.
    pub after: String,
}

/// Where a mutant stands in the file that [`rewrite`] made.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its number.
    pub id: usize,
    /// The text of the mutant itself.
    pub own: Range<usize>,
    /// That and the original beside it.
    pub whole: Range<usize>,
}

/// Applies edits, which must nest, to a text, and returns it with the places of their mutants.
pub fn rewrite(source: &str, edits: &[(usize, Edit)]) -> (String, Vec<Place>) {
    let mut order: Vec<&(usize, Edit)> = edits.iter().collect();
    order.sort_by_key(|(id, edit)| (edit.range.start, usize::MAX - edit.range.end, edit.inner, *id));
    let mut opens: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut closes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, (_, edit)) in order.iter().enumerate() {
        opens.entry(edit.range.start).or_default().push(at);
        if !edit.range.is_empty() {
            closes.entry(edit.range.end).or_default().push(at);
        }
    }
    let mut cuts: Vec<usize> = opens.keys().chain(closes.keys()).copied().collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut text = String::with_capacity(source.len() * 2);
    let mut places: Vec<Place> = vec![];
    let mut begun: BTreeMap<usize, Range<usize>> = BTreeMap::new();
    let mut last = 0;
    for cut in cuts {
        text += &source[last..cut];
        last = cut;
        for &at in closes.get(&cut).into_iter().flatten().rev() {
            text += &order[at].1.after;
            let own = begun.remove(&at).unwrap_or(0..0);
            places.push(Place { id: order[at].0, whole: own.start..text.len(), own });
        }
        // What is only put in stands before what begins here: it belongs to what lies before.
        let (points, wraps): (Vec<usize>, Vec<usize>) =
            opens.get(&cut).into_iter().flatten().partition(|&&at| order[at].1.range.is_empty());
        for at in points {
            let start = text.len();
            text += &order[at].1.before;
            text += &order[at].1.after;
            places.push(Place { id: order[at].0, own: start..text.len(), whole: start..text.len() });
        }
        for at in wraps {
            let start = text.len();
            text += &order[at].1.before;
            begun.insert(at, start..text.len());
        }
    }
    text += &source[last..];
    (text, places)
}

/// Returns the mutants that an error at these bytes is about: those whose own text holds it, or else the innermost around it.
pub fn blamed(places: &[Place], spans: &[Range<usize>]) -> Vec<usize> {
    let holds = |range: &Range<usize>, span: &Range<usize>| range.start <= span.start && span.end <= range.end;
    let own: Vec<usize> =
        places.iter().filter(|place| spans.iter().any(|span| holds(&place.own, span))).map(|place| place.id).collect();
    if !own.is_empty() {
        return own;
    }
    let around = places.iter().filter(|place| spans.iter().any(|span| holds(&place.whole, span)));
    let Some(least) = around.clone().map(|place| place.whole.len()).min() else { return vec![] };
    around.filter(|place| place.whole.len() == least).map(|place| place.id).collect()
}

#[cfg(test)]
mod tests {
    use super::{Place, blamed};

    #[test]
    fn an_error_is_blamed_on_the_mutant_that_holds_it_or_the_innermost_around() {
        let place = |id, own, whole| Place { id, own, whole };
        let places = [place(0, 10..20, 10..90), place(1, 30..40, 30..80), place(2, 92..99, 92..99)];
        assert_eq!(blamed(&places, &[12..15]), [0]);
        assert_eq!(blamed(&places, &[50..60, 33..34]), [1]);
        assert_eq!(blamed(&places, &[50..60]), [1]);
        assert_eq!(blamed(&places, &[82..85]), [0]);
        assert_eq!(blamed(&places, &[95..120]), [0; 0]);
    }
}
