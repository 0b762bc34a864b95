//! Columns of text.

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table: a head, and rows of as many cells. The last column is not filled up.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[(&str, Align)]) -> Self {
        let names = head.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self { columns: head.iter().map(|(_, align)| *align).collect(), rows: vec![names] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, each after `indent`.
    pub(super) fn show(&self, indent: &str) -> String {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> =
            (0..self.columns.len()).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells =
                row.iter().zip(&widths).zip(&self.columns).map(
                    |((cell, width), align)| match align {
                        Align::Left => format!("{cell:<width$}"),
                        Align::Right => format!("{cell:>width$}"),
                    },
                );
            let line = format!("{indent}{}", cells.collect::<Vec<_>>().join("  "));
            format!("{}\n", line.trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}

/// `1 seat`, `1,240 seats`: of `seat`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// A number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut groups: Vec<&str> = Vec::new();
    if first > 0 {
        groups.push(&digits[..first]);
    }
    groups.extend((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("WHO", Align::Left), ("N", Align::Right), ("", Align::Left)]);
        table.row(vec!["alice".into(), "1,000".into(), "here".into()]);
        table.row(vec!["bob".into(), "7".into(), String::new()]);
        assert_eq!(table.show("  "), "  WHO        N\n  alice  1,000  here\n  bob        7\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 12, 999, 1_000, 12_345, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }
}
