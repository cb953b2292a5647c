# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts single test cases in Meson's logs: N passed, N failed, N skipped.

Usage: count_cases.py TESTLOG.json...

Understands libcheck's summary ("75%: Checks: 4, Failures: 1, Errors: 0") and
TAP. A program without either counts as one case. A program that crashed or ran
out of time counts as one failure more, unless its cases already show one.
A libcheck case says that it skipped by a line "SKIP: name: reason".
Exits with 1 where anything failed, or no case was run.
"""
import json
import re
import sys

CHECK = re.compile(r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)', re.M)
CHECK_SKIP = re.compile(r'^SKIP: ', re.M)
TAP_PLAN_SKIP = re.compile(r'^1\.\.0\s*#\s*skip', re.M | re.I)
TAP_LINE = re.compile(r'^(not )?ok\b([^\n]*)', re.M)
GOOD = {'OK', 'EXPECTEDFAIL', 'SKIP'}


def count_cases(test):
    """(passed, failed, skipped) of one entry of Meson's log."""
    text = '\n'.join((test.get('stdout') or '', test.get('stderr') or ''))
    passed = failed = skipped = 0
    summaries = CHECK.findall(text)
    lines = TAP_LINE.findall(test.get('stdout') or '')
    if summaries:
        for checks, failures, errors in summaries:
            failed += int(failures) + int(errors)
            passed += int(checks) - int(failures) - int(errors)
        skipped = min(passed, len(CHECK_SKIP.findall(text)))
        passed -= skipped
    elif lines:
        for bad, rest in lines:
            directive = rest.partition('#')[2].strip().upper()
            if directive.startswith('SKIP'):
                skipped += 1
            elif bad and not directive.startswith('TODO'):
                failed += 1
            else:
                passed += 1
    elif test['result'] == 'SKIP' or TAP_PLAN_SKIP.search(text):
        skipped = 1
    elif test['result'] in GOOD:
        passed = 1
    if test['result'] not in GOOD and failed == 0:
        failed = 1
    return passed, failed, skipped


def main():
    totals = [0, 0, 0]
    names = []
    for path in sys.argv[1:]:
        with open(path, encoding='utf-8') as log:
            for line in log:
                test = json.loads(line)
                counts = count_cases(test)
                totals = [a + b for a, b in zip(totals, counts)]
                if counts[1]:
                    names.append(f"{test['name']} ({test['result']}) in {path}")
    for name in names:
        print(f'failed: {name}')
    print('{} passed, {} failed, {} skipped'.format(*totals))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == '__main__':
    sys.exit(main())
