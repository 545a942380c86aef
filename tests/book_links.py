"""The rules that hold between the book's files: links, contents, citations, claims, the address."""

import ast
import re
import tomllib
from urllib.parse import unquote

import yaml
from book_pages import CLAIM_COLUMNS, prose
from book_rules import CLAIM_IDS, rule
from set_repository import PLACEHOLDER, book_files, parse, spellings

VERDICTS = ("holds", "holds, with limits", "not what the paper says")
COLAB = re.compile(
    r"https://colab\.research\.google\.com/github/([^/\s)\"]+/[^/\s)\"]+)/blob/([^/\s]+)/([^\s)\"]+)"
)
OTHER_HOST = re.compile(
    r"""!\[[^\]]*\]\(\s*<?(?:https?:)?//
    | \{(?:image|figure|iframe|video)\}\s*https?://
    | \b(?:src|srcset|poster)\s*=\s*["']?(?:https?:)?//
    | <(?:link|image|use)\b[^>]*\bhref\s*=\s*["']?(?:https?:)?//
    | (?:\burl\(|@import)\s*["']?(?:https?:)?//
    | (?:\bfrom|\bimport|\bfetch)\s*\(?["'](?:https?:)?//""",
    re.VERBOSE | re.IGNORECASE,
)


ADDRESSES = ("repository.url", "html.baseurl")  # in _config.yml: links, which load nothing
LOADERS = ("analytics", "comments", "thebe")  # ... and what loads scripts of others, if switched on


@rule
def colab_links_lead_home(book):
    found = []
    for page, cells in book.notebooks.items():
        links = [(cell, match) for cell in cells for match in COLAB.finditer(cell.source)]
        if len(links) != 1 or links[0][0] is not cells[0]:
            found.append(f"{page}: {len(links)} Colab links; one is needed, in the first cell")
        found += [
            f"{cell.where}: its Colab link opens {match[2]}/{match[3]}, not {book.tag}/{page}"
            for cell, match in links
            if (match[2], match[3]) != (book.tag, page)
        ]
    for page in [*book.pages, "README.md"]:
        if page.endswith(".md"):
            for match in COLAB.finditer(book.text(page)):
                if match[2] != book.tag or match[3] not in book.notebooks:
                    found.append(f"{page}: its Colab link opens {match[2]}/{match[3]}, no notebook")
    return found


@rule
def pages_and_contents_agree(book):
    names = {re.sub(r"\.(md|ipynb)$", "", page): page for page in book.pages}
    found = [f"{page}: not in _toc.yml" for name, page in names.items() if name not in book.toc]
    return found + [f"_toc.yml: there is no page {name}" for name in book.toc if name not in names]


@rule
def citations_and_bibliography_agree(book):
    entries = re.findall(
        r"^@(?!comment|string|preamble)\w+\{([^,\s]+),",
        book.text("book/references.bib"),
        re.MULTILINE | re.IGNORECASE,
    )
    found, cited, told = [], set(), []
    for where, text in book.markdown:
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
            keys = [key.strip() for key in group.split(",")]
            if where == "book/references.md":
                told += keys
            else:
                cited.update(keys)
            found += [f"{where}: {k!r} is not in references.bib" for k in keys if k not in entries]
    found += [
        f"book/references.md: {told.count(k)} lines on {k!r}; it says once what each is good for"
        for k in entries
        if told.count(k) != 1
    ]
    found += [
        f"book/references.bib: {k!r} is there twice" for k in {*entries} if entries.count(k) > 1
    ]
    return found + [f"book/references.bib: nothing cites {k!r}" for k in entries if k not in cited]


@rule
def one_repository_address(book):
    found, ours = [], "/".join(book.address.split("/")[-2:])
    if book.address != PLACEHOLDER:
        try:
            parse(book.address)
        except ValueError as error:
            found.append(f"_config.yml: {error}")
    same_name = re.compile(rf"github\.com/([\w-]+/{re.escape(ours.split('/')[1])})(?![\w-])")
    for file in book_files(book.root):
        name, text = file.relative_to(book.root).as_posix(), file.read_text(encoding="utf-8")
        others = {match[1] for pattern in (COLAB, same_name) for match in pattern.finditer(text)}
        found += [f"{name}: it names {other}, the book is {ours}" for other in others - {ours}]
        if book.address != PLACEHOLDER and any(old in text for old in spellings(PLACEHOLDER)):
            found.append(f"{name}: it still names the placeholder")
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        if book.address not in book.text(name):
            found.append(f"{name}: it does not name {book.address}")
    urls = tomllib.loads(book.text("pyproject.toml")).get("project", {}).get("urls", {})
    found += [
        f"pyproject.toml: {key} is {url}, the book is {book.address}"
        for key, url in urls.items()
        if "github.com" in url and not url.startswith(book.address)
    ]
    return found


