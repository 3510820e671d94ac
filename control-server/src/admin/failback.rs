//! A fenced member comes back. `panko_placement::fence` says in which steps, and why.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use panko_placement::{Change, Cleared, Quiet, Refused, State};
use panko_proto::v1::{FailbackRequest, FailbackResponse};
use panko_routing::placement::MemberIndex;
use tokio::time::Instant;
use tonic::Status;

use super::open_twice::{Scan, scan};
use super::verbs::member_named;
use super::{Service, status};
use crate::frontend::ALL_OVER;
use crate::locate::lists::LISTS;
use crate::placements::{By, Error, PlacementsHolder, SETTLED, now};
use crate::topology::VirtualNamespace;

/// Between two looks at what is waited for.
const INTERVAL: Duration = Duration::from_millis(100);

/// How much longer than it should take is waited for filters and for starts.
const GRACE: Duration = Duration::from_secs(10);

/// One failback.
struct Failback {
    placements: Arc<PlacementsHolder>,
    namespace: Arc<VirtualNamespace>,
    member: MemberIndex,
    /// The placement in which it has this position.
    read: Arc<State>,
    request: FailbackRequest,
}

impl Service {
    pub(super) async fn failed_back(
        &self,
        request: FailbackRequest,
    ) -> Result<FailbackResponse, Status> {
        let (namespace, state) = self.stands(&request.namespace).await?;
        let member = member_named(&state, &request.member)?;
        if !state.is_fenced(member) {
            return Err(status(Refused::NotFenced(request.member).into()));
        }
        let placements = self.placements.clone();
        let failback = Failback { placements, namespace, member, read: state, request };
        // To its end, whether or not the operator waits: else starts go on looking at what has no scan.
        let done = tokio::spawn(failback.run());
        done.await.map_err(|_| Status::internal("the failback failed; run it again"))?
    }
}

impl Failback {
    async fn run(self) -> Result<FailbackResponse, Status> {
        self.is_up().await?;
        if self.request.dry_run {
            let state = self.stands().await?;
            let scan = self.scan(&state).await?;
            return Ok(told(&state, self.member, scan));
        }
        let looked_at = self.look_again().await?;
        let cleared = self.clear(looked_at).await;
        let (quiet, scan) = match cleared {
            Ok(cleared) => cleared,
            Err(why) => {
                self.fence_again(looked_at).await?;
                return Err(why);
            }
        };
        let state = match scan.duplicates_in_all {
            0 => self.unfence(looked_at, quiet).await?,
            _ if self.request.accept_duplicates => self.unfence(looked_at, quiet).await?,
            _ => self.fence_again(looked_at).await?,
        };
        Ok(told(&state, self.member, scan))
    }

    /// Fails when the member's cluster does not answer: then nothing begins.
    async fn is_up(&self) -> Result<(), Status> {
        let [workflows, ..] = LISTS;
        let (name, mut nobody) = (&self.namespace.name, |_: &[u8]| {});
        let member = self.namespace.members.get(usize::from(self.member.0));
        let member = member.ok_or_else(|| Status::internal("no such member"))?;
        let first = workflows.each(name, member, "", 1, &mut nobody).await;
        first.map(drop).map_err(|why| self.not_scanned(why))
    }

    /// Has starts look at the member. Returns since when they do; those of a failback that did not come to its end do so
    /// already.
    async fn look_again(&self) -> Result<u64, Status> {
        let what = format!("starts look at {} again", self.request.member);
        let look = |_: &State| Ok(Change::LookAgain(self.member));
        let state = match self.change(&what, look).await {
            Err(Error::Refused(Refused::Nothing)) => self.stands().await?,
            state => state.map_err(status)?,
        };
        let member = state.members.get(usize::from(self.member.0));
        let looked_at = member.and_then(|member| member.looked_at);
        looked_at.ok_or_else(|| status(Refused::NotLookedAt(self.request.member.clone()).into()))
    }

    /// Waits until nothing is on its way that a scan would miss, and scans.
    async fn clear(&self, looked_at: u64) -> Result<(Quiet, Scan), Status> {
        let quiet = self.quiet(looked_at).await?;
        self.starts_are_over().await?;
        // Read after starts look at this one: of two failbacks at least one sees the other.
        let state = self.stands().await?;
        Ok((quiet, self.scan(&state).await?))
    }

