"""Tests that API Gateway routes each request to the function that serves it, and unmatched requests to discovery."""

import json
import re
import unittest
from functools import cache

from cloudformation import ACCOUNT, REGION, ROOT, Installation, crate_name

# The value of path parameters.
ID = "01JD8W0V5XK6Q3R7T2N4M8P9ZB"
SCHEDULES = {"rotation": "RotationSchedule", "statistics": "StatisticsSchedule", "webhooks-feed": "WebhooksFeedSchedule"}
# Functions that an event source mapping invokes, and the source of their sample event.
EVENT_SOURCES = {"webhooks-sender": "aws:sqs"}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
VERSIONS = ["v1.0", "v1"]


def served_operations():
    """The function of each operation, by the annotations in the source of the functions."""
    annotation = re.compile(r'#\[utoipa::path\(\s*(\w+),\s*path = "([^"]+)"')
    return {
        (method.upper(), path): file.relative_to(ROOT / "functions").parts[0]
        for file in (ROOT / "functions").glob("*/src/**/*.rs")
        for method, path in annotation.findall(file.read_text())
    }


def documented_operations():
    """The operations of the OpenAPI document."""
    paths = json.loads((ROOT / "functions/discovery/openapi.json").read_text())["paths"]
    return {(method.upper(), path) for path, item in paths.items() for method in item if method.upper() in METHODS}


