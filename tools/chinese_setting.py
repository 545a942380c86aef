"""How Chinese is set: what no line may part, and what Sphinx leaves in English in a built page."""

import re

# Code, formulas, addresses and tags stay as they are.
CLOSED = r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$]+\$|\]\([^)]*\)|<[^>]+>"
UNITS = r"(?:[KMG]i?B|kB|ms|%)(?![A-Za-z])"
TOGETHER = rf"(?<=第) (?=\d)|(?<=第 \d) (?=\S)|(?<=\d) (?={UNITS})| (?=·)"
SPACE = re.compile(f"{CLOSED}|{TOGETHER}", re.DOTALL)
NO_BREAK = "\u00a0"

CITATION = re.compile(r'<span class="bibtex-citation".*?</span>', re.DOTALL)
BETWEEN_TAGS = re.compile("(?<=>)[^<>]+(?=<)")
IN_CITATIONS = {r", (?=\d{4}|n\.d\.)": "，", r"n\.d\.": "无日期", r"et al\.": "等", " and ": " 和 "}
UPRIGHT = re.compile(r"<em>(等)</em>")
EXERCISE = re.compile(r'(<span class="caption-number">练习 [\d.]+) ?</span> \((.*?)\)(?=</p>)')
BY = "作者："  # the theme adds a space
# The article's entry, as its style writes it.
ARTICLE = (
    "WeChat public account. In Chinese: an introduction to the paper through a PyTorch "
    "self-attention block; the article that this book walks through."
)


def kept_together(markdown):
    """Markdown with no line's end inside "第 9 章" or "64 MiB", nor before a "·"."""
    return SPACE.sub(lambda found: NO_BREAK if found[0] == " " else found[0], markdown)


def page(html, say):
    """A built page: citations in Chinese, an exercise's title in brackets of Chinese width.

    say: from words of the site to Chinese.
    """
    html = CITATION.sub(lambda found: citation(found[0]), html)
    html = EXERCISE.sub(r"\1</span>（\2）", html)
    html = html.replace(f"{BY} ", BY)
    return html.replace(ARTICLE, say(ARTICLE))


def citation(html):
    """Wang et al., 2018 -> Wang 等，2018; the tooltip, which is the entry, stays."""

    def told(found):
        text = found[0]
        for english, chinese in IN_CITATIONS.items():
            text = re.sub(english, chinese, text)
        return text

    return UPRIGHT.sub(r"\1", BETWEEN_TAGS.sub(told, html))
