"""The part of `kube` that talks to API servers and starts exec plugins. Nothing outside this folder does.

- `client`: the API's verbs; `http_client`: a request with credentials and retries; `transport`: a single HTTP request
- `credentials`, `exec_plugin`: the credentials of a user, and how they are renewed
- `watch`: an informer, which lists and then watches; `watch_lines`: one of its requests
- `events`: sends Events behind other work, at a bounded rate
- `failures`: turns aiohttp's exceptions into this room's errors

Whatever is imported from here loads aiohttp, which takes a fifth of a second: so it is done late, and here. Another quarter of that
took the TLS contexts that aiohttp makes for requests which bring none of their own, since both read every authority that this machine
trusts. Ours all bring one (transport.py); those of aiohttp's own trust nobody in a process that has loaded it by this package.
"""

import ssl


def _load_aiohttp() -> None:
    def read_no_authorities(_: ssl.SSLContext) -> None:
        """Instead of the machine's."""

    reads = ssl.SSLContext.set_default_verify_paths
    ssl.SSLContext.set_default_verify_paths = read_no_authorities  # type: ignore[method-assign,assignment]
    try:
        import aiohttp  # noqa: F401 - for its effect
    finally:
        ssl.SSLContext.set_default_verify_paths = reads  # type: ignore[method-assign]


_load_aiohttp()
