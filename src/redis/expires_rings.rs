//! Where volatile keys stand, and how they get their places: the rings of [`Expires`] and what is only counted of them.

use super::cohort::{Ring, Span};
use super::expires::{Expires, Held};
use crate::rng::Uniform;

impl Expires {
    /// Index of the ring of a way and class, which is made when first used.
    #[inline(always)]
    pub(super) fn ring(&mut self, way: usize, class: usize) -> usize {
        let index = way * self.waiting.len() + class;
        if self.rings[index].is_none() {
            self.make_ring(way, index);
        }
        index
    }

    #[cold]
    fn make_ring(&mut self, way: usize, index: usize) {
        let (sampler, reach) = &self.ways[way];
        let ring = Ring::new(*reach, sampler.step_ms(), self.wall);
        self.far_from = self.far_from.min(ring.far_from());
        self.rings[index] = Some(Box::new(ring));
    }

    /// Keys of the dataset get deadlines of one cell.
    pub(super) fn fill_ring(&mut self, class: usize, deadline: u64, keys: u64) {
        let (index, wall) = (self.ring(0, class), self.wall);
        if let Some(ring) = &mut self.rings[index] {
            ring.add(Span { first: deadline, last: deadline, keys }, wall);
        }
    }

    /// Keys were put into the rings, not by way of their renewals.
    pub(super) fn filled(&mut self) {
        let classes = self.waiting.len();
        for (class, renewals) in self.renewals.iter_mut().enumerate() {
            renewals.count(&self.rings, (class, classes));
        }
    }

    /// Everything that is only counted goes to its cell.
    #[inline(never)]
    fn settle(&mut self, class: usize) {
        let place = (class, self.waiting.len());
        self.renewals[class].settle(&mut self.rings, place, self.wall, &mut self.stream);
    }

    /// The clock has come to where far keys may be due: more of them are near.
    #[cold]
    pub(super) fn advance(&mut self, wall: u64) {
        for class in 0..self.waiting.len() {
            self.settle(class);
        }
        self.rings.iter_mut().flatten().for_each(|ring| ring.advance(wall));
        self.far_from = self.rings.iter().flatten().map(|ring| ring.far_from()).min().unwrap_or(u64::MAX);
        self.filled();
    }

    /// The key number `r` of a class below [`Expires::ahead`] gets another time to live in the way number `way`: what
    /// [`Expires::set`] does for it.
    #[inline(always)]
    pub fn renew<U: Uniform>(&mut self, class: usize, r: u64, way: usize, draws: impl FnOnce() -> U) {
        self.fates.renewed += 1;
        let ring = (way * self.waiting.len() + class) as u32;
        if !self.renewals[class].renew_again(r, ring, self.wall) {
            let deadline = self.ways[way].0.deadline(self.wall, &mut draws());
            self.renew_until(class, r, (way, ring), deadline);
        }
    }

    #[inline(never)]
    fn renew_until(&mut self, class: usize, r: u64, (way, ring): (usize, u32), deadline: u64) {
        if !self.renewals[class].renew(r, ring, deadline) {
            self.take(class, Held::Ahead(r));
            self.add(class, way, deadline);
        }
        if self.ways[way].0.is_fixed() {
            self.renewals[class].goes_on(self.wall, ring, deadline);
        }
    }

    /// A key of a class gets `deadline` in the way number `way`.
    pub(super) fn add(&mut self, class: usize, way: usize, deadline: u64) {
        let (index, wall) = (self.ring(way, class), self.wall);
        if self.rings[index].as_ref().is_some_and(|ring| !ring.reaches(deadline)) {
            self.turn(wall);
        }
        self.waiting[class] += 1;
        self.waiting_keys += 1;
        let Some(ring) = &mut self.rings[index] else { return };
        let Some(cell) = ring.far_cell(deadline) else {
            return ring.add(Span { first: deadline, last: deadline, keys: 1 }, wall);
        };
        if !self.renewals[class].add(index as u32, deadline, || cell) {
            self.settle(class);
            let fits = self.renewals[class].add(index as u32, deadline, || cell);
            debug_assert!(fits, "settled books have room");
        }
    }

