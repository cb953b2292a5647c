# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built-in model on speech that is synthesised now, by voices that it never
heard: word error rate and times behind the whole pipeline. The limits are the
model card's figures with room for chance; a set holds a few hundred words."""
import json
import os
import random
import sys
import tempfile

import media
from media import build_root, run, source_root, transcribe
from tap import case, run_cases

COUNT = 60

# Words wrong of words said.
LIMITS = {'held-out-espeak': 0.10, 'held-out-human': 0.25}
# Mean distance of a segment's start or end from the truth, seconds.
TIME_LIMIT = 0.15

seed = int(os.environ.get('NPU_TEST_SEED', random.randrange(1 << 30)))
print(f'# NPU_TEST_SEED={seed}')


def make_set(folder, voices):
    run([sys.executable, source_root / 'models/training/make_test_set.py', '--out', folder,
         '--voices', voices, '--count', COUNT, '--seed', seed], timeout=300,
        env=dict(os.environ, GST_NPU_TRAINING=str(build_root / 'training')))
    with open(os.path.join(folder, 'reference.json'), encoding='utf-8') as file:
        return json.load(file)


def nearest(time, times):
    return min(abs(time - other) for other in times)


def check_voices(voices):
    wrong = said_words = 0
    distances = []
    with tempfile.TemporaryDirectory() as folder:
        for item in make_set(folder, voices):
            output = run([transcribe, '--quiet', '--no-srt', '--model', 'builtin',
                          os.path.join(folder, item['file'])]).stdout
            found = media.segments(output)
            said = item['text'].split()
            heard = media.words(' '.join(words for _, _, words in found))
            wrong += media.word_error_rate(heard, said) * len(said)
            said_words += len(said)
            for start, end, _ in found:
                distances.append(nearest(start, [s['start'] for s in item['segments']]))
                distances.append(nearest(end, [s['end'] for s in item['segments']]))
    rate = wrong / said_words
    distance = sum(distances) / max(1, len(distances))
    print(f'# {voices}: {said_words} words, word error rate {100 * rate:.1f} %, '
          f'mean error of starts and ends {distance:.3f} s')
    if rate > LIMITS[voices]:
        raise AssertionError(f'word error rate {rate:.3f}, at most {LIMITS[voices]}')
    if distance > TIME_LIMIT:
        raise AssertionError(f'times are off by {distance:.3f} s, at most {TIME_LIMIT}')


@case
def synthetic_voices_that_were_held_out_are_understood():
    check_voices('held-out-espeak')


@case
def a_human_speaker_who_was_held_out_is_understood():
    check_voices('held-out-human')


run_cases()