@rule
def claims_are_backed(book):
    tagged = {}
    for page, cells in book.code.items():
        for cell in cells:
            for tag in cell.tags:
                if tag.startswith("claim-"):
                    tagged.setdefault((tag.removeprefix("claim-"), page), []).append(cell)
    found, linked = [], set()
    if not book.claims:
        found.append(f"book/claims.md: no table | {' | '.join(CLAIM_COLUMNS)} |")
    ids = [claim.id for claim in book.claims]
    for claim in book.claims:
        if claim.id not in CLAIM_IDS or ids.count(claim.id) > 1:
            found.append(f"{claim.where}: an unknown or repeated id; they are A1 to A16")
        if claim.verdict not in VERDICTS:
            found.append(f"{claim.where}: the verdict {claim.verdict!r} is none of {VERDICTS}")
        links = re.findall(r"\]\(#claim-(\w+)-(\d)\)", claim.place)
        pages = {page for page in book.chapters for _, n in links if page.startswith(f"book/0{n}_")}
        if wrong := {name for name, _ in links if name != claim.id.lower()}:
            found.append(f"{claim.where}: it links to the cells of {', '.join(sorted(wrong))}")
        linked |= {(claim.id, page) for page in pages}
        if not pages and not ("Cited, not run" in claim.place and "{cite" in claim.place):
            found.append(
                f"{claim.where}: neither a link to a tagged cell nor “Cited, not run” and a cite"
            )
        for page in sorted(pages):
            number = len(tagged.get((claim.id, page), []))
            if number != 1:
                found.append(f"{claim.where}: {page} has {number} cells tagged claim-{claim.id}")
    for (claim, page), cells in tagged.items():
        for cell in cells:
            if (claim, page) not in linked:
                found.append(f"{cell.where}: no row {claim} in claims.md links to this page")
            if not _asserts(cell.source):
                found.append(f"{cell.where}: tagged claim-{claim}, but it asserts nothing")
    return found


@rule
def verdicts_agree(book):
    """Of claims.md and of the comment "# Claim A7: … Holds, with limits." in each tagged cell."""
    verdicts, found = {claim.id: claim.verdict for claim in book.claims}, []
    for cell in book.code_cells:
        for tag in cell.tags:
            name = tag.removeprefix("claim-")
            if name == tag or name not in verdicts:
                continue
            said = _verdict(cell.source, name)
            if said != verdicts[name]:
                found.append(
                    f"{cell.where}: its comment on {name} ends in {said!r}, and claims.md says "
                    f"{verdicts[name]!r}"
                )
    return found


def _verdict(source, claim):
    """What the comment on a claim ends in; "" where there is none."""
    comment = re.search(
        rf"^# Claim {claim}: (.*\n(?:#(?! Claim ).*\n)*)", source + "\n", re.MULTILINE
    )
    text = " ".join(comment[1].replace("\n# ", " ").split()) if comment else ""
    words = sorted(VERDICTS, key=len, reverse=True)  # "holds, with limits" before "holds"
    said = re.findall(rf"[.?;] ({'|'.join(words)})\b", text, re.IGNORECASE)
    return said[-1].lower() if said else ""


def _asserts(source):
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return False
    return any(isinstance(n, ast.Assert) and not isinstance(n.test, ast.Constant) for n in nodes)


@rule
def pages_ask_no_other_host(book):
    texts = [(where, prose(text)) for where, text in book.markdown]
    texts += [(cell.where, text) for cell in book.code_cells for text in cell.output_texts]
    for file in sorted(book.root.glob("book/_static/**/*")):
        if file.suffix in (".css", ".js", ".html", ".svg"):
            name = file.relative_to(book.root).as_posix()
            texts.append((name, file.read_text(encoding="utf-8")))
    return [
        f"{where}: it would load from another host: {match[0]}"
        for where, text in texts
        for match in OTHER_HOST.finditer(text)
    ]


@rule
def the_configuration_loads_nothing_from_others(book):
    found = []
    for path, value in _leaves(yaml.safe_load(book.text("_config.yml"))):
        loads = OTHER_HOST.search(str(value)) or re.match(r"\s*(?:https?:)?//", str(value))
        if loads and not path.startswith(ADDRESSES):
            found.append(f"_config.yml: {path} would load from another host: {value}")
        if value and any(word in path for word in LOADERS):
            found.append(f"_config.yml: {path} loads another host's script")
    return found


def _leaves(node, path=""):
    """("html.comments.hypothesis", True) and so on, of nested mappings and lists."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, path)
    else:
        yield path, node


@rule
def a_file_name_is_no_link(book):
    """With fuzzy links, linkify takes "SoftMax.cu" for the address of a host."""
    config = yaml.safe_load(book.text("_config.yml"))
    linkify = "linkify" in config.get("parse", {}).get("myst_enable_extensions", [])
    if linkify and config.get("sphinx", {}).get("config", {}).get("myst_linkify_fuzzy_links", True):
        return ["_config.yml: linkify without myst_linkify_fuzzy_links: false"]
    return []


@rule
def internal_links_lead_somewhere(book):
    found = []
    for where, text in [*book.markdown, ("README.md", book.text("README.md"))]:
        folder = (book.root / where.split(",")[0]).parent
        targets = re.findall(
            r"\]\(\s*<?([^)\s>]+)|^\[[^\]^]+\]:\s*(\S+)", prose(text), re.MULTILINE
        )
        for target in (unquote(a or b).split("#")[0] for a, b in targets):
            if re.match(r"[a-zA-Z][\w+.-]*:|//", target) or (folder / target).exists():
                continue
            found.append(f"{where}: its link to {target} leads nowhere")
    return found
