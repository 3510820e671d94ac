//! A stand-in for the control server: one placement, sent to every filter that asks.
//!
//! The bench measures the filter, not who feeds it; `--control-server` takes the real one instead.

use panko_proto::v1::{Member, Placement, PlacementUpdate, SlotRun};
use prost::Message;

use crate::frame;
use crate::options::Way;
use crate::server::{Stream, headers};

/// The one cluster of the placement, and of the Envoy configuration.
pub const CLUSTER: &str = "a";

/// Answers StreamPlacements: a snapshot, then silence until the filter goes away.
pub async fn answer(way: Way, (request, mut respond): Stream) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(headers(), false)?;
    stream.send_data(frame::plain(&snapshot(way).encode_to_vec()), false)?;
    let mut body = request.into_body();
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk?.len())?;
    }
    Ok(())
}

fn snapshot(way: Way) -> PlacementUpdate {
    let name = if way == Way::Names { "default-a" } else { "default" };
    let member = |cluster: &str, namespace_uuid: &str| Member {
        cluster: cluster.into(),
        namespace: name.into(),
        namespace_uuid: namespace_uuid.into(),
    };
    let mut members = vec![member(CLUSTER, "32049b68-7872-4094-8e63-d0dd59896a83")];
    if way == Way::Chain {
        // Where there is nobody else to ask there is no chain.
        members.push(member("b", "b0d5bd4c-8a0e-4bd5-8d4a-5b6a9c9a1f10"));
    }
    let placement = Placement {
        namespace: "default".into(),
        version: 1,
        members,
        slots: vec![SlotRun { length: 4096, owner: 0, starts: 0 }],
        spread: Vec::new(),
        locate_before_start: false,
    };
    PlacementUpdate {
        nonce: 1,
        placements: vec![placement],
        removed: vec![],
        snapshot: true,
        deltas: vec![],
    }
}
