//! The screen: totals with their course, then four tables, then the keys.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    widgets::{Sparkline, Widget as _},
};

use super::model::{Mode, Model, Sort, Table};

/// Where the course of the totals begins.
const LABEL_COLUMNS: u16 = 18;

/// Draws the view. With words and weight alone, no colours: it reads the same on every terminal, and with
/// NO_COLOR.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let [head, passed, dropped, upper, lower, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    for (row, line) in (head.y..head.bottom()).zip(titles(model)) {
        put(buffer, head, row, &line, Style::new());
    }
    course(buffer, passed, "pass", &model.passed);
    course(buffer, dropped, "drop", &model.dropped);
    let halves =
        Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]).spacing(2);
    let [reasons, countries] = halves.areas(upper);
    let [sources, lists] = halves.areas(lower);
    table(buffer, reasons, model, "packets/s by reason", &model.reasons, None);
    table(buffer, countries, model, "country, sampled", &model.countries, None);
    table(buffer, sources, model, "source, sampled", &model.sources, Some(model.selected));
    table(buffer, lists, model, "list, sampled", &model.lists, None);
    put(buffer, foot, foot.y, &keys(model), Style::new().add_modifier(Modifier::REVERSED));
}

/// The same as lines, for a pipe.
#[must_use]
pub fn text(model: &Model, columns: u16, rows: u16) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    draw(model, area, &mut buffer);
    let mut text = String::new();
    for row in 0..rows {
        let line: String =
            (0..columns).filter_map(|column| Some(buffer.cell((column, row))?.symbol())).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn titles(model: &Model) -> [String; 2] {
    let snapshot = &model.snapshot;
    let interfaces: Vec<String> =
        snapshot.interfaces.iter().map(|found| format!("{} {}", found.name, found.mode)).collect();
    let first = format!(
        "seawall top  {}  generation {}  bans {}",
        interfaces.join(", "),
        snapshot.generation,
        snapshot.bans
    );
    let sampled = match snapshot.events.sample_one_in {
        0 => "the first drop of each source".to_owned(),
        1 => "every drop, up to the bound".to_owned(),
        one_in => format!("one drop in {one_in}"),
    };
    let lost = match model.events_lost {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    [first, format!("sampled: {sampled}; {} events since the view began{lost}", model.events)]
}

fn course<'a>(
    buffer: &mut Buffer,
    area: Rect,
    name: &str,
    history: impl IntoIterator<Item = &'a u64>,
) {
    let history: Vec<u64> = history.into_iter().copied().collect();
    let label = match history.last() {
        Some(rate) => format!("{name} {rate:>10}/s"),
        None => format!("{name}          -/s"),
    };
    put(buffer, area, area.y, &label, Style::new());
    let [_, area] =
        Layout::horizontal([Constraint::Length(LABEL_COLUMNS), Constraint::Fill(1)]).areas(area);
    let latest = history.len().saturating_sub(usize::from(area.width));
    Sparkline::default().data(&history[latest..]).render(area, buffer);
}

fn table(
    buffer: &mut Buffer,
    area: Rect,
    model: &Model,
    title: &str,
    table: &Table,
    selected: Option<usize>,
) {
    if area.height == 0 {
        return;
    }
    put(buffer, area, area.y, title, Style::new().add_modifier(Modifier::BOLD));
    let rows = table.shown(model.sort, &model.filter);
    let fits = usize::from(area.height - 1);
    let selected = selected.map(|selected| selected.min(rows.len().saturating_sub(1)));
    // The selected row stays in sight.
    let first = selected.map_or(0, |selected| (selected + 1).saturating_sub(fits));
    for (line, (number, (name, figure))) in
        rows.iter().enumerate().skip(first).take(fits).enumerate()
    {
        let is_selected = selected == Some(number);
        let mark = if is_selected { '>' } else { ' ' };
        let weight = if is_selected { Modifier::REVERSED } else { Modifier::empty() };
        let row = format!("{mark}{figure:>9} {}", name.escape_debug());
        put(buffer, area, area.y + 1 + line as u16, &row, Style::new().add_modifier(weight));
    }
    if rows.is_empty() && fits > 0 {
        let none = if model.has_rates { " none" } else { " none yet" };
        put(buffer, area, area.y + 1, none, Style::new());
    }
    if table.others > 0 {
        let others = format!("{title}, and {} more events of others", table.others);
        put(buffer, area, area.y, &others, Style::new().add_modifier(Modifier::BOLD));
    }
}

fn keys(model: &Model) -> String {
    match &model.mode {
        Mode::Typing => format!("filter: {}_  (Enter keeps it, Esc clears it)", model.filter),
        Mode::Confirming(source) => {
            format!("ban {source} for an hour? y bans, any other key does not")
        }
        Mode::Commands => {
            let sort = if model.sort == Sort::Figure { "figure" } else { "name" };
            let filter = match model.filter.as_str() {
                "" => String::new(),
                filter => format!("  filter: {filter}"),
            };
            let note =
                if model.note.is_empty() { String::new() } else { format!("  {}", model.note) };
            format!("q quit  s sort ({sort})  / filter  j k select  b ban{filter}{note}")
        }
    }
}

fn put(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    if row < area.bottom() {
        buffer.set_stringn(area.x, row, text, usize::from(area.width), style);
    }
}
