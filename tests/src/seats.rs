//! Whether the seats of a license key fit together: in the table itself, and as the API tells of them.

use std::{collections::BTreeMap, str::FromStr};

use serde_json::json;
use shared::{
    domain::LicenseId,
    store::{keys, table::Query},
};

use crate::{Stack, text};

/// The seats of a license key at rest.
#[derive(Debug, Clone)]
pub struct Seats {
    /// The license's limit, as it is now.
    pub max_users: Option<usize>,
    /// The machines that hold: their `machine_id`, and the id of their activation.
    pub held: BTreeMap<String, String>,
    /// How many of them have lapsed, so that others may have their seats.
    pub lapsed: usize,
}

impl Seats {
    /// How many new machines get in, if no time passes; none where there is no limit.
    pub fn room(&self) -> Option<usize> {
        self.max_users.map(|max_users| max_users + self.lapsed - self.held.len())
    }
}

/// What the table says of a seat or of a machine: the generation, and the life that it names.
type Life = (u64, Vec<u8>);

impl Stack {
    /// Checks the seats of a license key while no request is under way: every seat of its generation is named by the
    /// machine that has it, every machine that holds is named by its seat, there are no more of them than the limit,
    /// and the API says the same. Returns what holds.
    pub async fn seats_at_rest(&self, license_id: &str) -> Seats {
        let license = self.operator.get(&format!("license-keys/{license_id}")).await.expect(200);
        let generation = license["generation"].as_u64().expect("a generation");
        let max_users = license["max_users"].as_u64();
        let (seats, machines) = self.seats_in_table(license_id).await;

        for (number, (_, life)) in seats.iter().filter(|(_, (of, _))| *of == generation) {
            let named = machines.get(life);
            assert_eq!(named, Some(&(generation, Some(*number))), "seat {number} is lost: {seats:?} {machines:?}");
        }
        assert!(seats.values().all(|(of, _)| *of <= generation), "a seat of a generation to come: {seats:?}");
        let mut live = 0;
        for (life, (of, seat)) in machines.iter().filter(|(_, (of, _))| *of == generation) {
            if let Some(number) = seat {
                assert_eq!(seats.get(number), Some(&(*of, life.clone())), "two machines in seat {number}: {seats:?}");
            }
            live += usize::from(max_users.is_none_or(|most| seat.is_some_and(|number| number < most)));
        }
        let max_users = max_users.map(|most| usize::try_from(most).expect("a small number"));
        assert!(max_users.is_none_or(|most| live <= most), "{live} live seats: {license}");
        assert_eq!(license["seats_used"], live, "{license}");

        let (held, lapsed) = self.machines_listed(license_id).await;
        assert_eq!(held.len(), live, "the list: {held:?}");
        let audit = self.operator.post(&format!("license-keys/{license_id}/audit"), json!({})).await.expect(200);
        assert_eq!((&audit["findings"][0]["code"], &audit["findings"][0]["ok"]), (&json!("seats"), &json!(true)));
        Seats { max_users, held, lapsed }
    }

    /// All seats of a license key by their numbers, and by their lives all machines that have not ended, with the
    /// generation and the seat that each names.
    async fn seats_in_table(&self, license_id: &str) -> (BTreeMap<u64, Life>, BTreeMap<Vec<u8>, (u64, Option<u64>)>) {
        let id = LicenseId::from_str(license_id).expect("a license key's id");
        let query = Query::prefix(keys::license_partition(id), "");
        let items = self.local.app.table.query_all(query).await.expect("the table answers");
        let (mut seats, mut machines) = (BTreeMap::new(), BTreeMap::new());
        for item in items {
            let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse::<u64>().ok());
            let life = || item["life"].as_b().expect("bytes").as_ref().to_vec();
            let place = item["SK"].as_s().expect("a text");
            if let Some(seat) = place.strip_prefix(keys::SEAT) {
                let seat = seat.parse().expect("a number");
                seats.insert(seat, (number("generation").expect("a generation"), life()));
            } else if place.starts_with(keys::MACHINE) && !item.contains_key("ended_at") {
                machines.insert(life(), (number("generation").expect("a generation"), number("seat")));
            }
        }
        (seats, machines)
    }

    /// The machines of a license key by the API's list, and how many of them have lapsed.
    async fn machines_listed(&self, license_id: &str) -> (BTreeMap<String, String>, usize) {
        let (mut held, mut lapsed, mut more) = (BTreeMap::new(), 0, String::new());
        loop {
            let list = format!("license-activations?license_id={license_id}&limit=100{more}");
            let page = self.operator.get(&list).await.expect(200);
            for one in page["items"].as_array().expect("items") {
                let twice = held.insert(text(&one["machine_id"]).to_owned(), text(&one["id"]).to_owned());
                assert_eq!(twice, None, "a machine twice in the list");
                lapsed += usize::from(one["status"] == "lapsed");
            }
            match page["next_cursor"].as_str() {
                Some(next) => more = format!("&cursor={next}"),
                None => return (held, lapsed),
            }
        }
    }
}
