//! The steps of a move. Which one comes next is read from what the members have, so whoever comes after a crash goes on
//! where it was.
//!
//! Never are two unpaused: the original is paused before there is a copy, and the copy is set going while the original is
//! paused. Never is there none: the original is deleted last.

use futures_util::future::try_join_all;
use panko_placement::State;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::Outcome;
use super::calls::At;
use super::description::{Description, Nanos};
use super::mark::{Mark, Part};
use crate::topology::VirtualNamespace;

/// How many steps a move takes at the most, with what others do in between.
const STEPS: usize = 12;

/// A schedule that is to live at its slot's owner.
pub(super) struct Steps<'a> {
    /// At each member.
    members: Vec<At<'a>>,
    /// The members that an operator has given up: nobody asks them.
    fenced: Vec<bool>,
    owner: usize,
    id: &'a str,
}

/// What a member has.
struct Holder<'a> {
    at: At<'a>,
    described: Description,
    mark: Option<Mark>,
}

/// What the members have, by the part that each has in the move.
#[derive(Default)]
struct Holders<'a> {
    /// No part.
    plain: Vec<Holder<'a>>,
    originals: Vec<Holder<'a>>,
    copies: Vec<Holder<'a>>,
}

/// What a copy is to its original.
#[derive(Debug, PartialEq, Eq)]
enum Copied {
    Equal,
    /// Somebody has changed it, at this time.
    Changed(Nanos),
    /// Its server makes something else of it.
    Otherwise,
}

