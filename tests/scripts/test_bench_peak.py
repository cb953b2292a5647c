# SPDX-License-Identifier: LGPL-2.1-or-later
"""npu-bench peak measures what the processor has, and says what it lacks."""
import json
import pathlib
import sys
import tempfile

from media import build_root, run
from tap import case, contains, equal, run_cases

BENCH = build_root / 'tests' / 'bench' / 'npu-bench'
# what each row needs, by the names of the "features" in the JSON
NEEDS = {
    'clock': None, 'float32-avx2': 'AVX2', 'float32-avx512': 'AVX-512',
    'bf16-avx512': 'AVX-512 bf16', 'bf16-amx': 'AMX bf16', 'int8-avx': 'AVX VNNI',
    'int8-avx512': 'AVX-512 VNNI', 'int8-amx': 'AMX int8',
}


def measure(*options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'peak.json'
        result = run([BENCH, 'peak', '--rounds', '2', '--seconds', '0.002', '--json', path, *options])
        return json.loads(path.read_text()), result.stdout


@case
def every_row_is_measured_or_said_to_be_unmeasured():
    figures, text = measure()
    rows = {row['key']: row for row in figures['arithmetic']}
    if rows:        # other processors have none yet
        equal(sorted(rows), sorted(NEEDS), 'rows')
    for key, row in rows.items():
        equal(row['measured'], NEEDS[key] is None or NEEDS[key] in figures['features'], key)
        equal('one_thread' in row, row['measured'], f'figures of {key}')
        if row['measured']:
            equal(row['one_thread']['median'] > 0, True, key)
    equal(text.count('unmeasured'), sum(not row['measured'] for row in rows.values()), 'unmeasured')


@case
def reads_come_from_larger_and_larger_memory():
    figures, text = measure('--threads', '1')
    sizes = [row['bytes_a_thread'] for row in figures['reads']]
    equal([row['key'] for row in figures['reads']],
          ['read-l1', 'read-l2', 'read-l3', 'read-memory'], 'rows')
    equal(sizes, sorted(set(sizes)), 'sizes')
    equal(figures['threads'], 1, 'threads')
    for row in figures['reads']:
        equal(row['one_thread']['count'], 2, 'rounds')
        equal(row['one_thread'], row['all_threads'], 'one thread is all')
    contains(text, figures['machine'])


@case
def bad_options_are_refused():
    result = run([BENCH, 'peak', '--rounds', '0'], check=False)
    equal(result.returncode, 2, 'status')
    contains(result.stderr, 'rounds')


sys.exit(run_cases())
