"""metrics-server's flags, in the forms in which its own program takes them."""

from pathlib import Path

import pytest

from kubevouch.cli.common.pflag import IGNORED_WORDS
from kubevouch.cli.metrics_server.command import command
from kubevouch.cli.metrics_server.settings import MetricsServerSettings, settings_of


def settings(*words: str) -> MetricsServerSettings:
    """What a command line means."""
    with command.make_context("metrics-server", list(words)) as context:
        return settings_of(context.params)


def test_a_list_that_is_given_again_grows_and_its_default_is_gone() -> None:
    found = settings(
        "--kubelet-preferred-address-types=InternalIP,ExternalIP",
        "--kubelet-preferred-address-types",
        "Hostname",
        "--requestheader-allowed-names=a",
        '--requestheader-allowed-names="b,c",d',
        "--authorization-always-allow-paths=/livez",
        "--authorization-always-allow-paths=/readyz",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-username-headers=X-User",
    )
    assert found.address_types == ("InternalIP", "ExternalIP", "Hostname")
    assert found.given.allowed_names == ("a", "b,c", "d")
    assert found.always_allowed == ("/livez", "/readyz")
    assert found.given.headers.user == ("X-Remote-User", "X-User")


def test_a_bool_takes_no_word_behind_it() -> None:
    words = ["--kubelet-use-node-status-port", "false", "--authentication-skip-lookup=F"]
    with command.make_context("metrics-server", words) as context:
        found = settings_of(context.params)
        assert context.meta[IGNORED_WORDS] == ("false",)
    assert found.status_port
    assert found.follow


@pytest.mark.parametrize("words", [("-v=4",), ("-v4",), ("-v", "4"), ("--v=4",), ("--v", "4")])
def test_one_letter_stands_for_a_name(words: tuple[str, ...]) -> None:
    assert settings(*words).server.verbosity == 4


DURATIONS = {"11s": 11, "1m": 60, "1m0.5s": 60.5, "10000ms": 10, ".5h": 1800}


@pytest.mark.parametrize("text", DURATIONS)
def test_durations_are_gos(text: str) -> None:
    found = settings(f"--metric-resolution={text}", "--kubelet-request-timeout=1s")
    assert found.resolution == DURATIONS[text]


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_may_have_a_urls_brackets(host: str) -> None:
    assert settings("--bind-address", host).server.host == "::1"


def test_authorities_in_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"pem")
    found = settings(f"--client-ca-file={tmp_path / 'ca'}", "--requestheader-uid-headers=X-Uid")
    assert found.given.client_ca == b"pem"
    assert found.given.headers.uid == ("X-Uid",)
