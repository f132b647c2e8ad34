//! Changes the order of a list that is sorted by `sort_order`.

/// The preferred difference between neighboring sort numbers. It leaves room for four insertions between them.
const GAP: i32 = 16;

/// Returns the new sort numbers that place `moved` directly before `before`, or at the end if `before` is `None`.
///
/// `list` contains ids and sort numbers in list order. As few numbers as possible change. If only the first of the
/// returned changes are applied, the other entries keep their relative order, and `moved` is between its old and its
/// new position.
///
/// Returns `None` if `moved` or `before` is not in the list.
pub fn reorder<I: Copy + Eq>(list: &[(I, i32)], moved: I, before: Option<I>) -> Option<Vec<(I, i32)>> {
    let from = list.iter().position(|(id, _)| *id == moved)?;
    let rest: Vec<(I, i32)> = list.iter().copied().filter(|(id, _)| *id != moved).collect();
    let to = match before {
        Some(before) if before == moved => from,
        Some(before) => rest.iter().position(|(id, _)| *id == before)?,
        None => rest.len(),
    };
    if to == from {
        return Some(Vec::new());
    }
    let (head, tail) = rest.split_at(to);
    if let Some(number) = between(head.last().map(|(_, number)| *number), tail.first().map(|(_, number)| *number)) {
        return Some(vec![(moved, number)]);
    }
    let first = head.last().map_or(Some(i32::MIN), |(_, number)| number.checked_add(GAP));
    let last = tail.first().map_or(Some(i32::MAX), |(_, number)| number.checked_sub(GAP));
    match (shift(moved, first, tail.iter(), i32::checked_add), shift(moved, last, head.iter().rev(), i32::checked_sub))
    {
        (Some(up), Some(down)) => Some(if up.len() <= down.len() { up } else { down }),
        // If one direction overflows, the other one has room for a hundred million entries.
        (up, down) => up.or(down),
    }
}

/// Returns a number between the two neighbors, or `None` if there is none.
fn between(above: Option<i32>, below: Option<i32>) -> Option<i32> {
    match (above, below) {
        (None, None) => Some(0),
        (Some(above), None) => above.checked_add(GAP),
        (None, Some(below)) => below.checked_sub(GAP),
        (Some(above), Some(below)) => {
            let room = i64::from(below) - i64::from(above);
            let middle = i32::try_from(i64::from(above) + room / 2).ok();
            middle.filter(|_| room >= 2)
        }
    }
}

