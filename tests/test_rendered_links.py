"""A rendered page links to no host that its source does not name."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from book_pages import Book
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^\s*(?:`{3,}|~{3,}|:{3,}).*$", re.MULTILINE)  # what a directive holds is text


def parser(**changed):
    """Markdown to HTML as `_config.yml` has it, some settings changed."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings = {
        "enable_extensions": set(config["parse"]["myst_enable_extensions"]),
        "linkify_fuzzy_links": config["sphinx"]["config"]["myst_linkify_fuzzy_links"],
    }
    return create_md_parser(MdParserConfig(**settings | changed), RendererHTML)


def strangers(text, parser):
    """Hosts that the rendered text links to and its source does not name."""
    html = parser.render(FENCE.sub("", text))
    hosts = {urlsplit(link).netloc for link in re.findall(r'href="([^"]*)"', html)}
    return {host for host in hosts if host and f"//{host.lower()}" not in text.lower()}


def test_no_page_links_to_a_host_that_its_source_does_not_name():
    ours = parser()
    found = {where: strangers(text, ours) for where, text in Book(ROOT).markdown}
    assert {where: hosts for where, hosts in found.items() if hosts} == {}


@pytest.mark.parametrize("name", ["SoftMax.cu", "run.sh", "README.md", "nonlocal.py"])
@pytest.mark.parametrize("around", ["It stands in {}.", "```{{note}}\nIt stands in {}.\n```"])
def test_a_file_name_in_a_sentence_becomes_no_link(name, around):
    assert strangers(around.format(name), parser()) == set()


def test_with_fuzzy_links_the_test_would_fail():
    assert strangers("It stands in SoftMax.cu.", parser(linkify_fuzzy_links=True)) == {"SoftMax.cu"}
