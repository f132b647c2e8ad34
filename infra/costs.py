#!/usr/bin/env python3
"""Calculates the AWS costs of Signet and prints the tables of docs/reference/cost-model.md. Change the numbers to match your installation."""

# On-demand list prices in USD for us-east-1 as of 2025, without free tiers and volume discounts except that of the API.
API_REQUEST, API_REQUEST_DISCOUNTED, API_DISCOUNT_THRESHOLD = 1.00 / 1e6, 0.90 / 1e6, 300e6
LAMBDA_INVOCATION, GB_SECOND = 0.20 / 1e6, 0.0000166667
READ_UNIT, WRITE_UNIT = 0.125 / 1e6, 0.625 / 1e6
SIGNATURE = 0.03 / 10_000
LOG_GB, TRANSFER_GB, TABLE_GB = 0.50, 0.09, 0.25 + 0.20
HOURS_PER_MONTH = 730
# CloudFront: HTTPS requests from North America and Europe (https://aws.amazon.com/cloudfront/pricing/). AWS WAF: requests
# (https://aws.amazon.com/waf/pricing/).
CLOUDFRONT_REQUEST, WAF_REQUEST = 0.0100 / 10_000, 0.60 / 1e6
# Each signature is a management event of CloudTrail. The first copy in a region is free. Every further copy, for example of a
# second trail, costs 2.00 per 100,000 events (https://aws.amazon.com/cloudtrail/pricing/). GuardDuty charges for the analysis
# of management events (https://aws.amazon.com/guardduty/pricing/).
CLOUDTRAIL_COPY = 2.00 / 100_000
GUARDDUTY_EVENT = 4.00 / 1e6

# Cost of each operation: DynamoDB read and write units, signatures, duration (ms) and memory (gb) of the function, bytes of
# log (one line of the function, one of the API) and bytes of the response (out). The durations are estimates: use the Duration
# metric of your functions.
OPERATIONS = {
    "heartbeat": dict(reads=1, writes=1, signatures=1, ms=15, gb=0.5, log=880, out=2200),
    "heartbeat, token not renewed": dict(reads=1, writes=1, signatures=0, ms=8, gb=0.5, log=830, out=2200),
    "token validation": dict(reads=2, writes=0, signatures=0, ms=8, gb=0.5, log=630, out=1800),
    "license key validation": dict(reads=2, writes=0, signatures=0, ms=6, gb=0.5, log=630, out=1800),
    "activation, new machine": dict(reads=4, writes=11, signatures=1, ms=35, gb=0.5, log=780, out=2700),
    "activation, known machine": dict(reads=4, writes=1, signatures=1, ms=20, gb=0.5, log=780, out=2700),
    "deactivation": dict(reads=2, writes=10, signatures=0, ms=15, gb=0.5, log=780, out=1200),
    "license key issuance": dict(reads=4, writes=20, signatures=1, ms=40, gb=0.5, log=780, out=2500),
}

# With the defaults of a tier, a token is renewed after 1,800 seconds: by every second heartbeat.
DEFAULT_RENEWAL_RATIO = 0.5

# Monthly costs that do not depend on usage.
FIXED_COSTS = {
    "KMS keys: root, sealing, current, next": 4 * 1.00,
    "secrets: page cursors, sessions": 2 * 0.40,
    "alarms": 55 * 0.10,
    "dashboard": 3.00,
    "rotation function, every 2 minutes": 0.02,
    "statistics function, every hour, without license keys": 0.03,
    "webhooks-feed function, every minute, without endpoints": 0.09,
    "queue of webhooks, which Lambda polls": 0.26,
}

# The same, with CloudFront and infra/web-acl.yaml.
CLOUDFRONT_FIXED_COSTS = {
    "secret: CloudFront": 0.40,
    "web ACL": 5.00,
    "rules of the web ACL": 2 * 1.00,
}


