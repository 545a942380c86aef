"""Tables of numbers, as a page and as a terminal show them."""

import pytest

from nonlocal_tut.tables import table

ROWS = [("article", 1048576, True, "0.5 ×"), ("a < b", None, False, "12 ×")]


def shown():
    return table(["form", "bytes", "exact", "time"], ROWS)


def test_the_text_is_aligned_numbers_on_the_right():
    assert repr(shown()).split("\n") == [
        "form         bytes  exact   time",
        "article  1,048,576  yes    0.5 ×",
        "a < b            –  no      12 ×",
    ]


def test_a_number_below_zero_has_a_minus_and_no_hyphen():
    assert repr(table(["a"], [(-1024,)])) == "     a\n−1,024"


def test_the_page_gets_the_same_cells_escaped():
    html = shown()._repr_html_()
    assert "<td>a &lt; b</td>" in html and '<td class="text-end">1,048,576</td>' in html
    assert html.count("<tr>") == 3 and html.count("<td") == 8 and html.count("<th") == 1 + 4
    assert '<th class="text-end">time</th>' in html and "<th>exact</th>" in html


@pytest.mark.parametrize("numbers", [["1", "2.5"], ["1,024", "−3"], ["97 %", "–"], [1, None]])
def test_what_counts_or_measures_stands_on_the_right(numbers):
    assert repr(table(["a long name"], [(n,) for n in numbers])).split("\n")[1][0] == " "


@pytest.mark.parametrize("words", [["yes", "1"], [True, False], ["1 × 2", "3"]])
def test_words_stand_on_the_left(words):
    assert repr(table(["a long name"], [(w,) for w in words])).split("\n")[1][0] != " "


def test_names_of_kernels_are_code_where_a_column_has_nothing_else():
    html = table(["a", "b"], [("math", "math"), ("none", "wide")])._repr_html_()
    assert html.count("<code>") == 1 and "<td><code>math</code></td><td>math</td>" in html


def test_no_rows_are_a_head_alone():
    assert repr(table(["a", "b"], [])) == "a  b"


def test_a_row_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"a row has 1 cells for 2 columns: \('x',\)"):
        table(["a", "b"], [("x",)])
