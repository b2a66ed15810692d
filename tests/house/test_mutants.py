"""What `make mutation` makes of mutmut's output."""

from tests.house.mutants import Survivor, judged, statuses, survivor

RESULTS = """
    kubevouch.policy.timing.x_fresh__mutmut_1: killed
    kubevouch.policy.timing.x_fresh__mutmut_2: survived
    kubevouch.policy.decide.xǁDecisionǁheld_by__mutmut_1: timeout
"""

DIFF = """# kubevouch.policy.timing.x_fresh__mutmut_2: survived
--- src/kubevouch/policy/timing.py
+++ src/kubevouch/policy/timing.py
@@ -1,3 +1,3 @@
 def fresh(facts):
-    if age > LONGEST:
+    if age >= LONGEST:
         return held
"""

OF_FRESH = Survivor("policy.timing.fresh", "if age > LONGEST:", "if age >= LONGEST:")


def test_a_survivor_is_known_by_its_change_and_not_by_its_number() -> None:
    assert survivor("kubevouch.policy.timing.x_fresh__mutmut_2", DIFF) == OF_FRESH
    assert survivor("kubevouch.policy.timing.x_fresh__mutmut_9", DIFF) == OF_FRESH


def test_a_survivor_in_a_method_is_named_with_its_class() -> None:
    mutant = "kubevouch.policy.decide.xǁDecisionǁheld_by__mutmut_1"
    assert survivor(mutant, DIFF).function == "policy.decide.Decision.held_by"


def test_an_unexplained_survivor_is_a_fault_and_an_explained_one_is_none() -> None:
    found = statuses(RESULTS) | {f"killed {number}": "killed" for number in range(100)}
    assert list(statuses(RESULTS).values()) == ["killed", "survived", "timeout"]
    assert judged(found, [OF_FRESH], [OF_FRESH]) == []
    assert [fault.partition(":")[0] for fault in judged(found, [OF_FRESH], [])] == [
        "no test notices, and survivors.toml does not say why"
    ]
    assert [fault.partition(":")[0] for fault in judged(found, [], [OF_FRESH])] == [
        "survivors.toml explains what no longer survives"
    ]


def test_too_many_survivors_are_a_fault_even_explained() -> None:
    assert judged(statuses(RESULTS), [OF_FRESH], [OF_FRESH]) == [
        "66.7 % of the changes made a test fail; 97 % expected"
    ]
