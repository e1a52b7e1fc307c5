//! The one road into force: a reload, a verb, a feed and a time that is over all go it, one at a time.
//!
//! ```text
//! propose -> lay changes over -> read -> compile -> guard -> load -> worker -> stage file -> switch -> audit -> commit
//! ```
//! Where a step fails, those before it are undone: the old policy is in force and the files are as they
//! were.

use std::{sync::Arc, time::Duration};

use super::{Daemon, host, lock, pending::Pending, snapshot::policy_status};
use crate::{
    audit::AuditError,
    config::{Config, ConfigError, PacketConfig},
    control::Caller,
    datapath::{DatapathError, PacketOptions, generation::Generation},
    explain::Origin,
    guard,
    policy::{
        PolicyError, PolicySource, Sources, asn,
        compile::{self, CompileError, CompiledPolicy},
    },
    state::{Changes, StateError, file::Staged},
    supervisor::{self, Material, Supervisor, Worker, backends},
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
    /// Whether protected addresses are asked about.
    pub guard: bool,
}

impl Cause {
    /// By a caller.
    pub fn new(who: &Caller, verb: &'static str, what: impl Into<String>) -> Self {
        Self { who: who.clone(), verb, what: what.into(), why: None, guard: true }
    }

    /// In whose words.
    pub fn because(self, why: Option<String>) -> Self {
        Self { why, ..self }
    }

    /// Whether protected addresses are asked about.
    pub fn guarded(self, guard: bool) -> Self {
        Self { guard, ..self }
    }
}

/// What becomes of the configuration's file.
pub enum Keep {
    /// It stays.
    Nothing,
    /// It is replaced.
    File(Staged),
    /// It is replaced once the change is confirmed; else the change is taken back after this time.
    Confirmed {
        /// The time.
        within: Duration,
    },
}

/// What would come into force: read and compiled, and nothing touched.
pub struct Prepared {
    /// The configuration with the changes laid over it.
    pub packet: PacketConfig,
    /// What the lists and the database say.
    pub source: PolicySource,
    /// The tables.
    pub compiled: CompiledPolicy,
    /// The database of autonomous systems.
    pub asn_lookup: Option<Arc<asn::Lookup>>,
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
        let asn_lookup = sources.asn_lookup(&packet);
        Ok(Self { packet, source, compiled, asn_lookup })
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
        self.change(cause, Keep::Nothing, propose)
    }

    /// The same; `keep` says what becomes of the configuration's file.
    ///
    /// # Errors
    ///
    /// As [`Self::put_in_force`].
    pub fn change<T>(
        &self,
        cause: &Cause,
        keep: Keep,
        propose: impl FnOnce(&Policy) -> Result<(Policy, T), ChangeError>,
    ) -> Result<(u32, T), ChangeError> {
        let mut sources = lock(&self.road);
        if let Some(pending) = &*lock(&self.pending) {
            return Err(pending.refusal());
        }
        let before = self.policy_in_force();
        let (next, told) = propose(&before)?;
        let prepared = Prepared::new(&next.config, &next.changes, &mut sources)?;
        if cause.guard {
            match self.cuts(&prepared, cause.who.session) {
                cuts if cuts.is_empty() => {}
                cuts => return Err(ChangeError::Refused(guard::refusal(&cuts))),
            }
        }
        let number = lock(&self.datapath).next_number();
        let options = PacketOptions::from(&prepared.packet);
        let pin_path = &next.config.packet.pin_path;
        let generation = Generation::load(number, &options, &prepared.compiled, pin_path)?;
        let worker = self.stage_worker(&next)?;
        // Written before anything is switched: on a full disk nothing was changed.
        let file = match before.changes == next.changes {
            true => None,
            false => Some(self.state.stage_changes(&next.changes)?),
        };
        let Prepared { packet, source, compiled, asn_lookup } = prepared;
        let status = policy_status(&source, &compiled.summary, &packet);
        let origin = Arc::new(Origin::new(source, &packet, asn_lookup));
        let old = self.switch(Old { generation, origin })?;
        let (config_file, within) = match keep {
            Keep::Nothing => (None, None),
            Keep::File(file) => (Some(file), None),
            Keep::Confirmed { within } => (None, Some(within)),
        };
        // Between the switch and the commit: what cannot be recorded is not to be in force.
        let kept = self.audit(cause, Some(number), &before, &next).and_then(|()| {
            let mut files = file.into_iter().chain(config_file);
            Ok(files.try_for_each(Staged::commit)?)
        });
        if let Err(error) = kept {
            self.switch_back(old, &before);
            return Err(error);
        }
        // From here on nothing fails.
        if let Some(worker) = worker {
            worker.promote();
        }
        if let Some(supervisor) = &self.supervisor {
            supervisor.renew_countries();
        }
        let status = std::mem::replace(&mut *lock(&self.policy), status);
        let sample_one_in =
            std::mem::replace(&mut lock(&self.events).0.sample_one_in, packet.events.sample_one_in);
        if let Some(within) = within {
            let cause = cause.clone();
            self.await_confirmation(within, |deadline| Pending {
                cause,
                deadline,
                old,
                before,
                status,
                sample_one_in,
            });
        }
        host::log(&packet);
        *lock(&self.config) = next.config;
        *lock(&self.changes) = next.changes;
        self.switched.notify_one();
        let Cause { who, verb, what, .. } = cause;
        tracing::info!(generation = number, who = %who, verb, what, "changed");
        Ok((number, told))
    }

    /// The generation and what it was compiled from change in one step.
    pub(super) fn switch(&self, next: Old) -> Result<Old, DatapathError> {
        let mut datapath = lock(&self.datapath);
        let generation = datapath.switch(next.generation)?;
        let origin = std::mem::replace(&mut *lock(&self.origin), next.origin);
        Ok(Old { generation, origin })
    }

    /// A change that cannot be kept is not in force either. The old program was in these links a moment
    /// ago: the kernel takes it back.
    fn switch_back(&self, old: Old, before: &Policy) {
        match self.switch(old) {
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

    pub(super) fn stage_worker(
        &self,
        next: &Policy,
    ) -> Result<Option<StagedWorker<'_>>, ChangeError> {
        let (Some(supervisor), Some(gateway), true) =
            (&self.supervisor, &next.config.gateway, next.gateway)
        else {
            return Ok(None);
        };
        let mut material = supervisor::material(gateway, next.config.log)
            .map_err(|error| ChangeError::Gateway(error.into()))?;
        self.names.learn(&next.config);
        let known = self.names.known();
        let changes = &next.changes.backends;
        backends::lay_over(&mut material.policy, &gateway.upstreams, changes, &known);
        let worker = supervisor
            .stage(&material.policy)
            .map_err(|error| ChangeError::Gateway(error.into()))?;
        Ok(Some(StagedWorker { worker: Some(worker), supervisor, material }))
    }
}

/// A generation and what it was compiled from.
pub struct Old {
    generation: Generation,
    origin: Arc<Origin>,
}

impl Old {
    /// Its number.
    pub fn number(&self) -> u32 {
        self.generation.number()
    }
}

/// A new worker beside the old one; it ends where it is not promoted.
pub struct StagedWorker<'a> {
    supervisor: &'a Supervisor,
    material: Material,
    worker: Option<Arc<Worker>>,
}

impl StagedWorker<'_> {
    /// From here on it serves.
    pub fn promote(mut self) {
        if let Some(worker) = self.worker.take() {
            self.supervisor.promote(worker, self.material.clone());
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
