# SPDX-License-Identifier: LGPL-2.1-or-later
"""npu-bench timeline draws what the core recorded, and refuses what is no
timeline. The traces come from libnpu-core itself.
"""
import ctypes
import json
import pathlib
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from media import build_root, run
from tap import case, contains, equal, run_cases

BENCH = build_root / 'tests' / 'bench' / 'npu-bench'
LANES = ['capture', 'mel', 'to-device', 'run', 'from-device', 'decode']
SVG = '{http://www.w3.org/2000/svg}'
ORIGIN = 7.25   # seconds on the clock; pictures begin at 0

core = ctypes.CDLL(str(build_root / 'src' / 'libnpu-core.so'))
core.npu_timeline_record.argtypes = [ctypes.c_int] + [ctypes.c_uint64] * 3
folder = tempfile.TemporaryDirectory()
trace = pathlib.Path(folder.name) / 'trace.json'
picture = pathlib.Path(folder.name) / 'trace.svg'


def record(spans, **facts):
    """Spans are (lane, id, start, end) in seconds."""
    picture.unlink(missing_ok=True)
    equal(core.npu_timeline_start(str(trace).encode(), None), 0, 'start')
    for key, value in facts.items():
        core.npu_timeline_describe(key.encode(), value.encode())
    for lane, number, start, end in spans:
        core.npu_timeline_record(LANES.index(lane), number,
                                 round((ORIGIN + start) * 1e9), round((ORIGIN + end) * 1e9))
    core.npu_timeline_stop()


def two_deep(windows=8):
    """A pipeline of depth 2 whose device never rests: a window takes 1 s."""
    spans = []
    for w in range(windows):
        spans += [('capture', 100 * w, w, w + 1), ('mel', 100 * w, w + 0.5, w + 0.75),
                  ('to-device', w, w + 0.75, w + 1), ('run', w, w + 1, w + 2),
                  ('from-device', w, w + 2, w + 2.25), ('decode', w, w + 2.25, w + 2.5)]
    return spans


def draw(*options, check=True):
    return run([BENCH, 'timeline', trace, *options], check=check)


def bars(kind='bar'):
    """{lane: [(x, width)]} of the picture, which is well-formed XML."""
    found = {}
    for rect in ElementTree.parse(picture).iter(SVG + 'rect'):
        names = rect.get('class', '').split()
        if kind in names:
            found.setdefault(names[1], []).append(
                (float(rect.get('x')), float(rect.get('width'))))
    return found


def words():
    return [text.text for text in ElementTree.parse(picture).iter(SVG + 'text')]


def close(actual, expected, tolerance, what):
    if abs(actual - expected) > tolerance:
        raise AssertionError(f'{what}: {actual} is not {expected}')


@case
def every_span_is_a_bar_in_its_lane():
    record(two_deep(8))
    draw()
    equal({lane: len(found) for lane, found in bars().items()},
          {lane: 8 for lane in LANES}, 'bars')


@case
def bars_lie_where_their_times_are():
    spans = two_deep(8)
    record(spans)
    draw()
    left, end = bars()['capture'][0][0], max(s[3] for s in spans)
    scale = bars()['run'][0][1]     # pixels of a run, which takes 1 s
    close(left + end * scale, sum(bars()['decode'][-1]), 0.05, 'right edge')
    for lane in LANES:
        expected = [(start, stop - start) for name, _, start, stop in spans if name == lane]
        for (x, width), (start, duration) in zip(bars()[lane], expected):
            close(x, left + start * scale, 0.05, f'place in {lane}')
            close(width, duration * scale, 0.05, f'width in {lane}')


@case
def a_range_leaves_out_the_rest_and_cuts_the_edges():
    record(two_deep(8))
    draw('--from', '3.5', '--to=5.5')
    found = bars()
    equal([len(found[lane]) for lane in ('capture', 'run')], [3, 3], 'bars')
    (left, half), (_, whole), (_, other_half) = found['run']
    close(half, whole / 2, 0.05, 'first bar')
    close(other_half, whole / 2, 0.05, 'last bar')
    equal('4.0 s' in words(), True, 'tick at 4 s')


