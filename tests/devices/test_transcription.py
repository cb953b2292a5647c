# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built-in model with its encoder on the emulated NPU and its decoder on
the cpu, through the core alone: the text of the sample beside the model."""
import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(os.environ['NPU_SOURCE_ROOT'])
sys.path.insert(0, str(root / 'tests' / 'scripts'))
from tap import case, equal, run_cases  # noqa: E402

model = root / 'models' / 'commands-en'


def transcribe(*options):
    output = subprocess.run([os.environ['NPU_TRANSCRIBE_FILE'], '-m', 'builtin', *options,
                             str(model / 'sample.wav')], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    return output.splitlines()


def text(lines):
    return [re.sub(r'^\[.*?\] *', '', line) for line in lines]


def said():
    return (model / 'sample.txt').read_text(encoding='utf-8').splitlines()


@case
def the_emulated_npu_gives_the_text_of_the_sample():
    equal(text(transcribe('-d', 'emu')), said(), 'text')


@case
def windows_that_grow_give_the_text_of_the_sample():
    equal(text(transcribe('-d', 'emu', '-h', '200')), said(), 'text')


@case
def costs_and_virtual_time_change_nothing_of_the_text():
    equal(transcribe('-d', 'emu', '-s', 'cost=published,time=virtual'),
          transcribe('-d', 'emu'), 'text and times')


sys.exit(run_cases())
