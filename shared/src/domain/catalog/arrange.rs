//! Putting a list in another order, by its `sort_order`.

/// What a number is apart from its neighbours where there is room: four moves in between take none along.
const GAP: i32 = 16;

/// What has to get which number so that `moved` stands right before `before`, or last. The list is in its order: by
/// number, and by something else where numbers are the same. Nothing changes that need not. Where only the first of the
/// changes are made, the others stand as they did among themselves, and the moved one on its way.
///
/// None if one of the two is not in the list.
pub fn arrange<I: Copy + Eq>(list: &[(I, i32)], moved: I, before: Option<I>) -> Option<Vec<(I, i32)>> {
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
    match (push(moved, first, tail.iter(), i32::checked_add), push(moved, last, head.iter().rev(), i32::checked_sub)) {
        (Some(up), Some(down)) => Some(if up.len() <= down.len() { up } else { down }),
        // Where numbers end on one side, the other has room for a hundred million.
        (up, down) => up.or(down),
    }
}

/// A number that neither neighbour has, where there is one.
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

/// Gives `moved` its number and moves on those in its way, the farthest first. None where numbers end.
fn push<'a, I: Copy + 'a>(
    moved: I,
    number: Option<i32>,
    in_the_way: impl Iterator<Item = &'a (I, i32)>,
    step: impl Fn(i32, i32) -> Option<i32>,
) -> Option<Vec<(I, i32)>> {
    let mut last = number?;
    let is_up = step(0, 1) == Some(1);
    let mut changes = vec![(moved, last)];
    for (id, own) in in_the_way {
        if if is_up { *own > last } else { *own < last } {
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

    /// A list in its order, with ids that settle what numbers do not.
    fn lists() -> impl Strategy<Value = Vec<(u32, i32)>> {
        let number = prop_oneof![
            4 => -3..4_i32,
            2 => any::<i32>(),
            1 => Just(i32::MAX),
            1 => Just(i32::MIN),
            1 => i32::MAX - 20..i32::MAX,
        ];
        proptest::collection::vec(number, 1..40).prop_map(|numbers| in_order((0..).zip(numbers).collect()))
    }

    fn in_order(mut list: Vec<(u32, i32)>) -> Vec<(u32, i32)> {
        list.sort_by_key(|(id, number)| (*number, *id));
        list
    }

    fn ids(list: &[(u32, i32)]) -> Vec<u32> {
        list.iter().map(|(id, _)| *id).collect()
    }

    fn changed(list: &[(u32, i32)], changes: &[(u32, i32)]) -> Vec<(u32, i32)> {
        let number =
            |(id, own): &(u32, i32)| changes.iter().find(|(other, _)| other == id).map_or(*own, |(_, new)| *new);
        in_order(list.iter().map(|row| (row.0, number(row))).collect())
    }

    proptest! {
        #[test]
        fn one_moves_and_the_others_stay_as_they_stand(
            list in lists(), from in any::<prop::sample::Index>(), to in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let moved = from.get(&list).0;
            let before = to.map(|to| to.get(&list).0);
            let changes = arrange(&list, moved, before).unwrap();
            let mut wanted = ids(&list);
            if before != Some(moved) {
                wanted.retain(|id| *id != moved);
                let place = before.map_or(wanted.len(), |before| wanted.iter().position(|id| *id == before).unwrap());
                wanted.insert(place, moved);
            }
            prop_assert_eq!(ids(&changed(&list, &changes)), wanted.clone());
            prop_assert_eq!(changes.is_empty(), wanted == ids(&list));
            // It is enough to say again where it is to stand: then nothing changes.
            prop_assert!(arrange(&changed(&list, &changes), moved, before).unwrap().is_empty());
        }

        #[test]
        fn a_part_of_the_changes_moves_none_of_the_others(
            list in lists(),
            from in any::<prop::sample::Index>(), to in proptest::option::of(any::<prop::sample::Index>()),
            part in any::<prop::sample::Index>(),
        ) {
            let (moved, before) = (from.get(&list).0, to.map(|to| to.get(&list).0));
            let changes = arrange(&list, moved, before).unwrap();
            if !changes.is_empty() {
                let made = part.index(changes.len());
                let part = changed(&list, &changes[..made]);
                let others = |list: &[(u32, i32)]| ids(list).into_iter().filter(|id| *id != moved).collect::<Vec<_>>();
                prop_assert_eq!(others(&part), others(&list));
                let place = |list: &[(u32, i32)]| ids(list).iter().position(|id| *id == moved);
                let whole = changed(&list, &changes);
                let ends = [place(&list), place(&whole)];
                prop_assert!((ends.iter().min()..=ends.iter().max()).contains(&Some(&place(&part))));
                // Whoever goes on from there has no more to do than was left, and comes to the same end.
                let left = arrange(&part, moved, before).unwrap();
                prop_assert!(left.len() <= changes.len() - made);
                prop_assert_eq!(ids(&changed(&part, &left)), ids(&whole));
            }
        }

        #[test]
        fn the_shorter_side_gives_way(
            numbers in proptest::collection::vec(-3..4_i32, 1..40),
            from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
        ) {
            let list = in_order((0..).zip(numbers).collect());
            let changes = arrange(&list, from.get(&list).0, Some(to.get(&list).0)).unwrap();
            prop_assert!(changes.len() <= list.len() / 2 + 1);
        }
    }

    #[test]
    fn where_there_is_room_one_number_changes() {
        assert_eq!(arrange(&[('a', 0), ('b', 10), ('c', 20)], 'c', Some('b')), Some(vec![('c', 5)]));
        assert_eq!(arrange(&[('a', 0), ('b', 0), ('c', 0)], 'c', Some('a')), Some(vec![('c', -16)]));
        assert_eq!(arrange(&[('a', 0), ('b', 0)], 'a', None), Some(vec![('a', 16)]));
        assert_eq!(
            arrange(&[('a', 0), ('b', i32::MAX)], 'a', None),
            Some(vec![('b', i32::MAX - GAP), ('a', i32::MAX)])
        );
        assert_eq!(arrange(&[('a', i32::MIN + 1), ('b', 0)], 'b', Some('a')), Some(vec![('b', i32::MIN)]));
        assert_eq!(arrange(&[('a', 0)], 'b', None), None);
        assert_eq!(arrange(&[('a', 0)], 'a', Some('b')), None);
    }
}
