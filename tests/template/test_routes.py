"""Where API Gateway sends each request: to the function that has its route, and to discovery where none has."""

import json
import re
import unittest

from deployed import ROOT, Stack

# What of an OpenAPI document's path is a variable, as a request would have it.
VALUE = "01JD8W0V5XK6Q3R7T2N4M8P9ZB"
SCHEDULES = {"rotation": "Schedule", "statistics": "StatisticsSchedule"}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
VERSIONS = ["v1.0", "v1"]


def served():
    """The function of each operation, as the code has it: the annotations in each function's folder."""
    annotation = re.compile(r'#\[utoipa::path\(\s*(\w+),\s*path = "([^"]+)"')
    return {
        (method.upper(), path): file.relative_to(ROOT / "functions").parts[0]
        for file in (ROOT / "functions").glob("*/src/**/*.rs")
        for method, path in annotation.findall(file.read_text())
    }


def documented():
    paths = json.loads((ROOT / "functions/discovery/openapi.json").read_text())["paths"]
    return {(method.upper(), path) for path, one in paths.items() for method in one if method.upper() in METHODS}


class Gateway:
    """The routes of the stack, chosen as API Gateway does: a full match goes before one with a greedy variable, and that
    before $default."""

    def __init__(self, stack):
        self.routes = {}
        integrations = stack.of_type("AWS::ApiGatewayV2::Integration")
        arns = {stack.getatt([name, "Arn"]): name for name in stack.of_type("AWS::Lambda::Function")}
        for route in stack.of_type("AWS::ApiGatewayV2::Route").values():
            integration = integrations[route["Target"].removeprefix("integrations/")]
            assert route["RouteKey"] not in self.routes, route["RouteKey"]
            self.routes[route["RouteKey"]] = arns[integration["IntegrationUri"]].removesuffix("Function").lower()

    def candidates(self, method, path):
        """Routes that match, best first, each with what it is ranked by."""
        found = []
        for key in self.routes:
            if key == "$default":
                found.append(((2, 0, 0), key))
                continue
            wanted, pattern = key.split(" ")
            parts = [
                "(.+)" if part == "{proxy+}" else "[^/]+" if part.startswith("{") else re.escape(part)
                for part in pattern.split("/")
            ]
            if wanted in ("ANY", method) and re.fullmatch("/".join(parts), path):
                greedy = pattern.endswith("{proxy+}")
                variables = sum(part.startswith("{") for part in pattern.split("/"))
                found.append(((int(greedy), variables, int(wanted == "ANY")), key))
        return sorted(found)

    def function(self, method, path):
        ranked = self.candidates(method, path)
        best = [key for rank, key in ranked if rank == ranked[0][0]]
        assert len(best) == 1, f"{method} {path} could reach any of {best}"
        return self.routes[best[0]]


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.gateway = Gateway(cls.stack)

    def test_the_document_has_what_the_code_has(self):
        self.assertEqual(documented(), set(served()))

    def test_every_operation_reaches_the_function_that_serves_it(self):
        for (method, path), function in served().items():
            path = re.sub(r"\{\w+\}", VALUE, path)
            for version in VERSIONS:
                asked = path.replace("/api/v1.0/", f"/api/{version}/")
                self.assertEqual(self.gateway.function(method, asked), function, f"{method} {asked}")

    def test_every_event_comes_through_the_route_that_the_gateway_takes(self):
        for file in (ROOT / "events").glob("*.json"):
            event = json.loads(file.read_text())
            if file.stem in SCHEDULES:
                schedule = self.stack.raw[SCHEDULES[file.stem]]
                self.assertEqual(event, json.loads(schedule["Properties"]["Target"]["Input"]))
                continue
            http = event["requestContext"]["http"]
            self.assertEqual(http["path"], event["rawPath"], file.name)
            self.assertEqual(event["requestContext"]["routeKey"], event["routeKey"], file.name)
            self.assertEqual(self.gateway.candidates(http["method"], http["path"])[0][1], event["routeKey"], file.name)

    def test_every_method_of_a_path_reaches_the_same_function(self):
        for (_, path), function in served().items():
            path = re.sub(r"\{\w+\}", VALUE, path)
            for method in METHODS:
                self.assertEqual(self.gateway.function(method, path), function, f"{method} {path}")

    def test_what_nobody_serves_reaches_discovery(self):
        for path in ["/", "/favicon.ico", "/api", "/api/v1.0", "/api/v1.0/", "/api/v1.0/nothing", "/api/v9/nothing/at/all"]:
            self.assertEqual(self.gateway.function("GET", path), "discovery", path)

    def test_what_is_below_a_group_reaches_its_function(self):
        for path, function in [
            ("/api/v1.0/products/a/b", "catalog"),
            ("/api/v9/products", "catalog"),
            ("/api/v1.0/user/nothing", "registration"),
            ("/.well-known/security.txt", "discovery"),
            ("/dashboard", "dashboard"),
            ("/dashboard/license-keys/new", "dashboard"),
        ]:
            self.assertEqual(self.gateway.function("GET", path), function, path)

    def test_limits_are_those_of_routes_that_are_there_before_them(self):
        stage = self.stack.raw["Stage"]
        routes = self.stack.of_type("AWS::ApiGatewayV2::Route")
        limited = set(stage["Properties"]["RouteSettings"])
        self.assertEqual(limited, {routes[name]["RouteKey"] for name in stage["DependsOn"]})
        for name in ["ThrottlingRateLimit", "ThrottlingBurstLimit"]:
            self.assertGreater(int(self.stack.resolve(stage["Properties"]["DefaultRouteSettings"])[name]), 0)

    def test_every_function_but_the_scheduled_ones_is_behind_the_gateway(self):
        functions = {one.name for one in (ROOT / "functions").iterdir() if one.is_dir()}
        self.assertEqual(set(self.gateway.routes.values()), functions - set(SCHEDULES))
        permitted = {one["FunctionName"] for one in self.stack.of_type("AWS::Lambda::Permission").values()}
        self.assertEqual(permitted, {f"signet-{name}" for name in functions - set(SCHEDULES)})


if __name__ == "__main__":
    unittest.main()
