"""What ALTO 4.4 says of the part that exports use, for tests.

The schema itself is under a licence of its own and is not kept here; these are its rules for the
elements that stand in our documents, and an element or attribute without a rule is an error.
"""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

_NAMESPACE = "{http://www.loc.gov/standards/alto/ns-v4#}"
_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_PLACE = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
_NUMBERS = {*_PLACE, "WC", "PHYSICAL_IMG_NR"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True)
class _Rule:
    """`children`: their names in order as a pattern, each followed by a space."""

    children: str = ""
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_RULES = {
    "alto": _Rule("(Description )?(Tags )?Layout ", optional=("SCHEMAVERSION", _SCHEMA_LOCATION)),
    "Description": _Rule("MeasurementUnit (sourceImageInformation )?(Processing )*"),
    "MeasurementUnit": _Rule(),
    "sourceImageInformation": _Rule("(fileName )?"),
    "fileName": _Rule(),
    "Processing": _Rule("(processingSoftware )?", required=("ID",)),
    "processingSoftware": _Rule("(softwareName )?"),
    "softwareName": _Rule(),
    "Tags": _Rule("(OtherTag )*"),
    "OtherTag": _Rule(required=("ID", "LABEL"), optional=("DESCRIPTION",)),
    "Layout": _Rule("(Page )+"),
    "Page": _Rule(
        "(PrintSpace )?",
        required=("ID", "PHYSICAL_IMG_NR"),
        optional=("PRINTED_IMG_NR", "QUALITY_DETAIL"),
    ),
    "PrintSpace": _Rule("(TextBlock )*", optional=_PLACE),
    "TextBlock": _Rule("(TextLine )*", required=("ID",), optional=(*_PLACE, "TAGREFS")),
    "TextLine": _Rule("(String (SP )?)+", optional=("ID", "BASELINE", *_PLACE)),
    "SP": _Rule(),
    "String": _Rule("(Shape )?", required=("CONTENT",), optional=("ID", "WC", *_PLACE)),
    "Shape": _Rule("Polygon "),
    "Polygon": _Rule(required=("POINTS",)),
}


def alto_errors(document: bytes) -> list[str]:
    """What breaks the rules; raises ParseError for what is no XML."""
    errors: list[str] = []
    names: set[str] = set()
    references: set[str] = set()
    for element in ElementTree.fromstring(document).iter():  # noqa: S314 - our own document
        name = element.tag.removeprefix(_NAMESPACE)
        rule = _RULES.get(name)
        if rule is None:
            errors.append(f"{element.tag}: no such element")
            continue
        children = "".join(f"{child.tag.removeprefix(_NAMESPACE)} " for child in element)
        if not re.fullmatch(rule.children, children):
            errors.append(f"{name}: its children are {children!r}")
        given, known = set(element.keys()), {*rule.required, *rule.optional}
        if missing := set(rule.required) - given:
            errors.append(f"{name}: lacks {missing}")
        if unknown := given - known:
            errors.append(f"{name}: has {unknown}")
        errors += [
            f"{name}: {attribute} is {element.attrib[attribute]!r}"
            for attribute in _NUMBERS & given
            if not _NUMBER.fullmatch(element.attrib[attribute])
        ]
        if not 0 <= float(element.get("WC", 0)) <= 1:
            errors.append(f"{name}: WC is {element.get('WC')}")
        if (own := element.get("ID")) is not None:
            if own in names or not _NAME.fullmatch(own):
                errors.append(f"{name}: ID {own!r} is none, or is there twice")
            names.add(own)
        references.update(element.get("TAGREFS", "").split())
    return errors + [f"nothing has the ID {name}" for name in references - names]
