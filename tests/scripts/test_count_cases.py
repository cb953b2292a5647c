# SPDX-License-Identifier: LGPL-2.1-or-later
"""The counts in the last line of ./test are those of the logs."""
import json
import pathlib
import sys
import tempfile

from media import run
from tap import case, equal, run_cases

SCRIPT = pathlib.Path(__file__).with_name('count_cases.py')


def count(*tests):
    """The line that is printed for these (result, stdout) pairs."""
    with tempfile.NamedTemporaryFile('w', suffix='.json') as log:
        for result, stdout in tests:
            log.write(json.dumps({'name': 'n', 'result': result, 'stdout': stdout}) + '\n')
        log.flush()
        result = run(['/usr/bin/python3', SCRIPT, log.name], check=False)
    return result.stdout.splitlines()[-1], result.returncode


@case
def cases_of_libcheck_are_counted():
    equal(count(('OK', '100%: Checks: 12, Failures: 0, Errors: 0\n')),
          ('12 passed, 0 failed, 0 skipped', 0))
    equal(count(('FAIL', '75%: Checks: 12, Failures: 2, Errors: 1\n')),
          ('9 passed, 3 failed, 0 skipped', 1))


@case
def a_skip_of_libcheck_is_no_pass():
    equal(count(('OK', 'SKIP: tokens: no shared data\n'
                       '100%: Checks: 3, Failures: 0, Errors: 0\n')),
          ('2 passed, 0 failed, 1 skipped', 0))


@case
def cases_of_tap_are_counted():
    equal(count(('FAIL', '1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no device\n')),
          ('1 passed, 1 failed, 1 skipped', 1))


@case
def a_crash_or_a_time_out_fails():
    equal(count(('TIMEOUT', '1..3\nok 1 - a\n')), ('1 passed, 1 failed, 0 skipped', 1))
    equal(count(('ERROR', '')), ('0 passed, 1 failed, 0 skipped', 1))


@case
def a_program_without_cases_counts_as_one():
    equal(count(('OK', 'done\n'), ('SKIP', '')), ('1 passed, 0 failed, 1 skipped', 0))


@case
def nothing_run_is_a_failure():
    equal(count(), ('0 passed, 0 failed, 0 skipped', 1))


sys.exit(run_cases())
