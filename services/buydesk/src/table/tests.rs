use super::*;

const ID: &str = "019ab1c2-0000-7000-8000-000000000001";

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

fn orders() -> Table {
    let mut table = Table::new(["id", "amount", "note", "origin"], &[1]).wrapped("note").optional(["origin"]);
    table.add_row([ID, "69.00 EUR", "a note that is much longer than the other columns of the table", "SIMULATED"]);
    table.add_row([ID, "1.00 EUR", "", "real"]);
    table
}

#[test]
fn table_that_fits_is_not_wrapped() {
    let whole = orders().fit(None);
    assert!(whole.contains("a note that is much longer than the other columns of the table"), "{whole}");
    assert_eq!(orders().fit(Some(widest(&whole))), whole);
    assert_ne!(orders().fit(Some(widest(&whole) - 1)), whole);
    assert!(whole.contains("  1.00 EUR"), "the amount is not aligned to the right: {whole}");
}

#[test]
fn table_fits_the_width_and_does_not_break_ids_and_amounts() {
    let whole = widest(&orders().fit(None));
    for width in 60..=whole {
        let text = orders().fit(Some(width));
        // A list of records has no frame. Its lines can be longer, because the terminal wraps them.
        assert!(widest(&text) <= width || !text.contains('│'), "{width}:\n{text}");
        assert_eq!(text.matches(ID).count(), 2, "{width}:\n{text}");
        assert!(text.contains("69.00 EUR"), "{width}:\n{text}");
        for word in "a note that is much longer than the other columns of the table".split(' ') {
            assert!(text.contains(word), "{width}: {word}\n{text}");
        }
    }
}

#[test]
fn too_wide_table_is_wrapped_then_omits_optional_columns_then_becomes_records() {
    let frame = FRAME + 4 * FRAME_OF_COLUMN;
    let min_width = frame + ID.len() + "69.00 EUR".len() + MIN_WRAPPED_WIDTH + "SIMULATED".len();
    let wrapped = orders().fit(Some(min_width));
    assert!(wrapped.contains("SIMULATED") && wrapped.contains('│'), "{wrapped}");

    let without_origin = orders().fit(Some(min_width - 1));
    assert!(!without_origin.contains("SIMULATED") && without_origin.contains('│'), "{without_origin}");
    assert!(without_origin.ends_with("the terminal is narrow: origin."), "{without_origin}");

    let records = orders().fit(Some(60));
    let lines: Vec<_> = records.lines().collect();
    assert_eq!(lines[..2], [&format!("id      {ID}"), "amount  69.00 EUR"]);
    assert_eq!(lines[3..6], ["origin  SIMULATED", "", &format!("id      {ID}")]);
    // A record has no line for an empty cell.
    assert!(!lines[6..].iter().any(|line| line.starts_with("note")), "{records}");
}

#[test]
fn table_omits_the_least_important_column_first() {
    let mut table = Table::new(["a", "b", "c"], &[]).optional(["c", "a"]);
    table.add_row(["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"]);
    let shown = |width| {
        let text = table.fit(Some(width));
        ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"].map(|cell| text.contains(cell))
    };
    assert_eq!(shown(FRAME + 3 * (FRAME_OF_COLUMN + 10)), [true, true, true]);
    assert_eq!(shown(FRAME + 2 * (FRAME_OF_COLUMN + 10)), [true, true, false]);
    assert_eq!(shown(FRAME + FRAME_OF_COLUMN + 10), [false, true, false]);
    // Records have all columns.
    assert_eq!(shown(FRAME + FRAME_OF_COLUMN + 9), [true, true, true]);
}

#[test]
fn without_empty_removes_a_column_of_empty_cells() {
    let mut table = Table::new(["a", "b", "c"], &[2]).optional(["b"]);
    table.add_row(["1", "", "3"]);
    table.add_row(["4", "", "6"]);
    let text = table.clone().without_empty("b").fit(None);
    assert!(!text.contains('b') && text.contains("┆ 6"), "{text}");
    table.add_row(["7", "8", "9"]);
    assert!(table.without_empty("b").fit(None).contains('b'));
}

#[test]
fn characters_of_double_width_count_twice() {
    let mut table = Table::new(["a", "b"], &[]).optional(["b"]);
    table.add_row(["山田太郎", "cafe\u{301}"]);
    let width = FRAME + 2 * FRAME_OF_COLUMN + 8 + 4;
    let text = table.fit(Some(width));
    assert!(text.contains("cafe\u{301}"), "{text}");
    assert!(text.lines().all(|line| UnicodeWidthStr::width(line) == width), "{text}");
    assert!(!table.fit(Some(width - 1)).contains("cafe\u{301}"));
}
