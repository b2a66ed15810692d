"""`version`: which kubevouch this is, and on what it runs."""

import click

from kubevouch.cli.common.options import output, terminal_of
from kubevouch.errors import ExitCode


@click.command("version", short_help="Which kubevouch this is, and on what it runs.")
@output("table", "json")
@click.pass_context
def command(ctx: click.Context) -> int:
    """Versions of kubevouch, Python and OpenSSL. Asks no cluster."""
    import platform
    import ssl

    from kubevouch import __version__
    from kubevouch.cli.common.documents import print_document

    terminal = terminal_of(ctx)
    versions = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION}
    if terminal.prints_json:
        print_document(terminal, "kubevouch.version/1", versions)
    else:
        terminal.out(f"kubevouch {__version__}")
        terminal.out(f"Python {versions['python']}, {versions['openssl']}")
    return ExitCode.OK
