//! Tables for a person: columns as wide as what stands in them, without memory of their own. The host tool
//! uses this module too.

use core::fmt::{self, Display, Formatter, Write};

use totebox_shown::Shown;

pub struct Column<R> {
    pub title: &'static str,
    /// Its cells end, rather than begin, one below the other.
    pub right: bool,
    pub cell: fn(&R, &mut dyn Write) -> fmt::Result,
}

/// A table whose columns' widths are settled.
pub struct Table<R, const N: usize> {
    columns: [Column<R>; N],
    widths: [usize; N],
}

impl<R, const N: usize> Table<R, N> {
    /// A table that is going to show these rows.
    pub fn new(columns: [Column<R>; N], rows: impl Iterator<Item = R>) -> Table<R, N> {
        let mut widths = columns.each_ref().map(|column| column.title.chars().count());
        for row in rows {
            for (width, column) in widths.iter_mut().zip(&columns) {
                *width = (*width).max(length(|out| write!(out, "{}", Cell(column, &row))));
            }
        }
        Table { columns, widths }
    }

    /// The line above the rows.
    pub fn header(&self) -> impl Display + '_ {
        TableLine { table: self, row: None }
    }

    pub fn row<'a>(&'a self, row: &'a R) -> impl Display + 'a {
        TableLine { table: self, row: Some(row) }
    }
}

struct TableLine<'a, R, const N: usize> {
    table: &'a Table<R, N>,
    row: Option<&'a R>,
}

impl<R, const N: usize> Display for TableLine<'_, R, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.table.columns.iter().zip(self.table.widths);
        for (index, (column, width)) in columns.enumerate() {
            let cell = |out: &mut dyn Write| match self.row {
                Some(row) => write!(out, "{}", Cell(column, row)),
                None => out.write_str(column.title),
            };
            let padding = width.saturating_sub(length(cell));
            let last = index + 1 == N;
            let (before, behind) = match column.right {
                true => (padding, 0),
                false => (0, if last { 0 } else { padding }),
            };
            let gap = if index == 0 { 0 } else { 2 };
            write!(f, "{:1$}", "", gap + before)?;
            cell(f)?;
            write!(f, "{:1$}", "", behind)?;
        }
        Ok(())
    }
}

/// What stands in one column of a row: on one line, and printable, whatever it is about.
struct Cell<'a, R>(&'a Column<R>, &'a R);

impl<R> Display for Cell<'_, R> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        struct Value<'a, R>(&'a Column<R>, &'a R);
        impl<R> Display for Value<'_, R> {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                (self.0.cell)(self.1, f)
            }
        }
        Shown(Value(self.0, self.1)).fmt(f)
    }
}

/// Characters that are written.
fn length(write: impl Fn(&mut dyn Write) -> fmt::Result) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.chars().count();
            Ok(())
        }
    }
    let mut count = Count(0);
    write(&mut count).expect("counting always succeeds");
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        type Row = (&'static str, u32);
        let columns: [Column<Row>; 3] = [
            Column { title: "name", right: false, cell: |row, out| out.write_str(row.0) },
            Column { title: "n", right: true, cell: |row, out| write!(out, "{}", row.1) },
            Column { title: "last", right: false, cell: |row, out| out.write_str(row.0) },
        ];
        let rows: [Row; 3] = [("x", 1234), ("zürich", 5), ("z\n", 6)];
        let table = Table::new(columns, rows.into_iter());
        assert_eq!(table.header().to_string(), "name       n  last");
        assert_eq!(table.row(&rows[0]).to_string(), "x       1234  x");
        assert_eq!(table.row(&rows[1]).to_string(), "zürich     5  zürich");
        assert_eq!(table.row(&rows[2]).to_string(), r"z\x0a      6  z\x0a");
    }
}