class Gateway:
    """Selects routes of the stack as API Gateway does: it prefers a full match over one with a greedy path variable, and that
    over $default."""

    def __init__(self, stack):
        self.routes = {}
        integrations = stack.of_type("AWS::ApiGatewayV2::Integration")
        arns = {f"{stack.get_att([name, 'Arn'])}:live": name for name in stack.of_type("AWS::Lambda::Function")}
        for route in stack.of_type("AWS::ApiGatewayV2::Route").values():
            integration = integrations[route["Target"].removeprefix("integrations/")]
            assert route["RouteKey"] not in self.routes, route["RouteKey"]
            self.routes[route["RouteKey"]] = crate_name(arns[integration["IntegrationUri"]].removesuffix("Function"))

    def candidates(self, method, path):
        """The matching routes with their rank, best first."""
        found = []
        for key in self.routes:
            if key == "$default":
                found.append(((2, 0, 0), key))
                continue
            route_method, route_path = key.split(" ")
            segments = route_path.split("/")
            patterns = [
                "(.+)" if segment == "{proxy+}" else "[^/]+" if segment.startswith("{") else re.escape(segment)
                for segment in segments
            ]
            if route_method in ("ANY", method) and re.fullmatch("/".join(patterns), path):
                greedy = route_path.endswith("{proxy+}")
                variables = sum(segment.startswith("{") for segment in segments)
                found.append(((int(greedy), variables, int(route_method == "ANY")), key))
        return sorted(found)

    def function(self, method, path):
        candidates = self.candidates(method, path)
        best = [key for rank, key in candidates if rank == candidates[0][0]]
        assert len(best) == 1, f"{method} {path} is ambiguous: {best}"
        return self.routes[best[0]]


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Installation()
        cls.gateway = Gateway(cls.stack)

    def test_openapi_document_contains_exactly_the_operations_of_the_code(self):
        self.assertEqual(documented_operations(), set(served_operations()))

    def test_every_operation_reaches_its_function(self):
        for (method, path), function in served_operations().items():
            path = re.sub(r"\{\w+\}", ID, path)
            for version in VERSIONS:
                versioned = path.replace("/api/v1.0/", f"/api/{version}/")
                self.assertEqual(self.gateway.function(method, versioned), function, f"{method} {versioned}")

    def test_sample_events_have_the_route_key_that_api_gateway_selects(self):
        for file in (ROOT / "events").glob("*.json"):
            event = json.loads(file.read_text())
            if file.stem in SCHEDULES:
                schedule = self.stack.raw[SCHEDULES[file.stem]]
                self.assertEqual(event, json.loads(schedule["Properties"]["Target"]["Input"]))
                continue
            if file.stem in EVENT_SOURCES:
                self.assertEqual({one["eventSource"] for one in event["Records"]}, {EVENT_SOURCES[file.stem]})
                continue
            http = event["requestContext"]["http"]
            self.assertEqual(http["path"], event["rawPath"], file.name)
            self.assertEqual(event["requestContext"]["routeKey"], event["routeKey"], file.name)
            self.assertEqual(self.gateway.candidates(http["method"], http["path"])[0][1], event["routeKey"], file.name)

    def test_all_methods_of_a_path_reach_the_same_function(self):
        for (_, path), function in served_operations().items():
            path = re.sub(r"\{\w+\}", ID, path)
            for method in METHODS:
                self.assertEqual(self.gateway.function(method, path), function, f"{method} {path}")

    def test_unmatched_paths_reach_discovery(self):
        for path in ["/favicon.ico", "/api", "/api/v1.0", "/api/v1.0/", "/api/v1.0/nothing", "/api/v9/nothing/at/all"]:
            self.assertEqual(self.gateway.function("GET", path), "discovery", path)

    def test_unknown_subpaths_reach_the_function_of_the_path(self):
        for path, function in [
            ("/api/v1.0/products/a/b", "catalog"),
            ("/api/v9/products", "catalog"),
            ("/api/v1.0/user/nothing", "registration"),
            ("/.well-known/security.txt", "discovery"),
            ("/", "dashboard"),
            ("/dashboard", "dashboard"),
            ("/dashboard/license-keys/new", "dashboard"),
        ]:
            self.assertEqual(self.gateway.function("GET", path), function, path)

    def test_parts_of_the_api_are_created_one_after_another(self):
        # API Gateway refuses concurrent changes of an API.
        resources = self.stack.running.raw
        kinds = [f"AWS::ApiGatewayV2::{kind}" for kind in ["Integration", "Route", "Stage", "ApiMapping"]]
        parts = {name for name, resource in resources.items() if resource["Type"] in kinds}

        @cache
        def dependencies(name):
            """The resources that CloudFormation creates before this one."""
            depends_on = resources[name].get("DependsOn", [])
            direct = set(depends_on if isinstance(depends_on, list) else [depends_on])
            direct |= set(re.findall(r"\$\{(\w+)", json.dumps(resources[name]))) & resources.keys()
            direct |= set(re.findall(r'"Ref": "(\w+)"', json.dumps(resources[name]))) & resources.keys()
            return direct.union(*map(dependencies, direct))

        earlier = sorted(len(dependencies(name) & parts) for name in parts)
        self.assertEqual(earlier, list(range(len(parts))))

    def test_stage_has_throttling_settings_of_existing_routes(self):
        # The stage is created after all routes.
        stage = self.stack.raw["Stage"]
        routes = self.stack.of_type("AWS::ApiGatewayV2::Route")
        self.assertLessEqual(set(stage["Properties"]["RouteSettings"]), {route["RouteKey"] for route in routes.values()})
        for name in ["ThrottlingRateLimit", "ThrottlingBurstLimit"]:
            self.assertGreater(int(self.stack.running.resolve(stage["Properties"]["DefaultRouteSettings"])[name]), 0)

    def test_all_functions_have_routes_except_those_with_a_schedule_or_an_event_source(self):
        functions = {folder.name for folder in (ROOT / "functions").iterdir() if folder.is_dir()}
        behind_api = functions - SCHEDULES.keys() - EVENT_SOURCES.keys()
        self.assertEqual(set(self.gateway.routes.values()), behind_api)
        permitted = {permission["FunctionName"] for permission in self.stack.of_type("AWS::Lambda::Permission").values()}
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:signet-%s:live"
        self.assertEqual(permitted, {arn % name for name in behind_api})
        targets = {one["Target"]["Arn"] for one in self.stack.of_type("AWS::Scheduler::Schedule").values()}
        self.assertEqual(targets, {arn % name for name in SCHEDULES})


if __name__ == "__main__":
    unittest.main()
