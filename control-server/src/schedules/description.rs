//! A schedule as its member describes it, read and edited on the wire: what this release does not know of it
//! goes along.

use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, first_at, last_bytes, put_bytes, put_uint};

use super::mark::Mark;
use super::same::same;
use crate::timestamp::nanos;

/// Numbers of `Schedule.state` and of `ScheduleState.{notes, paused, limited_actions}`.
const STATE: u32 = 4;
const NOTES: u32 = 1;
const PAUSED: u32 = 2;
const LIMITED: u32 = 3;

/// `SCHEDULE_OVERLAP_POLICY_ALLOW_ALL`.
const ALLOW_ALL: u64 = 6;

/// Nanoseconds since 1970, or a span of them.
pub type Nanos = i128;

/// A `DescribeScheduleResponse`.
#[derive(Debug, Clone)]
pub struct Description {
    /// `Schedule`: its spec, action, policies and state.
    schedule: Vec<u8>,
    /// `ScheduleInfo`.
    info: Vec<u8>,
    /// `Memo`.
    pub memo: Vec<u8>,
    /// `SearchAttributes`.
    pub search_attributes: Vec<u8>,
    /// What a change has to show, so that it does not overwrite another one.
    pub token: Vec<u8>,
    /// `ScheduleState`.
    state: Vec<u8>,
}

impl Description {
    /// Reads an answer.
    pub fn read(answer: &[u8]) -> Result<Self, Error> {
        let schedule = message(answer, 1)?;
        let state = message(&schedule, STATE)?;
        Ok(Self {
            info: message(answer, 2)?,
            memo: message(answer, 3)?,
            search_attributes: message(answer, 4)?,
            token: last_bytes(answer, 5)?.to_vec(),
            schedule,
            state,
        })
    }

    /// The schedule with other notes, paused or not, and else as it is.
    pub fn with_state(&self, paused: bool, notes: &str) -> Result<Vec<u8>, Error> {
        let mut state = without(&self.state, &[NOTES, PAUSED])?;
        put_bytes(&mut state, NOTES, notes.as_bytes());
        if paused {
            put_uint(&mut state, PAUSED, 1);
        }
        let mut schedule = without(&self.schedule, &[STATE])?;
        put_bytes(&mut schedule, STATE, &state);
        Ok(schedule)
    }

    /// Whether another schedule is equal but for its notes and for being paused.
    pub fn equals(&self, other: &Self) -> Result<bool, Error> {
        Ok(same(&self.with_state(true, "")?, &other.with_state(true, "")?)
            && same(&self.memo, &other.memo)
            && same(&self.search_attributes, &other.search_attributes))
    }

    /// Its notes.
    pub fn notes(&self) -> Result<&[u8], Error> {
        last_bytes(&self.state, NOTES)
    }

    /// Its part in a move, if it has one.
    pub fn mark(&self) -> Result<Option<Mark>, Error> {
        Ok(marked(self.paused()?, self.notes()?))
    }

    /// Whether it starts nothing by itself.
    pub fn paused(&self) -> Result<bool, Error> {
        Ok(number(&self.state, PAUSED)? != 0)
    }

    /// Whether its actions are counted down.
    pub fn is_limited(&self) -> Result<bool, Error> {
        Ok(number(&self.state, LIMITED)? != 0)
    }

    /// Whether its actions heed no others.
    pub fn allows_all(&self) -> Result<bool, Error> {
        Ok(number(&message(&self.schedule, 3)?, 1)? == ALLOW_ALL)
    }

    /// How many of its actions run, or wait for those that do: as far as the next one has to heed them.
    pub fn in_the_way(&self) -> Result<u64, Error> {
        if self.allows_all()? {
            return Ok(0);
        }
        let running = fields(&self.info).filter(|f| f.as_ref().is_ok_and(|f| f.number == 9));
        Ok(running.count() as u64 + number(&self.info, 11)?)
    }

    /// When it was last changed, or created, by the clock that its actions go by.
    pub fn changed(&self) -> Result<Nanos, Error> {
        Ok(nanos(last_bytes(&self.info, 6)?)?.max(nanos(last_bytes(&self.info, 7)?)?))
    }

    /// When somebody last changed it since it was created.
    pub fn updated(&self) -> Result<Option<Nanos>, Error> {
        // Some servers have a time before 1970 where there was no update.
        Ok(first_at(&self.info, &[7])?.map(nanos).transpose()?.filter(|at| *at > 0))
    }

    /// By how much its actions may be late.
    pub fn jitter(&self) -> Result<Nanos, Error> {
        first_at(&self.schedule, &[1, 6])?.map_or(Ok(0), nanos)
    }

