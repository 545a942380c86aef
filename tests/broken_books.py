"""For each rule, the edits of the small book that it must report: {rule: [(where, words, edit)]}.

Of the problems that the rule returns, one has to start with `where` and to contain `words`.
"""

import book_agreement as agreement
import book_links as links
import book_numbers as numbers
import book_problems as front
import book_references as references
import book_rules as rules
import book_words as words
from book_examples import (
    ADDRESS,
    FAR,
    NEAR,
    TAG,
    add,
    both,
    count,
    metadata,
    prints,
    remove,
    shows_html,
    source,
    swap,
)


def near(number):
    return f"{NEAR}, code cell {number}: "


def intro(text):
    return swap("book/intro.md", "Go to", text)


CLAIMS, BIB = "book/claims.md", "book/references.bib"
PROBLEMS = "book/problems.md"
REFERENCES, GLOSSARY = "book/references.md", "book/glossary.md"
TERMS = "```{glossary}\nkey\n  键. By which one is found.\n\n"
SET_UP = rules.SET_UP.format(address=ADDRESS, tag=TAG)
HOME = "https://colab.research.google.com/github/some-one/a-book/blob/v1.2/book/01_near.ipynb"
COLAB = "https://colab.research.google.com/github/a/b/blob/main/book/9.ipynb"
MACHINE = ("/home/me/x.py", "/root/x", "/tmp/ipykernel_7/8.py", "/Users/me/x", "/work/x")
MACHINE += ("C:\\Users\\me", "~/x.py", "lib/site-packages/torch", "0x7f3a5c01d2b0")
OTHER_HOSTS = (
    "![a picture](https://example.org/x.svg)",
    "[![a picture](//example.org/x.svg)](claims.md)",
    '<img alt="" src="https://example.org/x.png">',
    '<script src="//example.org/x.js"></script>',
    '<link rel="stylesheet" href="https://example.org/x.css">',
    "```{figure} https://example.org/x.png\n```",
)