/// One step's end: done, or look again.
enum Next {
    Done(Outcome),
    Look,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        namespace: &'a VirtualNamespace,
        state: &State,
        id: &'a str,
        owner: usize,
        end: Instant,
    ) -> Result<Self, Status> {
        let members = namespace.members.iter().enumerate();
        let members: Vec<_> = members
            .map(|(index, member)| {
                let (namespace, id) = (&*namespace.name, id.as_bytes());
                At { namespace, index, member, id, end }
            })
            .collect();
        if owner >= members.len() {
            return Err(Status::internal("no such member"));
        }
        let fenced = state.members.iter().map(|member| member.fenced).collect();
        Ok(Self { members, fenced, owner, id })
    }

    /// The members other than the owner that have it. An outcome where nothing is to be done.
    pub(super) async fn away(&self) -> Result<Result<Vec<usize>, Outcome>, Status> {
        let holders = self.look().await?;
        let all = holders.all().map(|holder| holder.at.index);
        let away: Vec<_> = all.filter(|index| *index != self.owner).collect();
        match (away.is_empty(), holders.plain.first()) {
            (true, Some(_)) => Ok(Err(Outcome::Stays(self.name(self.owner)))),
            _ if holders.all().next().is_none() => Err(Status::not_found(format!(
                "no member has the schedule {:?}; see `panko schedules list`",
                self.id
            ))),
            _ => Ok(Ok(away)),
        }
    }

    /// What [`Steps::run`] would do.
    pub(super) async fn would(&self, away: &[usize]) -> Result<Outcome, Status> {
        let holders = self.look().await?;
        if let ([only], [], []) = (&*holders.plain, &*holders.originals, &*holders.copies)
            && let Some(why) = waits(only)?
        {
            return Ok(Outcome::Waits(why));
        }
        let to = self.name(self.owner);
        let from = match away {
            [] => to.clone(),
            away => away.iter().map(|index| self.name(*index)).collect::<Vec<_>>().join(", "),
        };
        Ok(Outcome::Would { from, to })
    }

    /// Takes steps until the schedule lives at its owner alone, or has to wait.
    pub(super) async fn run(&self) -> Result<Outcome, Status> {
        for _ in 0..STEPS {
            let holders = self.look().await?;
            match self.step(holders).await? {
                Next::Done(outcome) => return Ok(outcome),
                Next::Look => {}
            }
        }
        Err(Status::unavailable("the schedule is changed too often to be moved; try again"))
    }

    async fn step(&self, holders: Holders<'a>) -> Result<Next, Status> {
        let Holders { plain, originals, copies } = holders;
        match (&*plain, &*originals, &*copies) {
            ([only], [], []) if only.at.index == self.owner => {
                Ok(Next::Done(Outcome::Stays(self.name(self.owner))))
            }
            ([only], [], []) => self.pause(only).await,
            ([], [original], []) if original.at.index == self.owner => {
                self.restore(original, None).await.map(|_| Next::Look)
            }
            ([], [original], []) => self.copy(original).await,
            ([], [original], [copy]) if copy.at.index == self.owner => {
                self.take_over(original, copy).await
            }
            // Its slot has moved on since.
            ([], [original], [copy]) => match Copied::of(original, copy)? {
                Copied::Changed(at) => {
                    self.keep_changed(original, copy, at).await.map(|_| Next::Look)
                }
                Copied::Equal | Copied::Otherwise => copy.at.delete().await.map(|()| Next::Look),
            },
            // The original is gone, and the copy had been found equal, or somebody has deleted the original: it is the one there is.
            ([], [], [copy]) => self.restore(copy, None).await.map(|_| Next::Look),
            // The copy has taken over, or somebody has changed it, and so made it the one that counts.
            ([taken], [original], []) if self.is_for(original, taken) => {
                original.at.delete().await?;
                let told = vec![NOT_MADE_UP.to_owned()];
                Ok(Next::Done(self.moved(original, told)))
            }
            // Somebody has changed the original, which is the one that counts; the move begins anew.
            ([_], [], [copy]) => copy.at.delete().await.map(|()| Next::Look),
            ([], [], []) => Err(Status::not_found("the schedule has been deleted meanwhile")),
            _ => {
                let all = plain.iter().chain(&originals).chain(&copies);
                let names: Vec<_> = all.map(|holder| self.name(holder.at.index)).collect();
                Err(Status::failed_precondition(format!(
                    "the schedule {:?} exists on {}, each by itself: delete those that are wrong there",
                    self.id,
                    names.join(" and on ")
                )))
            }
        }
    }

    /// Pauses the schedule, with a mark in its notes, unless one of its actions still runs.
    async fn pause(&self, one: &Holder<'a>) -> Result<Next, Status> {
        if let Some(why) = waits(one)? {
            return Ok(Next::Done(Outcome::Waits(why)));
        }
        let (paused, notes) = one.state()?;
        let changed = one.described.changed().map_err(|e| one.at.strange(e))?;
        let changed_ms = i64::try_from(changed / MILLISECOND).unwrap_or(0);
        let to = self.name(self.owner);
        let mark = Mark { part: Part::Original, to, paused, notes, changed_ms };
        let Some(described) = one.at.set_state(&one.described, true, &mark.notes()).await? else {
            return Ok(Next::Look);
        };
        let marked = Holder { at: one.at, described, mark: Some(mark) };
        // One may have begun, or been late, in the moment before.
        if let Some(why) = waits(&marked)? {
            self.restore(&marked, None).await?;
            return Ok(Next::Done(Outcome::Waits(why)));
        }
        tracing::info!(schedule = self.id, from = %self.name(one.at.index), "a schedule is being moved");
        Ok(Next::Look)
    }

    /// Creates the copy, paused.
    async fn copy(&self, original: &Holder<'a>) -> Result<Next, Status> {
        let Some(mark) = &original.mark else { return Ok(Next::Look) };
        let at = self.at(self.owner)?;
        let mark = Mark { part: Part::Copy, to: self.name(self.owner), ..mark.clone() };
        let schedule = original.described.with_state(true, &mark.notes());
        let schedule = schedule.map_err(|e| original.at.strange(e))?;
        match at.create(&original.described, &schedule).await {
            Ok(_) => Ok(Next::Look),
            Err(status) if refuses(&status) => {
                self.restore(original, None).await?;
                Err(Status::failed_precondition(format!(
                    "{}; the schedule goes on where it was. Make the owner take it (its search attributes, its version), and try again",
                    status.message()
                )))
            }
            Err(status) => Err(status),
        }
    }

    /// Sets the copy going, if it is equal or somebody has changed it, and deletes the original.
    async fn take_over(&self, original: &Holder<'a>, copy: &Holder<'a>) -> Result<Next, Status> {
        let told = match Copied::of(original, copy)? {
            Copied::Equal => {
                let told = self.restore(copy, Some(&original.described)).await?;
                if told.is_some() {
                    original.at.delete().await?;
                }
                told
            }
            Copied::Changed(at) => self.keep_changed(original, copy, at).await?,
            Copied::Otherwise => {
                copy.at.delete().await?;
                self.restore(original, None).await?;
                return Err(Status::failed_precondition(format!(
                    "{} makes another schedule of it than {} has: are their versions the same? It goes on where it was",
                    self.name(copy.at.index),
                    self.name(original.at.index)
                )));
            }
        };
        let Some(told) = told else { return Ok(Next::Look) };
        tracing::info!(schedule = self.id, to = %self.name(copy.at.index), "a schedule has been moved");
        Ok(Next::Done(self.moved(original, told)))
    }

    /// Sets a copy going that somebody has changed at this time, and deletes the original: the change was acknowledged, so it
    /// counts. Says what was not made up for; none when somebody was first.
    async fn keep_changed(
        &self,
        original: &Holder<'a>,
        copy: &Holder<'a>,
        at: Nanos,
    ) -> Result<Option<Vec<String>>, Status> {
        let changed_ms = i64::try_from(at / MILLISECOND).unwrap_or(0);
        let mark = copy.mark.clone().map(|mark| Mark { changed_ms, ..mark });
        let going = mark.as_ref().is_some_and(|mark| !mark.paused);
        let changed = Holder { at: copy.at, described: copy.described.clone(), mark };
        let Some(mut told) = self.restore(&changed, None).await? else { return Ok(None) };
        original.at.delete().await?;
        // What the schedule was before its change is not what would be made up for.
        if going && told.is_empty() {
            told.push(CHANGED.to_owned());
        }
        Ok(Some(told))
    }

    /// Gives a schedule the state of before its move, and makes up for what it did not start meanwhile: since it was
    /// paused, or since `original` was. Says what was not made up for; none when somebody has changed it first.
    async fn restore(
        &self,
        one: &Holder<'a>,
        original: Option<&Description>,
    ) -> Result<Option<Vec<String>>, Status> {
        let Some(mark) = &one.mark else { return Ok(None) };
        let strange = |error| one.at.strange(error);
        let going = one.at.set_state(&one.described, mark.paused, &mark.notes).await?;
        let Some(going) = going else { return Ok(None) };
        if mark.paused {
            return Ok(Some(Vec::new()));
        }
        if going.is_limited().map_err(strange)? {
            return Ok(Some(vec![LIMITED.to_owned()]));
        }
        let before = original.unwrap_or(&one.described);
        let range = missed(before, mark, &going).map_err(strange)?;
        if let Some((from, to)) = range
            && let Err(status) = one.at.backfill(from, to).await
        {
            tracing::warn!(schedule = self.id, %status, "what a schedule missed is not made up for");
            return Ok(Some(vec![NOT_MADE_UP.to_owned()]));
        }
        Ok(Some(Vec::new()))
    }

    async fn look(&self) -> Result<Holders<'a>, Status> {
        let mut holders = Holders::default();
        let fenced = |at: &&At<'_>| self.fenced.get(at.index).is_some_and(|fenced| *fenced);
        let asked = self.members.iter().filter(|at| !fenced(at));
        let described = asked.map(|at| async move { Ok::<_, Status>((*at, at.describe().await?)) });
        for (at, described) in try_join_all(described).await? {
            let Some(described) = described else { continue };
            let mark = described.mark().map_err(|e| at.strange(e))?;
            let part = match mark.as_ref().map(|mark| mark.part) {
                None => &mut holders.plain,
                Some(Part::Original) => &mut holders.originals,
                Some(Part::Copy) => &mut holders.copies,
            };
            part.push(Holder { at, described, mark });
        }
        Ok(holders)
    }

    /// Whether an original was to be moved to where the other one is.
    fn is_for(&self, original: &Holder<'a>, other: &Holder<'a>) -> bool {
        original.mark.as_ref().is_some_and(|mark| mark.to == self.name(other.at.index))
    }

    fn moved(&self, original: &Holder<'a>, told: Vec<String>) -> Outcome {
        let (from, to) = (self.name(original.at.index), self.name(self.owner));
        Outcome::Moved { from, to, told }
    }

    fn at(&self, index: usize) -> Result<At<'a>, Status> {
        self.members.get(index).copied().ok_or_else(|| Status::internal("no such member"))
    }

    fn name(&self, index: usize) -> String {
        self.members.get(index).map_or_else(String::new, |at| at.member.name.to_string())
    }
}

