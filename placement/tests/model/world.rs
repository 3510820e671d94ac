//! Everything there is.

use panko_placement::{Member, Participant, Participants, State};
use panko_routing::in_flight::{InFlight, Millis};
use panko_routing::placement::{MemberIndex, Starts};

/// How long a start may take effect after it was sent, and how much longer is waited.
pub const DEADLINE: Millis = 1;
pub const MARGIN: Millis = 1;

/// How far apart two scans are that release a former owner: no start is on its way for as long.
pub const BETWEEN_SCANS: Millis = DEADLINE + MARGIN;

/// How much of everything there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    pub filters: usize,
    pub servers: usize,
    pub members: usize,
    /// Starts that clients send.
    pub starts: u8,
    /// Handovers that operators begin.
    pub moves: u8,
    /// Crashes of filters and control servers together.
    pub crashes: u8,
    /// How far the clock goes.
    pub ticks: Millis,
    /// Times that operators fence a member, or begin to bring it back.
    pub fences: u8,
}

/// The least of it in which a slot moves.
pub const SMALL: Bounds = Bounds {
    filters: 1,
    servers: 1,
    members: 2,
    starts: 2,
    moves: 1,
    crashes: 0,
    ticks: 0,
    fences: 0,
};

/// What a member knows of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Run {
    None,
    Open,
    Closed,
}

/// What a filter routes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    pub version: u64,
    pub owner: MemberIndex,
    pub starts: Starts,
}

/// A filter: one of Envoy's VMs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Grows with each start.
    pub process: u64,
    /// None before it has been told.
    pub view: Option<View>,
    pub in_flight: InFlight<u8>,
}

/// A control server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// The store as it last read it.
    pub state: State,
    /// The term for which it believes to be the leader.
    pub term: Option<u8>,
    /// The start that it is looking for a place for.
    pub locating: Option<Locating>,
    /// The fenced member's scan that it has begun.
    pub scanning: Option<Scanning>,
}

/// A scan of a fenced member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scanning {
    pub member: MemberIndex,
    pub looked_at: u64,
    pub quiet: u64,
    /// The lock that was held when filters were known to be quiet.
    pub held: Option<Lock>,
    /// Whether it has the key open, once that has been listed.
    pub open: Option<bool>,
}

/// A start on a slot with a former owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locating {
    /// Where it goes if it is nowhere.
    pub owner: MemberIndex,
    /// What the members have said so far, in their order.
    pub seen: Vec<Run>,
    /// The members that were fenced when it began, and whether they are looked at.
    pub fenced: Vec<(MemberIndex, bool)>,
    /// When it began.
    pub began: Millis,
}

/// Who has sent a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    Filter(usize),
    Server(usize),
    /// It is gone, or has stopped waiting.
    Nobody,
}

/// A start on its way to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Start {
    pub to: MemberIndex,
    pub sent: Millis,
    pub sender: Sender,
}

/// Who may start the key on a moved slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lock {
    pub holder: usize,
    /// Then it is anybody's.
    pub until: Millis,
}

/// The store, which does not crash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Store {
    pub state: State,
    pub participants: Participants,
    /// The leader's term: only who has it may write.
    pub term: u8,
    pub lock: Option<Lock>,
    /// Since when scans have found nothing of the slot at its former owner, and no start has been sent there.
    pub empty_since: Option<Millis>,
}

/// What a filter says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ack {
    pub of: Participant,
    pub version: u64,
    /// That nothing of its own is on its way, and not only that it routes by this version.
    pub quiet: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    pub left: Bounds,
    pub now: Millis,
    pub store: Store,
    pub filters: Vec<Filter>,
    pub servers: Vec<Server>,
    pub runs: Vec<Run>,
    /// In order, so that equal worlds are equal.
    pub on_the_way: Vec<Start>,
    /// Acknowledgements that have been sent. They may come, and come again, at any time.
    pub acks: Vec<Ack>,
    pub released: bool,
    /// Whether a filter has sent something to a fenced member after its slot was taken over.
    pub sent_to_the_gone: bool,
    /// Whether a fenced member has come back.
    pub came_back: bool,
}

impl std::hash::Hash for World {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.left, self.now, &self.store, &self.runs, &self.on_the_way, &self.acks).hash(state);
        (self.sent_to_the_gone, self.came_back).hash(state);
        for filter in &self.filters {
            (filter.process, &filter.view).hash(state);
        }
        self.servers.hash(state);
        // What is in flight follows from what is on the way, but for doubts: these few need not be told
        // apart by their hash.
        let calls = |calls: &InFlight<u8>| format!("{calls:?}");
        self.filters.iter().for_each(|filter| calls(&filter.in_flight).hash(state));
    }
}

impl View {
    pub fn of(state: &State) -> Self {
        let slot = &state.slots[0];
        Self { version: state.version, owner: slot.owner, starts: slot.starts() }
    }
}

impl World {
    pub fn new(bounds: Bounds) -> Self {
        let member = |n: usize| Member {
            cluster: format!("c{n}"),
            namespace: String::new(),
            weight: 1,
            cordoned: false,
            fenced: false,
            looked_at: None,
            uuid: None,
        };
        let members = (0..bounds.members).map(member).collect();
        let state = State::new(members, [MemberIndex(0)]);
        let mut participants = Participants::default();
        let server = |n: usize| Server {
            state: state.clone(),
            term: (n == 0).then_some(0),
            locating: None,
            scanning: None,
        };
        let filter =
            |_| Filter { process: 0, view: Some(View::of(&state)), in_flight: InFlight::default() };
        (0..bounds.filters).for_each(|n| participants.came(filter_name(n, 0), 0));
        Self {
            left: bounds,
            now: 0,
            servers: (0..bounds.servers).map(server).collect(),
            filters: (0..bounds.filters).map(filter).collect(),
            runs: vec![Run::None; bounds.members],
            store: Store { state, participants, term: 0, lock: None, empty_since: None },
            on_the_way: Vec::new(),
            acks: Vec::new(),
            released: false,
            sent_to_the_gone: false,
            came_back: false,
        }
    }

    /// How many members have it open, but for those that are fenced.
    pub fn open(&self) -> usize {
        self.all_open().filter(|at| !self.store.state.is_fenced(*at)).count()
    }

    fn all_open(&self) -> impl Iterator<Item = MemberIndex> {
        let open = self.runs.iter().enumerate().filter(|(_, run)| **run == Run::Open);
        open.map(|(at, _)| MemberIndex(at as u16))
    }

    fn open_at(&self) -> Option<MemberIndex> {
        self.all_open().next()
    }

    pub fn open_is_findable(&self) -> bool {
        let slot = &self.store.state.slots[0];
        self.all_open().all(|at| slot.owner == at || slot.former.contains(&at))
    }

    pub fn is_open_twice(&self) -> bool {
        self.all_open().count() > 1
    }

    pub fn came_back_with_the_key(&self) -> bool {
        self.came_back && self.is_open_at_a_former_owner()
    }

    pub fn is_open_at_a_former_owner(&self) -> bool {
        self.open_at().is_some_and(|at| self.store.state.slots[0].former.contains(&at))
    }

    pub fn is_open_at_a_new_owner(&self) -> bool {
        let slot = &self.store.state.slots[0];
        !slot.former.is_empty() && self.open_at() == Some(slot.owner)
    }

    pub fn has_released(&self) -> bool {
        self.released
    }
}

pub fn filter_name(n: usize, process: u64) -> Participant {
    Participant { node: format!("f{n}"), process, vm: 0 }
}
