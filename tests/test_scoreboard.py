"""Every claim is on the first page's scoreboard."""

import re
from pathlib import Path

import scoreboard

ROOT = Path(__file__).resolve().parent.parent


def test_every_claim_is_on_the_scoreboard_once_with_its_cell():
    claims = (ROOT / "book/claims.md").read_text(encoding="utf-8")
    rows = scoreboard.board(claims, scoreboard.HEAD).splitlines()[2:]
    names = re.findall(r"\[(A\d+)\]", "".join(rows))
    assert sorted(names, key=lambda name: int(name[1:])) == [f"A{n}" for n in range(1, 17)]
    for row in rows:
        verdict, count, which = row.strip("| ").split(" | ")
        assert int(count) == which.count("[A") and verdict
        for name, target in re.findall(r"\[(A\d+)\]\((\S+)", which):
            assert target.startswith(f"#claim-{name.lower()}-") or name == "A1"