@case
def a_window_has_one_colour_in_all_lanes():
    record(two_deep(3))
    draw()
    colours = {}
    for rect in ElementTree.parse(picture).iter(SVG + 'rect'):
        match = re.match(r'(run|to-device|from-device|decode), window (\d+):',
                         rect.findtext(SVG + 'title') or '')
        if match:
            colours.setdefault(match[2], set()).add(rect.get('fill'))
    equal([len(c) for c in colours.values()], [1, 1, 1], 'colours a window')
    equal(len(set.union(*colours.values())), 3, 'colours of three windows')


@case
def figures_are_those_of_the_spans():
    record(two_deep(8))
    output = draw().stdout
    # all transfers hide behind runs but the first one up and the last one down
    contains(output, '8 windows, run 1000.000 ms, transfers 500.000 ms a window, 87.5 % of them')
    for word in ('8', '1.000 s', '500.0 ms', '87.5 %'):
        equal(word in words(), True, word)


@case
def nothing_is_hidden_where_nothing_overlaps():
    record([span for w in range(4) for span in [
        ('to-device', w, 2 * w, 2 * w + 0.5), ('run', w, 2 * w + 0.5, 2 * w + 1),
        ('from-device', w, 2 * w + 1, 2 * w + 1.5)]])
    contains(draw().stdout, '0.0 % of them hidden')


@case
def figures_of_a_range_are_those_of_windows_in_it():
    record(two_deep(8))
    contains(draw('--from', '2', '--to', '6').stdout,
             '4 windows, run 1000.000 ms, transfers 500.000 ms a window, 100.0 %')


@case
def runs_that_overlap_have_rows_of_their_own():
    record([('run', w, w, w + 1.5) for w in range(6)])
    draw()
    tops = {}
    for rect in ElementTree.parse(picture).iter(SVG + 'rect'):
        if rect.get('class') == 'bar run':
            tops.setdefault(rect.get('y'), []).append(
                (float(rect.get('x')), float(rect.get('width'))))
    equal(sorted(len(row) for row in tops.values()), [3, 3], 'bars a row')
    for row in tops.values():
        for (x, width), (following, _) in zip(row, row[1:]):
            equal(x + width <= following + 0.01, True, 'bars apart')


@case
def a_long_timeline_makes_no_huge_picture():
    record([('run', n, n * 1e-3, n * 1e-3 + 9e-4) for n in range(15000)])
    draw()
    count = sum(len(b) for kind in ('bar', 'many') for b in bars(kind).get('run', []))
    equal(0 < count < 3000, True, f'{count} bars')
    equal(picture.stat().st_size < 1 << 20, True, 'below 1 MiB')


@case
def the_picture_says_what_ran_where():
    record(two_deep(2), device='emu <4 & 4>', emulated='true', clock='virtual')
    contains(draw().stdout, '(emulated)')
    equal([w for w in ('Device: emu <4 & 4>', 'Clock: virtual', 'emulated')
           if w not in words()], [], 'missing')
    record(two_deep(2), device='cpu', emulated='false', clock='monotonic')
    draw()
    equal('emulated' in words(), False, 'emulated')


@case
def dropped_spans_are_mentioned():
    root = json.loads((record(two_deep(2)), trace.read_text())[1])
    root['otherData']['dropped'] = 17
    trace.write_text(json.dumps(root))
    draw()
    contains('\n'.join(words()), '17 spans were dropped')


@case
def output_goes_where_it_is_told():
    record(two_deep(2))
    ElementTree.fromstring(draw('--output', '-').stdout)
    equal(picture.exists(), False, 'picture beside the trace')
    result = draw('--output', '/nonexistent/x.svg', check=False)
    equal(result.returncode, 1, 'status')
    contains(result.stderr, '/nonexistent/x.svg')


