"""What can be said about the chat's page without a browser; ``tests/browser`` looks at it in one."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from examples.chat.consumers import MAX_USERNAME_LENGTH
from trunkline.interface.settings import InterfaceSettings

STATIC = Path(__file__).parents[2] / "examples" / "chat" / "static"
FILES = sorted(STATIC.iterdir())
SCRIPTS = sorted(STATIC.glob("*.js"))
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.found if tag in names]


@pytest.fixture
def tags() -> Tags:
    return Tags((STATIC / "index.html").read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_of_the_page_names_another_server(file: Path) -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", file.read_text())
    assert [address for address in addresses if address != SVG_NAMESPACE] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_no_script_can_turn_text_into_markup_or_code(script: Path) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc"
    assert re.findall(ways, script.read_text()) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_scripts_import_only_what_is_there(script: Path) -> None:
    for imported in re.findall(r'from "([^"]+)"', script.read_text()):
        assert (script.parent / imported).is_file()


def test_everything_the_page_loads_is_there_and_relative(tags: Tags) -> None:
    loaded = [tag["href"] for tag in tags.all("link")] + [tag["src"] for tag in tags.all("script", "img")]
    assert loaded
    for name in loaded:
        assert (STATIC / name).is_file()


def test_the_policy_forbids_everything_it_does_not_need(tags: Tags) -> None:
    (policy,) = [
        meta["content"] for meta in tags.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("base-uri") == "'none'"
    assert rules.pop("form-action") == "'none'"
    assert rules.pop("require-trusted-types-for") == "'script'"
    assert rules.pop("trusted-types") == "'none'"
    assert set(rules) == {"script-src", "style-src", "img-src", "connect-src"}
    assert set(rules.values()) == {"'self'"}


def test_the_page_has_no_inline_script_style_or_event_handler(tags: Tags) -> None:
    assert all(tag.get("src") for tag in tags.all("script"))
    assert tags.all("style") == []
    for _, attributes in tags.found:
        assert [name for name in attributes if name == "style" or name.startswith("on")] == []


def test_every_field_has_a_label_and_every_picture_a_text_or_is_decoration(tags: Tags) -> None:
    labelled = {label["for"] for label in tags.all("label")}
    assert labelled == {field["id"] for field in tags.all("input", "textarea")}
    assert all("alt" in picture for picture in tags.all("img"))
    assert all(drawing.get("aria-hidden") == "true" for drawing in tags.all("svg"))


def test_every_id_is_there_once_and_every_reference_leads_somewhere(tags: Tags) -> None:
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags.found:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert set(attributes.get(name, "").split()) <= set(ids)
    for script in SCRIPTS:
        used = re.findall(r'(?:\bby|getElementById)\("([\w-]+)"\)', script.read_text())
        assert set(used) <= set(ids)


def test_new_messages_are_announced(tags: Tags) -> None:
    (log,) = [attributes for _, attributes in tags.found if attributes.get("role") == "log"]
    assert log["aria-live"] == "polite"
    assert log["aria-label"]


def test_the_limits_of_the_page_are_those_of_the_server(tags: Tags) -> None:
    outbox = (STATIC / "outbox.js").read_text()
    found = re.search(r"MAX_MESSAGE_BYTES = ([\d *]+);", outbox)
    assert found is not None
    numbers = [int(factor) for factor in found[1].split("*")]
    assert numbers[0] * numbers[1] == InterfaceSettings.model_fields["max_message_bytes"].default
    (name,) = [field for field in tags.all("input") if field["id"] == "name"]
    assert int(name["maxlength"]) == MAX_USERNAME_LENGTH
