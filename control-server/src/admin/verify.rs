//! `panko verify`: the look that the leader also takes now and then.

use panko_proto::v1::{Duplicate, VerifyResponse};
use tonic::Status;

use super::{Service, name_of};
use crate::verify::{Report, verify};

impl Service {
    pub(super) async fn verified(&self, namespace: &str) -> Result<VerifyResponse, Status> {
        let (of, state) = self.stands(namespace).await?;
        let Report { open, away, duplicates, incomplete } = verify(&of, &state).await;
        let name = |at: &usize| name_of(&state, *at);
        let duplicates_in_all = duplicates.len() as u64;
        let duplicates = duplicates.into_iter().map(|(workflow_id, members)| Duplicate {
            workflow_id,
            members: members.iter().map(name).collect(),
            kind: String::new(),
        });
        let incomplete = incomplete.into_iter().map(|(at, why)| match at {
            Some(at) => format!("{}: {why}", name(&at)),
            None => why,
        });
        Ok(VerifyResponse {
            open,
            away,
            duplicates: duplicates.collect(),
            duplicates_in_all,
            incomplete: incomplete.collect(),
        })
    }
}
