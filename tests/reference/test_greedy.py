# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole windows from states to segments: npu_decoder_decode() against numpy.

Random weights write anything, many loops among it; the built-in model
transcribes the project's recording. Where a choice hung on less than MARGIN,
float32 may choose otherwise: such windows are left out, and must be few.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import wave

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / 'tests' / 'scripts'), str(ROOT / 'models' / 'training')]
import features
import greedy
import random_model as models
import reference
import tap

SEED = int(os.environ.get('NPU_TEST_SEED', '20261124'))
MARGIN = 2e-4
TOLERANCE = 1e-4                # of probabilities' logarithms
BUILTIN = ROOT / 'models' / 'commands-en'
VOCABULARY = 3000
WORDS_A_SECOND = 8              # their tokens are words
WINDOWS = 12

folder = tempfile.mkdtemp(prefix='npu-greedy-')


def run(model, jobs):
    result = subprocess.run([os.environ['NPU_RUN_MODEL'], str(model), 'float32'], input=jobs,
                            text=True, capture_output=True)
    if result.returncode != 0:
        raise AssertionError(f'run-model: status {result.returncode}: {result.stderr}')


class Window:
    def __init__(self, states, valid, full=True, final=False, thresholds=(0.6, -1.0)):
        self.states, self.valid = states.astype(np.float32), valid
        self.full, self.final, self.thresholds = full, final, thresholds


def decode(model, windows):
    """What the core makes of the windows."""
    jobs = ''
    for number, window in enumerate(windows):
        path = os.path.join(folder, str(number))
        window.states.tofile(path + '.states')
        jobs += (f'decode {path}.states {len(window.states)} {window.valid} {window.full:d} '
                 f'{window.final:d} {window.thresholds[0]} {window.thresholds[1]} {path}.out\n')
    run(model, jobs)
    return [read_transcript(os.path.join(folder, f'{i}.out')) for i in range(len(windows))]


def read_transcript(path):
    with open(path, encoding='utf-8') as file:
        first, *lines = file.read().splitlines()
    values = first.split()
    out = greedy.Transcript(next=int(values[0]), tokens=int(values[1]),
                            no_speech=values[2] == '1', looped=values[3] == '1',
                            no_speech_probability=float(values[4]),
                            log_probability=float(values[5]))
    for line in lines:
        start, end, text = line.split(' ', 2)
        out.segments.append((int(start), int(end), text))
    return out


def compare(ours, theirs, what):
    for name in ('segments', 'next', 'tokens', 'no_speech', 'looped'):
        tap.equal(getattr(ours, name), getattr(theirs, name), f'{what}: {name}')
    for name in ('no_speech_probability', 'log_probability'):
        difference = abs(getattr(ours, name) - getattr(theirs, name))
        if not difference < TOLERANCE * max(1, abs(getattr(theirs, name))):
            raise AssertionError(f'{what}: {name} is off by {difference}')


def check(model, decoder_of, windows):
    """Compare all windows; returns the reference's transcripts that count."""
    counted = []
    for number, (window, ours) in enumerate(zip(windows, decode(model, windows))):
        theirs = decoder_of(window).decode(window.states, window.valid, window.full, window.final)
        if theirs.margin > MARGIN:
            compare(ours, theirs, f'window {number}')
            counted.append(theirs)
    print(f'# {len(counted)} of {len(windows)} windows, {sum(t.tokens for t in counted)} tokens, '
          f'{sum(len(t.segments) for t in counted)} segments, '
          f'{sum(t.looped for t in counted)} with a loop, '
          f'{sum(t.no_speech for t in counted)} without speech')
    if len(counted) < 0.7 * len(windows):
        raise AssertionError('too many windows hang on next to nothing')
    return counted


# ------------------------------------------------------------ random weights

class RandomModel:
    """Made so that times, text and the end all come: their embeddings are
    scaled, else one of 1501 times is taken nearly always."""

    def __init__(self, seed, times, end):
        self.shape = models.Shape(audio_layers=1, text_layers=2, vocabulary=VOCABULARY)
        self.weights = models.make_weights(self.shape, seed)
        text = VOCABULARY - models.TIMESTAMPS - len(models.LANGUAGES) - 8
        first_time = VOCABULARY - models.TIMESTAMPS
        self.vocabulary = greedy.Vocabulary(
            end=text, start=text + 1, no_speech=first_time - 2, first_time=first_time,
            times=models.TIMESTAMPS, text={i: f' t{i}' for i in range(text)},
            languages=tuple(range(text + 2, text + 2 + len(models.LANGUAGES))),
            transcribe=text + 3 + len(models.LANGUAGES), fastest=WORDS_A_SECOND)
        embedding = self.weights['decoder.token_embedding.weight']
        embedding[first_time:] *= times
        embedding[text] *= end
        self.path = os.path.join(folder, f'random-{seed}')
        models.write_hugging_face(self.path, self.shape, self.weights, 'f32')

    def decoder(self, window):
        return greedy.Decoder(self.weights, self.shape, self.vocabulary, False, window.thresholds)


