//! All that is wrong with what a file says, not only the first.
//!
//! The reader stops at the first value that it cannot take. So that value is taken out, and the rest is read again.

use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::file::File;

/// Wrong values that are told at once. Whoever has more of them has another file in hand.
const WRONG_MAX: usize = 50;

/// What can be read, and why the rest cannot.
pub(super) fn leniently(mut root: Spanned<DeTable<'_>>) -> (File, Vec<Error>) {
    let (mut errors, mut poorer) = (Vec::new(), Vec::new());
    // Each turn takes something out: there are as many as the file has values, at most.
    while errors.len() < WRONG_MAX {
        let error = match File::deserialize(Deserializer::from(root.clone())) {
            Ok(file) => return (file, errors),
            Err(error) => error,
        };
        let Some(span) = error.span() else {
            errors.push(error);
            break;
        };
        // What was taken out may be what is missing now, or may have been written for it.
        if !(error.message().starts_with("missing field") && poorer.contains(&span)) {
            errors.push(error);
        }
        let whole = root.span();
        let Some(from) = take_out(root.get_mut(), &whole, &span) else { break };
        poorer.push(from);
    }
    (File::default(), errors)
}

/// Takes out the smallest entry that has `span` in it, and gives where it was taken from.
fn take_out(
    table: &mut DeTable<'_>,
    whole: &Range<usize>,
    span: &Range<usize>,
) -> Option<Range<usize>> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let at = value.span();
        if let Some(from) = take_out_of(value.get_mut(), &at, span) {
            return Some(from);
        }
        if has(&key.span(), span) || has(&at, span) {
            found = Some(key.get_ref().to_string());
        }
    }
    table.remove(found?.as_str());
    Some(whole.clone())
}

fn take_out_of(
    value: &mut DeValue<'_>,
    whole: &Range<usize>,
    span: &Range<usize>,
) -> Option<Range<usize>> {
    match value {
        DeValue::Table(table) => take_out(table, whole, span),
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                let at = item.span();
                if let Some(from) = take_out_of(item.get_mut(), &at, span) {
                    return Some(from);
                }
            }
            let at = items.iter().position(|item| has(&item.span(), span))?;
            let mut left = DeArray::new();
            let others = items.iter().enumerate().filter(|(index, _)| *index != at);
            others.for_each(|(_, item)| left.push(item.clone()));
            *items = left;
            Some(whole.clone())
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

fn has(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