    /// Keys of a class that are far from their deadline: those with the lowest numbers.
    #[inline(always)]
    pub fn ahead(&self, class: usize) -> u64 {
        self.renewals[class].keys()
    }

    /// Where the key number `r` of a class stands, of which `present` exist; a key is drawn with it. Further numbers
    /// come from `draws`.
    #[inline(always)]
    pub fn look(&self, class: usize, r: u64, present: u64, draws: &mut impl Uniform) -> Held {
        let ahead = self.ahead(class);
        if r < ahead {
            return Held::Ahead(r);
        }
        let waiting = self.waiting[class];
        if r < waiting {
            return self.look_near(class, r - ahead, draws);
        }
        let due = self.due.of_class(class);
        if r - waiting < due {
            Held::Due(r - waiting)
        } else if r < present {
            Held::Lasting
        } else {
            Held::Absent
        }
    }

    /// Where the key number `r` of a class stands, counted over those that are near their deadline.
    fn look_near(&self, class: usize, mut r: u64, draws: &mut impl Uniform) -> Held {
        let classes = self.waiting.len();
        for index in (class..self.rings.len()).step_by(classes) {
            let Some(ring) = &self.rings[index] else { continue };
            if r < ring.near() {
                return self.resolve(index, ring.find_near(r), draws);
            }
            r -= ring.near();
        }
        unreachable!("near keys add up to their sum")
    }

    /// The same for a volatile key, with a deadline drawn for it; that of a dead key counts as 0.
    pub(super) fn look_with_deadline(
        &mut self,
        class: usize,
        r: u64,
        draws: &mut impl Uniform,
    ) -> (Held, u64) {
        let held = match self.look(class, r, self.of_class(class), draws) {
            Held::Ahead(r) => self.look_far(class, r),
            held => held,
        };
        let deadline = match held {
            Held::Waiting(ring, cell) => match &self.rings[ring as usize] {
                Some(ring) => ring.deadline(cell as usize, draws.unit()),
                None => 0,
            },
            _ => 0,
        };
        (held, deadline)
    }

    /// The ring and cell of the key number `r` of those of a class that are far from their deadline.
    fn look_far(&mut self, class: usize, mut r: u64) -> Held {
        self.settle(class);
        for index in (class..self.rings.len()).step_by(self.waiting.len()) {
            let Some(ring) = &self.rings[index] else { continue };
            if r < ring.far() {
                return Held::Waiting(index as u32, ring.find_far(r) as u16);
            }
            r -= ring.far();
        }
        unreachable!("far keys add up to their sum")
    }

    /// The key of a class whose deadline comes first, or whose time is up: for keys addressed one after the other.
    pub fn look_at_oldest(&mut self, class: usize, draws: &mut impl Uniform) -> Held {
        if self.due.of_class(class) > 0 {
            return Held::Due(0);
        }
        self.settle(class);
        let classes = self.waiting.len();
        let oldest = (0..self.ways.len())
            .filter_map(|way| {
                let index = way * classes + class;
                let ring = self.rings[index].as_ref()?;
                ring.oldest().map(|cell| (ring.earliest(cell), index, cell))
            })
            .min();
        match oldest {
            Some((_, index, cell)) => self.resolve(index, cell, draws),
            None => Held::Lasting,
        }
    }

    #[inline(always)]
    fn resolve(&self, index: usize, cell: usize, draws: &mut impl Uniform) -> Held {
        let Some(ring) = &self.rings[index] else { return Held::Lasting };
        if ring.earliest(cell) < self.wall {
            let deadline = ring.deadline(cell, draws.unit());
            if deadline < self.wall {
                return Held::Overdue(index as u32, cell as u16, deadline);
            }
        }
        Held::Waiting(index as u32, cell as u16)
    }
}
