"""Every exercise: right answers, the plausible wrong ones and the hint that each of them earns."""

import answers1
import answers2
import answers4
import answers5
import answers6
import answers7
import answers8
import answers9
import pytest
import torch

from nonlocal_tut import NonLocalBlock
from nonlocal_tut.check import EXERCISES, check


def pooled_map(**switches):
    block = NonLocalBlock(64, **switches)
    return block(torch.zeros(2, 64, 14, 14), return_attention=True)[1].shape


def scaled(*names, power=1.0):
    """3.2: these entries times scale ** power."""
    return lambda state, scale: {
        name: t * scale**power if name in names else t for name, t in state.items()
    }


THETA, PHI = ("theta.weight", "theta.bias"), ("phi.weight", "phi.bias")


def split(theta, phi, w_f):
    """3.3: a column of the queries' part plus a row of the keys' part."""
    of_theta, of_phi = w_f.chunk(2)
    return ((theta @ of_theta)[:, :, None] + (phi @ of_phi)[:, None, :]).relu()  # (B, N, N)


def paired(theta, phi, w_f):
    n = theta.shape[1]
    rows, columns = theta[:, :, None].expand(-1, -1, n, -1), phi[:, None].expand(-1, n, -1, -1)
    return (torch.cat([rows, columns], -1) @ w_f).relu()


RIGHT = [
    ("3.1", pooled_map(subsample="after")),
    ("3.1", [2, 196, 49]),
    ("3.2", scaled(*THETA)),
    ("3.2", scaled(*PHI)),
    ("3.2", scaled(*THETA, *PHI, power=0.5)),
    ("3.2", scaled("phi.weight")),  # phi's bias adds theta·b to a whole row: softmax drops it
    ("3.3", split),
]

WRONG = [
    ("3.1", pooled_map(), "the map without the pool"),
    ("3.1", (2, 49, 49), "queries are not pooled"),
    ("3.1", (2, 49, 196), "rows are queries, columns are keys"),
    ("3.1", (196, 49), "and the batch?"),
    ("3.1", (2, 14, 7), "Which of queries and keys does the pool touch?"),
    ("3.1", 9604, "a shape is asked for"),
    ("3.2", scaled("theta.weight"), "a weight and a bias"),
    ("3.2", scaled(*THETA, *PHI), "scaled twice"),
    ("3.2", scaled(), "you changed nothing"),
    ("3.2", scaled("w_z.weight"), "you changed w_z.weight"),
    ("3.2", lambda state, scale: None, "does not load"),
    ("3.2", lambda state, scale: {"theta.weight": state["theta.weight"]}, "phi.weight"),
    ("3.2", lambda state, scale: state | {"scale": torch.tensor(scale)}, '"scale"'),
    ("3.3", lambda *given: split(*given)[0], "should have shape (2, 9, 9), yours has (9, 9)"),
    ("3.3", lambda *given: split(*given).mT, "rows are queries, columns are keys"),
    ("3.3", lambda t, p, w: (t @ w[:4])[:, :, None] + (p @ w[4:])[:, None], "ReLU"),
    ("3.3", paired, "a tensor of 1296 entries was made; the map has 162"),
    ("3.3", lambda *given: None, "None"),
    ("3.3", lambda *given: split(*given).float(), "should be torch.float64"),
]
for answers in (answers1, answers2, answers4, answers5, answers6, answers7, answers8, answers9):
    RIGHT += answers.RIGHT
    WRONG += answers.WRONG
FUNCTIONS = {exercise for exercise, answer in RIGHT if callable(answer)}
SILLY = ["fifty-five", 5.5, [], [[1]], {}, torch.tensor([2.0, 3.0])]


def named(rows):
    return [pytest.param(*row, id=f"{row[0]}-{n}") for n, row in enumerate(rows)]


def test_every_exercise_has_right_and_wrong_answers_here():
    assert {row[0] for row in RIGHT} == {row[0] for row in WRONG} == set(EXERCISES)


@pytest.mark.parametrize(("exercise", "answer"), named(RIGHT))
def test_a_right_answer_is_right(exercise, answer, capsys):
    assert check(exercise, answer) is None
    assert capsys.readouterr().out == f"✓ {exercise} right\n"


@pytest.mark.parametrize(("exercise", "answer", "phrase"), named(WRONG))
def test_a_wrong_answer_earns_its_hint(exercise, answer, phrase, capsys):
    check(exercise, answer)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"✗ {exercise} not yet: ")
    assert phrase in line


@pytest.mark.parametrize("exercise", EXERCISES)
def test_none_is_not_attempted_yet(exercise, capsys):
    check(exercise, None)
    assert capsys.readouterr().out == f"○ {exercise} not attempted yet\n"


@pytest.mark.parametrize("exercise", sorted(FUNCTIONS))
def test_a_stub_is_not_attempted_yet(exercise, capsys):
    def stub(*given):
        raise NotImplementedError

    check(exercise, stub)
    assert capsys.readouterr().out == f"○ {exercise} not attempted yet\n"


@pytest.mark.parametrize("exercise", sorted(FUNCTIONS))
def test_an_error_in_the_readers_function_stays_the_readers_to_see(exercise, capsys):
    """Its traceback ends in the line that is wrong; no hint could say more."""

    def broken(*given):
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as raised:
        check(exercise, broken)
    assert raised.traceback[-1].name == "broken"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_answer_of_a_silly_type_earns_a_hint_not_a_traceback(exercise, capsys):
    for answer in SILLY:
        check(exercise, answer)
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"✗ {exercise} not yet: ")
        assert "a function is asked for" in line or exercise not in FUNCTIONS


@pytest.mark.parametrize("exercise", ["0.1", "1", "", 1.1, None])
def test_an_exercise_that_does_not_exist_is_an_error(exercise):
    with pytest.raises(ValueError, match=r"exercise must be one of 1\.1, 1\.2") as raised:
        check(exercise, 55)
    assert repr(exercise) in str(raised.value)


@pytest.mark.parametrize(("exercise", "answer"), named(RIGHT))
def test_checking_leaves_the_global_random_state_as_it_was(exercise, answer):
    before = torch.get_rng_state()
    check(exercise, answer)
    assert torch.equal(torch.get_rng_state(), before)
