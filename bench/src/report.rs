//! The one place that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program prints")]

use crate::error::Error;

/// A line, or several, of the result.
pub(crate) fn say(text: &str) {
    println!("{}", text.trim_end_matches('\n'));
}

/// Progress: what is being measured now.
pub(crate) fn note(text: &str) {
    eprintln!("bench: {text}");
}

/// Why the run failed.
pub(crate) fn complain(error: &Error) {
    eprintln!("bench: error: {error}");
}

/// A table whose columns are as wide as they need to be; numbers go to the right.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Table { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self) {
        say("");
        for line in self.lines() {
            say(&line);
        }
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let widths: Vec<usize> = (0..columns)
            .map(|c| cells(c).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        // A column of numbers; its head goes with it.
        let is_number = |cell: &String| cell.parse::<f64>().is_ok() || cell == "-";
        let right: Vec<bool> = (0..columns).map(|c| cells(c).skip(1).all(is_number)).collect();
        let mut lines = Vec::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), &right) in row.iter().zip(&widths).zip(&right) {
                line +=
                    &if right { format!("{cell:>width$}  ") } else { format!("{cell:width$}  ") };
            }
            lines.push(line.trim_end().to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_to_the_right() {
        let mut table = Table::new(&["rule", "ms"]);
        table.row(["guided".to_owned(), "9.5".to_owned()]);
        table.row(["kernel".to_owned(), "10.5".to_owned()]);
        assert_eq!(table.lines(), ["rule      ms", "guided   9.5", "kernel  10.5"]);
    }
}
