//! Things that come and go, by number, with reuse of the places of those that went.

/// A place in a [`Slab`], and which of its successive tenants is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// Place.
    pub place: u32,
    /// Number of the tenant, over the whole slab.
    pub serial: u64,
}

/// Things by place; a place is used again after its tenant has gone.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    places: Vec<(u64, Option<T>)>,
    free: Vec<u32>,
    serial: u64,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new(), serial: 0 }
    }
}

impl<T> Slab<T> {
    /// Takes `item` in.
    pub fn insert(&mut self, item: T) -> Ticket {
        self.serial += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            (self.places.len() - 1) as u32
        });
        self.places[place as usize] = (self.serial, Some(item));
        Ticket { place, serial: self.serial }
    }

    /// The tenant of a ticket, if it is still there.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let (serial, item) = self.places.get_mut(ticket.place as usize)?;
        if *serial == ticket.serial { item.as_mut() } else { None }
    }

    /// Whoever is at `place`.
    pub fn at(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.1.as_mut()
    }

    /// All that are here.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.1.as_ref())
    }

    /// Whoever is at `place`, to look at.
    pub fn peek(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.1.as_ref()
    }

    /// Whoever was at `place` goes.
    pub fn remove(&mut self, place: u32) -> Option<(Ticket, T)> {
        let (serial, item) = self.places.get_mut(place as usize)?;
        let ticket = Ticket { place, serial: *serial };
        let item = item.take()?;
        self.free.push(place);
        Some((ticket, item))
    }

    /// Number of tenants.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Nobody is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_for_one_tenant_only() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.get_mut(first), Some(&mut 'a'));
        assert_eq!(slab.remove(first.place), Some((first, 'a')));
        let second = slab.insert('b');
        assert_eq!((second.place, slab.len()), (first.place, 1));
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        assert_eq!(slab.at(0), Some(&mut 'b'));
    }
}
