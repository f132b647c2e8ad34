//! The search by words: what it finds, what it costs, and how words follow the changes of resources.

use shared::domain::{SearchResource, SearchTerms};
use signet_tests::{Browser, Fault, Gate, Rule, Stack, Value, all_cases, json, text};

/// Runs the feed, which writes words.
async fn index(stack: &Stack) {
    stack.local.webhooks.run_once().await.unwrap();
}

/// Returns the results in the command palette, without tags.
async fn results(stack: &Stack, grace: &mut Browser, query: &str) -> String {
    stack.faults.reset_calls();
    let page = grace.post("/dashboard/search/results", &[("q", query)]).await;
    let queries = stack.faults.calls().iter().filter(|call| *call == "Query").count();
    assert!(queries <= 3, "{query}: {queries} queries");
    let tagless = page.expect_status(200).split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    tagless.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("|")
}

/// Returns the words in the table, with the ids of their resources.
async fn stored_words(stack: &Stack) -> Vec<String> {
    let is_word = |item: &Value| text(&item["PK"]["S"]).starts_with("SEARCH#") && item["SK"]["S"] != "WORDS";
    stack.items().await.into_iter().filter(is_word).map(|item| text(&item["SK"]["S"]).to_owned()).collect()
}

async fn create_customer(stack: &Stack, name: &str, email: &str) -> Value {
    let body = json!({"name": name, "email": email, "company": "Łódź Straße GmbH", "external_id": "crm-4711"});
    stack.operator.post("customers", body).await.expect_status(201)
}

#[tokio::test]
async fn search_finds_customers_licenses_and_machines_by_the_beginning_of_any_word() {
    let stack = Stack::start().await;
    let customer = create_customer(&stack, "Élodie Müller-Okonkwo", "elodie.m@zeppelin.example.com").await;
    let tier = stack.operator.issue_new_license(1).await.tier;
    let fields = json!({"name": "Berlin office", "external_id": "order/ab-12"});
    let issued = stack.operator.issue(&customer, &tier, &fields).await;
    let machine = json!({"license_key": issued["license_key"], "machine_id": "550e8400-e29b-41d4-a716-446655440000",
        "machine_name": "Élodie's laptop", "hostname": "build-07.corp.example"});
    stack.anonymous.post("license-activations/activate", machine).await.expect_status(201);
    let mut grace = Browser::operator(&stack).await;
    assert_eq!(results(&stack, &mut grace, "okon").await, "No results");
    index(&stack).await;
    let (hint, id) = (text(&issued["license"]["key_hint"]), text(&issued["license"]["id"]));
    let person = "Customers|Élodie Müller-Okonkwo|Łódź Straße GmbH · elodie.m@zeppelin.example.com";
    let license = format!("Licenses|{hint}|Berlin office · Élodie Müller-Okonkwo · order/ab-12");
    let laptop = format!("Machines|Élodie&#39;s laptop|build-07.corp.example · {hint}");
    let laptop = laptop.replace("&#39;", "'");
    for (query, expected) in [
        ("OKON", person),
        ("müll elod", person),
        ("lodz", person),
        ("STRASSE gm", person),
        ("zeppelin", person),
        ("elodie.m@zeppelin.example.co", person),
        ("4711", person),
        ("berl off", license.as_str()),
        ("order ab", &license),
        (&hint[hint.len() - 5..], &license),
        (&hint.to_lowercase(), &license),
        (&id[id.len() - 6..].to_lowercase(), &license),
        (&id[id.len() - 4..], &license),
        ("laptop", &laptop),
        ("corp 07", &laptop),
        ("550E8400-e29b-41", &laptop),
        ("signing", "Pages|Signing keys"),
        ("new prod", "Actions|New product"),
    ] {
        assert_eq!(results(&stack, &mut grace, query).await, expected, "{query}");
    }
    let both = results(&stack, &mut grace, "elodie").await;
    assert!(both.starts_with("Customers|Élodie") && both.contains("|Machines|"), "{both}");
    for query in ["okon berlin", "eller", "?", "4711 x"] {
        assert_eq!(results(&stack, &mut grace, query).await, "No results", "{query}");
    }
    assert!(results(&stack, &mut grace, "").await.starts_with("Pages|Overview|"));
    // Without a script: several results on a page, and a redirect to the only one.
    let page = grace.post("/dashboard/search", &[("q", "elodie")]).await;
    assert!(page.expect_status(200).contains("<h2>Machines</h2>") && page.text.contains("Müller-Okonkwo"));
    let path = format!("/dashboard/customers/{}", text(&customer["id"]));
    assert_eq!(grace.post("/dashboard/search", &[("q", "okonkwo")]).await.redirect(), path);
}

