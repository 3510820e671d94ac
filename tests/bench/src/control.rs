//! A stand-in for the control server: one placement, sent to every filter that asks.
//!
//! The bench measures the filter, not who feeds it; `--control-server` takes the real one instead.

use panko_proto::v1::{Member, Placement, PlacementUpdate, SlotRun};
use prost::Message;

use crate::frame;
use crate::server::{Stream, headers};

/// The one cluster of the placement, and of the Envoy configuration.
pub const CLUSTER: &str = "a";

/// Answers StreamPlacements: a snapshot, then silence until the filter goes away.
pub async fn answer((request, mut respond): Stream) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(headers(), false)?;
    stream.send_data(frame::plain(&snapshot().encode_to_vec()), false)?;
    let mut body = request.into_body();
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk?.len())?;
    }
    Ok(())
}

fn snapshot() -> PlacementUpdate {
    let member = Member {
        cluster: CLUSTER.into(),
        namespace: "default".into(),
        namespace_uuid: "32049b68-7872-4094-8e63-d0dd59896a83".into(),
    };
    let placement = Placement {
        namespace: "default".into(),
        version: 1,
        members: vec![member],
        slots: vec![SlotRun { length: 4096, owner: 0 }],
        spread: Vec::new(),
    };
    PlacementUpdate { nonce: 1, placements: vec![placement], removed: vec![], snapshot: true }
}
