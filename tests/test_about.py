"""What a report of a problem begins with, and the form that asks for it."""

import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
import yaml

from nonlocal_tut import about
from nonlocal_tut.pairwise.backends import fused_backend

ROOT = Path(__file__).resolve().parent.parent


def told(lines):
    return {line[:13].strip(): line[14:] for line in lines}


def test_the_command_tells_versions_device_and_kernels():
    command = [sys.executable, "-m", "nonlocal_tut.about"]
    said = told(subprocess.check_output(command, cwd=ROOT, text=True).splitlines())
    assert said.keys() == told(about.lines()).keys()
    assert said["torch"].split(",")[0] == torch.__version__
    assert said["numpy"] == numpy.__version__
    assert said["processor"] == torch.backends.cpu.get_cpu_capability()
    assert str(ROOT / "nonlocal_tut") in said["nonlocal_tut"]


@pytest.mark.parametrize("capability", [None, (7, 5), (9, 0)])
def test_the_kernels_are_those_of_the_device(capability, monkeypatch):
    if capability:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    said = told(about.lines())
    for part in said["kernels"].split(", ")[:-1]:
        kernel, dtype = part.split(" in ")
        assert kernel == fused_backend(64, 64, getattr(torch, dtype), capability).backend
    there = f"a card, compute capability {capability[0]}.{capability[1]}" if capability else "none"
    assert said["GPU"].startswith(there)


def test_a_package_that_is_not_there_is_said_so(monkeypatch):
    def missing(name):
        raise about.PackageNotFoundError(name)

    monkeypatch.setattr(about, "version", missing)
    assert told(about.lines())["matplotlib"] == "not installed"


def test_the_form_for_bugs_asks_for_it():
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    wanted = [field for field in yaml.safe_load(form)["body"] if field["type"] != "markdown"]
    fields = {field["id"]: field for field in wanted}
    assert "python -m nonlocal_tut.about" in fields["about"]["attributes"]["description"]
    assert fields["about"]["validations"]["required"]
