//! Rules that the sources of the commands keep, the cases of the field, hostile inputs and their limits.

mod arrows;
mod field;
mod functions;
mod hostile;
mod limits;