def span(**changes):
    event = {'ph': 'X', 'tid': 3, 'ts': 1, 'dur': 1, 'args': {'id': 1}}
    event.update(changes)
    return json.dumps({'traceEvents': [
        {'name': 'thread_name', 'ph': 'M', 'tid': 3, 'args': {'name': 'run'}},
        {k: v for k, v in event.items() if v is not None}]})


@case
def what_is_no_timeline_is_refused_with_a_reason():
    for content, reason in [
            ('', 'line'), ('{', 'line'), ('[]', 'traceEvents'), ('{}', 'traceEvents'),
            ('[' * 100000, 'depth'), ('{"traceEvents":{}}', 'traceEvents'),
            ('{"traceEvents":[]}', 'no span'), ('{"traceEvents":[1,null,"x"]}', 'no object'),
            ('{"traceEvents":[{}],"otherData":7}', 'no span'),
            ('\0\xff\xfe', 'line'), (span(ts=None), 'ts'), (span(ts='1'), 'ts'),
            (span(ts=-1), 'ts'), (span(ts=1e300), 'ts'), (span(dur=-5), 'dur'),
            (span(dur=[]), 'dur'), (span(args=None), 'args.id'), (span(args={'id': -1}), 'args.id'),
            (span(args={'id': 1.5}), 'args.id'), (span(tid=-1), 'no span'),
            (span(tid=10 ** 12), 'no span'), (span(tid='3'), 'no span'),
            (span(ts=10 ** 30), 'line')]:
        trace.write_text(content, encoding='latin-1')
        result = draw(check=False)
        equal((result.returncode, result.stdout), (1, ''), repr(content[:80]))
        contains(result.stderr, reason)
        equal(len(result.stderr.splitlines()), 1, f'lines about {content[:80]!r}')


@case
def a_single_instant_can_be_drawn():
    trace.write_text(span(ts=5, dur=0))
    result = draw('--from', '0', check=False)
    equal((result.returncode, 'nan' in (result.stdout + result.stderr)), (0, False), 'result')
    equal(len(bars()['run']), 1, 'bars')


@case
def huge_files_are_refused():
    with open(trace, 'w') as file:
        file.truncate(65 << 20)
    result = draw(check=False)
    equal(result.returncode, 1, 'status')
    contains(result.stderr, 'MiB')
    trace.write_text('[' + '{},' * (15 << 20) + '0]')
    result = draw(check=False)
    equal(result.returncode, 1, 'status')
    contains(result.stderr, 'MiB when it is read')
    trace.unlink()


@case
def files_that_are_none_are_refused():
    for path, reason in [('/nonexistent.json', 'No such file'), ('/dev/zero', 'not a file'),
                         (folder.name, 'not a file')]:
        result = run([BENCH, 'timeline', path], check=False)
        equal(result.returncode, 1, path)
        contains(result.stderr, reason)


@case
def wrong_options_are_explained():
    record(two_deep(2))
    for options, reason in [(['--from', 'x'], "not 'x'"), (['--from=-1'], "not '-1'"),
                            (['--to'], 'missing'), (['--from', '5', '--to', '5'], 'later'),
                            (['--wrong'], '--wrong'), (['-x'], '-x'), (['again'], 'again')]:
        result = draw(*options, check=False)
        equal(result.returncode, 2, options)
        contains(result.stderr, reason)
    result = draw('--from', '1000', check=False)
    equal(result.returncode, 1, 'beyond the end')
    contains(result.stderr, 'ends at')


@case
def help_names_every_command_and_option():
    contains(run([BENCH, '--help']).stdout, 'timeline')
    text = run([BENCH, 'timeline', '--help']).stdout
    for option in ('--output', '--from', '--to', '--help', 'TRACE.json'):
        contains(text, option)
    equal(run([BENCH], check=False).returncode, 2, 'without a command')
    result = run([BENCH, 'dance'], check=False)
    equal(result.returncode, 2, 'unknown command')
    contains(result.stderr, 'dance')


sys.exit(run_cases())
