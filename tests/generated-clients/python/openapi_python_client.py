"""Sells a license key and activates a machine, with the client that openapi-python-client made."""

import os
from datetime import datetime, timezone

from signet_client import AuthenticatedClient, Client
from signet_client.api.apps import activate_machine, send_heartbeat, validate_license
from signet_client.api.catalog import create_pricing_tier, create_product
from signet_client.api.customers import create_customer
from signet_client.api.licenses import issue_license_key, list_license_keys
from signet_client.models import (
    ActivateRequest, ActivateResponse, BillingPeriod, CreatePricingTierRequest, CreateProductRequest, Customer,
    CustomerRequest, ErrorCode, HeartbeatRequest, HeartbeatResponse, IssuedLicense, IssueRequest, License, LicenseList,
    LicenseStatus, PricingTier, Problem, Product, ValidateRequest, ValidateResponse,
)
from signet_client.types import UNSET, Unset

operator = AuthenticatedClient(
    os.environ["SIGNET_URL"], token=os.environ["SIGNET_API_KEY"], prefix="", auth_header_name="X-Api-Key",
)
app = Client(os.environ["SIGNET_URL"])

product = create_product.sync(client=operator, body=CreateProductRequest(
    code="openapi-python-client", name="Atlas", one_key_per_customer=False,
))
assert isinstance(product, Product), product
tier = create_pricing_tier.sync(client=operator, body=CreatePricingTierRequest(
    product_id=product.id, code="pro", name="Pro", max_users=1, monthly_price=1900, annual_price=19000,
    currency="EUR", billing_period=BillingPeriod.ANNUAL,
))
assert isinstance(tier, PricingTier), tier
customer = create_customer.sync(client=operator, body=CustomerRequest(
    name="Ada Lovelace", email="openapi-python-client@example.com",
))
assert isinstance(customer, Customer), customer
issued: list[IssuedLicense] = []
for number in range(3):
    one = issue_license_key.sync(
        client=operator, body=IssueRequest(customer_id=customer.id, tier_id=tier.id), idempotency_key=f"order-opc-{number}",
    )
    assert isinstance(one, IssuedLicense), one
    issued.append(one)

# A list, page by page.
listed: list[str] = []
cursor: str | Unset | None = UNSET
while cursor is not None:
    page = list_license_keys.sync(client=operator, product_id=product.id, limit=2, cursor=cursor)
    assert isinstance(page, LicenseList), page
    listed += [license.id for license in page.items]
    cursor = page.next_cursor
assert sorted(listed) == sorted(one.license_.id for one in issued)

# In the app.
key = issued[0].license_key
activated = activate_machine.sync(client=app, body=ActivateRequest(license_key=key, machine_id="machine-1"))
assert isinstance(activated, ActivateResponse), activated
renewed = send_heartbeat.sync(client=app, body=HeartbeatRequest(token=activated.token, machine_id="machine-1"))
assert isinstance(renewed, HeartbeatResponse), renewed
assert renewed.token_expires_at > datetime.now(timezone.utc)
validated = validate_license.sync(client=app, body=ValidateRequest(token=renewed.token))
assert isinstance(validated, ValidateResponse), validated
assert isinstance(validated.license_, License) and validated.license_.status is LicenseStatus.ACTIVE

# An error is a Problem with a code.
problem = activate_machine.sync(client=app, body=ActivateRequest(license_key=key, machine_id="machine-2"))
assert isinstance(problem, Problem), problem
assert problem.code is ErrorCode.SEAT_LIMIT_REACHED, problem
print("ok")
