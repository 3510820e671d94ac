//! Kinds of keys that a member's server is too old for.

use std::time::Duration;

use bytes::Bytes;
use tonic::{Code, Status};

use crate::identify::{GET_SYSTEM_INFO, method};
use crate::topology::Member;

/// How long a member has to say that it is a Temporal server.
const DEADLINE: Duration = Duration::from_secs(3);

/// Whether this refusal says that a member's server does not know a kind of key, and so has none.
///
/// A proxy that does not know where to send a call is UNIMPLEMENTED, too, as HTTP's 404 is. So every server knows workflows, and
/// what else it does not know it says as one that answers what all know.
pub(super) async fn is_unknown(member: &Member, kind: &str, refusal: &Status) -> bool {
    if refusal.code() != Code::Unimplemented || kind == "workflow" {
        return false;
    }
    let Ok(info) = method(GET_SYSTEM_INFO) else { return false };
    member.call(info, member.cluster.own(), Bytes::new(), DEADLINE).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;
    use std::path::Path;
    use std::sync::Arc;

    use axum::body::Body;
    use axum::response::IntoResponse;
    use futures_util::future::{Ready, ready};
    use http::{Request, StatusCode};
    use tokio::net::TcpListener;
    use tonic::Response;
    use tonic::server::{Grpc, UnaryService};

    use crate::config::Config;
    use crate::locate::Target;
    use crate::locate::lists::LISTS;
    use crate::locate::look::look;
    use crate::raw::RawCodec;
    use crate::topology::Topology;

    use super::*;

    /// Answers as it is told.
    struct Answer(Result<(), Status>);

    impl UnaryService<Bytes> for Answer {
        type Response = Bytes;
        type Future = Ready<Result<Response<Bytes>, Status>>;

        fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
            ready(self.0.clone().map(|()| Response::new(Bytes::new())))
        }
    }

    /// A member that answers these RPCs with an empty response, and others with UNIMPLEMENTED: by HTTP alone if it is a `proxy`.
    async fn member(knows: &'static [&'static str], proxy: bool) -> Arc<Member> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(move |request: Request<Body>| async move {
            let known = knows.iter().any(|rpc| request.uri().path().ends_with(rpc));
            if !known && proxy {
                return StatusCode::NOT_FOUND.into_response();
            }
            let answer = if known { Ok(()) } else { Err(Status::unimplemented("unknown method")) };
            Grpc::new(RawCodec).unary(Answer(answer), request).await.into_response()
        });
        tokio::spawn(axum::serve(listener, router).into_future());
        let yaml = format!(
            "clusters:\n  - {{ name: a, address: \"{address}\" }}\nnamespaces:\n  - name: default\n    members:\n      - {{ cluster: a }}\n"
        );
        let config = Config::parse(&yaml, Path::new("panko.yaml")).unwrap();
        let topology = Topology::new(&config.clusters, &config.namespaces, None);
        topology.namespace("default").unwrap().members[0].clone()
    }

    /// Of each kind of key whether a member is known to have none: by its list, and by a look.
    async fn has_none(member: &Member) -> Vec<(&'static str, bool, bool)> {
        let mut all = Vec::new();
        for list in LISTS {
            let listed = list.each("default", member, "", usize::MAX, &mut |_| {}).await;
            let (namespace, id, run) = ("default".into(), b"id"[..].into(), Box::default());
            let target = Target { namespace, kind: list.kind, id, run };
            let looked = look(member, &target).await;
            all.push((list.kind, listed.is_ok(), looked.is_ok_and(|found| found.is_none())));
        }
        all
    }

    #[tokio::test]
    async fn only_a_server_that_answers_is_too_old_for_a_kind_and_none_is_for_workflows() {
        let old = member(&["ListWorkflowExecutions", "GetSystemInfo"], false).await;
        let [workflows, others @ ..] = &has_none(&old).await[..] else { panic!("no kinds") };
        assert_eq!(*workflows, ("workflow", true, false), "its list is empty");
        assert!(others.iter().all(|(_, listed, looked)| *listed && *looked), "{others:?}");
        for proxy in [false, true] {
            let nobody = has_none(&*member(&[], proxy).await).await;
            assert!(nobody.iter().all(|(_, listed, looked)| !listed && !looked), "{nobody:?}");
        }
    }
}
