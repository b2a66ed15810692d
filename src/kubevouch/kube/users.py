"""Checks which credentials of a kubeconfig's user can be combined, by client-go's validation.go.

Where kubectl says that one field "will override" another it refuses the user, and so does this module.
"""

from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import ExecConfig, User

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_INTERACTIVE = ("Never", "IfAvailable", "Always")


def check_user(user: User) -> None:
    """Raises KubeconfigError for a credential that cannot be sent, or for two that exclude each other."""
    if user.auth_provider is not None:
        seen = (
            f'the auth-provider "{user.auth_provider}", a kind of login that client-go has given up'
        )
        expected = "use the provider's exec plugin (kubelogin, gke-gcloud-auth-plugin, ...)"
        raise KubeconfigError(f"{user.where}.auth-provider", seen, expected)
    basic = bool(user.username or user.password)
    if basic and (user.token or user.token_file):
        seen = "both a token and a user name with password"
        raise KubeconfigError(user.where, seen, "only one of them can be sent: remove the other")
    _check_certificate(user)
    if user.exec is not None:
        _check_exec(user.exec, f"{user.where}.exec")
    acting = user.impersonate_uid or user.impersonate_groups or user.impersonate_extra
    if acting and not user.impersonate:
        seen = "as-uid, as-groups or as-user-extra without as"
        raise KubeconfigError(user.where, seen, "name the user to act as with `as`")


def can_identify(user: User) -> bool:
    """Whether the user has any credential."""
    certificate = user.client_certificate or user.client_certificate_data
    return bool(certificate or user.token or user.token_file or user.username or user.exec)


def without_credentials(user: User) -> User:
    """The user without secrets, for plain HTTP (client_config.go). Impersonation is kept."""
    return User(
        where=user.where,
        impersonate=user.impersonate,
        impersonate_uid=user.impersonate_uid,
        impersonate_groups=user.impersonate_groups,
        impersonate_extra=user.impersonate_extra,
    )


def _check_certificate(user: User) -> None:
    if not (user.client_certificate or user.client_certificate_data):
        return
    for name, file, data in (
        ("client-certificate", user.client_certificate, user.client_certificate_data),
        ("client-key", user.client_key, user.client_key_data),
    ):
        if file and data:
            seen = f"given both as a file and as {name}-data"
            raise KubeconfigError(f"{user.where}.{name}", seen, "remove one of them")
        if not (file or data):
            expected = "client-key or client-key-data belongs to a client certificate"
            raise KubeconfigError(f"{user.where}.{name}", "missing", expected)


def _check_exec(plugin: ExecConfig, where: str) -> None:
    if not plugin.command:
        raise KubeconfigError(f"{where}.command", "empty", "the plugin's program was expected")
    if plugin.api_version not in _EXEC_VERSIONS:
        seen, expected = f'"{plugin.api_version}"', f"{' or '.join(_EXEC_VERSIONS)} was expected"
        raise KubeconfigError(f"{where}.apiVersion", seen, expected)
    if any(not name for name, _ in plugin.env):
        raise KubeconfigError(
            f"{where}.env", "an entry without a name", "name and value are expected"
        )
    if plugin.interactive_mode not in _INTERACTIVE:
        seen, expected = f'"{plugin.interactive_mode}"', f"{', '.join(_INTERACTIVE)} are known"
        raise KubeconfigError(f"{where}.interactiveMode", seen, expected)