#[tokio::test]
async fn only_operators_search() {
    let stack = Stack::start().await;
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    let text = ada.post("/dashboard/search/results", &[("q", "a")]).await.expect_status(403).to_owned();
    assert!(text.contains("You don't have access") && !ada.get("/dashboard/licenses").await.text.contains("palette"));
    let mut grace = Browser::operator(&stack).await;
    assert!(grace.get("/dashboard/customers").await.text.contains("id=\"palette\""));
    grace.form_headers.clear();
    grace.post("/dashboard/search/results", &[("q", "a")]).await.expect_status(403);
}

#[tokio::test]
async fn words_follow_changes_and_each_run_of_the_feed_writes_them_once() {
    let stack = Stack::start().await;
    let customer = create_customer(&stack, "Zoe Zimmermann", "zoe@example.com").await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.operator.activate(&license.license_key, "first-machine").await.expect_status(201);
    index(&stack).await;
    let has = async |word: &str| stored_words(&stack).await.iter().any(|key| key.starts_with(&format!("{word}#")));
    assert!(has("zimmermann").await && has("first").await);
    let patch = json!({"name": "Zoe King"});
    stack.operator.patch(&format!("customers/{}", text(&customer["id"])), patch).await.expect_status(200);
    let path = format!("license-activations/{}/deactivate", text(&first["activation"]["id"]));
    stack.operator.post(&path, json!({})).await.expect_status(200);
    index(&stack).await;
    assert!(has("king").await && !has("zimmermann").await && !has("first").await);
    // A machine that loses its seat is found no longer.
    stack.operator.activate(&license.license_key, "second").await.expect_status(201);
    stack.advance(5 * 24 * 3600);
    stack.operator.activate(&license.license_key, "third").await.expect_status(201);
    index(&stack).await;
    assert!(has("third").await && !has("second").await);
    let before = stack.snapshot_items().await;
    let worker = signet_local::WebhookWorker::new(&stack.local.app, signet_local::WebhookOptions::default());
    worker.run_once().await.unwrap();
    let search = |items: &std::collections::BTreeMap<String, Value>| {
        items
            .iter()
            .filter(|(key, _)| key.starts_with("SEARCH#"))
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(search(&stack.snapshot_items().await), search(&before), "a repeated event changes nothing");
}

#[tokio::test]
async fn erasure_removes_the_words_of_the_customer_its_licenses_and_machines() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let path = format!("customers/{}", text(&license.customer["id"]));
    let fields = json!({"name": "Zanzibar", "external_id": "order-zebra"});
    stack.operator.patch(&format!("license-keys/{}", license.license_id), fields).await.expect_status(200);
    let body = json!({"license_key": license.license_key, "machine_id": "m", "machine_name": "Zoes laptop", "hostname": "zulu"});
    stack.operator.post("license-activations/activate", body).await.expect_status(201);
    stack.operator.patch(&path, json!({"name": "Zoe Zimmermann"})).await.expect_status(200);
    index(&stack).await;
    let personal = async || {
        let table = stack.items().await.into_iter().filter(|item| text(&item["PK"]["S"]).starts_with("SEARCH#"));
        let table: Vec<String> = table.map(|item| item.to_string()).collect();
        ["zoe", "zimmermann", "zanzibar", "zebra", "zoes", "zulu"]
            .into_iter()
            .filter(|word| table.iter().any(|item| item.contains(word)))
            .collect::<Vec<_>>()
    };
    assert_eq!(personal().await.len(), 6);
    // A run of the feed that has read the customer before the erasure writes after it.
    let id = text(&license.customer["id"]).parse().unwrap();
    stack.operator.patch(&path, json!({"company": "Zimmermann AG"})).await.expect_status(200);
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("SEARCH#WORDS#cus_"));
    let (table, now) = (stack.local.app.table.clone(), stack.clock.now());
    let late = tokio::spawn(async move { table.index_words([SearchResource::Customer(id)], now).await });
    gate.wait_for_request().await;
    stack.operator.delete(&format!("{path}?revoke=true")).await.expect_status(204);
    gate.open();
    late.await.unwrap().unwrap();
    assert_eq!(personal().await, [""; 0]);
    index(&stack).await;
    assert_eq!(personal().await, [""; 0]);
    assert!(!stored_words(&stack).await.is_empty(), "the license is found by its key and id");
}