def costs_by_service(operation):
    """The costs of a million operations, by service."""
    million = 1e6
    return {
        "API": million * API_REQUEST,
        "Lambda": million * (LAMBDA_INVOCATION + operation["gb"] * operation["ms"] / 1000 * GB_SECOND),
        "DynamoDB": million * (operation["reads"] * READ_UNIT + operation["writes"] * WRITE_UNIT),
        "KMS": million * operation["signatures"] * SIGNATURE,
        "logs": million * operation["log"] / 1e9 * LOG_GB,
        "traffic": million * operation["out"] / 1e9 * TRANSFER_GB,
    }


def heartbeats_per_month(machines, interval_seconds):
    """The number of heartbeats of machines that run all the time."""
    return machines * HOURS_PER_MONTH * 3600 / interval_seconds


def monthly_costs(machines, interval_seconds, renewal_ratio=1.0):
    """The monthly costs without fixed costs. `renewal_ratio` is the share of heartbeats that renew (sign) the token."""
    count = heartbeats_per_month(machines, interval_seconds)
    renewed, not_renewed = (sum(costs_by_service(OPERATIONS[name]).values()) / 1e6 for name in ["heartbeat", "heartbeat, token not renewed"])
    discount = max(0, count - API_DISCOUNT_THRESHOLD) * (API_REQUEST - API_REQUEST_DISCOUNTED)
    table = machines * 2.6e3 / 1e9 * TABLE_GB
    return count * (renewal_ratio * renewed + (1 - renewal_ratio) * not_renewed) - discount + table


def dollars(cost):
    return f"{cost:,.2f}" if cost < 100 else f"{cost:,.0f}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def tables():
    services = list(costs_by_service(OPERATIONS["heartbeat"]))
    yield row(["USD per million", *services, "total"])
    yield row(["---", *["---:"] * (len(services) + 1)])
    for name, operation in OPERATIONS.items():
        costs = costs_by_service(operation)
        yield row([name, *[f"{costs[service]:.2f}" for service in services], f"**{sum(costs.values()):.2f}**"])
    yield ""
    yield row(["machines", "heartbeats per month, every 15 min", "USD", "USD, every one signed", "USD, every 30 min"])
    yield row(["---:"] * 5)
    for machines in [100, 10_000, 1_000_000]:
        costs = [monthly_costs(machines, 900, DEFAULT_RENEWAL_RATIO), monthly_costs(machines, 900), monthly_costs(machines, 1800)]
        heartbeats = heartbeats_per_month(machines, 900)
        yield row([f"{machines:,}", f"{heartbeats:,.0f}", *map(dollars, costs)])
    yield ""
    yield row(["signatures per month", "KMS, USD", "further copy of CloudTrail, USD", "GuardDuty, USD"])
    yield row(["---:"] * 4)
    for machines in [100, 10_000, 1_000_000]:
        count = heartbeats_per_month(machines, 900) * DEFAULT_RENEWAL_RATIO
        costs = [count * SIGNATURE, count * CLOUDTRAIL_COPY, count * GUARDDUTY_EVENT]
        yield row([f"{count:,.0f}", *map(dollars, costs)])
    yield ""
    yield row(["requests per month", "CloudFront, USD", "AWS WAF, USD"])
    yield row(["---:"] * 3)
    for machines in [100, 10_000, 1_000_000]:
        count = heartbeats_per_month(machines, 900)
        yield row([f"{count:,.0f}", dollars(count * CLOUDFRONT_REQUEST), dollars(count * WAF_REQUEST)])
    for title, costs in [("fixed costs per month with CloudFront", CLOUDFRONT_FIXED_COSTS), ("fixed costs per month", FIXED_COSTS)]:
        yield ""
        yield row([title, "USD"])
        yield row(["---", "---:"])
        for name, cost in costs.items():
            yield row([name, f"{cost:.2f}"])
        yield row(["total", f"**{sum(costs.values()):.2f}**"])


if __name__ == "__main__":
    print("\n".join(tables()))
