//! Requests of signed-in customers, who register, claim a license key and manage their machines. They cannot access
//! resources of others, override an operator, or gain more by repeating a request.

mod claim;
mod claim_key;
mod own_licenses;
mod register;

use signet_tests::{Client, Stack, Value, json};

const SCOPE: &str = "openid email profile";

/// Signs in Ada and registers her. Returns her client and customer.
async fn register_ada(stack: &Stack) -> (Client, Value) {
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let customer = ada.post("register", json!({ "name": "Ada Lovelace" })).await.expect_status(201);
    (ada, customer)
}

/// Creates a product with a claimable tier and a paid tier.
async fn create_tiers(stack: &Stack, product: &Value) -> (Value, Value, Value) {
    let product = stack.operator.create_product_with(product).await;
    let tier = |fields: Value| {
        let (operator, product) = (stack.operator.clone(), product.clone());
        async move { operator.create_tier(&product, &fields).await }
    };
    let free = tier(json!({ "is_claimable": true, "max_users": 2, "billing_period": "monthly" })).await;
    let paid = tier(json!({ "max_users": 5, "billing_period": "annual" })).await;
    (product, free, paid)
}

fn claim(tier: &Value) -> Value {
    json!({ "tier_id": tier["id"] })
}
