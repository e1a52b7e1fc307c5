//! `seawall top`: what the view shows, what keys do to it, and how it is drawn. Nothing here reads a
//! terminal, a socket or a clock.

mod model;
mod keys;
mod view;

pub use keys::{Asked, Key};
pub use model::Model;
pub use view::{draw, text};

#[cfg(test)]
mod tests;