    /// The placement as the store has it at this moment, of the members that are known here.
    async fn stands(&self) -> Result<Arc<State>, Status> {
        let state = self.placements.current(&self.namespace.name).await.map_err(status)?;
        self.namespace.must_fit(&state)?;
        Ok(state)
    }

    async fn scan(&self, state: &State) -> Result<Scan, Status> {
        let scan = scan(&self.namespace, state, usize::from(self.member.0)).await;
        scan.map_err(|why| self.not_scanned(why))
    }

    /// Waits until no filter has anything on its way to the member.
    async fn quiet(&self, since: u64) -> Result<Quiet, Status> {
        let give_up = Instant::now() + Duration::from_millis(SETTLED) + GRACE;
        loop {
            let participants = self.placements.store().participants(&self.namespace.name).await;
            let participants = participants.map_err(|e| status(e.into()))?;
            if let Some(quiet) = participants.quiet_since(since, now()) {
                return Ok(quiet);
            }
            if Instant::now() > give_up {
                let missing = participants.missing(since, now());
                let missing: Vec<_> = missing.map(|filter| filter.node.as_str()).collect();
                return Err(Status::unavailable(format!(
                    "{} stays fenced: it is not known what Envoys have on their way to it ({}); `panko filters --forget NODE` is for one that is gone for good",
                    self.request.member,
                    missing.join(", ")
                )));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Waits until all starts are over that hold their key's lock now: they may have looked at the member before, or not at all.
    /// Locks end by themselves, but for one that others join for ever: those have read that the member is looked at, so it is waited
    /// for as long as a start can take that has its lock now.
    async fn starts_are_over(&self) -> Result<(), Status> {
        let held = async || {
            let locks = self.placements.store().locks(&self.namespace.name, now()).await;
            let locks = locks.map_err(|e| status(e.into()))?;
            Ok::<HashSet<String>, Status>(locks.into_iter().map(|(holder, _)| holder).collect())
        };
        let before = held().await?;
        let over = Instant::now() + ALL_OVER;
        while Instant::now() < over && !held().await?.is_disjoint(&before) {
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(())
    }

    async fn change(
        &self,
        what: &str,
        change: impl FnMut(&State) -> Result<Change, Error> + Send,
    ) -> Result<Arc<State>, Error> {
        let name = &self.namespace.name;
        self.placements.change_of(name, &self.read, self.by(), what, change).await
    }

    async fn unfence(&self, looked_at: u64, quiet: Quiet) -> Result<Arc<State>, Status> {
        let what = format!("{} has been scanned, and is not fenced any more", self.request.member);
        let cleared = Cleared { member: self.member, looked_at, quiet };
        let unfence = |_: &State| Ok(Change::Unfence(cleared));
        self.change(&what, unfence).await.map_err(status)
    }

    /// Starts look away from it again, unless another failback has them look.
    async fn fence_again(&self, looked_at: u64) -> Result<Arc<State>, Status> {
        let what = format!("{} stays fenced", self.request.member);
        let fence = |state: &State| {
            let member = state.members.get(usize::from(self.member.0));
            match member.is_some_and(|member| member.looked_at == Some(looked_at)) {
                true => Ok(Change::Fence(self.member)),
                false => Err(Refused::Nothing.into()),
            }
        };
        match self.change(&what, fence).await {
            Err(Error::Refused(Refused::Nothing)) => {
                self.placements.current(&self.namespace.name).await
            }
            done => done,
        }
        .map_err(status)
    }

    fn by(&self) -> By<'_> {
        By { who: &self.request.who, why: &self.request.why, lead: None, emptied: &[] }
    }

    fn not_scanned(&self, why: Status) -> Status {
        let member = &self.request.member;
        let why = format!("{member} stays fenced, since it cannot be scanned: {}", why.message());
        Status::unavailable(why)
    }
}

fn told(state: &State, member: MemberIndex, scan: Scan) -> FailbackResponse {
    FailbackResponse {
        version: state.version,
        fenced: state.is_fenced(member),
        looked_for: scan.looked_for,
        duplicates: scan.duplicates,
        duplicates_in_all: scan.duplicates_in_all,
    }
}