def random_windows(shape, seed, count, **options):
    random = np.random.default_rng(seed)
    windows = []
    for _ in range(count):
        positions = int(random.integers(60, 400))
        states = random.standard_normal((positions, shape.width)) * 2 ** random.uniform(-2, 2)
        windows.append(Window(states, positions - int(random.integers(0, 10)),
                              full=bool(random.random() < 0.7),
                              final=bool(random.random() < 0.2), **options))
    return windows


def check_random(times, end, **options):
    print(f'# seed {SEED}')
    model = RandomModel(SEED + int(times * 64), times, end)
    windows = random_windows(model.shape, SEED, WINDOWS, **options)
    counted = check(model.path, model.decoder, windows)
    shutil.rmtree(model.path)
    return counted


@tap.case
def random_weights_give_the_segments_of_the_reference():
    counted = check_random(0.25, 2, thresholds=(2, -1))
    if not sum(len(t.segments) for t in counted):
        raise AssertionError('no segment was compared')


@tap.case
def random_weights_that_loop_give_what_the_reference_keeps():
    counted = check_random(0.0625, 0.25, thresholds=(2, -1))
    if not any(t.looped for t in counted):
        raise AssertionError('no loop was compared')


@tap.case
def windows_judged_to_hold_no_speech_are_those_of_the_reference():
    counted = check_random(0.25, 2, thresholds=(0, 0))
    tap.equal(all(t.no_speech for t in counted), True)


# ------------------------------------------------------------ the built-in model

def read_builtin():
    with open(BUILTIN / 'model.safetensors', 'rb') as file:
        size = struct.unpack('<Q', file.read(8))[0]
        header, data = json.loads(file.read(size)), file.read()
    tensors = {}
    for name, entry in header.items():
        if name != '__metadata__':
            kind = {'F16': '<f2', 'F32': '<f4'}[entry['dtype']]
            tensors[name] = np.frombuffer(data[slice(*entry['data_offsets'])], kind) \
                .reshape(entry['shape']).astype(np.float32)
    with open(BUILTIN / 'config.json', encoding='utf-8') as file:
        config = json.load(file)
    shape = models.Shape(
        config['encoder_layers'], config['decoder_layers'], config['max_source_positions'],
        config['d_model'], config['encoder_attention_heads'], config['max_target_positions'],
        config['num_mel_bins'], config['vocab_size'])
    names = models.make_weights(shape, 0)
    return shape, {name: tensors[models.hugging_face_name(name)] for name in names
                   if models.hugging_face_name(name) in tensors}


def builtin_vocabulary():
    with open(BUILTIN / 'vocab.json', encoding='utf-8') as file:
        words = {token: text.replace('\u0120', ' ') for text, token in json.load(file).items()}
    with open(BUILTIN / 'added_tokens.json', encoding='utf-8') as file:
        special = json.load(file)
    times = sorted(token for name, token in special.items() if name[2].isdigit())
    return greedy.Vocabulary(
        end=special['<|endoftext|>'], start=special['<|startoftranscript|>'],
        no_speech=special['<|nospeech|>'], first_time=times[0], times=len(times),
        text={t: w for t, w in words.items() if t not in special.values()},
        fastest=WORDS_A_SECOND)


class BuiltIn:
    def __init__(self):
        self.shape, self.weights = read_builtin()
        self.vocabulary = builtin_vocabulary()

    def decoder(self, window):
        return greedy.Decoder(self.weights, self.shape, self.vocabulary, True, window.thresholds)

    def encode(self, frames):
        """The core's states, since the encoder has its own test."""
        positions = features.positions_of(len(frames))
        mel, out = (os.path.join(folder, name) for name in ('mel', 'states'))
        frames.astype(np.float32).tofile(mel)
        run(BUILTIN, f'encode {mel} {len(frames)} {positions} {out}\n')
        return np.fromfile(out, '<f4').reshape(positions, self.shape.width)


def sample_frames():
    with wave.open(str(BUILTIN / 'sample.wav')) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), '<i2')
    return features.log_mel(samples.astype(np.float32) / 32768)


def check_sample(length):
    """Windows of so many frames, each from where the last one said."""
    model, frames, start, said = BuiltIn(), sample_frames(), 0, []
    while len(frames) - start >= 10:
        part = frames[start:start + length]
        final = start + length >= len(frames)
        window = Window(model.encode(part), (len(part) + 1) // 2, True, final)
        theirs = check(BUILTIN, model.decoder, [window])[0]
        said += [text for _, _, text in theirs.segments]
        start += 2 * theirs.next
    print(f'# {" | ".join(said)}')
    return ' '.join(said).split()


@tap.case
def the_built_in_model_transcribes_its_sample_as_the_reference_does():
    expected = (BUILTIN / 'sample.txt').read_text(encoding='utf-8').split()
    tap.equal(check_sample(1000), expected)


@tap.case
def short_windows_over_the_sample_equal_the_reference():
    check_sample(200)


@tap.case
def growing_windows_over_the_sample_equal_the_reference():
    model, frames = BuiltIn(), sample_frames()
    windows = [Window(model.encode(frames[:count]), count // 2, False)
               for count in range(20, 1000, 70)]
    check(BUILTIN, model.decoder, windows)


try:
    status = tap.run_cases()
finally:
    shutil.rmtree(folder)
sys.exit(status)
