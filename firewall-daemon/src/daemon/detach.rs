//! Taking the filter off, on purpose.

use super::{Daemon, lock};
use crate::{
    control::{Caller, Changed},
    datapath::DatapathError,
};

impl Daemon {
    /// Takes the filter off every interface, and ends the daemon: one that went on would look like protection.
    pub(super) fn detach(&self, caller: &Caller) -> Result<Changed, DatapathError> {
        // No change may put a program back in between.
        let _road = lock(&self.road);
        let mut datapath = lock(&self.datapath);
        let names: Vec<String> =
            datapath.interfaces().iter().map(|interface| interface.name.clone()).collect();
        tracing::warn!(%caller, interfaces = names.join(" "), "detaching: nothing is filtered from here on");
        let detached = datapath.detach();
        self.audit_detach(caller, &names.join(" "));
        self.detached.notify_one();
        detached?;
        Ok(Changed::detached(&names))
    }
}
