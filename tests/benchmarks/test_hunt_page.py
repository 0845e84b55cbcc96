"""The pages of what was tried: made from the recorded hunts, and the committed ones are what the command writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import hunt as command
from benchmarks import hunt_page
from validstats.validity import Choice, Claim, LogUniform, Prior, Trial, Uniform, claims, hunt

ROOT = Path(__file__).parents[2]


def test_committed_pages_are_those_of_the_recorded_hunts() -> None:
    hunts = hunt_page.read_hunts(ROOT / "benchmarks/results")
    assert {h.domain for h in hunts} == set(claims.DOMAINS)
    assert (ROOT / "docs/hunt.md").read_text(encoding="utf-8") == hunt_page.page(hunts)
    for domain in claims.DOMAINS:
        text = hunt_page.domain_page(domain, [h for h in hunts if h.domain == domain])
        assert (ROOT / f"docs/hunt/{domain}.md").read_text(encoding="utf-8") == text


def test_a_hunt_goes_from_its_files_to_the_pages(tmp_path, monkeypatch) -> None:
    def trial(setting, rng):
        return Trial(bool(rng.random() < 0.5), 2.0, True, 1.0, decided=False, reference_decided=True)

    claim = Claim("a coin", Prior({"n": LogUniform(5, 50, says="rows")}), trial, 0.9, reference="a peer")
    report = hunt([claim], n_trials=600, confirm_trials=200, n_confirmed=2, random_state=8)
    command.write(report, tmp_path / "hunt_mi_8.json")
    monkeypatch.setattr(hunt_page, "claims_of", lambda domain: [claim])
    hunt_page.main(["--results", str(tmp_path), "--docs", str(tmp_path)])
    overview = (tmp_path / "hunt.md").read_text(encoding="utf-8")
    assert f"| [Mutual information](hunt/mi.md) | 8 | 1 | {report.n_settings:,} |" in overview
    detail = (tmp_path / "hunt/mi.md").read_text(encoding="utf-8")
    assert "Drawn: `n` log-uniform 5 to 50 (rows)." in detail and "Reference: a peer." in detail
    assert "| below | 8 | 0.9 |" in detail and "| 1.000 | 2.00 | 0.00, 1.00 | 0% |" in detail
    assert (tmp_path / "images/hunt.png").stat().st_size > 10_000
    assert len(hunt_page.read_hunts(tmp_path)[0].drawn) == report.n_settings


def test_a_finding_is_drawn_again_from_its_file(tmp_path, monkeypatch, capsys) -> None:
    claim = Claim("a loss", Prior({"n": LogUniform(5, 50)}), lambda s, rng: Trial(rng.random() < 0.5), 0.9)
    monkeypatch.setattr(command, "claims_of", lambda domain: [claim])
    arguments = ["mi", "--trials", "300", "--confirm", "1", "--confirm-trials", "100"]
    assert command.main([*arguments, "--output", str(tmp_path / "f.json")]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 settings are below their level in")
    assert command.main(["mi", "--replay", str(tmp_path / "f.json"), "0"]) == 0
    assert "held=np.False_" in capsys.readouterr().out.replace("held=False", "held=np.False_")
    with pytest.raises(SystemExit):
        command.main(["mi", "--claim", "no such claim"])


def test_a_part_of_a_prior_is_hunted(monkeypatch, capsys) -> None:
    parameters = {"n": LogUniform(5, 500), "shift": Uniform(-1, 1), "law": Choice(("plain", "skewed", 3))}
    known = Claim("mean", Prior(parameters), lambda s, rng: Trial(True), 0.9)
    other = Claim("other", Prior({"m": LogUniform(5, 500)}), lambda s, rng: Trial(True), 0.9)
    part = command.within(known, [("n", "20:9000"), ("shift", "0.5"), ("law", "3")])
    rng = np.random.default_rng(0)
    drawn = [part.prior.draw(rng) for _ in range(200)]
    drawn += [part.prior.mutate(setting, rng) for setting in drawn]
    assert min(s["n"] for s in drawn) >= 20 and max(s["n"] for s in drawn) > 400
    assert {s["shift"] for s in drawn} == {0.5} and {s["law"] for s in drawn} == {3}
    nothing = [
        ("m", "5:9"),
        ("n", "600:700"),
        ("n", "9:8"),
        ("n", "many"),
        ("law", "normal"),
        ("law", "plain:3"),
    ]
    assert all(command.within(known, [each]) is None for each in nothing)
    monkeypatch.setattr(command, "claims_of", lambda domain: [known, other])
    seen = []
    monkeypatch.setattr(
        command,
        "hunt",
        lambda claims, **options: seen.extend(claims) or hunt([known], n_trials=20, confirm_trials=2),
    )
    assert command.main(["mi", "--where", "law=skewed", "--where", "n=5:9", "--trials", "20"]) == 0
    assert [claim.name for claim in seen] == ["mean"]
    assert seen[0].prior.parameters == {**parameters, "n": LogUniform(5, 9), "law": Choice(("skewed",))}
    for where in ("n=600:700", "law", "law=normal", "size=3"):
        capsys.readouterr()
        with pytest.raises(SystemExit):
            command.main(["mi", "--where", where])
        said = capsys.readouterr().err
        assert where in said and ("NAME=LOW:HIGH" in said or "they are drawn from" in said)
