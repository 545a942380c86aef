"""Which source a number of the prose may repeat, and which it may not."""

import pytest
from book_numbers import without_source
from number_binding import repeats
from number_places import Place
from number_reading import quantities
from number_sources import of_line


@pytest.mark.parametrize(
    ("said", "source", "ease", "known"),
    [
        ("a gain of 2.0 points", "gain in points: 2.0", 0, True),
        ("a gain of 2.0 points", "gain in points: 2", 0, False),  # written without decimals
        ("a gain of two points", "gain in points: 2", 0, True),
        ("with 5, 10 and 20 layers", "for layers in (5, 10, 20):", 0, True),
        ("with 5, 10 and 21 layers", "layers, trained nets, seeds, hours, costs: 21", 0, False),
        ("a map of 12×13 positions", "shape (2, 3, 12, 13)", 0, True),
        ("a map of 12×13 positions", "shape (2, 3, 12, 13)", -1, False),  # far, of another thing
        ("a map of 12×13 positions", "shape of the map (2, 3, 12, 13)", -1, True),
        ("a map of 12×12 positions", "shape (2, 3, 12, 12)", -1, True),
    ],
)
def test_a_number_repeats_what_is_written_alike(said, source, ease, known):
    number = quantities(said)[-1]
    assert repeats(number, of_line(source), said, ease) is known


@pytest.mark.parametrize(
    ("sentence", "unknown"),
    [
        ("Five blocks gain 2.0 points (Table 2c).", []),
        ("Five blocks gain 1.1 points (Table 2c).", ["1.1"]),
        ("By space alone they gain 1.1 points (Table 2d).", []),
        ("By space alone they gain 1.1 points.", []),  # from any table that is within reach
    ],
)
def test_what_a_sentence_says_of_a_table_of_the_paper_stands_there(sentence, unknown):
    near = of_line("points gained by space 1.1, by five blocks 2.0")
    place = Place("a page", sentence, near)
    assert [number.text for number, _ in without_source(place)] == unknown
