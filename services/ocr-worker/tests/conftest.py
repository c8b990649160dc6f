"""docTR's own tests need an environment that has it; `make test-doctr` makes one and runs them."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("doctr") else ["doctr"]
