#!/usr/bin/env python3
"""Computes the tables of docs/reference/cost-model.md. Change the numbers below to match your installation."""

# List prices in US dollars for us-east-1, on demand, as of 2025. Free tiers and volume discounts are ignored, except the
# discount of API Gateway.
API_CALL, API_CALL_BEYOND, API_BEYOND = 1.00 / 1e6, 0.90 / 1e6, 300e6
LAMBDA_CALL, GB_SECOND = 0.20 / 1e6, 0.0000166667
READ_UNIT, WRITE_UNIT = 0.125 / 1e6, 0.625 / 1e6
SIGNATURE = 0.03 / 10_000
LOG_GB, OUT_GB, TABLE_GB = 0.50, 0.09, 0.25 + 0.20
HOURS = 730

# Per operation: DynamoDB read and write units, signatures, milliseconds in a function with this many GB of memory, bytes
# of log (the function's line, Lambda's three, API Gateway's), bytes of the response. The milliseconds are an estimate:
# compare them with the metric Duration.
OPERATIONS = {
    "heartbeat": dict(reads=1, writes=1, signatures=1, ms=15, gb=0.5, log=1250, out=2200),
    "heartbeat, token reused": dict(reads=1, writes=1, signatures=0, ms=8, gb=0.5, log=1200, out=2200),
    "validation of a token": dict(reads=2, writes=0, signatures=0, ms=8, gb=0.5, log=1000, out=1800),
    "validation of a license key": dict(reads=2, writes=0, signatures=0, ms=6, gb=0.5, log=1000, out=1800),
    "activation of a new machine": dict(reads=4, writes=8, signatures=1, ms=35, gb=0.5, log=1150, out=2700),
    "renewed activation": dict(reads=3, writes=1, signatures=1, ms=20, gb=0.5, log=1150, out=2700),
    "deactivation": dict(reads=1, writes=7, signatures=0, ms=15, gb=0.5, log=1150, out=1200),
    "license key issue": dict(reads=4, writes=16, signatures=1, ms=40, gb=0.5, log=1150, out=2500),
}

# Fixed cost of an installation per month.
FIXED = {
    "KMS keys: root, sealing, current and next signing key": 4 * 1.00,
    "Secrets Manager: one secret": 0.40,
    "CloudWatch alarms": 18 * 0.10,
    "CloudWatch dashboard": 3.00,
    "rotation function, every two minutes": 0.02,
    "statistics function, every hour, without license keys": 0.03,
}


def parts(one):
    """Returns the price of a million operations by service."""
    million = 1e6
    return {
        "API Gateway": million * API_CALL,
        "Lambda": million * (LAMBDA_CALL + one["gb"] * one["ms"] / 1000 * GB_SECOND),
        "DynamoDB": million * (one["reads"] * READ_UNIT + one["writes"] * WRITE_UNIT),
        "KMS": million * one["signatures"] * SIGNATURE,
        "CloudWatch Logs": million * one["log"] / 1e9 * LOG_GB,
        "traffic": million * one["out"] / 1e9 * OUT_GB,
    }


def heartbeats(machines, interval):
    """Returns the heartbeats per month of machines that run all the time."""
    return machines * HOURS * 3600 / interval


def month(machines, interval, signed=1.0):
    """Returns the price per month, without fixed costs. `signed` is the share of heartbeats that sign a new token."""
    count = heartbeats(machines, interval)
    signing, reusing = (sum(parts(OPERATIONS[name]).values()) / 1e6 for name in ["heartbeat", "heartbeat, token reused"])
    discount = max(0, count - API_BEYOND) * (API_CALL - API_CALL_BEYOND)
    table = machines * 2.2e3 / 1e9 * TABLE_GB
    return count * (signed * signing + (1 - signed) * reusing) - discount + table


def row(cells):
    return "| " + " | ".join(cells) + " |"


def tables():
    names = list(parts(OPERATIONS["heartbeat"]))
    yield row(["one million", *names, "total"])
    yield row(["---", *["---:"] * (len(names) + 1)])
    for name, one in OPERATIONS.items():
        prices = parts(one)
        yield row([name, *[f"{prices[each]:.2f}" for each in names], f"**{sum(prices.values()):.2f}**"])
    yield ""
    yield row(["machines", "heartbeats a month", "every 15 min, all signed", "every 15 min, half signed", "every 30 min, all signed"])
    yield row(["---:"] * 5)
    for machines in [100, 10_000, 1_000_000]:
        prices = [month(machines, 900), month(machines, 900, 0.5), month(machines, 1800)]
        yield row([f"{machines:,}", f"{heartbeats(machines, 900):,.0f}", *[f"{price:,.2f}" if price < 100 else f"{price:,.0f}" for price in prices]])
    yield ""
    yield row(["fixed cost", "dollars a month"])
    yield row(["---", "---:"])
    for name, price in FIXED.items():
        yield row([name, f"{price:.2f}"])
    yield row(["total", f"**{sum(FIXED.values()):.2f}**"])


if __name__ == "__main__":
    print("\n".join(tables()))
