//! Until a handover is done.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use panko_proto::v1::GetPlacementRequest;

use super::client::Client;
use super::told;
use crate::cli::Output;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// After so long it is said for whom the handover waits.
const SLOW: Duration = Duration::from_secs(3);

/// Waits until no slot is being handed over.
pub async fn until_handed_over(
    client: &mut Client,
    namespace: &str,
    output: Output,
) -> anyhow::Result<()> {
    let visible = output == Output::Text && std::io::stderr().is_terminal();
    let bar = if visible { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
    let began = tokio::time::Instant::now();
    let mut said = false;
    loop {
        let request = GetPlacementRequest { namespace: namespace.to_owned() };
        let placement = client.admin.get_placement(request).await.map_err(told)?.into_inner();
        if placement.handover == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        let coming: u32 = placement.members.iter().map(|member| member.coming).sum();
        let waits = placement.waits_for.join(", ");
        bar.set_message(format!("{coming} slots wait for {waits}"));
        bar.tick();
        if !said && began.elapsed() > SLOW {
            said = true;
            eprintln!(
                "waiting for {waits}: a call on its way, an Envoy that lacks a member's cluster (its log says which), or one that cannot be reached. Nobody notices; `panko cancel` ends it, and `panko filters --forget NODE` is for one that is gone for good"
            );
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
