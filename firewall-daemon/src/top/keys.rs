//! What keys do.

use std::net::IpAddr;

use super::model::{FILTER_CHARS_MAX, Mode, Model, Sort};

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Ctrl-C.
    Interrupt,
}

/// What a key asks for beyond the view itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// An end.
    Quit,
    /// A ban, which was confirmed.
    Ban(IpAddr),
}

impl Model {
    /// A key was pressed.
    pub fn pressed(&mut self, key: Key) -> Asked {
        if key == Key::Interrupt {
            return Asked::Quit;
        }
        match self.mode {
            Mode::Commands => return self.command(key),
            Mode::Typing => self.typed(key),
            Mode::Confirming(source) => {
                self.mode = Mode::Commands;
                if key == Key::Char('y') {
                    return Asked::Ban(source);
                }
                self.note = format!("{source} is not banned");
            }
        }
        Asked::Nothing
    }

    fn command(&mut self, key: Key) -> Asked {
        self.note.clear();
        match key {
            Key::Char('q') => return Asked::Quit,
            Key::Char('s') => {
                self.sort = if self.sort == Sort::Figure { Sort::Name } else { Sort::Figure };
            }
            Key::Char('/') => self.mode = Mode::Typing,
            Key::Escape => self.filter.clear(),
            Key::Up | Key::Char('k') => self.selected = self.selected.saturating_sub(1),
            Key::Down | Key::Char('j') => {
                let last = self.sources.shown(self.sort, &self.filter).len().saturating_sub(1);
                self.selected = (self.selected + 1).min(last);
            }
            Key::Char('b') => match self.selected_source() {
                Some(source) => self.mode = Mode::Confirming(source),
                None => "no source to ban: none was sampled".clone_into(&mut self.note),
            },
            _ => {}
        }
        Asked::Nothing
    }

    fn typed(&mut self, key: Key) {
        match key {
            Key::Char(letter) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter.push(letter);
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => self.mode = Mode::Commands,
            Key::Escape => {
                self.filter.clear();
                self.mode = Mode::Commands;
            }
            _ => {}
        }
        self.selected = 0;
    }
}
