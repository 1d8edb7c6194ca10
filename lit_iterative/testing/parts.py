"""Checks of any part of a plan: it is frozen, described in primitives, set from YAML, and its example runs."""

import doctest
import json
import sys
from dataclasses import fields, is_dataclass, replace
from numbers import Real
from typing import Any, get_args, get_type_hints

from jsonargparse import ArgumentParser

from lit_iterative.ops.op import resolve, spec
from lit_iterative.ops.schedule import Schedule, Steps
from lit_iterative.testing.expect import expect


def check_frozen(part: Any) -> None:
    """A part is a frozen dataclass, so that its parameters say all about it."""
    kind = type(part)
    frozen = is_dataclass(part) and kind.__dataclass_params__.frozen
    expect(frozen, f"{kind.__name__} is not a frozen dataclass. Decorate it with @dataclass(frozen=True).")


def check_spec(part: Any) -> None:
    """The description of a part in primitives is JSON, leads back to its class, and has every parameter."""
    kind, described = type(part), spec(part)
    again = json.loads(json.dumps(described))
    expect(again == described, f"spec({kind.__name__}) changes in JSON: {described} becomes {again}.")
    found = getattr(sys.modules[kind.__module__], kind.__qualname__, None)
    expect(found is kind, f"{described['class_path']} is not {kind.__name__}. Define the class at the top of a module.")
    names = {field.name for field in fields(part) if field.init}
    expect(set(described["init_args"]) == names, f"spec({kind.__name__}) lacks some of the parameters {sorted(names)}.")


def check_yaml_round_trip(part: Any, base: type) -> None:
    """A part that is written to YAML and read again is the same part.

    Args:
        part: The part.
        base: The type of the argument that takes it, such as ``Op``.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--part", type=base)
    text = parser.dump(parser.parse_object({"part": spec(part)}))
    again = instantiate(parser, text).part
    expect(
        again == part,
        f"From YAML comes {again!r} instead of {part!r}. Type every parameter, and let __init__ only store.",
    )


def instantiate(parser: ArgumentParser, text: str) -> Any:
    """Return what YAML describes, by the name that the method has in this version of jsonargparse."""
    make = getattr(parser, "instantiate", None) or parser.instantiate_classes
    return make(parser.parse_string(text))


def check_example(part: Any) -> None:
    """The docstring of a part has an example, and it gives what it says."""
    kind = type(part)
    module = sys.modules[kind.__module__]
    finder = doctest.DocTestFinder(recurse=False)
    found = finder.find(kind, kind.__name__, module=module, globs=dict(vars(module)))
    tests = [test for test in found if test.examples]
    expect(tests, f"The docstring of {kind.__name__} has no example. Add one that begins with '>>> '.")
    runner, output = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS), list[str]()
    for test in tests:
        runner.run(test, out=output.append)
    expect(not runner.failures, f"The example of {kind.__name__} fails:\n{''.join(output)}")


def check_schedules(part: Any) -> None:
    """A parameter typed ``float | Schedule`` takes a schedule, and its value is in place before the part is used."""
    for name in scheduled_parameters(part):
        value = getattr(part, name)
        if isinstance(value, bool) or not isinstance(value, Real):
            continue
        number = float(value)
        moving = replace(part, **{name: Steps([number, number])})
        still = resolve(moving, 1, {})
        expect(still == part, f"With a schedule for {name!r}, {part!r} becomes {still!r} in round 1.")


def scheduled_parameters(part: Any) -> list[str]:
    """Return the names of the parameters that may change from round to round."""
    hints = get_type_hints(type(part))
    return [f.name for f in fields(part) if f.init and Schedule in (hints[f.name], *get_args(hints[f.name]))]
