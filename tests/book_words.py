"""One word for one thing: what the pages do not say, and what they say instead."""

import re

from book_pages import prose
from book_rules import rule

COUNTED = (
    "one two three four five six seven eight nine ten number numbers row rows column entry entries "
    "byte bytes score scores logit logits vector vectors value values dot matrix matrices MiB step"
)
SHARED_BY = (
    "position channel row query key operation frame head image layer worker GPU pixel clip example "
    "stage group step batch device map feature value side"
)
MATRIX = "the N×N table is the attention matrix; a map is a feature map"
INSTEAD = {
    r"N ?[×x] ?N\W+map|map of (?:all )?(?:pairs|weights|scores)": MATRIX,
    r"\b(?:builds?|built|building|keeps?|kept|without|hidden|square) (?:the |an? |no )?maps?\b": (
        MATRIX
    ),
    r"\bmap is (?:kept|made|built|square|never|gone|transposed)": MATRIX,
    r"\b(?:rows?|columns?|entry|entries|transpose|softmax) of (?:the|a|its) map\b": MATRIX,
    r"(?<!gradient )\b[Cc]heckpoints?\b": "“gradient checkpointing”, or “weights file”",
    r"\b[Ww]ho[e]ver\b|\bthose who (?:keep|build|make)": "code is “it”, or “the form that …”",
    rf"\b(?:{COUNTED.replace(' ', '|')}) an? (?:{SHARED_BY.replace(' ', '|')})\b(?! of\b)": "“per”",
}
KERNEL = {  # on pages where both senses are at home
    r"(?<!fused )(?<!GPU )(?<!convolution )(?<!×\d )(?<!cuDNN )(?<!square )(?<!FlashAttention )"
    r"(?<!softmax )(?<!attention )(?<!own )\b[Kk]ernels?\b"
    r"(?! (?:size|of \d|side|width|density|tap|in time))": (
        "“convolution kernel” (or 3×3 kernel), or “fused kernel”, “GPU kernel”"
    ),
}
PATTERNS = {re.compile(pattern): instead for pattern, instead in INSTEAD.items()}
KERNELS = {re.compile(pattern): instead for pattern, instead in KERNEL.items()}


def texts(book):
    """(where, what a reader reads): prose, alternative texts, printed lines."""
    for where, text in book.markdown:
        text = re.sub(r"^\([\w-]+\)=$", "", text, flags=re.MULTILINE)  # a target
        yield where, prose(text.replace("$N \\times N$", "N×N"))
    for cell in book.code_cells:
        yield cell.where, cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output, text in zip(cell.outputs, cell.output_texts, strict=True):
            if output.output_type == "stream":
                yield cell.where, text


@rule
def one_word_means_one_thing(book):
    said, found = list(texts(book)), []
    both = {_page(where) for where, text in said if re.search(r"(?:fused|GPU) kernel", text)}
    for where, text in said:
        patterns = PATTERNS | (KERNELS if _page(where) in both else {})
        found += [
            f"{where}: {match[0]!r}: say {instead}"
            for pattern, instead in patterns.items()
            for match in pattern.finditer(text)
        ]
    return found


def _page(where):
    return where.split(",")[0]


@rule
def every_term_has_its_chinese(book):
    """Each definition begins with the term's Chinese, or with what stays as it is."""
    text = book.text("book/glossary.md")
    entries = re.findall(r"^(\S.*)\n  (.+)$", text.partition("{glossary}")[2], re.MULTILINE)
    return [
        f"book/glossary.md: {term}: it begins with {begins[:30]!r}, not with its Chinese"
        for term, begins in entries
        if not re.match(r"[^.]*[\u4e00-\u9fff]|γ\.|softmax\.|Transformer\.", begins)
    ]
