"""Checks that `sam local start-api`, which itself requires Docker, finds a function for every route of the template.

Usage: local_routes.py TEMPLATE, with the Python interpreter of the SAM CLI.
"""

import sys

from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1], parameter_overrides={})
routes = {route.path: route.function_name for route in ApiProvider(stacks).api.routes}
unmapped = [path for path, function in routes.items() if function is None]
assert routes.get("$default") == "DiscoveryFunction" and len(routes) > 20 and not unmapped, routes
print(f"sam local start-api finds {len(routes)} paths")
