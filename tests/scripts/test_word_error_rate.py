# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built-in model on speech that is synthesised now, by voices that it never
heard: word error rate and times behind the whole pipeline, and what it makes of
sound that it should not understand. The limits are the model card's figures
with room for chance; a set holds a few hundred words."""
import difflib
import json
import os
import random
import re
import sys
import tempfile

import media
from media import build_root, run, source_root, transcribe
from tap import case, contains, run_cases

COUNT = 60

# Words wrong of words said.
LIMITS = {'held-out-espeak': 0.10, 'held-out-human': 0.25}
# The same of speech without pauses, where a file may lose many words in a row.
BREATHLESS_LIMITS = {'held-out-espeak': 0.20, 'held-out-human': 0.15}
# Mean distance of a segment's start or end from the truth, seconds.
TIME_LIMIT = 0.15
# Of 100 files of music, babble and noises, those in which words may be heard.
FALSE_FILES = 7
# Of 60 files that end in a word, those that may end in one that was not said:
# often what is heard of it is another word, "the" of "they".
INVENTED_FILES = 15
# Nobody says more words a second; a decoder that loops does.
WORDS_A_SECOND = 8

seed = int(os.environ.get('NPU_TEST_SEED', random.randrange(1 << 30)))
print(f'# NPU_TEST_SEED={seed}')


def make_set(folder, voices, count=COUNT, *options):
    run([sys.executable, source_root / 'models/training/make_test_set.py', '--out', folder,
         '--voices', voices, '--count', count, '--seed', seed, *options], timeout=300,
        env=dict(os.environ, GST_NPU_TRAINING=str(build_root / 'training')))
    with open(os.path.join(folder, 'reference.json'), encoding='utf-8') as file:
        return json.load(file)


def hear(folder, item):
    """Segments of one file of a set."""
    return media.segments(run([transcribe, '--quiet', '--no-srt', '--model', 'builtin',
                               os.path.join(folder, item['file'])]).stdout)


def nearest(time, times):
    return min(abs(time - other) for other in times)


def check_voices(voices):
    wrong = said_words = 0
    distances = []
    with tempfile.TemporaryDirectory() as folder:
        for item in make_set(folder, voices):
            found = hear(folder, item)
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


def longest_hole(said, heard):
    """Words in a row of which nothing came."""
    matcher = difflib.SequenceMatcher(None, said, heard, autojunk=False)
    return max((i2 - i1) - (j2 - j1) for _, i1, i2, j1, j2 in matcher.get_opcodes())


def check_breathless(voices):
    wrong = said_words = 0
    holes = []
    with tempfile.TemporaryDirectory() as folder:
        for item in make_set(folder, voices, 15, '--breathless'):
            said = item['text'].split()
            heard = media.words(' '.join(words for _, _, words in hear(folder, item)))
            wrong += media.word_error_rate(heard, said) * len(said)
            said_words += len(said)
            holes.append(longest_hole(said, heard))
    rate = wrong / said_words
    print(f'# {voices}: {said_words} words without a pause, word error rate {100 * rate:.1f} %, '
          f'longest holes {sorted(holes)[-3:]}')
    if rate > BREATHLESS_LIMITS[voices]:
        raise AssertionError(f'word error rate {rate:.3f}, at most {BREATHLESS_LIMITS[voices]}')


@case
def synthetic_speech_without_pauses_is_heard_to_its_end():
    check_breathless('held-out-espeak')


@case
def human_speech_without_pauses_is_heard_to_its_end():
    check_breathless('held-out-human')


@case
def a_word_that_the_end_cuts_does_not_become_another_one():
    invented = []
    with tempfile.TemporaryDirectory() as folder:
        items = make_set(folder, 'held-out', COUNT, '--cut')
        for item in items:
            said = item['text'].split()
            heard = media.words(' '.join(text for _, _, text in hear(folder, item)))
            if len(heard) > len(said) and heard[-1] != item['cut']:
                invented.append(f'{item["cut"]} as {heard[-1]}')
    print(f'# invented at the end in {len(invented)} of {len(items)} files: {invented}')
    if len(invented) > INVENTED_FILES:
        raise AssertionError(f'words that were not said: {invented}')


@case
def music_babble_and_noise_give_no_words():
    with tempfile.TemporaryDirectory() as folder:
        heard = []
        for item in make_set(folder, 'nobody', 100):
            words = [w for _, _, text in hear(folder, item) for w in media.words(text)]
            if words:
                heard.append(f'{item["voice"]}: {" ".join(words)}')
    print(f'# words in {len(heard)} of 100 files {heard}')
    if len(heard) > FALSE_FILES:
        raise AssertionError(f'words where nobody speaks: {heard}')


@case
def speech_outside_the_vocabulary_does_not_loop():
    with tempfile.TemporaryDirectory() as folder:
        for item in make_set(folder, 'foreign', 40):
            for start, end, text in hear(folder, item):
                if len(media.words(text)) > 2 + WORDS_A_SECOND * (end - start):
                    raise AssertionError(f'{item["file"]}, {item["voice"]}: {start} to {end}: {text}')


# One breath after another, as espeak-ng reads it: the model loops in some of
# the windows that this is cut into.
BREATHLESS = ('turn left. open the door in the kitchen. one two three. turn on the light. go home. '
              'stop the music. red green blue. monday tuesday friday. four five six seven. '
              'close the window. turn right and go up. yes no')
SRT_TIMES = re.compile(r'(\d+):(\d+):(\d+),(\d+) --> (\d+):(\d+):(\d+),(\d+)\n(.*)')


def hear_in_windows(folder, *properties):
    """Segments of BREATHLESS with these properties of npuencoder."""
    path = os.path.join(folder, 'breathless.wav')
    run(['espeak-ng', '-v', 'en-us', '-w', path, BREATHLESS])
    run(['gst-launch-1.0', '-q', 'filesrc', f'location={path}', '!', 'decodebin', '!',
         'npumel', '!', 'npuencoder', 'model=builtin', *properties, '!', 'npudecoder',
         '!', 'srtenc', '!', 'filesink', f'location={path}.srt'])
    with open(path + '.srt', encoding='utf-8') as file:
        rows = SRT_TIMES.findall(file.read())
    seconds = [60 * (60 * int(h) + int(m)) + int(s) + int(ms) / 1000
               for row in rows for h, m, s, ms in (row[:4], row[4:8])]
    return list(zip(seconds[::2], seconds[1::2], [row[8] for row in rows]))


@case
def windows_that_grow_give_out_no_more_than_can_be_said():
    with tempfile.TemporaryDirectory() as folder:
        found = hear_in_windows(folder, 'window=9000000000', 'hop=100000000')
    if not found:
        raise AssertionError('nothing was heard')
    for start, end, text in found:
        if len(media.words(text)) > 2 + WORDS_A_SECOND * (end - start):
            raise AssertionError(f'{start} to {end}: {text}')


@case
def short_windows_lose_nothing_that_the_model_doubts():
    with tempfile.TemporaryDirectory() as folder:
        heard = media.words(' '.join(t for _, _, t in hear_in_windows(folder, 'window=2000000000')))
    contains(' '.join(heard), 'friday four five six seven', 'words heard')


sys.exit(run_cases())
