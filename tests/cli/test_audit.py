"""``validstats audit``: what it prints and writes, and its exit codes."""

from __future__ import annotations


def test_the_example_is_audited_verified_and_contradicted(run, workplace) -> None:
    shown = run("audit", "study.toml", "--output", "audit.html")
    assert shown.exit_code == 0 and "judge-bias" in shown.output
    assert (workplace / "audit.html").exists()
    confirmed = run("audit", "study.toml", "--verify", "audit.receipt.json")
    assert confirmed.exit_code == 0 and confirmed.output.startswith("Confirmed")
    study = workplace / "study.toml"
    study.write_text(study.read_text(encoding="utf-8").replace("0.49,", "0.48,"), encoding="utf-8")
    changed = run("audit", "study.toml", "--verify", "audit.receipt.json")
    assert changed.exit_code == 4 and "the receipt says 0.49" in changed.output


def test_a_finding_fails_where_that_is_asked_for(run, workplace) -> None:
    assert run("audit", "study.toml", "--fail").exit_code == 4
    (workplace / "clean.toml").write_text(
        '[[claim]]\nkind = "share"\nevents = 4\nn = 100\nsays = [0.04, 0.01, 0.1]\n', encoding="utf-8"
    )
    assert run("audit", "clean.toml", "--fail").exit_code == 0
