"""Every exercise: right answers, the plausible wrong ones and the hint that each of them earns."""

import answers1
import answers2
import answers3
import answers4
import answers5
import answers6
import answers7
import answers8
import answers9
import pytest
import torch

from nonlocal_tut.check import EXERCISES, check

RIGHT, WRONG = [], []
for answers in (
    answers1,
    answers2,
    answers3,
    answers4,
    answers5,
    answers6,
    answers7,
    answers8,
    answers9,
):
    RIGHT += answers.RIGHT
    WRONG += answers.WRONG
FUNCTIONS = {exercise for exercise, answer in RIGHT if callable(answer)}
QUOTING = ("no longer runs: ", "what you return: ", "is not made as Late(16) is: ")  # torch's words
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
    assert line[-1] in ".?" or any(words in line for words in QUOTING)


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
def test_of_an_error_in_the_readers_function_the_hint_names_the_line(exercise, capsys):
    def broken(*given):
        return 1 / 0

    check(exercise, broken)
    assert capsys.readouterr().out == (
        f"✗ {exercise} not yet: it raises ZeroDivisionError, division by zero, at “return 1 / 0”.\n"
    )


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
