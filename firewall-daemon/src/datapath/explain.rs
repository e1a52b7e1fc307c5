//! What the program says of a frame, asked by running it on that frame alone (`BPF_PROG_TEST_RUN`):
//! nothing is counted, sampled or sent.

use aya::{TestRun as _, TestRunOptions, programs::Xdp};
use firewall_common::{
    Answer, Country, Reason, Verdict,
    class::{Class, NO_NAME},
    event::EXPLAIN_BYTES,
    maps::PROGRAM_EXPLAIN,
};

use crate::datapath::{error::DatapathError, generation::Generation};

/// The shortest frame that the kernel runs a program on: an Ethernet header.
pub const FRAME_BYTES_MIN: usize = 14;
/// The longest: a page, less the room that the kernel keeps before and behind, and the time before it.
pub const FRAME_BYTES_MAX: usize = 3_520;

/// What the program says of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What would become of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What is known of the address that decided, where a table was asked.
    pub class: Option<Class>,
    /// The list that holds it, by name.
    pub list: Option<String>,
    /// The country that it is of.
    pub country: Option<Country>,
    /// The rule that decided, by name.
    pub rule: Option<String>,
}

impl Generation {
    /// Runs the program on a frame of [`FRAME_BYTES_MIN`] to [`FRAME_BYTES_MAX`]. With a time, its
    /// tokens are taken as if it had come at that time; without, the buckets are only looked at.
    ///
    /// # Errors
    ///
    /// Where the kernel does not run it.
    pub fn explain(
        &mut self,
        frame: &[u8],
        at_ns: Option<u64>,
    ) -> Result<Explained, DatapathError> {
        let input = [&at_ns.unwrap_or(0).to_ne_bytes(), frame].concat();
        let context = context(input.len() as u32);
        let options = TestRunOptions {
            data_in: Some(&input),
            ctx_in: Some(&context),
            ..TestRunOptions::default()
        };
        let run = |reason: String| DatapathError::Run { reason };
        let program = self.explain_program()?;
        let result = program.test_run(options).map_err(|error| run(error.to_string()))?;
        let answer = Answer::unpack(result.return_value)
            .ok_or_else(|| run(format!("the answer {:#x} means nothing", result.return_value)))?;
        Ok(self.name(answer))
    }

    /// Loaded when it is first asked: most generations never are.
    fn explain_program(&mut self) -> Result<&mut Xdp, DatapathError> {
        let program = self.named_program(PROGRAM_EXPLAIN)?;
        if program.fd().is_err() {
            program.load().map_err(DatapathError::Verify)?;
        }
        Ok(program)
    }

    fn name(&self, answer: Answer) -> Explained {
        let names = self.names();
        let class = answer.class_id.and_then(|id| names.classes.get(id as usize)).copied();
        let list = class.filter(|class| class.name != NO_NAME);
        Explained {
            verdict: answer.verdict,
            reason: answer.reason,
            class,
            list: list.and_then(|class| names.lists.get(usize::from(class.name)).cloned()),
            country: class.and_then(|class| class.country()),
            rule: answer.rule.and_then(|rule| names.rules.get(rule as usize).cloned()),
        }
    }
}

/// `struct xdp_md`: where the frame begins, behind the time, and where it ends.
fn context(length: u32) -> [u8; 24] {
    let mut context = [0; 24];
    context[..4].copy_from_slice(&(EXPLAIN_BYTES as u32).to_ne_bytes());
    context[4..8].copy_from_slice(&length.to_ne_bytes());
    context
}