#[tokio::test]
async fn words_of_an_older_installation_are_added_by_a_pass_that_can_stop() {
    let stack = Stack::start().await;
    let table = &stack.local.app.table;
    for name in ["Zoe", "Zora", "Bea", "Cleo"] {
        let email = format!("{name}@example.com");
        stack.operator.post("customers", json!({"name": name, "email": email})).await.expect_status(201);
    }
    let license = stack.operator.issue_new_license(1).await;
    stack.operator.activate(&license.license_key, "zulu").await.expect_status(201);
    let mut runs = 1;
    while !table.continue_search_backfill(stack.clock.now(), 1).await.unwrap() {
        runs += 1;
        let items = stack.items().await;
        let position = items.iter().find(|item| item["PK"]["S"] == "SEARCH#BACKFILL").unwrap().to_string();
        assert!(
            !position.contains("zoe") && !position.contains("zora") && !position.contains("example"),
            "no personal data: {position}"
        );
        assert!(runs < 20);
    }
    let mut found = stored_words(&stack).await;
    found.retain(|word| ["zoe#", "zora#", "bea#", "cleo#", "zulu#"].iter().any(|start| word.starts_with(start)));
    // Each customer has the word of its address, too, which is the same.
    assert_eq!(found.len(), 5, "{found:?}");
    stack.faults.reset_calls();
    assert!(table.continue_search_backfill(stack.clock.now(), 1).await.unwrap());
    assert_eq!(stack.faults.calls(), ["GetItem"]);
}

#[tokio::test]
async fn unavailable_table_delays_words_and_loses_none() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::SERVER_ERROR).containing("SEARCH#WORDS").always());
    create_customer(&stack, "Ada Lovelace", "ada@example.com").await;
    stack.local.webhooks.run_once().await.unwrap_err();
    stack.faults.clear();
    index(&stack).await;
    assert!(stored_words(&stack).await.iter().any(|word| word.starts_with("lovelace#")));
}

/// Adds customers with their words: every tenth is a Schmidt, and every 500th of these an Anna.
async fn add_customers(stack: &Stack, item: &Value, count: usize) {
    for start in (0..count).step_by(8) {
        let mut puts = Vec::new();
        for number in start..count.min(start + 8) {
            let id = format!("cus_{number:026}");
            let first = if number % 500 == 0 { "anna".to_owned() } else { format!("an{number:06}") };
            let last = if number % 10 == 0 { "schmidt".to_owned() } else { format!("sc{number:06}") };
            let mut customer = item.clone();
            customer["PK"] = json!({"S": format!("CUSTOMER#{id}")});
            customer["id"] = json!({"S": id});
            customer["name"] = json!({"S": format!("{first} {last}")});
            puts.push(customer);
            for word in [&first, &last] {
                let (pk, sk) = (format!("SEARCH#CUSTOMER#{}", &word[..2]), format!("{word}#{id}"));
                puts.push(json!({"PK": {"S": pk}, "SK": {"S": sk}, "words": {"S": format!(" {first} {last}")}}));
            }
        }
        let puts: Vec<_> = puts.into_iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
        let input = json!({"RequestItems": {stack.local.table.clone(): puts}});
        stack.call_dynamodb("BatchWriteItem", input).await;
    }
}

#[tokio::test]
async fn search_takes_three_queries_whatever_the_number_of_customers() {
    let stack = Stack::start().await;
    stack.operator.create_customer().await;
    let items = stack.items().await;
    let customer = items.iter().find(|item| item["SK"]["S"] == "CUSTOMER").unwrap();
    add_customers(&stack, customer, if all_cases() { 20_000 } else { 3_000 }).await;
    for (query, expected, has_more) in [
        ("anna schmidt", 5, true),
        ("schmi ann", 5, true),
        ("schmidt", 5, true),
        ("an000007", 1, false),
        ("an", 5, true),
    ] {
        stack.faults.reset_calls();
        let terms = SearchTerms::parse(query).unwrap();
        let found = Box::pin(stack.local.app.table.search(&terms, 5)).await.unwrap();
        let calls = stack.faults.calls();
        assert_eq!((found.customers.len(), found.has_more), (expected, has_more), "{query}");
        assert_eq!(calls.iter().filter(|call| *call == "Query").count(), 3, "{query}: {calls:?}");
        assert_eq!(calls.iter().filter(|call| *call == "GetItem").count(), expected, "{query}: {calls:?}");
    }
}
