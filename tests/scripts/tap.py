# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test cases of the script tests, reported in the Test Anything Protocol.

A case is a function whose name is a sentence; @case registers it. It fails by
an exception, and skips by raising Skip with the reason.
"""
import sys
import traceback

_cases = []


class Skip(Exception):
    """The machine lacks what the case needs; the text says what."""


def case(function):
    _cases.append((function.__name__, function))
    return function


def add_case(name, function):
    """For cases that are made in a loop; the function takes no argument."""
    _cases.append((name, function))


def run_cases():
    """Run all, or those named on the command line; returns the exit status."""
    wanted = sys.argv[1:]
    cases = [c for c in _cases if not wanted or c[0] in wanted]
    failures = 0
    print(f'1..{len(cases)}', flush=True)
    for number, (name, function) in enumerate(cases, 1):
        try:
            function()
        except Skip as reason:
            print(f'ok {number} - {name} # SKIP {reason}', flush=True)
        except Exception:
            failures += 1
            print(f'not ok {number} - {name}')
            for line in traceback.format_exc().splitlines():
                print(f'# {line}')
            sys.stdout.flush()
        else:
            print(f'ok {number} - {name}', flush=True)
    return 1 if failures else 0


def equal(actual, expected, what=''):
    if actual != expected:
        raise AssertionError(f'{what}: {actual!r} is not {expected!r}')


def contains(text, part, what='output'):
    if part not in text:
        raise AssertionError(f'{part!r} is not in the {what}:\n{text}')
