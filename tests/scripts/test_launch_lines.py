# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every launch line of the elements' SECTION blocks and of the documents runs
as it is printed.

The lines find these files in the current folder: speech.wav, talk.mp4,
talk.mkv, and whisper-base.en, a folder with a model. What listens to the
microphone is ended by Ctrl-C after the recording was played to it.
"""
import functools
import os
import pathlib
import re
import shlex
import sys
import tempfile
import time

import media
from media import sample, source_root
from pulse_server import PulseServer
from tap import add_case, equal, run_cases

TROUBLE = re.compile(r'\bERROR\b|\bWARNING\b|erroneous pipeline|CRITICAL')


def section_lines(path):
    """Launch lines between |[ and ]| of a C file's comments."""
    for block in re.findall(r'\|\[(.*?)\]\|', path.read_text(), re.S):
        block = re.sub(r'^\s*\*? ?', '', block, flags=re.M)
        block = re.sub(r'<!--.*?-->', '', block)
        yield from joined(block)


def document_lines(path):
    """Launch lines of a Markdown file's code blocks."""
    for block in re.findall(r'^```[a-z]*\n(.*?)^```', path.read_text(), re.S | re.M):
        yield from joined(block)


def joined(block):
    text = block.replace('\\\n', ' ')
    for line in text.splitlines():
        line = re.sub(r'\s+', ' ', line.strip().removeprefix('$ '))
        if re.match(r'gst-launch-1\.0\s', line):
            yield line


def all_lines():
    for path in sorted((source_root / 'gst').glob('**/*.c')):
        for line in section_lines(path):
            yield path, line
    documents = [source_root / 'README.md', *sorted((source_root / 'docs').glob('*.md'))]
    for path in documents:
        for line in document_lines(path):
            yield path, line


def prepare(folder):
    media.copy_sample(folder)
    for name in ('talk.mp4', 'talk.mkv'):
        media.make_video(folder / name)
    (folder / 'whisper-base.en').symlink_to(sample.parent)


def run_line(line):
    with tempfile.TemporaryDirectory() as folder, PulseServer() as server:
        folder = pathlib.Path(folder)
        prepare(folder)
        # -e lets Ctrl-C end the stream as in any recording
        command = ['bash', '-c', 'exec ' + line.replace('gst-launch-1.0', 'gst-launch-1.0 -e', 1)]
        # no screen here: autovideosink takes the sink of the highest rank
        environment = dict(server.environment,
                           GST_PLUGIN_FEATURE_RANK='fakevideosink:MAX')
        with media.Background(command, cwd=folder, env=environment) as program:
            if 'pulsesrc' in line:
                server.wait_for_listener()
                server.play(sample)
                time.sleep(1)
                equal(program.process.poll(), None, 'status before Ctrl-C')
                status, output, errors = program.interrupt()
            else:
                program.process.wait(media.time_limit)
                status, output, errors = program.interrupt()
        equal(status, 0, f'status of {line}\n{output}\n{errors}')
        trouble = TROUBLE.search(errors) or TROUBLE.search(output)
        if trouble:
            raise AssertionError(f'{line}\n{output}\n{errors}')
        for name in re.findall(r'filesink location=(\S+)', line):
            if not (folder / shlex.split(name)[0]).stat().st_size:
                raise AssertionError(f'{line}\nwrote nothing to {name}')


def has_launch_lines():
    """An extraction that finds nothing must not pass for one that ran all."""
    sources = {path.name for path, _ in all_lines()}
    for name in ('gstnpumel.c', 'gstnpuencoder.c', 'gstnpudecoder.c', 'README.md'):
        equal(name in sources, True, f'a launch line in {name}')


add_case('every_element_and_the_readme_have_a_launch_line', has_launch_lines)
for origin, text in dict((t, (p, t)) for p, t in all_lines()).values():
    add_case(f'{os.path.relpath(origin, source_root)}: {text}'.replace('#', ' '),
             functools.partial(run_line, text))
sys.exit(run_cases())
