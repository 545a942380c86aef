"""A page's translations: locale/zh_CN/LC_MESSAGES/PAGE.po, as gettext has them."""

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from repository import ROOT

FOLDER = ROOT / "locale" / "zh_CN" / "LC_MESSAGES"
HEADER = "# {name} in simplified Chinese. CONTRIBUTING.md says how to change a sentence.\n#"


def path_of(name, folder=FOLDER):
    return folder / f"{name}.po"


def load(name, folder=FOLDER):
    """The catalogue of a page; an empty one if there is none yet."""
    path = path_of(name, folder)
    if not path.is_file():
        return empty(name)
    with path.open("rb") as file:
        return read_po(file, locale="zh_CN")


def empty(name):
    return Catalog(
        locale="zh_CN", project=name, header_comment=HEADER.format(name=name), fuzzy=False
    )


def save(name, catalogue, folder=FOLDER):
    """One message a line, without dates, so that a change shows what has changed."""
    path = path_of(name, folder)
    for message in catalogue:
        message.flags &= {"fuzzy"}  # no guesses about formats
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["# " + catalogue.header_comment.strip("# \n"), 'msgid ""', 'msgstr ""']
    lines += ['"Language: zh_CN\\n"', '"Content-Type: text/plain; charset=utf-8\\n"', ""]
    with path.open("wb") as file:
        file.write("\n".join([*lines, ""]).encode())
        write_po(file, catalogue, width=0, omit_header=True)


def translations(name, folder=FOLDER):
    """{message: translation} of what is translated and was not marked as doubtful."""
    found = load(name, folder)
    return {m.id: m.string for m in found if m.id and m.string and not m.fuzzy}


def brought_up_to_date(old, name, messages):
    """The catalogue of these messages, with the old translations of those that were there.

    What resembles a message that is gone gets its translation, marked fuzzy for a person to mend.
    """
    template = empty(name)
    for message in messages:
        template.add(message)
    new = empty(name)
    for message in old:
        if message.id:
            new[message.id] = message
    new.update(template, update_creation_date=False)
    new.obsolete.clear()
    return new
