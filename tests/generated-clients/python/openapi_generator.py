"""Sells a license key and activates a machine, with the client that openapi-generator made."""

import os
from datetime import datetime, timezone

import signet

client = signet.ApiClient(signet.Configuration(
    host=os.environ["SIGNET_URL"], api_key={"api_key": os.environ["SIGNET_API_KEY"]},
))
catalog, licenses, apps = signet.CatalogApi(client), signet.LicensesApi(client), signet.AppsApi(client)

product = catalog.create_product(signet.CreateProductRequest(
    code="openapi-generator-python", name="Atlas", one_key_per_customer=False,
))
tier = catalog.create_pricing_tier(signet.CreatePricingTierRequest(
    product_id=product.id, code="pro", name="Pro", max_users=1, monthly_price=1900, annual_price=19000,
    currency="EUR", billing_period=signet.BillingPeriod.ANNUAL,
))
customer = signet.CustomersApi(client).create_customer(signet.CustomerRequest(
    name="Ada Lovelace", email="openapi-generator-python@example.com",
))
issued = [
    licenses.issue_license_key(signet.IssueRequest(customer_id=customer.id, tier_id=tier.id), idempotency_key=f"order-py-{number}")
    for number in range(3)
]

# A list, page by page.
listed: list[str] = []
cursor = None
while True:
    page = licenses.list_license_keys(product_id=product.id, limit=2, cursor=cursor)
    listed += [one.id for one in page.items]
    cursor = page.next_cursor
    if cursor is None:
        break
assert sorted(listed) == sorted(one.license.id for one in issued)

# In the app.
key = issued[0].license_key
activated = apps.activate_machine(signet.ActivateRequest(license_key=key, machine_id="machine-1"))
renewed = apps.send_heartbeat(signet.HeartbeatRequest(token=activated.token, machine_id="machine-1"))
assert renewed.token_expires_at > datetime.now(timezone.utc)
validated = apps.validate_license(signet.ValidateRequest(token=renewed.token))
assert validated.license and validated.license.status == signet.LicenseStatus.ACTIVE

# An error is a Problem with a code.
try:
    apps.activate_machine(signet.ActivateRequest(license_key=key, machine_id="machine-2"))
except signet.ApiException as error:
    problem = error.data
    assert isinstance(problem, signet.Problem)
    assert problem.code == signet.ErrorCode.SEAT_LIMIT_REACHED, problem
else:
    raise AssertionError("a second machine was activated")
print("ok")