const MILLISECOND: Nanos = 1_000_000;

/// How late an action may be: one that was due longer ago than this when its schedule was paused had begun, or was skipped.
const LATE: Nanos = 10_000 * MILLISECOND;

/// The same where one that was skipped, since another one ran, would be made up for.
const LATE_UNLESS_SKIPPED: Nanos = 2_000 * MILLISECOND;

/// What is said where times may have passed without an action.
const NOT_MADE_UP: &str = "the times of the move itself were not made up for: `temporal schedule backfill` does, if that matters";
const CHANGED: &str = "it was changed in the middle of its move, and the times before that were not made up for: `temporal schedule backfill` does, if that matters";
const LIMITED: &str =
    "its actions are counted, so the times of the move itself were not made up for";

impl Copied {
    fn of(original: &Holder<'_>, copy: &Holder<'_>) -> Result<Self, Status> {
        Self::read(&original.described, &copy.described).map_err(|e| copy.at.strange(e))
    }

    fn read(
        original: &Description,
        copy: &Description,
    ) -> Result<Self, panko_routing::wire::Error> {
        if original.equals(copy)? {
            return Ok(Self::Equal);
        }
        Ok(copy.updated()?.map_or(Self::Otherwise, Self::Changed))
    }
}

impl Holder<'_> {
    fn state(&self) -> Result<(bool, String), Status> {
        let read = self.described.paused().and_then(|paused| Ok((paused, self.described.notes()?)));
        let (paused, notes) = read.map_err(|e| self.at.strange(e))?;
        Ok((paused, String::from_utf8_lossy(notes).into_owned()))
    }
}

