//! Results, as markdown.

/// The middle one, the upper of two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values = Vec::from_iter(values);
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of two series, round by round: what disturbs a
/// round disturbs both.
pub(crate) fn ratio<T>(ours: &[T], theirs: &[T], what: impl Fn(&T) -> f64) -> f64 {
    let pairs = ours.iter().zip(theirs);
    median(pairs.map(|(ours, theirs)| what(ours) / what(theirs)))
}

/// Prints the head of a table.
pub(crate) fn head(columns: &[&str]) {
    row(columns);
    row(&vec!["---"; columns.len()]);
}

/// Prints a row.
pub(crate) fn row(cells: &[impl AsRef<str>]) {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    println!("| {} |", cells.join(" | "));
}
