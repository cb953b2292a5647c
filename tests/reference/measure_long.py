# SPDX-License-Identifier: LGPL-2.1-or-later
"""Word errors of long recordings, with windows of several lengths and hops.

  measure_long.py TRANSCRIBE-FILE SET... [-- NAME=OPTIONS...]

SET is a folder that models/training/make_test_set.py --long wrote. A doubled
word is one that was heard too much and that is said within DISTANCE words of
there; the fastest segment is given in words a second. No test, since it takes
minutes: a tool to judge changes of the decoder by.
"""
import json
import os
import re
import subprocess
import sys

DISTANCE = 8
SETTINGS = {'default': '', '5 s': '-w 500', '2 s': '-w 200', '9 s by 0.5 s': '-w 900 -h 50'}
SEGMENT = re.compile(r'\[ *(\S+) -> +(\S+)\] (.*)')


def align(said, heard):
    """Least edits: (substitutions, deletions, insertions as (place in said, word))."""
    rows = [[j for j in range(len(heard) + 1)]]
    for i, word in enumerate(said, 1):
        above = rows[-1]
        row = [i]
        for j, other in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
        rows.append(row)
    i, j = len(said), len(heard)
    substituted, deleted, inserted = 0, 0, []
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + (said[i - 1] != heard[j - 1]):
            substituted += said[i - 1] != heard[j - 1]
            i, j = i - 1, j - 1
        elif i and rows[i][j] == rows[i - 1][j] + 1:
            deleted, i = deleted + 1, i - 1
        else:
            inserted.append((i, heard[j - 1]))
            j -= 1
    return substituted, deleted, inserted


def measure(program, folder, options):
    with open(os.path.join(folder, 'reference.json'), encoding='utf-8') as file:
        items = json.load(file)
    total = {'words': 0, 'substituted': 0, 'deleted': 0, 'inserted': 0, 'doubled': 0}
    fastest = 0.0
    for item in items:
        text = subprocess.run([program, '-m', 'builtin', *options.split(),
                               os.path.join(folder, item['file'])],
                              check=True, capture_output=True, text=True).stdout
        heard = []
        for start, end, words in SEGMENT.findall(text):
            words = words.split()
            heard += words
            if len(words) > 4:
                fastest = max(fastest, len(words) / (float(end) - float(start)))
        said = item['text'].split()
        substituted, deleted, inserted = align(said, heard)
        total['words'] += len(said)
        total['substituted'] += substituted
        total['deleted'] += deleted
        total['inserted'] += len(inserted)
        total['doubled'] += sum(word in said[max(0, place - DISTANCE):place + DISTANCE]
                                for place, word in inserted)
    wrong = total['substituted'] + total['deleted'] + total['inserted']
    return (f'{100 * wrong / total["words"]:5.1f} % of {total["words"]} words wrong: '
            f'{total["substituted"]} others, {total["deleted"]} lost, {total["inserted"]} too many, '
            f'{total["doubled"]} of them doubled; at most {fastest:.1f} words a second')


def main():
    arguments = sys.argv[1:]
    settings = SETTINGS
    if '--' in arguments:
        place = arguments.index('--')
        settings = dict(a.split('=', 1) for a in arguments[place + 1:])
        arguments = arguments[:place]
    program, *folders = arguments
    for folder in folders:
        for name, options in settings.items():
            print(f'{os.path.basename(os.path.normpath(folder))}, {name}: '
                  f'{measure(program, folder, options)}', flush=True)


main()