impl<'a> Holders<'a> {
    fn all(&self) -> impl Iterator<Item = &Holder<'a>> {
        self.plain.iter().chain(&self.originals).chain(&self.copies)
    }
}

/// Why a schedule cannot be moved at this moment: the copy would not see what still runs, or what is late.
fn waits(one: &Holder<'_>) -> Result<Option<String>, Status> {
    let strange = |error| one.at.strange(error);
    let described = &one.described;
    let in_the_way = described.in_the_way().map_err(strange)?;
    if in_the_way > 0 {
        return Ok(Some(format!(
            "{in_the_way} of its actions still run or wait, and its overlap policy would not see them from another cluster: --wait waits until none does; one that always runs has to be paused first"
        )));
    }
    let jitter = described.jitter().map_err(strange)?;
    let last = described.last_action().map_err(strange)?;
    let over = last.map_or(0, |last| last + jitter);
    let now = match one.mark {
        Some(_) => described.changed().map_err(strange)?,
        None => now(),
    };
    if jitter > 0 && over > now {
        let seconds = (over - now) / 1_000_000_000 + 1;
        return Ok(Some(format!(
            "another cluster has another jitter, and could start its last action again within {seconds} s: --wait waits for that; one whose jitter is longer than its interval has to be paused first"
        )));
    }
    Ok(None)
}

/// After when and until when a schedule would have acted while it was paused in a move: none if at no time. `before` is
/// how it was paused, `going` how it goes on.
fn missed(
    before: &Description,
    mark: &Mark,
    going: &Description,
) -> Result<Option<(Nanos, Nanos)>, panko_routing::wire::Error> {
    let (paused, to) = (before.changed()?, going.changed()?);
    let jitter = before.jitter()?;
    // What was due when the schedule was paused may have been dropped by that: the last action tells. What had not been due
    // by then, with its jitter, was for a time after `paused - jitter`.
    let late = if before.allows_all()? { LATE } else { LATE_UNLESS_SKIPPED };
    let last = before.last_action()?.map_or(0, |last| last + jitter);
    let changed = Nanos::from(mark.changed_ms) * MILLISECOND;
    let mut from = last.max(changed).max(paused - jitter - late);
    if let Some(window) = going.catchup_window()? {
        from = from.max(to - window);
    }
    // A backfill begins a millisecond before its start.
    Ok((from < to).then_some((from + MILLISECOND, to)))
}

/// Whether a cluster will not take a schedule: it has said so for certain, and not because it already has it.
fn refuses(status: &Status) -> bool {
    use Code::{
        FailedPrecondition, InvalidArgument, PermissionDenied, Unauthenticated, Unimplemented,
    };
    let refused =
        [FailedPrecondition, InvalidArgument, PermissionDenied, Unauthenticated, Unimplemented];
    refused.contains(&status.code())
}

fn now() -> Nanos {
    Nanos::from(crate::placements::now()) * MILLISECOND
}

#[cfg(test)]
mod tests {
    use panko_routing::wire::fields::{put_bytes, put_uint};

    use super::*;

    /// With this spec, and changed at so many seconds.
    fn described(spec: &[u8], updated: Option<u64>) -> Description {
        let (mut schedule, mut info, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        put_bytes(&mut schedule, 1, spec);
        if let Some(seconds) = updated {
            let mut at = Vec::new();
            put_uint(&mut at, 1, seconds);
            put_bytes(&mut info, 7, &at);
        }
        put_bytes(&mut answer, 1, &schedule);
        put_bytes(&mut answer, 2, &info);
        Description::read(&answer).unwrap()
    }

    #[test]
    fn a_copy_that_somebody_has_changed_is_no_difference_of_versions() {
        // The pause itself has changed the original.
        let original = described(b"before", Some(5));
        let of = |spec, updated| Copied::read(&original, &described(spec, updated)).unwrap();
        assert_eq!(of(b"before", None), Copied::Equal);
        assert_eq!(of(b"after", Some(7)), Copied::Changed(7_000_000_000));
        assert_eq!(of(b"after", None), Copied::Otherwise);
        // The zero time of Go.
        let never = (-62_135_596_800_i64).cast_unsigned();
        assert_eq!(of(b"after", Some(never)), Copied::Otherwise);
    }
}