    /// For which time its last action was.
    pub fn last_action(&self) -> Result<Option<Nanos>, Error> {
        let mut last = None;
        for field in fields(&self.info) {
            let field = field?;
            if let (4, Value::Bytes(action)) = (field.number, field.value) {
                last = last.max(Some(nanos(last_bytes(action, 1)?)?));
            }
        }
        Ok(last)
    }

    /// For how long an action may be made up for; none if that is not said.
    pub fn catchup_window(&self) -> Result<Option<Nanos>, Error> {
        first_at(&self.schedule, &[3, 2])?.map(nanos).transpose()
    }
}

/// Whether a row of a member's list shows a schedule that is paused in the middle of a move.
pub fn is_moving(row: &[u8]) -> Result<bool, Error> {
    // `ScheduleListEntry.info.{notes, paused}`.
    let info = message(row, 4)?;
    Ok(marked(number(&info, 4)? != 0, last_bytes(&info, 3)?).is_some())
}

/// One that was set going again has left its move, whatever its notes say.
fn marked(paused: bool, notes: &[u8]) -> Option<Mark> {
    if paused { Mark::read(notes) } else { None }
}

/// All occurrences of a message field, as one message.
fn message(of: &[u8], number: u32) -> Result<Vec<u8>, Error> {
    let mut whole = Vec::new();
    for field in fields(of) {
        let field = field?;
        if let (true, Value::Bytes(bytes)) = (field.number == number, field.value) {
            whole.extend_from_slice(bytes);
        }
    }
    Ok(whole)
}

/// The last value of a number, 0 when it is not there.
fn number(of: &[u8], number: u32) -> Result<u64, Error> {
    let mut last = 0;
    for field in fields(of) {
        let field = field?;
        if let (true, Value::Varint(value)) = (field.number == number, field.value) {
            last = value;
        }
    }
    Ok(last)
}

fn without(of: &[u8], numbers: &[u32]) -> Result<Vec<u8>, Error> {
    let mut kept = Vec::with_capacity(of.len());
    for field in fields(of) {
        let field = field?;
        if !numbers.contains(&field.number) {
            kept.extend_from_slice(field.raw);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::super::mark::Part;
    use super::*;

    /// A description with fields that nobody knows yet in the answer's schedule and in its state.
    fn described(paused: bool, notes: &str) -> Description {
        let (mut state, mut schedule, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        put_uint(&mut state, 77, 5);
        put_bytes(&mut state, NOTES, notes.as_bytes());
        put_uint(&mut state, PAUSED, paused.into());
        put_uint(&mut state, 4, 9);
        put_bytes(&mut schedule, 88, b"new");
        put_bytes(&mut schedule, STATE, &state);
        put_bytes(&mut answer, 1, &schedule);
        put_bytes(&mut answer, 5, b"token");
        Description::read(&answer).unwrap()
    }

    #[test]
    fn what_is_not_known_goes_along() {
        let moved = described(false, "before").with_state(true, "moving").unwrap();
        assert_eq!(last_bytes(&moved, 88), Ok(&b"new"[..]));
        let state = message(&moved, STATE).unwrap();
        assert_eq!(number(&state, 77), Ok(5));
        assert_eq!(number(&state, 4), Ok(9));
        assert_eq!(last_bytes(&state, NOTES), Ok(&b"moving"[..]));
    }

    #[test]
    fn equal_is_what_differs_in_notes_and_in_being_paused_alone() {
        let one = described(false, "before");
        assert!(one.equals(&described(true, "moving")).unwrap());
        let mut other = described(true, "moving");
        put_uint(&mut other.schedule, 99, 1);
        assert!(!one.equals(&other).unwrap());
    }

    #[test]
    fn one_that_was_set_going_again_has_no_part_in_a_move() {
        let (to, notes) = ("b".to_owned(), String::new());
        let mark = Mark { part: Part::Original, to, paused: false, notes, changed_ms: 0 };
        assert_eq!(described(true, &mark.notes()).mark().unwrap(), Some(mark.clone()));
        assert_eq!(described(false, &mark.notes()).mark().unwrap(), None);
        let row = |paused: bool| {
            let (mut info, mut row) = (Vec::new(), Vec::new());
            put_bytes(&mut info, 3, mark.notes().as_bytes());
            put_uint(&mut info, 4, paused.into());
            put_bytes(&mut row, 4, &info);
            row
        };
        assert_eq!((is_moving(&row(true)), is_moving(&row(false))), (Ok(true), Ok(false)));
    }
}
