//! From a request to its answer, a line a verb.

use std::{fmt::Display, io};

use serde::Serialize;

use super::{Answer, Caller, Handler, Request, server::written};
use crate::geo::update::From;

/// What a request is answered. It may take its time.
pub(super) fn answer(
    handler: &dyn Handler,
    caller: &Caller,
    request: Request,
) -> io::Result<Vec<u8>> {
    match request {
        Request::Status {} => written(&Answer::Ok(handler.status())),
        Request::Routes {} => told(handler.routes()),
        Request::Explain { subject } => told(handler.explain(&subject)),
        Request::ExplainRequest { question } => told(handler.explain_request(&question)),
        Request::ListAdd(ask) => told(handler.list_add(&caller.named(), &ask)),
        Request::ListRemove(ask) => told(handler.list_remove(&caller.named(), &ask)),
        Request::ListShow { list } => told(handler.list_show(list)),
        Request::Ban(ask) => told(handler.ban(&caller.named(), &ask)),
        Request::Unban { addresses } => told(handler.unban(&caller.named(), &addresses)),
        Request::Bans {} => told(handler.bans()),
        Request::Geo { change } => told(handler.geo(&caller.named(), &change)),
        Request::GeoShow {} => told(handler.geo_show()),
        Request::Limit(ask) => told(handler.limit(&caller.named(), &ask)),
        Request::Backend(ask) => told(handler.backend(&caller.named(), &ask)),
        Request::LimitShow {} => told(handler.limit_show()),
        Request::KeyCreate(ask) => told(handler.key_create(&caller.named(), &ask)),
        Request::KeyRotate(ask) => told(handler.key_rotate(&caller.named(), &ask)),
        Request::KeyRevoke { ids } => told(handler.key_revoke(&caller.named(), &ids)),
        Request::KeyList { consumer } => {
            written(&Answer::Ok(handler.key_list(consumer.as_deref())))
        }
        Request::SessionRevoke { which } => told(handler.session_revoke(&caller.named(), &which)),
        Request::SessionList { consumer } => told(handler.session_list(consumer.as_deref())),
        Request::Plan(ask) => told(handler.plan(caller, &ask)),
        Request::Apply(ask) => told(handler.apply(&caller.named(), &ask)),
        Request::Confirm {} => told(handler.confirm(&caller.named())),
        Request::Rollback(ask) => told(handler.rollback(&caller.named(), &ask)),
        Request::History {} => written(&Answer::Ok(handler.history())),
        Request::Detach {} => told(handler.detach(&caller.named())),
        Request::FeedsUpdate { feed, force } => {
            told(handler.update_feeds(&caller.named(), feed.as_deref(), force))
        }
        Request::GeoUpdate { url, file, force } => {
            let from = match (url, file) {
                (Some(url), _) => From::Url(url),
                (None, Some(file)) => From::File(file),
                (None, None) => From::Configured,
            };
            told(handler.update_geo(&caller.named(), &from, force))
        }
        Request::Watch {} => written(&Answer::Ok(handler.watch())),
    }
}

fn told<T: Serialize>(result: Result<T, impl Display>) -> io::Result<Vec<u8>> {
    written(&match result {
        Ok(told) => Answer::Ok(told),
        Err(refusal) => Answer::Error(refusal.to_string()),
    })
}
