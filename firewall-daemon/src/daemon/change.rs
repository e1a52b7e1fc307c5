//! The one road into force: a reload, a verb, a feed and a time that is over all go it, one at a time.
//!
//! ```text
//! propose -> lay changes over -> read -> compile -> worker -> load -> stage file -> switch -> audit -> commit
//! ```
//! Where a step fails, those before it are undone: the old policy is in force and the files are as they
//! were.

use std::sync::Arc;

use super::{Daemon, host, lock, snapshot::policy_status};
use crate::{
    audit::{AuditError, Peer, Record, Who},
    config::{Config, ConfigError, PacketConfig},
    control::Caller,
    datapath::{DatapathError, PacketOptions, generation::Generation},
    explain::Origin,
    policy::{
        PolicyError, PolicySource, Sources,
        compile::{self, CompileError, CompiledPolicy},
    },
    state::{Changes, StateError},
    supervisor::{self, Supervisor, Worker},
};

/// Why a change did not come into force. The old policy did not change.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A list or the database.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// It does not fit the tables.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The kernel.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The gateway.
    #[error("{0:#}")]
    Gateway(anyhow::Error),
    /// It makes no sense beside what is in force.
    #[error("{0}")]
    Refused(String),
}

impl ChangeError {
    /// 2 where the content of a file is wrong, 1 where something cannot be done.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::Policy(error) => error.exit_code(),
            _ => 1,
        }
    }
}

/// What is in force, or is to be.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The configuration, as its file says.
    pub config: Config,
    /// What verbs changed.
    pub changes: Arc<Changes>,
    /// Whether the gateway gets a new worker too: its certificates may be others.
    pub gateway: bool,
}

/// Who changes what, and why: for the log and the audit.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who.
    pub who: Caller,
    /// By what: `deny add`, `reload`.
    pub verb: &'static str,
    /// What exactly.
    pub what: String,
    /// Why, in their words.
    pub why: Option<String>,
}

impl Cause {
    /// By a caller.
    pub fn new(who: &Caller, verb: &'static str, what: impl Into<String>) -> Self {
        Self { who: who.clone(), verb, what: what.into(), why: None }
    }

    /// For the audit.
    pub fn record(&self, before: String, after: String) -> Record {
        let Caller { uid, gid, pid, user } = &self.who;
        let who = if *pid == std::process::id() {
            Who::Daemon
        } else {
            // Where the host knows no name, the caller's is the number.
            let name = if *user == uid.to_string() { String::new() } else { user.clone() };
            Who::User(Peer { name, uid: *uid, gid: *gid, pid: *pid })
        };
        let why = self.why.clone().unwrap_or_default();
        Record { why, before, after, ..Record::new(who, self.verb, &self.what) }
    }

    /// In whose words.
    pub fn because(self, why: Option<String>) -> Self {
        Self { why, ..self }
    }
}

/// What would come into force: read and compiled, and nothing touched.
pub struct Prepared {
    /// The configuration with the changes laid over it.
    pub packet: PacketConfig,
    /// What the lists and the database say.
    pub source: PolicySource,
    /// The tables.
    pub compiled: CompiledPolicy,
}

impl Prepared {
    /// Reads and compiles. `sources` saves what did not change from being read again.
    ///
    /// # Errors
    ///
    /// The first thing wrong.
    pub fn new(
        config: &Config,
        changes: &Changes,
        sources: &mut Sources,
    ) -> Result<Self, ChangeError> {
        let packet = changes.over(&config.packet).map_err(ChangeError::Refused)?;
        let source = sources.read(&packet)?;
        let compiled = compile::compile(&source)?;
        Ok(Self { packet, source, compiled })
    }
}

impl Daemon {
    /// What is in force.
    pub fn policy_in_force(&self) -> Policy {
        let config = lock(&self.config).clone();
        Policy { config, changes: lock(&self.changes).clone(), gateway: false }
    }

