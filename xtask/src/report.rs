//! The one place that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where tasks print")]

use crate::error::Error;

/// A line, or several, of a task's result.
pub(crate) fn say(text: &str) {
    println!("{}", text.trim_end_matches('\n'));
}

/// Progress: what is being done now.
pub(crate) fn note(text: &str) {
    eprintln!("xtask: {text}");
}

/// Why the task failed.
pub(crate) fn complain(error: &Error) {
    eprintln!("xtask: error: {error}");
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

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows.iter().filter_map(move |row| row.get(column)).map(|cell| cell.chars().count())
        };
        let widths: Vec<usize> = (0..columns).map(|c| width(c).max().unwrap_or(0)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&widths) {
                // A column of numbers; a dash stands for none.
                let right = cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                line +=
                    &if right { format!("{cell:>width$}  ") } else { format!("{cell:width$}  ") };
            }
            say(line.trim_end());
        }
    }
}
