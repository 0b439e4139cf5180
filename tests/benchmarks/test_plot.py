"""The plot."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.plot import OURS_COLOUR, Bar, Group, svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*groups: Group) -> ElementTree.Element:
    return ElementTree.fromstring(svg("costs & more", groups, "ours"))


def bars(root: ElementTree.Element) -> list[ElementTree.Element]:
    return root.findall(f"{SVG}rect")[1:]


def test_bars_grow_by_the_same_length_for_each_power_of_ten() -> None:
    widths = [
        float(bar.attrib["width"])
        for bar in bars(drawn(Group("g", [Bar(str(v), v) for v in (10, 100, 1000)])))
    ]
    assert widths[0] == 1.0
    assert round(widths[2] / widths[1], 2) == 2.0


def test_a_system_has_one_colour_in_all_groups_and_ours_stands_out() -> None:
    root = drawn(Group("a", [Bar("ours", 2), Bar("x", 3)]), Group("b", [Bar("x", 5), Bar("ours", 2)]))
    colours = [bar.attrib["fill"] for bar in bars(root)]
    assert colours[0] == colours[3] == OURS_COLOUR
    assert colours[1] == colours[2] != OURS_COLOUR


def test_words_are_escaped_and_values_written() -> None:
    texts = [text.text for text in drawn(Group("g", [Bar("ours", 20.7)])).findall(f"{SVG}text")]
    assert "costs & more" in texts
    assert {"g", "ours", "20.7", "10", "100"} <= set(texts)
