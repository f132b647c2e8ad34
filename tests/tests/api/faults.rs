//! That faults break what they should: a test that relies on one that does nothing would prove nothing.

use signet_tests::{Fault, Gate, Rule, Stack};

#[tokio::test]
async fn one_fault_is_mended_by_the_sdk_and_many_are_503() {
    let stack = Stack::start().await;
    stack.operator.get("products").await.expect(200);
    let usual = stack.faults.calls().len();
    for fault in [Fault::Refuse, Fault::LoseAnswer, Fault::THROTTLE, Fault::SERVER_ERROR] {
        stack.faults.forget_calls();
        stack.faults.set(Rule::new("GetItem", fault.clone()));
        stack.operator.get("products").await.expect(200);
        assert_eq!(stack.faults.calls().len(), usual + 1, "{fault:?}: one request is repeated");

        stack.faults.set(Rule::new("*", fault.clone()).always());
        let answer = stack.operator.get("products").await;
        answer.problem(503, "unavailable");
        assert!(!answer.text.contains("says the test"), "the cause is for the log alone");
        stack.faults.clear();
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_done_once() {
    let stack = Stack::start().await;
    stack.faults.set(Rule::new("TransactWriteItems", Fault::LoseAnswer));
    stack.operator.product().await;
    let list = stack.operator.get("products").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let writes = stack.faults.calls().iter().filter(|call| *call == "TransactWriteItems").count();
    assert_eq!(writes, 2);
}

#[tokio::test]
async fn a_conflict_is_tried_again() {
    let stack = Stack::start().await;
    stack.faults.set(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")).times(3));
    stack.operator.product().await;
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_opens() {
    let stack = Stack::start().await;
    let (gate, operator) = (Gate::default(), stack.operator.clone());
    stack.faults.set(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let waiting = tokio::spawn(async move { operator.product().await });
    gate.reached().await;
    let list = stack.operator.get("products").await.expect(200);
    assert!(list["items"].as_array().unwrap().is_empty() && !waiting.is_finished());
    gate.open();
    waiting.await.unwrap();
    stack.stop().await;
}
