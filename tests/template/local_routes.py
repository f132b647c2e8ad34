"""Prints, as `sam local start-api` reads them from the template, each route and its function; fails where one has none. What
it then runs needs Docker.

Usage: local_routes.py TEMPLATE, with the Python that SAM has.
"""

import sys

from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1], parameter_overrides={})
routes = {route.path: route.function_name for route in ApiProvider(stacks).api.routes}
nobodys = [path for path, function in routes.items() if function is None]
assert routes.get("$default") == "DiscoveryFunction" and len(routes) > 20 and not nobodys, routes
print(f"sam local start-api finds {len(routes)} paths")
