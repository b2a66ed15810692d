"""--redact: the names of Secrets, CSRs and of what the API server calls, and no ordinary word that is one of them."""

import re

import pytest

from kubevouch.inventory.redaction import Redaction, Replaced


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("secret shop/checkout-tls", "secret object-1"),
        ("csr jane", "csr object-1"),
        ("what apiservice v1.corp.example.com serves", "what apiservice object-1 serves"),
        (
            "10.0.0.7:443 (validatingwebhookconfiguration corp)",
            "address-1:443 (validatingwebhookconfiguration object-1)",
        ),
        (
            "customresourcedefinition things.corp and 3 more",
            "customresourcedefinition object-1 and 3 more",
        ),
        ("there is no Service shop/checkout", "there is no Service object-1"),
        ("Service shop/checkout has no endpoint", "Service object-1 has no endpoint"),
        ("no Service in front of it", "no Service in front of it"),
        ("valid for a, not checkout.shop.svc", "valid for a, not object-1"),
        ("kubernetes.default.svc", "kubernetes.default.svc"),
        ("apiservice v1beta1.metrics.k8s.io", "apiservice v1beta1.metrics.k8s.io"),
        ('/k: users["jane"].user', '/k: users["object-1"].user'),
        ('users[\\"jane\\"]', 'users[\\"object-1\\"]'),
        ('users["kubernetes-admin"]', 'users["kubernetes-admin"]'),
        ("CN=jane,O=developers", "CN=object-1,O=object-1"),
        ("O=system:nodes,CN=system:node:w1", "O=system:nodes,CN=system:node:w1"),
        ("CN=Acme Root+OU=Team A\\, B,O=Acme\\, Inc.", "CN=object-1+OU=object-1,O=object-1"),
        (
            "C=SE,ST=Skane,L=Lund,STREET=Gatan 1,POSTALCODE=22100,SERIALNUMBER=5",
            "C=object-1,ST=object-1,L=object-1,STREET=object-1,POSTALCODE=object-1,SERIALNUMBER=object-1",
        ),
        ("1.2.840.113549.1.9.1=#160b6a40636f7270", "1.2.840.113549.1.9.1=object-1"),
        ("PATH=/usr/bin", "PATH=/usr/bin"),
        (
            'candidate authority certificate "Acme Root")',
            'candidate authority certificate "object-1")',
        ),
        ("CN=kubernetes", "CN=kubernetes"),
        ("CN=system:kube-scheduler", "CN=system:kube-scheduler"),
        (
            "CN=kubernetes-admin,O=kubeadm:cluster-admins",
            "CN=kubernetes-admin,O=kubeadm:cluster-admins",
        ),
        ("kubevouch csr list", "kubevouch csr list"),
        ("the secret of it", "the secret of it"),
    ],
)
def test_a_name_is_replaced_where_it_names_an_object(text: str, replaced: str) -> None:
    redaction = Redaction(())
    once = redaction(text)
    assert re.sub(r"object-\d", "object-1", once) == replaced
    assert redaction(once) == once


def test_an_organisation_has_the_same_name_wherever_it_stands() -> None:
    redaction = Redaction(())
    subject, issuer = redaction("CN=a.corp,O=Acme"), redaction("O=Acme,CN=root of Acme")
    assert subject.partition("O=")[2] == issuer.partition("O=")[2].partition(",")[0]
    assert "Acme" not in subject + issuer


def test_the_same_object_is_replaced_by_the_same_name() -> None:
    redaction = Redaction(())
    first, other = redaction("secret shop/a"), redaction("secret shop/b")
    assert (first, other) == ("secret object-1", "secret object-2")
    assert redaction("(secret shop/a)") == "(secret object-1)"


def test_whoever_serves_a_certificate_cannot_make_the_replacing_endless() -> None:
    """The same names were looked for in all pieces of a name: 3,000 pieces took a minute, and a certificate has room for 8,000."""
    long = ".".join("a" * 8000)
    redaction = Redaction([(Replaced.NODE, "n-1.corp.example"), (Replaced.HOST, long)])
    assert redaction(long) == "host-1"
    assert redaction(f"x.{long}.n-1.corp.example").endswith(".node-1")
