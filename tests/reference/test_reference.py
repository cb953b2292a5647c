# SPDX-License-Identifier: LGPL-2.1-or-later
"""The core's encoder and decoder against numpy, from identical log-mel input.

Bounds are relative L2 errors: 1e-5 on the float path, 1e-2 in bf16, and in int8
twice what was measured (1.6e-2). Greedy tokens must be equal on the float path, and
otherwise wherever the best two logits differ by more than twice the largest
error of that row.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'scripts'))
import random_model as models
import reference
import tap

SEED = int(os.environ.get('NPU_TEST_SEED', '20261124'))
BOUNDS = {'float32': 1e-5, 'bf16': 1e-2, 'int8': 3.2e-2}
TOKENS = 12
PROMPT = [5, 1200, 33]

SHAPE = models.Shape(audio_layers=4, text_layers=4)
SMALL_VOCABULARY = 3000

folder = tempfile.mkdtemp(prefix='npu-reference-')


def path(name):
    return os.path.join(folder, name)


class Case:
    """A window, with the reference's states, tokens and logits."""

    def __init__(self, weights, shape, frames, positions):
        name = f'{shape.audio_layers}-{frames}-{positions}'
        self.frames, self.positions = frames, positions
        mel = models.make_frames(frames, shape.bands, SEED + frames)
        self.states = reference.encode(weights, shape, mel, positions)
        self.mel_path, self.states_path = path(name + '.mel'), path(name + '.states')
        mel.tofile(self.mel_path)
        self.states.astype(np.float32).tofile(self.states_path)
        decoder = reference.TextDecoder(weights, shape, self.states.astype(np.float32))
        self.tokens = list(PROMPT)
        while len(self.tokens) < len(PROMPT) + TOKENS:
            logits = decoder.logits(self.tokens)
            self.tokens.append(int(logits[-1, :SMALL_TEXT].argmax()))
        self.logits = decoder.logits(self.tokens)
        self.tokens_path = path(name + '.tokens')
        np.array(self.tokens, np.int32).tofile(self.tokens_path)


# Tokens that are text in every vocabulary of this test.
SMALL_TEXT = SMALL_VOCABULARY - models.TIMESTAMPS - len(models.LANGUAGES) - 8


def run(model, precision, cases, isa=None):
    """States, logits and the prompt's logits of every case."""
    jobs, outs = '', []
    for number, case in enumerate(cases):
        out = path(f'out-{number}')
        outs.append(out)
        jobs += f'encode {case.mel_path} {case.frames} {case.positions} {out}.states\n'
        for job in ('logits', 'prompt'):
            jobs += (f'{job} {case.states_path} {case.positions} {case.tokens_path} '
                     f'{len(case.tokens)} {out}.{job}\n')
    environment = dict(os.environ, NPU_CPU_ISA=isa or 'auto')
    result = subprocess.run([os.environ['NPU_RUN_MODEL'], model, precision], input=jobs,
                            text=True, capture_output=True, env=environment)
    if result.returncode == 77 and ('instruction set' in result.stderr
                                    or 'cannot compute in' in result.stderr):
        raise tap.Skip(result.stderr.strip())
    if result.returncode != 0:
        raise AssertionError(f'run-model: status {result.returncode}: {result.stderr}')
    return [tuple(np.fromfile(f'{out}.{part}', '<f4') for part in ('states', 'logits', 'prompt'))
            for out in outs]


def error_of(actual, expected):
    expected = np.asarray(expected, np.float64).reshape(-1)
    if not np.all(np.isfinite(actual)):
        raise AssertionError('values that are not finite')
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def check_tokens(case, logits, exact):
    """Row i is what follows token i; the reference's next token was its best."""
    for row in range(len(PROMPT) - 1, len(case.tokens) - 1):
        ours = logits[row, :SMALL_TEXT]
        theirs = case.logits[row, :SMALL_TEXT]
        second, best = np.partition(theirs, -2)[-2:]
        if exact or best - second > 2 * np.abs(ours - theirs).max():
            tap.equal(int(ours.argmax()), case.tokens[row + 1], f'token {row + 1}')


