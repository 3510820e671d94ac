//! The way back. By whichever control server answers, and by what the placement shows: the answers of before may be lost.

use std::time::Duration;

use panko_proto::v1::change_placement_request::Change;
use panko_proto::v1::{GetPlacementRequest, GetPlacementResponse, ListHistoryRequest, Nothing};
use panko_routing::in_flight::is_definite;
use tokio::time::Instant;
use tonic::Status;

use super::super::client::Client;
use super::super::verbs::MoveArgs;
use super::super::wait;
use super::{ask, change, why};
use crate::cli::Output;
use crate::config::Config;

/// For how long a control server that answers is looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two tries, and how many there are for each member.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: usize = 10;

/// What has to go back if it does not go well.
pub struct Back<'a> {
    args: &'a MoveArgs,
    config: &'a Config,
    namespace: &'a str,
    /// The placement before the first step.
    before: GetPlacementResponse,
    /// The members that may have got slots, and how many at the most.
    asked: Vec<(String, u32)>,
}

impl<'a> Back<'a> {
    /// Notes how the placement is before the first step.
    pub async fn new(
        client: &mut Client,
        args: &'a MoveArgs,
        config: &'a Config,
        namespace: &'a str,
    ) -> Result<Self, Status> {
        let before = placement(client, namespace).await?;
        Ok(Self { args, config, namespace, before, asked: Vec::new() })
    }

    /// A member has been given so many slots, or may have been.
    pub fn note(&mut self, member: &str, slots: u32) {
        match self.asked.iter_mut().find(|(to, _)| to == member) {
            Some((_, asked)) => *asked += slots,
            None => self.asked.push((member.to_owned(), slots)),
        }
    }

    /// Gives back what each member has got, the last one first. Fails with what did not go back.
    pub async fn go(&self, output: Output) -> anyhow::Result<()> {
        let mut left = Vec::new();
        for (to, slots) in self.asked.iter().rev() {
            let mut tries = 0;
            loop {
                let mut client = self.connect().await.map_err(|error| {
                    let left: String = left.iter().map(|left| format!("{left}; ")).collect();
                    error.context(format!("{left}what {to} has is not known"))
                })?;
                tries += 1;
                match self.give(&mut client, to, *slots, output).await {
                    Ok(()) => break,
                    Err(status) if is_definite(status.code().into()) || tries == TRIES => {
                        left.push(format!("what {to} has got: {}", status.message()));
                        break;
                    }
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        }
        anyhow::ensure!(left.is_empty(), "{}", left.join("; "));
        Ok(())
    }

    async fn connect(&self) -> anyhow::Result<Client> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match Client::connect(self.config).await {
                Err(_) if Instant::now() < give_up => tokio::time::sleep(AGAIN).await,
                client => return client,
            }
        }
    }

    /// Gives back what one member has got. It can be done again from the beginning.
    async fn give(
        &self,
        client: &mut Client,
        to: &str,
        slots: u32,
        output: Output,
    ) -> Result<(), Status> {
        if self.is_under_way(client).await? {
            let ended = ask(client, self.args, self.namespace, Change::Cancel(Nothing {})).await;
            // It may have been completed in this moment.
            ended.or_else(|status| match is_definite(status.code().into()) {
                true => Ok(()),
                false => Err(status),
            })?;
        }
        self.wait(client, output).await?;
        let has = self.got(client, to, slots).await?;
        if has == 0 {
            return Ok(());
        }
        change(client, self.args, self.namespace, (to, &self.args.from), has).await?;
        self.wait(client, output).await?;
        match self.got(client, to, slots).await? {
            0 => Ok(()),
            left => Err(Status::aborted(format!("{left} slots are still there"))),
        }
    }

    /// Whether a handover of this command is under way, to a member that got slots by it.
    async fn is_under_way(&self, client: &mut Client) -> Result<bool, Status> {
        let now = placement(client, self.namespace).await?;
        let is_asked = |member: &str| self.asked.iter().any(|(to, _)| to == member);
        let mut coming = now.members.iter().filter(|member| member.coming > 0);
        if now.handover <= self.before.version || !coming.all(|member| is_asked(&member.name)) {
            return Ok(false);
        }
        let request =
            ListHistoryRequest { namespace: self.namespace.to_owned(), ..Default::default() };
        let history = client.admin.list_history(request).await?.into_inner();
        let began = history.entries.iter().find(|entry| entry.version == now.handover);
        Ok(began.is_some_and(|by| by.who == self.args.change.who && by.why == why(self.args)))
    }

    async fn got(&self, client: &mut Client, member: &str, asked: u32) -> Result<u32, Status> {
        let now = placement(client, self.namespace).await?;
        Ok(got(&self.before, &now, member, asked))
    }

    async fn wait(&self, client: &mut Client, output: Output) -> Result<(), Status> {
        let waited = wait::until_handed_over(client, self.namespace, output).await;
        waited.map_err(|error| Status::unavailable(format!("{error:#}")))
    }
}

/// How many more slots a member has than before. What others have given it meanwhile is not for this command to give back.
fn got(before: &GetPlacementResponse, now: &GetPlacementResponse, member: &str, asked: u32) -> u32 {
    let owned = |placement: &GetPlacementResponse| {
        let member = placement.members.iter().find(|known| known.name == member);
        member.map_or(0, |member| member.owned)
    };
    owned(now).saturating_sub(owned(before)).min(asked)
}

async fn placement(client: &mut Client, namespace: &str) -> Result<GetPlacementResponse, Status> {
    let request = GetPlacementRequest { namespace: namespace.to_owned() };
    client.admin.get_placement(request).await.map(tonic::Response::into_inner)
}

#[cfg(test)]
mod tests {
    use panko_proto::v1::MemberStatus;

    use super::*;

    #[test]
    fn what_goes_back_is_what_came_and_no_more_than_was_asked_for() {
        let placement = |owned| {
            let members = vec![MemberStatus { name: "b".to_owned(), owned, ..Default::default() }];
            GetPlacementResponse { members, ..Default::default() }
        };
        let got = |before, now| got(&placement(before), &placement(now), "b", 10);
        assert_eq!([got(5, 5), got(5, 12), got(5, 99), got(5, 3)], [0, 7, 10, 0]);
    }
}