    /// Puts in force what `propose` makes of what is in force, and returns the number of the generation
    /// with what `propose` has to tell. One at a time: nobody else changes anything between the two.
    ///
    /// # Errors
    ///
    /// Where it cannot be; what was in force stays, and no file has changed.
    pub fn put_in_force<T>(
        &self,
        cause: &Cause,
        propose: impl FnOnce(&Policy) -> Result<(Policy, T), ChangeError>,
    ) -> Result<(u32, T), ChangeError> {
        let mut sources = lock(&self.road);
        let before = self.policy_in_force();
        let (next, told) = propose(&before)?;
        let prepared = Prepared::new(&next.config, &next.changes, &mut sources)?;
        let number = lock(&self.datapath).generation() + 1;
        let options = PacketOptions::from(&prepared.packet);
        let pin_path = &next.config.packet.pin_path;
        let generation = Generation::load(number, &options, &prepared.compiled, pin_path)?;
        let worker = self.stage_worker(&next)?;
        // Written before anything is switched: on a full disk nothing was changed.
        let file = match before.changes == next.changes {
            true => None,
            false => Some(self.state.stage_changes(&next.changes)?),
        };
        let Prepared { packet, source, compiled } = prepared;
        let status = policy_status(&source, &compiled.summary, &packet);
        let origin = Arc::new(Origin::new(source, &packet));
        let old = self.switch(generation, origin)?;
        // Between the switch and the commit: what cannot be recorded is not to be in force.
        let kept = self
            .audit(cause, number, &before, &next)
            .and_then(|()| file.map_or(Ok(()), |file| file.commit().map_err(ChangeError::from)));
        if let Err(error) = kept {
            self.switch_back(old, &before);
            return Err(error);
        }
        // From here on nothing fails.
        if let Some(worker) = worker {
            worker.promote();
        }
        *lock(&self.policy) = status;
        lock(&self.events).0.sample_one_in = packet.events.sample_one_in;
        host::log(&packet);
        *lock(&self.config) = next.config;
        *lock(&self.changes) = next.changes;
        self.switched.notify_one();
        let Cause { who, verb, what, .. } = cause;
        tracing::info!(generation = number, who = %who, verb, what, "changed");
        Ok((number, told))
    }

    /// The generation and what it was compiled from change in one step.
    fn switch(&self, next: Generation, origin: Arc<Origin>) -> Result<Old, DatapathError> {
        let mut datapath = lock(&self.datapath);
        let generation = datapath.switch(next)?;
        let origin = std::mem::replace(&mut *lock(&self.origin), origin);
        Ok(Old { generation, origin })
    }

    /// A change that cannot be kept is not in force either. The old program was in these links a moment
    /// ago: the kernel takes it back.
    fn switch_back(&self, old: Old, before: &Policy) {
        match self.switch(old.generation, old.origin) {
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a change that cannot be kept stays in force"),
        }
        // Where the file is the new one already, as its folder alone failed. What cannot be written now
        // is told by whoever asks next.
        let back = self.state.stage_changes(&before.changes).and_then(|file| file.commit());
        if let Err(error) = back {
            tracing::error!(%error, "the file of changes may not be what is in force");
        }
    }

    fn stage_worker(&self, next: &Policy) -> Result<Option<StagedWorker<'_>>, ChangeError> {
        let (Some(supervisor), Some(gateway), true) =
            (&self.supervisor, &next.config.gateway, next.gateway)
        else {
            return Ok(None);
        };
        let policy = supervisor::policy(gateway, next.config.log)
            .map_err(|error| ChangeError::Gateway(error.into()))?;
        let worker =
            supervisor.stage(&policy).map_err(|error| ChangeError::Gateway(error.into()))?;
        Ok(Some(StagedWorker { worker: Some(worker), supervisor, policy }))
    }
}

/// What was in force a moment ago.
struct Old {
    generation: Generation,
    origin: Arc<Origin>,
}

/// A new worker beside the old one; it ends where it is not promoted.
struct StagedWorker<'a> {
    supervisor: &'a Supervisor,
    policy: firewall_gateway::policy::GatewayPolicy,
    worker: Option<Arc<Worker>>,
}

impl StagedWorker<'_> {
    fn promote(mut self) {
        if let Some(worker) = self.worker.take() {
            self.supervisor.promote(worker, self.policy.clone());
        }
    }
}

impl Drop for StagedWorker<'_> {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.kill();
        }
    }
}
