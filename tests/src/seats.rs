//! Checks that the seats of a license key are consistent, in the table and in the API.

use std::{collections::BTreeMap, str::FromStr};

use data_encoding::BASE64;
use serde_json::{Value, json};
use shared::{
    domain::{LicenseId, MachineHash},
    store::{keys, table::Query},
};

use crate::{IssuedLicense, Stack, text};

/// The seats of a license key while no request is in progress.
#[derive(Debug, Clone)]
pub struct Seats {
    /// The license's seat limit.
    pub max_users: Option<usize>,
    /// The live activations: `machine_id` and activation id.
    pub held: BTreeMap<String, String>,
    /// The number of lapsed activations among them, whose seats can be taken over.
    pub lapsed: usize,
}

impl Seats {
    /// Returns how many more machines can activate now, or `None` if the license has no limit.
    pub fn available(&self) -> Option<usize> {
        self.max_users.map(|max_users| max_users + self.lapsed - self.held.len())
    }
}

/// The attributes of a seat item: its generation and the activation nonce of its holder.
type SeatItem = (u64, Vec<u8>);

impl Stack {
    /// Checks the seats of a license key while no request is in progress, and returns them. Every seat item of the
    /// license's generation and the activation that it names refer to each other, the live activations do not exceed
    /// the limit, and the API reports the same.
    pub async fn check_seats(&self, license_id: &str) -> Seats {
        let license = self.operator.get(&format!("license-keys/{license_id}")).await.expect_status(200);
        let generation = license["generation"].as_u64().expect("a generation");
        let max_users = license["max_users"].as_u64();
        let (seats, machines) = self.seats_in_table(license_id).await;

        for (number, (_, nonce)) in seats.iter().filter(|(_, (of, _))| *of == generation) {
            let holder = machines.get(nonce);
            assert_eq!(
                holder,
                Some(&(generation, Some(*number))),
                "seat {number} has no activation: {seats:?} {machines:?}"
            );
        }
        assert!(seats.values().all(|(of, _)| *of <= generation), "a seat of a future generation: {seats:?}");
        let mut live = 0;
        for (nonce, (of, seat)) in machines.iter().filter(|(_, (of, _))| *of == generation) {
            if let Some(number) = seat {
                assert_eq!(seats.get(number), Some(&(*of, nonce.clone())), "two machines in seat {number}: {seats:?}");
            }
            live += usize::from(max_users.is_none_or(|max| seat.is_some_and(|number| number < max)));
        }
        let max_users = max_users.map(|max| usize::try_from(max).expect("a small number"));
        assert!(max_users.is_none_or(|max| live <= max), "{live} live seats: {license}");
        assert_eq!(license["seats_used"], live, "{license}");

        let (held, lapsed) = self.listed_activations(license_id).await;
        assert_eq!(held.len(), live, "listed activations: {held:?}");
        let audit = self.operator.post(&format!("license-keys/{license_id}/audit"), json!({})).await.expect_status(200);
        assert_eq!((&audit["findings"][0]["code"], &audit["findings"][0]["ok"]), (&json!("seats"), &json!(true)));
        Seats { max_users, held, lapsed }
    }

    /// Takes the seats of a license key that no machine has used, without a request for each: machine `0` activates, and
    /// its seat and its activation are copied for the machines `1`, `2` and so on.
    pub async fn fill_seats(&self, license: &IssuedLicense) {
        self.anonymous.activate(&license.license_key, "0").await.expect_status(201);
        let id = LicenseId::from_str(&license.license_id).expect("a license id");
        let read = async |prefix| {
            let input = json!({
                "KeyConditionExpression": "PK = :pk AND begins_with(SK, :prefix)",
                "ExpressionAttributeValues": {":pk": {"S": keys::license_partition(id)}, ":prefix": {"S": prefix}},
            });
            self.call_dynamodb("Query", input).await["Items"][0].clone()
        };
        let (seat, machine) = (read(keys::SEAT).await, read(keys::ACTIVATION).await);
        let number = |item: &Value| item["seat"]["N"].as_str().and_then(|number| number.parse::<u32>().ok());
        let taken = number(&machine).expect("a seat number");
        let max_users = license.issued["license"]["max_users"].as_u64().expect("a seat limit");
        let free = (0..).take(usize::try_from(max_users).expect("a small number")).filter(|number| *number != taken);
        let items: Vec<Value> =
            free.enumerate().flat_map(|(index, number)| copies(&seat, &machine, index + 1, number)).collect();
        for batch in items.chunks(25) {
            let puts: Vec<_> = batch.iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
            self.call_dynamodb("BatchWriteItem", json!({"RequestItems": {self.local.table.clone(): puts}})).await;
        }
    }

    /// Reads the seat items of a license key by number, and its activations that have not ended by nonce, each with its
    /// generation and seat number.
    async fn seats_in_table(
        &self,
        license_id: &str,
    ) -> (BTreeMap<u64, SeatItem>, BTreeMap<Vec<u8>, (u64, Option<u64>)>) {
        let id = LicenseId::from_str(license_id).expect("a license id");
        let query = Query::prefix(keys::license_partition(id), "");
        let items = self.local.app.table.query_all(query).await.expect("the query succeeds");
        let (mut seats, mut machines) = (BTreeMap::new(), BTreeMap::new());
        for item in items {
            let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse::<u64>().ok());
            let nonce = || item["life"].as_b().expect("bytes").as_ref().to_vec();
            let sort_key = item["SK"].as_s().expect("a string");
            if let Some(seat) = sort_key.strip_prefix(keys::SEAT) {
                let seat = seat.parse().expect("a number");
                seats.insert(seat, (number("generation").expect("a generation"), nonce()));
            } else if sort_key.starts_with(keys::ACTIVATION) && !item.contains_key("ended_at") {
                machines.insert(nonce(), (number("generation").expect("a generation"), number("seat")));
            }
        }
        (seats, machines)
    }

    /// Lists the activations of a license key through the API, and counts the lapsed ones.
    async fn listed_activations(&self, license_id: &str) -> (BTreeMap<String, String>, usize) {
        let (mut held, mut lapsed, mut more) = (BTreeMap::new(), 0, String::new());
        loop {
            let list = format!("license-activations?license_id={license_id}&limit=100{more}");
            let page = self.operator.get(&list).await.expect_status(200);
            for one in page["items"].as_array().expect("items") {
                let duplicate = held.insert(text(&one["machine_id"]).to_owned(), text(&one["id"]).to_owned());
                assert_eq!(duplicate, None, "a machine is listed twice");
                lapsed += usize::from(one["status"] == "lapsed");
            }
            match page["next_cursor"].as_str() {
                Some(next) => more = format!("&cursor={next}"),
                None => return (held, lapsed),
            }
        }
    }
}

/// Returns the items of a machine in another seat.
fn copies(seat: &Value, machine: &Value, index: usize, number: u32) -> [Value; 2] {
    let (mut seat, mut machine) = (seat.clone(), machine.clone());
    let (machine_id, life) =
        (index.to_string(), BASE64.encode(&u128::try_from(index).expect("small").to_be_bytes()[6..]));
    let hash = MachineHash::from_machine_id(&machine_id);
    seat["SK"] = json!({"S": keys::seat_sort_key(number)});
    seat["machine"] = json!({"B": BASE64.encode(&hash.0)});
    machine["SK"] = json!({"S": format!("{}{hash}", keys::ACTIVATION)});
    machine["machine_id"] = json!({"S": machine_id});
    machine["seat"] = json!({"N": number.to_string()});
    for item in [&mut seat, &mut machine] {
        item["life"] = json!({"B": life});
    }
    [seat, machine]
}
