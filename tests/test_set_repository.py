"""The repository's address is written everywhere at once, and nothing else is touched."""

import pytest
import set_repository as tool
from book_examples import ADDRESS, FAR, NEAR, build
from book_links import colab_links_lead_home, one_repository_address
from book_pages import Book
from book_rules import set_up_cell_is_the_same

NEW = "https://github.com/new-owner/new.name"


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_every_place_changes_and_nothing_else(tmp_path):
    build(tmp_path)
    before = contents(tmp_path)
    changed = tool.set_repository(NEW, tmp_path)
    assert {path.as_posix(): places for path, places in changed.items()} == {
        "_config.yml": 1,
        "README.md": 1,
        "CITATION.cff": 1,
        "pyproject.toml": 1,
        NEAR: 2,  # the Colab link and the set-up cell
        FAR: 2,
    }
    for path, content in contents(tmp_path).items():
        assert content == before[path].replace(b"some-one/a-book", b"new-owner/new.name")
    assert one_repository_address(Book(tmp_path)) == []
    assert set_up_cell_is_the_same(Book(tmp_path)) == []


def test_another_version_is_written_without_an_address(tmp_path, capsys, monkeypatch):
    build(tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    version = tmp_path / "pyproject.toml"
    version.write_text(version.read_text("utf-8").replace("1.2", "1.3.0"), encoding="utf-8")
    assert colab_links_lead_home(Book(tmp_path)) and set_up_cell_is_the_same(Book(tmp_path))
    assert tool.main([]) == 0
    assert f"{NEAR}: 2 places\n" in (said := capsys.readouterr().out)
    assert "git push origin v1.3.0" in said and "_config.yml" not in said
    assert colab_links_lead_home(Book(tmp_path)) == set_up_cell_is_the_same(Book(tmp_path)) == []
    for path, content in contents(tmp_path).items():
        if path.suffix == ".ipynb":
            assert content == before[path].replace(b"v1.2", b"v1.3.0")


def test_a_second_time_changes_nothing_and_there_is_a_way_back(tmp_path):
    build(tmp_path)
    before = contents(tmp_path)
    tool.set_repository(NEW, tmp_path)
    once = contents(tmp_path)
    assert tool.set_repository(NEW, tmp_path) == {}
    assert contents(tmp_path) == once
    tool.set_repository(ADDRESS, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "before, after",
    [
        (
            "git+https://github.com/some-one/a-book",
            "git+https://github.com/new-owner/new.name@v1.2",
        ),
        (
            "git+https://github.com/some-one/a-book@v1`",
            "git+https://github.com/new-owner/new.name@v1.2`",
        ),
        ("git+https://github.com/some-one/a-book-2", "git+https://github.com/some-one/a-book-2"),
        (
            "colab.research.google.com/github/some-one/a-book/blob/main/book/1.ipynb",
            "colab.research.google.com/github/new-owner/new.name/blob/v1.2/book/1.ipynb",
        ),
        ("github.com/some-one/a-book/blob/main/x", "github.com/new-owner/new.name/blob/main/x"),
        ("github.com/some-one/a-book.git@v1", "github.com/new-owner/new.name.git@v1"),
        ("(https://github.com/some-one/a-book).", "(https://github.com/new-owner/new.name)."),
        ("at https://github.com/some-one/a-book.", "at https://github.com/new-owner/new.name."),
        ("github.com/some-one/a-book/issues", "github.com/new-owner/new.name/issues"),
        ("https://some-one.github.io/a-book/x", "https://new-owner.github.io/new.name/x"),
        ("github.com/some-one/a-book-2", "github.com/some-one/a-book-2"),
        ("github.com/some-one/a-book.js", "github.com/some-one/a-book.js"),
        ("github.com/else-some-one/a-book", "github.com/else-some-one/a-book"),
        ("some-one/a-book", "some-one/a-book"),
        ("nogithub.com/some-one/a-book", "nogithub.com/some-one/a-book"),
        ("a-some-one.github.io/a-book", "a-some-one.github.io/a-book"),
        ("a\r\ngithub.com/some-one/a-book\r\n", "a\r\ngithub.com/new-owner/new.name\r\n"),
    ],
)
def test_the_whole_address_and_only_that(before, after, tmp_path):
    build(tmp_path)
    (tmp_path / "README.md").write_bytes(before.encode())
    tool.set_repository(NEW, tmp_path)
    assert (tmp_path / "README.md").read_bytes() == after.encode()


@pytest.mark.parametrize("given", [NEW + "/", NEW + ".git", NEW + ".git/", f" {NEW}\n"])
def test_an_address_may_end_as_people_copy_it(given):
    assert tool.parse(given) == ("new-owner", "new.name")


@pytest.mark.parametrize(
    "given",
    [
        "new-owner/new.name",
        "http://github.com/a/b",
        "https://gitlab.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/tree/main",
        "https://github.com/a/b?c",
        "https://github.com/-a/b",
        "https://github.com/a-/b",
        "https://github.com/a_b/c",
        "https://github.com/" + "a" * 40 + "/b",
        "https://github.com/" + "-".join("a" * 25) + "/b",
        "https://github.com/a/..",
        "https://github.com/a/b c",
        "",
        tool.PLACEHOLDER,  # nobody can own it, so nobody can move in
    ],
)
def test_what_github_cannot_have_is_refused(given, tmp_path):
    build(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="got ") as error:
        tool.set_repository(given, tmp_path)
    assert repr(given) in str(error.value)
    assert contents(tmp_path) == before


def test_the_command_says_what_it_did(tmp_path, capsys, monkeypatch):
    build(tmp_path)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    assert tool.main([NEW]) == 0
    assert f"{NEAR}: 2 places\n" in (said := capsys.readouterr().out)
    assert "_config.yml: 1 place\n" in said
    assert tool.main([NEW]) == 0
    assert capsys.readouterr().out.startswith(f"Every file has {NEW} and v1.2 already.\n")
    assert tool.main(["https://github.com/a--b/c"]) == 1
    assert "'https://github.com/a--b/c'" in capsys.readouterr().err
    assert tool.main([]) == 0 and "and v1.2 already" in capsys.readouterr().out
    assert tool.main([NEW, NEW]) == 2


def test_a_run_that_was_cut_short_can_be_repeated(tmp_path):
    build(tmp_path)
    config = (tmp_path / "_config.yml").read_bytes()
    tool.set_repository(NEW, tmp_path)
    whole = contents(tmp_path)
    (tmp_path / "_config.yml").write_bytes(config)
    assert [str(path) for path in tool.set_repository(NEW, tmp_path)] == ["_config.yml"]
    assert contents(tmp_path) == whole
    assert tool.book_files(tmp_path)[-1].name == "_config.yml"
