# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C and the Python example of pipelines/ run as they are."""
import re
import subprocess
import sys
import tempfile

import media
from media import build_root, run, sample, source_root
from tap import case, contains, equal, run_cases

C_EXAMPLE = [build_root / 'pipelines' / 'transcribe-example']
PYTHON_EXAMPLE = ['/usr/bin/python3', source_root / 'pipelines' / 'transcribe-example.py']


def check_words(text):
    spoken = []
    for line in text.splitlines():
        match = re.fullmatch(r' *(\d+\.\d\d) s  (\S.*)', line)
        equal(bool(match), True, f'line {line!r}')
        spoken.append(match.group(2))
    media.check_words(' '.join(spoken))


@case
def the_c_example_prints_the_words():
    check_words(run([*C_EXAMPLE, sample]).stdout)


@case
def the_python_example_prints_the_words():
    check_words(run([*PYTHON_EXAMPLE, sample]).stdout)


@case
def both_report_a_missing_file_and_end():
    for example in (C_EXAMPLE, PYTHON_EXAMPLE):
        result = run([*example, '/nonexistent.wav'], check=False, timeout=30)
        equal(result.returncode, 1, 'status')
        equal(result.stdout, '', 'standard output')
        equal(bool(result.stderr.strip()), True, 'a message')


@case
def both_explain_their_usage():
    for example in (C_EXAMPLE, PYTHON_EXAMPLE):
        result = run(example, check=False, timeout=30)
        contains(result.stderr, 'Usage')


@case
def the_c_example_builds_by_the_line_in_its_comment():
    source = source_root / 'pipelines' / 'transcribe-example.c'
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            f'cc "{source}" -o example -Wall -Werror '
            '$(pkg-config --cflags --libs gstreamer-1.0 gstreamer-app-1.0)',
            shell=True, cwd=folder, check=True)
        contains(run([f'{folder}/example'], check=False).stderr, 'Usage')


sys.exit(run_cases())