BROKEN = {
    rules.has_a_chapter: [("book/", "no chapter", remove(NEAR, FAR))],
    rules.executed_in_order: [
        (near(3), "None, not 3", count(3, None)),
        (near(2), "7, not 2", count(2, 7)),
    ],
    rules.figures_have_alt_text: [
        (near(2), "alt has 0", metadata(2, mystnb={})),
        (near(2), "alt has 8", metadata(2, mystnb={"image": {"alt": "A figure" + " " * 40}})),
    ],
    rules.set_up_cell_is_the_same: [
        (f"{FAR}, code cell 1: ", "differs", swap(FAR, "--no-deps ", "")),
        (f"{NEAR}, code cell 1: ", "differs", swap(NEAR, f"@{TAG}", "")),
        (NEAR, "0 cells fetch", source(1, "import torch")),
        (NEAR, "2 cells fetch", source(3, "%pip install x")),
        (NEAR, "the first", both(source(1, "draw()"), source(2, SET_UP))),
        (near(1), "hide-input", metadata(1, tags=[])),
        (near(1), "form", metadata(1, cellView="code")),
    ],
    rules.tags_are_known: [
        (near(4), "'remove-stderr'", metadata(4, tags=["remove-stderr"])),
        (near(4), "'claim-A17'", metadata(4, tags=["claim-A17"])),
        (near(4), "NBVAL_", source(4, "x  # NBVAL_SKIP")),
    ],
    rules.folds_have_names: [
        (near(4), "under which name", metadata(4, tags=["hide-input"])),
        (near(4), "under which name", both(metadata(4, tags=["hide-cell"]), source(4, "#\nx"))),
    ],
    rules.not_comparing_has_a_reason: [
        (near(4), "says why", metadata(4, tags=["nbval-skip"])),
        (near(3), "says why", source(3, "# not compared: it differs\nprint(1)")),
    ],
    rules.outputs_are_portable: [
        (near(4), "stderr", prints(4, "a\n", "stderr")),
        *((near(4), sight, prints(4, f"see {sight}, ok\n")) for sight in MACHINE),
        (near(4), "/home/me", prints(4, "file:///home/me")),
        (near(4), "/home/me", prints(4, "\x1b[34m/home/me\x1b[0m")),
        (near(4), "/home/me", shows_html(4, "<p>/home/me</p>")),
    ],
    rules.notebooks_are_small: [(NEAR, "kB", prints(4, "x" * 400_000))],
    rules.notebooks_are_normalised: [
        (f"{NEAR}: code cell 4: ", "'execution'", metadata(4, execution={})),
        (NEAR, "indentation", swap(NEAR, '\n "nb', '\n\n "nb')),
    ],
    rules.visible_code_is_short: [
        (near(5), "10 lines", source(5, "x\n" * 10)),
        (near(3), "12 lines", source(3, "x\n\n" * 12)),
    ],
    rules.chapters_have_one_length: [
        (FAR, "12 words", swap(FAR, "word " * 100, "")),
        (NEAR, "4512 words", swap(NEAR, "word ", "word or two ")),
    ],
    links.colab_links_lead_home: [
        (f"{NEAR}, markdown cell 1: ", "02_", swap(NEAR, "v1.2/book/01", "v1.2/book/02")),
        (f"{NEAR}, markdown cell 1: ", "dev/", swap(NEAR, "blob/v1.2", "blob/dev")),
        (f"{NEAR}, markdown cell 1: ", "v1.2/", swap("pyproject.toml", "1.2", "1.3")),
        (NEAR, "0 Colab links", swap(NEAR, "google.com/github", "example.org")),
        (NEAR, "in the first", both(swap(NEAR, HOME, ""), swap(NEAR, "It is so", HOME))),
        (NEAR, "2 Colab links", swap(NEAR, "It is so", COLAB)),
        ("book/intro.md: ", "book/9.ipynb", intro(COLAB)),
    ],
    links.pages_and_contents_agree: [
        ("book/extra.md", "not in _toc.yml", add("book/extra.md", "# Extra\n")),
        ("_toc.yml: ", "book/03_on", swap("_toc.yml", "02_far", "03_on")),
    ],
    links.citations_and_bibliography_agree: [
        (f"{NEAR}, markdown cell 2: ", "'six'", swap(NEAR, "`one`", "`one, six`")),
        (BIB, "nothing cites 'new'", swap(BIB, "@book{two", "@misc{new,}\n@book{two")),
        (BIB, "'two' is there twice", swap(BIB, "@book{two", "@misc{two,}\n@book{two")),
        (REFERENCES, "0 lines on 'two'", swap(REFERENCES, "- {cite:t}`two`: to go on.", "")),
        (REFERENCES, "2 lines on 'one'", swap(REFERENCES, "`two`: to", "`one`: to")),
    ],
    links.one_repository_address: [
        (f"{FAR}: ", "other/a-book", swap(FAR, "some-one/a-book/blob", "other/a-book/blob")),
        ("book/intro.md: ", "x/a-book", intro("https://github.com/x/a-book")),
        ("book/intro.md: ", "placeholder", intro("github.com/your--account/non-local-tutorial")),
        ("_config.yml: ", "some--one/a-book", swap("_config.yml", "some-one", "some--one")),
        ("README.md: ", ADDRESS, swap("README.md", ADDRESS, "it")),
        ("CITATION.cff: ", ADDRESS, remove("CITATION.cff")),
        (
            "pyproject.toml: ",
            "Home is https://github.com/x/y",
            swap("pyproject.toml", "urls]", 'urls]\nHome = "https://github.com/x/y"'),
        ),
    ],
    links.claims_are_backed: [
        (f"{CLAIMS}:6, A2: {NEAR}", "0 cells", metadata(5, tags=[])),
        (f"{CLAIMS}:6, A2: {NEAR}", "2 cells", metadata(4, tags=["claim-A2"])),
        (f"{CLAIMS}:7, A4: {FAR}", "0 cells", metadata(5, page=FAR, tags=[])),
        (f"{FAR}, code cell 2: ", "no row A5", metadata(2, page=FAR, tags=["claim-A5"])),
        (f"{FAR}, code cell 2: ", "no row A2", metadata(2, page=FAR, tags=["claim-A2"])),
        (near(5), "asserts nothing", source(5, "print(reach)  # assert reach == 3")),
        (near(5), "asserts nothing", source(5, "assert True")),
        (f"{CLAIMS}:6, A2: ", "the verdict", swap(CLAIMS, ", with limits", " more or less")),
        (f"{CLAIMS}:6, A2: ", "the verdict", swap(CLAIMS, "it is near", "near | not far")),
        (f"{CLAIMS}:6, A17: ", "an unknown", swap(CLAIMS, "A2 |", "A17 |")),
        (f"{CLAIMS}:6, A4: ", "repeated", swap(CLAIMS, "A2 |", "A4 |")),
        (f"{CLAIMS}:5, A1: ", "neither", swap(CLAIMS, "Cited, not run", "seen")),
        (f"{CLAIMS}:5, A1: ", "neither", swap(CLAIMS, "{cite:t}`two`", "its author")),
        (f"{CLAIMS}:6, A2: ", "cells of a4", swap(CLAIMS, "claim-a2-1", "claim-a4-1")),
        (CLAIMS, "no table", swap(CLAIMS, "verdict", "so?")),
    ],
    links.pages_ask_no_other_host: [
        *(("book/intro.md: ", "//", intro(sight)) for sight in OTHER_HOSTS),
        *((near(4), "//", shows_html(4, sight)) for sight in OTHER_HOSTS if "<" in sight),
        (near(4), "//", shows_html(4, '<script>import x from "https://x.org"</script>')),
        ("book/_static/x.css: ", "url(", add("book/_static/x.css", "p {src: url(//x.org/a)}")),
    ],
    links.the_configuration_loads_nothing_from_others: [
        *(
            (
                "_config.yml: ",
                "another host",
                swap("_config.yml", "repository:", f"{added}\nrepository:"),
            )
            for added in (
                "sphinx: {config: {html_js_files: ['https://x.org/a.js']}}",
                "sphinx: {config: {html_js_files: [['//x.org/a.js', {defer: defer}]]}}",
                "sphinx: {config: {html_theme_options: {logo: {image_dark: 'http://x.org/a.png'}}}}",
                "sphinx: {config: {mathjax_path: 'https://cdn.org/mathjax.js'}}",
                "html: {extra_footer: 'by me <script src=//x.org/a.js></script>'}",
                "html: {analytics: {google_analytics_id: UA-1}}",
                "html: {comments: {hypothesis: true}}",
                "launch_buttons: {thebe: true}",
            )
        ),
    ],
    links.a_file_name_is_no_link: [
        (
            "_config.yml: ",
            "fuzzy",
            swap(
                "_config.yml",
                "repository:",
                f"parse: {{myst_enable_extensions: [linkify]}}{more}\nrepository:",
            ),
        )
        for more in ("", "\nsphinx: {config: {myst_linkify_fuzzy_links: true}}")
    ],
    links.verdicts_agree: [
        (
            near(5),
            "'holds, with limits', and claims.md says 'holds'",
            swap(CLAIMS, "holds, with limits", "holds"),
        ),
        (
            near(6),
            "'holds', and claims.md says 'not what",
            swap(CLAIMS, "far | holds", "far | not what the paper says"),
        ),
        (
            f"{FAR}, code cell 5: ",
            "'holds', and",
            swap(CLAIMS, "far | holds", "far | holds, with limits"),
        ),
        (near(5), "ends in ''", source(5, "# Claim A2: it holds.\nassert reach == 3")),
        (
            near(5),
            "ends in ''",
            source(5, "# Claim A4: so. Holds, with limits.\nassert reach == 3"),
        ),
        (near(5), "ends in 'holds'", source(5, "# Claim A2: so.\n# Holds.\nassert reach == 3")),
    ],
    rules.nothing_goes_to_a_shell: [
        (near(3), "nobody is told", source(3, text))
        for text in (
            "import os\n!ls",
            "  !false",
            "files = !ls",
            "found['here'] = !ls",
            "%time !false",
            "%%bash\nfalse",
            "%sx false",
            "get_ipython().system('false')",
            "import os\nos.system('false')",
        )
    ],
    links.internal_links_lead_somewhere: [
        ("book/intro.md: ", "1_near.ipynb", swap("book/intro.md", "01_near", "1_near")),
        ("README.md: ", "intro.md", swap("README.md", "book/intro", "intro")),
        (f"{NEAR}, markdown cell 2: ", "b.md", swap(NEAR, "It is so", "[a](b.md)")),
    ],
    words.one_word_means_one_thing: [
        *(
            ("book/intro.md: ", f"'{found}'", intro(f"So {sentence} here"))
            for sentence, found in {
                "an N×N map": "N×N map",
                "the $N \\times N$ map": "N×N map",
                "it keeps the map": "keeps the map",
                "the map is built": "map is built",
                "row of the map": "row of the map",
                "a checkpoint of somebody": "checkpoint",
                "whoever builds": "whoever",
                "one number a channel": "number a channel",
                "the GPU kernel and the kernel": "kernel",
            }.items()
        ),
        (near(4), "'kernels'", prints(4, "2 fused kernels, 2 kernels\n")),
        (
            near(2),
            "map of weights",
            metadata(2, mystnb={"image": {"alt": "A map of weights"}}),
        ),
    ],
    words.every_term_has_its_chinese: [
        (
            GLOSSARY,
            "softmax: it begins with 'Expon",
            add(GLOSSARY, f"{TERMS}softmax\n  Exponentiate."),
        )
    ],
    front.every_problem_has_its_cell: [
        (f"{PROBLEMS}: Too slow", "do not print “3.2”", swap(PROBLEMS, "`3.1`", "`3.2`")),
        (f"{PROBLEMS}: Too slow", "do not print", swap(PROBLEMS, "#so-it-is", "#look")),
        (f"{PROBLEMS}: Too slow", "no answer", swap(PROBLEMS, "as all such cells do", "")),
        (f"{PROBLEMS}: Too slow", "a link", swap(PROBLEMS, "(#so-it-is)", "")),
    ],
    front.the_front_door_says_what_stands_behind_it: [
        ("book/intro.md", "its chapters", swap("book/intro.md", "[Look](02_far.ipynb)", "Look")),
        ("book/intro.md", "not called", swap("book/intro.md", "[Look](01", "[Hear](01")),
        ("book/intro.md", "7 minutes", swap("book/intro.md", "| 5 |", "| 7 |")),
        ("book/intro.md", "prints '3.2'", swap("book/intro.md", "**3.1**", "**3.2**")),
    ],
    numbers.each_number_has_a_source: [
        (f"{NEAR}, markdown cell 2: ", "'37'", swap(NEAR, "word word", "37 words", 1)),
        (f"{NEAR}, markdown cell 2: ", "'14×22'", swap(NEAR, "word word", "14×22 words", 1)),
        (f"{NEAR}, markdown cell 2: ", "'sixteen'", swap(NEAR, "word word", "sixteen words", 1)),
        (near(2), "'30'", metadata(2, mystnb={"image": {"alt": "A white square, 30 wide. " * 2}})),
        ("book/intro.md: ", "'3.2'", swap("book/intro.md", "**3.1**", "**3.2**")),
    ],
    numbers.equations_hold: [
        (
            f"{NEAR}, markdown cell 2: ",
            "11 is not 12",
            swap(NEAR, "{cite}", "$7 + 4 = 12$. {cite}"),
        ),
        ("book/intro.md: ", "7.38", intro("$e^2 = 7.4$, $e^2 = 7.5$")),
    ],
    references.chapters_are_the_ones_linked: [
        ("book/intro.md: ", "opens chapter 1", intro("[chapter 2](01_near.ipynb)")),
        (f"{NEAR}, markdown cell 2: ", "chapter 2", swap(NEAR, "{cite}", "See chapter 2. {cite}")),
    ],
    references.exercises_are_there: [
        ("book/intro.md: ", "exercise 1.7", intro("See exercise 1.7"))
    ],
    references.the_paper_has_what_is_named: [
        ("book/intro.md: ", "Eq. 9 is not", intro("By Eq. 9 of the paper")),
        ("book/intro.md: ", "Eq. 4 is about", intro("By Eq. 4 two birds sing in a green tree.")),
    ],
    agreement.tables_read_alike_as_page_and_as_text: [
        (near(4), "another", shows_html(4, "<table><td>3</td></table>", **{"text/plain": "4"})),
    ],
    agreement.drawn_files_have_alt_text: [
        ("book/intro.md: ", ":alt:", intro("\n```{figure} a.svg\n:alt: A box\n```\n")),
    ],
    agreement.anchors_lead_somewhere: [
        ("book/intro.md: ", "#it-is-no", swap("book/intro.md", "#it-is-so", "#it-is-no")),
        (f"{CLAIMS}: ", "#claim-a2-2", swap(CLAIMS, "#claim-a2-1", "#claim-a2-2")),
    ],
    agreement.claims_point_the_same_way: [
        (
            CLAIMS,
            "A2: only it or only its cells say 'far, near'",
            swap(CLAIMS, "is near", "is far"),
        ),
        (CLAIMS, "'near'", source(5, "# Claim A2: so. Holds, with limits.\nassert reach == 3")),
    ],
}
