//! Tables that fit the terminal.

use std::{fmt, io::stdout};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets::UTF8_FULL_CONDENSED};
use common::text::escape_invisible_controls;
use unicode_width::UnicodeWidthStr;

/// Minimum width of a wrapped column, unless its text is narrower.
const MIN_WRAPPED_WIDTH: usize = 16;
/// The width that the frame adds to each column: a space on both sides and a line on the left.
const FRAME_OF_COLUMN: usize = 3;
/// The width of the line on the right of the table.
const FRAME: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The values of the column are never wrapped.
    Whole,
    /// The text of the column may be wrapped.
    Wrapped,
}

#[derive(Debug, Clone)]
struct Column {
    name: &'static str,
    alignment: CellAlignment,
    fit: Fit,
}

/// A table. [`fmt::Display`] fits the table to the width of the terminal: it wraps text, then omits optional columns
/// one by one, and finally prints a list of records.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    /// The names of the columns that may be omitted, the least important first.
    optional: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. `numeric` contains the indexes of the columns that are aligned to the right.
    pub fn new<const N: usize>(names: [&'static str; N], numeric: &[usize]) -> Self {
        let columns = names.into_iter().enumerate().map(|(index, name)| {
            let alignment = if numeric.contains(&index) { CellAlignment::Right } else { CellAlignment::Left };
            Column { name, alignment, fit: Fit::Whole }
        });
        Self { columns: columns.collect(), optional: Vec::new(), rows: Vec::new() }
    }

    /// Permits wrapping the text of a column.
    #[must_use]
    pub fn wrapped(mut self, name: &str) -> Self {
        for column in self.columns.iter_mut().filter(|column| column.name == name) {
            column.fit = Fit::Wrapped;
        }
        self
    }

    /// Permits omitting these columns, the least important first.
    #[must_use]
    pub fn optional<const N: usize>(mut self, names: [&'static str; N]) -> Self {
        self.optional.extend(names);
        self
    }

    /// Removes this column if all its cells are empty.
    #[must_use]
    pub fn without_empty(self, name: &str) -> Self {
        let is_empty = |index: usize| self.rows.iter().all(|row| row[index].is_empty());
        if self.position(name).is_some_and(is_empty) { self.without(name) } else { self }
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Some(index) = self.position(name) {
            self.columns.remove(index);
            self.rows.iter_mut().for_each(|row| drop(row.remove(index)));
            self.optional.retain(|&optional| optional != name);
        }
        self
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Adds a row. Invisible control characters in its cells are shown as code points.
    pub fn add_row<I: IntoIterator<Item = impl AsRef<str>>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(|cell| escape_cell(cell.as_ref())).collect());
    }

    /// The text for a terminal of this width. Without a width, nothing is wrapped or omitted.
    pub fn fit(&self, width: Option<usize>) -> String {
        let Some(width) = width else { return self.render(&self.columns_without(&[]), None) };
        for count in 0..=self.optional.len() {
            let omitted = &self.optional[..count];
            if let Some(text) = self.render_within(&self.columns_without(omitted), width) {
                let note = format!("\nNot shown, because the terminal is narrow: {}.", omitted.join(", "));
                return if omitted.is_empty() { text } else { text + &note };
            }
        }
        self.records()
    }

    fn columns_without(&self, omitted: &[&str]) -> Vec<usize> {
        (0..self.columns.len()).filter(|&index| !omitted.contains(&self.columns[index].name)).collect()
    }

    /// The table of these columns. `None` if the table does not fit into the width, even with wrapped text.
    fn render_within(&self, columns: &[usize], width: usize) -> Option<String> {
        let frame = FRAME + FRAME_OF_COLUMN * columns.len();
        let natural: usize = columns.iter().map(|&column| self.content_width(column)).sum();
        if frame + natural <= width {
            return Some(self.render(columns, None));
        }
        let min_width = |&column: &usize| match self.columns[column].fit {
            Fit::Wrapped => self.content_width(column).min(MIN_WRAPPED_WIDTH),
            Fit::Whole => self.content_width(column),
        };
        let min_content: usize = columns.iter().map(min_width).sum();
        (frame + min_content <= width).then(|| self.render(columns, Some(width)))
    }

    /// The width of the widest line of the column, including its name. A Chinese character has the width 2, and a
    /// combining character the width 0.
    fn content_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).flat_map(|cell| cell.lines());
        let lines = cells.chain([self.columns[column].name]);
        lines.map(UnicodeWidthStr::width).max().unwrap_or(0)
    }

    fn render(&self, columns: &[usize], width: Option<usize>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(columns.iter().map(|&column| self.columns[column].name));
        for row in &self.rows {
            table.add_row(columns.iter().filter_map(|&column| row.get(column)));
        }
        for (position, &column) in columns.iter().enumerate() {
            let Column { alignment, fit, .. } = self.columns[column];
            let Some(shown) = table.column_mut(position) else { continue };
            shown.set_cell_alignment(alignment);
            if fit != Fit::Wrapped {
                shown.set_constraint(ColumnConstraint::ContentWidth);
            } else if width.is_some() {
                shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(1)));
            }
        }
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        table.to_string()
    }

    /// Each row as a record. A record has the name and the text of each column whose cell is not empty.
    fn records(&self) -> String {
        let names = self.columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
        let record = |row: &Vec<String>| {
            let lines = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            let lines = lines.map(|(column, cell)| {
                let continued = format!("\n{:names$}  ", "");
                format!("{:names$}  {}", column.name, cell.lines().collect::<Vec<_>>().join(&continued))
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        self.rows.iter().map(record).collect::<Vec<_>>().join("\n\n")
    }
}

/// Replaces the invisible control characters of a cell, except line breaks, by their code points.
fn escape_cell(cell: &str) -> String {
    cell.split('\n').map(escape_invisible_controls).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fit(terminal_width()))
    }
}

/// The width of the terminal. `None` if standard output is a file or a pipe.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

#[cfg(test)]
mod tests;