def check(model, precision, cases, vocabulary, isa=None):
    worst = {'states': 0.0, 'logits': 0.0}
    for case, (states, logits, prompt) in zip(cases, run(model, precision, cases, isa)):
        logits = logits.reshape(len(case.tokens), vocabulary)
        expected = case.logits[:, :vocabulary]
        worst['states'] = max(worst['states'], error_of(states, case.states))
        worst['logits'] = max(worst['logits'], error_of(logits.reshape(-1), expected),
                              error_of(prompt, expected[-1]))
        check_tokens(case, logits, precision == 'float32')
    print(f'# {os.path.basename(model)} {precision} {isa or ""}: relative L2 of states '
          f'{worst["states"]:.2e}, of logits {worst["logits"]:.2e}')
    for what, error in worst.items():
        if error > BOUNDS[precision]:
            raise AssertionError(f'{what}: {error:.3e} > {BOUNDS[precision]:.0e}')


class Fixture:
    def __init__(self):
        self.weights = models.make_weights(SHAPE, SEED)
        # Heard contexts with padding: the last window is heard to its end, the
        # second ends with half a position.
        self.cases = [Case(self.weights, SHAPE, frames, positions)
                      for frames, positions in ((433, 256), (95, 48), (32, 16))]
        self.ggml = {}

    def write_ggml(self, kind):
        if kind not in self.ggml:
            self.ggml[kind] = path(f'tiny-{kind}.bin')
            models.write_ggml(self.ggml[kind], SHAPE, self.weights, kind)
        return self.ggml[kind]


fixture = None


def setup():
    global fixture
    if fixture is None:
        print(f'# seed {SEED}')
        fixture = Fixture()
    return fixture


def check_ggml(kind, precision):
    f = setup()
    check(f.write_ggml(kind), precision, f.cases, SHAPE.vocabulary)


def check_hugging_face(kind):
    f = setup()
    shape = models.Shape(SHAPE.audio_layers, SHAPE.text_layers, vocabulary=SMALL_VOCABULARY)
    weights = dict(f.weights)
    embedding = 'decoder.token_embedding.weight'
    weights[embedding] = weights[embedding][:SMALL_VOCABULARY]
    folder_name = path('tiny-hf-' + kind)
    models.write_hugging_face(folder_name, shape, weights, kind)
    check(folder_name, 'float32', f.cases, SMALL_VOCABULARY)
    shutil.rmtree(folder_name)


def check_isa(isa, precision):
    f = setup()
    check(f.write_ggml('f16'), precision, f.cases[1:], SHAPE.vocabulary, isa)


@tap.case
def the_full_context_equals_the_reference():
    """One layer each: numpy is slow without an optimised BLAS. The weights are
    numbers that reduced precision has to round."""
    shape = models.Shape(audio_layers=1, text_layers=1)
    weights = models.make_weights(shape, SEED + 1, exact=False)
    case = Case(weights, shape, 2311, 1500)
    model = path('one-layer.bin')
    models.write_ggml(model, shape, weights, 'f32')
    for precision in BOUNDS:
        check(model, precision, [case], shape.vocabulary)
    os.remove(model)


for _kind in ('f32', 'f16', 'q8_0'):
    tap.add_case(f'ggml_{_kind}_weights_equal_the_reference',
                 lambda kind=_kind: check_ggml(kind, 'float32'))
for _kind in ('f32', 'bf16'):
    tap.add_case(f'hugging_face_{_kind}_weights_equal_the_reference',
                 lambda kind=_kind: check_hugging_face(kind))
for _precision in ('bf16', 'int8'):
    tap.add_case(f'precision_{_precision}_is_near_the_reference',
                 lambda precision=_precision: check_ggml('f16', precision))
for _isa in os.environ.get('NPU_TEST_ISAS', 'c avx2 avx512 avx512bf16').split():
    for _precision in BOUNDS:
        tap.add_case(f'instruction_set_{_isa}_in_{_precision}_is_near_the_reference',
                     lambda isa=_isa, precision=_precision: check_isa(isa, precision))

try:
    status = tap.run_cases()
finally:
    shutil.rmtree(folder)
sys.exit(status)
