"""Reads the endpoints of all Services, page by page: clusters have many."""

from collections.abc import AsyncIterator

from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import ENDPOINT_SLICES
from kubevouch.kube.resources.network import Endpoint


async def service_endpoints(api: ApiClient) -> AsyncIterator[tuple[tuple[str, str], Endpoint]]:
    """Each endpoint, after the namespace and name of its Service. Raises KubeError."""
    async for page in api.pages(ENDPOINT_SLICES, ENDPOINT_SLICES.struct):
        for each in page.items:
            for endpoint in each.endpoints if each.service else ():
                yield (each.namespace, each.service), endpoint
