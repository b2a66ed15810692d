"""All rules over one snapshot, and named subsets of them: the one judge of `doctor`, `verify` and the gates."""

import msgspec

from kubevouch.diagnose.cause import Cause, cause_of, linked
from kubevouch.diagnose.finding import Finding, Severity
from kubevouch.diagnose.rules import (
    Rule,
    addressing,
    configuration,
    doubts,
    metrics_api,
    outside_policy,
    requests,
    serving,
)
from kubevouch.errors import ExitCode
from kubevouch.evidence.snapshot import Evidence

DOCTOR: tuple[Rule, ...] = (
    metrics_api.api_service_missing,
    metrics_api.api_service_unavailable,
    metrics_api.pods_broken,
    metrics_api.insecure_flag,
    addressing.address_type,
    metrics_api.partial_metrics,
    metrics_api.stale_metrics,
    serving.unreachable,
    serving.no_answer,
    serving.self_signed,
    serving.no_addresses,
    serving.not_covered,
    serving.expired,
    serving.overdue,
    serving.not_yet_valid,
    serving.dark,
    serving.other_ca,
    serving.not_node_name,
    serving.other_failure,
    outside_policy.outside_policy,
    requests.pending,
    requests.denied,
    requests.not_issued,
    requests.rejected,
    requests.never_made,
    requests.superseded,
    requests.fuse,
    configuration.bootstrap_off,
    configuration.drift,
    configuration.ignored_key,
    configuration.ca_expiring,
    configuration.api_server_refuses,
    doubts.not_allowed,
    doubts.not_dialled,
    doubts.inconclusive,
)

VERIFY: tuple[Rule, ...] = (
    metrics_api.api_service_missing,
    metrics_api.api_service_unavailable,
    metrics_api.insecure_flag,
    metrics_api.partial_metrics,
    metrics_api.stale_metrics,
    serving.unreachable,
    serving.no_answer,
    serving.self_signed,
    serving.no_addresses,
    serving.not_covered,
    serving.expired,
    serving.not_yet_valid,
    serving.dark,
    serving.other_ca,
    serving.not_node_name,
    serving.other_failure,
    requests.fuse,
    doubts.not_allowed,
    doubts.not_dialled,
    doubts.inconclusive,
)
"""What `verify` holds against a cluster: the metrics API answers for every node, and every node's TLS verifies."""


class Diagnosis(msgspec.Struct, frozen=True):
    """Findings, worst first within their range, and the one cause."""

    findings: tuple[Finding, ...]
    cause: Cause | None

    def exit_code(self, fail_on: Severity) -> ExitCode:
        """1 for findings at or above the threshold; else 3 where something could not be told; else 0."""
        about = [each for each in self.findings if not each.code.startswith("KV9")]
        if any(each.severity.at_least(fail_on) for each in about):
            return ExitCode.FINDINGS
        return ExitCode.COULD_NOT_TELL if len(about) < len(self.findings) else ExitCode.OK


def diagnose(evidence: Evidence, rules: tuple[Rule, ...] = DOCTOR) -> Diagnosis:
    """Asks every rule."""
    found = [finding for rule in rules for finding in rule(evidence)]
    findings = linked(
        sorted(found, key=lambda each: (each.code[:3], each.severity.rank, each.code))
    )
    return Diagnosis(findings, cause_of(findings, evidence))