/// Assigns `number` to `moved` and shifts the entries in its way. Returns the changes, the farthest entry first, or
/// `None` on overflow.
fn shift<'a, I: Copy + 'a>(
    moved: I,
    number: Option<i32>,
    in_the_way: impl Iterator<Item = &'a (I, i32)>,
    step: impl Fn(i32, i32) -> Option<i32>,
) -> Option<Vec<(I, i32)>> {
    let mut last = number?;
    let is_up = step(0, 1) == Some(1);
    let mut changes = vec![(moved, last)];
    for (id, current) in in_the_way {
        let is_past = if is_up { *current > last } else { *current < last };
        if is_past {
            break;
        }
        last = step(last, GAP)?;
        changes.push((*id, last));
    }
    changes.reverse();
    Some(changes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sorted list; entries with the same number are sorted by id.
    fn lists() -> impl Strategy<Value = Vec<(u32, i32)>> {
        let number = prop_oneof![
            4 => -3..4_i32,
            2 => any::<i32>(),
            1 => Just(i32::MAX),
            1 => Just(i32::MIN),
            1 => i32::MAX - 20..i32::MAX,
        ];
        proptest::collection::vec(number, 1..40).prop_map(|numbers| sorted((0..).zip(numbers).collect()))
    }

    fn sorted(mut list: Vec<(u32, i32)>) -> Vec<(u32, i32)> {
        list.sort_by_key(|(id, number)| (*number, *id));
        list
    }

    fn ids(list: &[(u32, i32)]) -> Vec<u32> {
        list.iter().map(|(id, _)| *id).collect()
    }

    fn apply(list: &[(u32, i32)], changes: &[(u32, i32)]) -> Vec<(u32, i32)> {
        let number = |(id, current): &(u32, i32)| {
            changes.iter().find(|(other, _)| other == id).map_or(*current, |(_, new)| *new)
        };
        sorted(list.iter().map(|row| (row.0, number(row))).collect())
    }

    proptest! {
        #[test]
        fn reorder_moves_one_entry_and_keeps_the_order_of_the_others(
            list in lists(), from in any::<prop::sample::Index>(), to in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let moved = from.get(&list).0;
            let before = to.map(|to| to.get(&list).0);
            let changes = reorder(&list, moved, before).unwrap();
            let mut wanted = ids(&list);
            if before != Some(moved) {
                wanted.retain(|id| *id != moved);
                let place = before.map_or(wanted.len(), |before| wanted.iter().position(|id| *id == before).unwrap());
                wanted.insert(place, moved);
            }
            prop_assert_eq!(ids(&apply(&list, &changes)), wanted.clone());
            prop_assert_eq!(changes.is_empty(), wanted == ids(&list));
            // Reordering again changes nothing.
            prop_assert!(reorder(&apply(&list, &changes), moved, before).unwrap().is_empty());
        }

        #[test]
        fn partially_applied_changes_keep_the_order_of_the_others(
            list in lists(),
            from in any::<prop::sample::Index>(), to in proptest::option::of(any::<prop::sample::Index>()),
            part in any::<prop::sample::Index>(),
        ) {
            let (moved, before) = (from.get(&list).0, to.map(|to| to.get(&list).0));
            let changes = reorder(&list, moved, before).unwrap();
            if !changes.is_empty() {
                let applied = part.index(changes.len());
                let part = apply(&list, &changes[..applied]);
                let others = |list: &[(u32, i32)]| ids(list).into_iter().filter(|id| *id != moved).collect::<Vec<_>>();
                prop_assert_eq!(others(&part), others(&list));
                let position = |list: &[(u32, i32)]| ids(list).iter().position(|id| *id == moved);
                let whole = apply(&list, &changes);
                let ends = [position(&list), position(&whole)];
                prop_assert!((ends.iter().min()..=ends.iter().max()).contains(&Some(&position(&part))));
                // Reordering the partially changed list needs no more than the remaining changes, and has the same
                // result.
                let left = reorder(&part, moved, before).unwrap();
                prop_assert!(left.len() <= changes.len() - applied);
                prop_assert_eq!(ids(&apply(&part, &left)), ids(&whole));
            }
        }

        #[test]
        fn reorder_shifts_the_shorter_side(
            numbers in proptest::collection::vec(-3..4_i32, 1..40),
            from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
        ) {
            let list = sorted((0..).zip(numbers).collect());
            let changes = reorder(&list, from.get(&list).0, Some(to.get(&list).0)).unwrap();
            prop_assert!(changes.len() <= list.len() / 2 + 1);
        }
    }

    #[test]
    fn reorder_changes_one_number_where_there_is_a_gap() {
        assert_eq!(reorder(&[('a', 0), ('b', 10), ('c', 20)], 'c', Some('b')), Some(vec![('c', 5)]));
        assert_eq!(reorder(&[('a', 0), ('b', 0), ('c', 0)], 'c', Some('a')), Some(vec![('c', -16)]));
        assert_eq!(reorder(&[('a', 0), ('b', 0)], 'a', None), Some(vec![('a', 16)]));
        assert_eq!(
            reorder(&[('a', 0), ('b', i32::MAX)], 'a', None),
            Some(vec![('b', i32::MAX - GAP), ('a', i32::MAX)])
        );
        assert_eq!(reorder(&[('a', i32::MIN + 1), ('b', 0)], 'b', Some('a')), Some(vec![('b', i32::MIN)]));
        assert_eq!(reorder(&[('a', 0)], 'b', None), None);
        assert_eq!(reorder(&[('a', 0)], 'a', Some('b')), None);
    }
}
