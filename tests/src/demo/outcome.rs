//! What came of it: what each client saw beside what the policy says, and the counters beside what
//! the clients' own kernels counted.

/// One thing that a client did.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Who.
    pub client: String,
    /// Did what.
    pub did: String,
    /// And saw what.
    pub saw: String,
    /// What the policy says.
    pub policy: String,
    /// Whether the two are the same.
    pub agrees: bool,
}

/// One figure that was measured in two ways.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was counted.
    pub name: String,
    /// By those who sent it, or by arithmetic.
    pub expected: u64,
    /// By Seawall.
    pub counted: u64,
    /// How far apart they may be: 0 for counts.
    pub tolerance: u64,
}

impl Figure {
    /// A figure that must be exact.
    pub fn exact(name: &str, expected: u64, counted: u64) -> Self {
        Self { name: name.to_owned(), expected, counted, tolerance: 0 }
    }

    /// Whether the two are close enough.
    pub fn agrees(&self) -> bool {
        self.expected.abs_diff(self.counted) <= self.tolerance
    }
}

/// The whole of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// In the order of the story.
    pub scenes: Vec<Scene>,
    /// In the order of the packet's path.
    pub figures: Vec<Figure>,
}

impl Outcome {
    /// Whether everything is as the policy says.
    pub fn agrees(&self) -> bool {
        self.scenes.iter().all(|scene| scene.agrees) && self.figures.iter().all(Figure::agrees)
    }
}
