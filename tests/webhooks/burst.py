"""Measures how fast events that are written at the same time are delivered to a receiver on this machine."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from forgeries import sign
from receiver import wait

BATCHES, BATCH = 3, 100
SINGLE_EVENTS = 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        arrived = time.time() + self.server.clock.offset()
        body = self.rfile.read(int(self.headers["content-length"]))
        expected = sign(self.server.secret, self.headers["webhook-id"], self.headers["webhook-timestamp"], body)
        assert self.headers["webhook-signature"] == expected
        self.server.arrivals.append((arrived, json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def print_latency(name, arrivals):
    latencies = [arrived - datetime.fromisoformat(event["at"]).timestamp() for arrived, event in arrivals]
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    print(f"{name}: from `at` to the arrival p50 {p50:.2f} s, p99 {p99:.2f} s")


def measure(installation, tier_id, clock):
    """Issues license keys one after the other, and in batches at the same time. Prints how fast their events arrive, by the clock of
    the installation."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.arrivals, server.clock = True, [], clock
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = installation.create_endpoint(f"http://127.0.0.1:{server.server_port}/webhooks", ["license.issued"])
    server.secret = endpoint["secret"]

    def issue(count):
        batch = installation.post("license-keys/batch", tier_id=tier_id, count=count, tag="burst")
        return [item["license"]["id"] for item in batch["items"]]

    def wait_for(licenses):
        def all_arrived():
            return {*licenses} <= {event["license_id"] for _, event in list(server.arrivals)}

        wait(f"the events of {len(licenses)} license keys arrive", all_arrived, 120)

    for _ in range(SINGLE_EVENTS):
        wait_for(issue(1))
    print_latency(f"{SINGLE_EVENTS} events one after the other", server.arrivals)

    server.arrivals, begun = [], time.time() + clock.offset()
    with ThreadPoolExecutor(BATCHES) as pool:
        batches = [pool.submit(issue, BATCH) for _ in range(BATCHES)]
    issued = time.time() + clock.offset()
    wait_for([license for batch in batches for license in batch.result()])
    time.sleep(1)
    server.shutdown()
    server.server_close()
    arrivals = server.arrivals
    count, times = len({event["id"] for _, event in arrivals}), [arrived for arrived, _ in arrivals]
    assert count == BATCHES * BATCH, count
    print_latency(f"burst of {count} events", arrivals)
    print(
        f"burst of {count} events: written in {issued - begun:.1f} s, first arrival after {times[0] - begun:.1f} s, "
        f"last after {times[-1] - begun:.1f} s; {len(times) / (times[-1] - times[0]):.0f} deliveries per second, "
        f"{len(times) - count} events arrived twice"
    )
    installation.call("DELETE", f"webhook-endpoints/{endpoint['id']}")
