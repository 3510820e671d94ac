//! What may become of a field when messages are merged.

/// A message's fields that have a rule.
pub type Rules = &'static [(u32, Rule)];

/// What becomes of a field.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// The first message's that has it, all its occurrences.
    First,
    /// The sum, of integers, floats or doubles.
    Add,
    /// The greatest, of integers; of booleans: whether any is true.
    Greatest,
    /// Of an enum's values the one that stands first in this list; what is not in it comes after.
    Preferred(&'static [u64]),
    /// The earliest `google.protobuf.Timestamp`.
    Earliest,
    /// The latest `google.protobuf.Timestamp`; the longest `Duration`.
    Latest,
    /// The latest, and none where a message has none: what is over is over everywhere.
    LatestOfAll,
    /// All values that differ, of repeated strings or messages.
    Distinct,
    /// All values that differ, of repeated numbers, packed or not.
    DistinctNumbers,
    /// One message, merged.
    Message(Rules),
    /// Repeated messages: those with the same id are merged. A map is one, with the id `&[&[1]]`.
    Rows {
        /// Paths from the row to what makes its id.
        id: Paths,
        /// The rules of a row.
        rules: Rules,
    },
    /// The same, and only those that are in all messages.
    CommonRows {
        /// Paths from the row to what makes its id.
        id: Paths,
        /// The rules of a row.
        rules: Rules,
    },
}

/// Field numbers from a message down, more than one such path.
pub type Paths = &'static [&'static [u32]];
