"""KV9xx: facts that could not be obtained."""

from kubevouch.diagnose.catalogue.codes import Code
from kubevouch.diagnose.catalogue.definition import DOCTOR_AND_VERIFY, INFO, FindingDefinition

DEFINITIONS = (
    FindingDefinition(
        code=Code.NOT_ALLOWED,
        name="NotAllowed",
        severity=INFO,
        see="The API server answered one of our reads with 403.",
        why="The credentials in use lack a right; whatever depends on it could not be told.",
        do="`kubevouch doctor --print-role` prints the reader role; bind it to this user.",
        counts_in=DOCTOR_AND_VERIFY,
        next=("kubevouch", "doctor", "--print-role"),
        by_hand="Have somebody bind the role that this prints to the user of this kubeconfig.",
    ),
    FindingDefinition(
        code=Code.NOT_DIALLED,
        name="NotDialled",
        severity=INFO,
        see="Kubelets could not be dialled from here, and nothing else tells what they serve.",
        why="Their addresses may not be reachable from this machine; metrics-server may reach them all the same. (If others are reached from here and one refuses the connection, that is "
        "its node's answer: KV201.)",
        do="Run kubevouch where the nodes' addresses can be reached.",
        counts_in=DOCTOR_AND_VERIFY,
        by_hand="Run kubevouch where the nodes' addresses can be reached.",
    ),
    FindingDefinition(
        code=Code.INCONCLUSIVE,
        name="Inconclusive",
        severity=INFO,
        see="Something could not be read, or two places disagree.",
        why="The finding's text says what was seen.",
        do="Run it again; `-o json` has the whole evidence.",
        counts_in=DOCTOR_AND_VERIFY,
        by_hand="Look at what is listed under could-not-tell, then run doctor again.",
    ),
    FindingDefinition(
        code=Code.TOO_EARLY,
        name="TooEarly",
        severity=INFO,
        see="Right after a change the metrics API has no numbers of a node, or metrics-server is not ready yet, or only just.",
        why="metrics-server needs two scrapes of a node, 15 seconds apart or more, before it has a number.",
        do="Wait: `kubevouch verify --wait 2m`.",
        counts_in=DOCTOR_AND_VERIFY,
        next=("kubevouch", "verify", "--wait", "2m"),
    ),
    FindingDefinition(
        code=Code.RUN_NOT_FINISHED,
        name="RunNotFinished",
        severity=INFO,
        see="A run of `apply` is under way, or was begun and has not ended: a node may be changed and not proven yet.",
        why="What such a node serves may be taken back at any moment by its dead-man's switch.",
        do="`kubevouch status RUN` reads off the nodes where the run stands, and says what comes next: let it end, go on with it by "
        "`kubevouch resume RUN`, or put its nodes back by `kubevouch undo RUN`.",
        counts_in=DOCTOR_AND_VERIFY,
        next=("kubevouch", "status", "{run}"),
        by_hand="If this run is still at work in another terminal, let it end. To put its nodes back: `kubevouch undo {run}`.",
    ),
)
