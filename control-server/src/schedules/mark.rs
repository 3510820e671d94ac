//! What a schedule's notes say while it is being moved. Whoever finds them knows how far the move came.

use serde::{Deserialize, Serialize};

/// How the notes of a schedule begin that is being moved: for people who look at it meanwhile.
const BEGINS: &str =
    "Panko is moving this schedule; if this stays here, run `panko schedules move` again.\n";

/// A schedule's part in a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is moved: paused, until its copy has taken over, and then deleted.
    Original,
    /// It takes over: paused, until it is known to be equal.
    Copy,
}

/// What stands in the notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which of the two it is.
    pub part: Part,
    /// The member that gets the schedule.
    pub to: String,
    /// Whether it was paused before.
    pub paused: bool,
    /// Its notes of before.
    pub notes: String,
    /// When somebody had last changed it before, in milliseconds since 1970.
    pub changed_ms: i64,
}

impl Mark {
    /// The notes that say so.
    #[must_use]
    pub fn notes(&self) -> String {
        // These four always fit into JSON.
        format!("{BEGINS}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a schedule's notes. None when it is not being moved.
    #[must_use]
    pub fn read(notes: &[u8]) -> Option<Self> {
        serde_json::from_slice(notes.strip_prefix(BEGINS.as_bytes())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_other_notes_are_none() {
        let notes = "first \"line\"\nsecond".to_owned();
        let mark = Mark {
            part: Part::Copy,
            to: "b/default".to_owned(),
            paused: true,
            notes,
            changed_ms: 7,
        };
        assert_eq!(Mark::read(mark.notes().as_bytes()), Some(mark.clone()));
        assert_eq!(Mark::read(mark.notes.as_bytes()), None);
        assert_eq!(Mark::read(BEGINS.as_bytes()), None);
    }
}
