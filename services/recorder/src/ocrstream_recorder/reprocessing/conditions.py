"""Conditions as SQL: names and operators are ours, values are parameters."""

from typing import Any

from ocrstream_recorder.reprocessing.rules import VERSIONS, AllOf, AnyOf, Comparison, Condition


def condition_sql(condition: Condition | None, parameters: dict[str, Any]) -> str:
    """What holds for a row `m` with a column for each field; adds its values to `parameters`.

    None holds for every row. A comparison with NULL holds for none.
    """
    match condition:
        case None:
            return "TRUE"
        case Comparison("warning", operator, value):
            name = _parameter(parameters, value)
            # `warning` is all that the image has, in JSON.
            return f"{'' if operator == '=' else 'NOT '}m.warning ? {name}::text"
        case Comparison(field, operator, value) if field in VERSIONS:
            name = _parameter(parameters, list(value) if isinstance(value, tuple) else value)
            return f"m.{field} {operator} {name}::numeric[]"
        case Comparison(field, operator, value):
            return f"m.{field} {operator} {_parameter(parameters, value)}"
        case AllOf(parts):
            return _joined(" AND ", parts, parameters)
        case AnyOf(parts):
            return _joined(" OR ", parts, parameters)


def _parameter(parameters: dict[str, Any], value: Any) -> str:
    name = f"where_{len(parameters)}"
    parameters[name] = value
    return f"%({name})s"


def _joined(word: str, parts: tuple[Condition, ...], parameters: dict[str, Any]) -> str:
    return f"({word.join([condition_sql(part, parameters) for part in parts])})"
