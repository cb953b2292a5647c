# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pipelines behind a file, run by gst-launch-1.0 as a user would write them."""
import pathlib
import re
import sys
import tempfile

import media
from media import check_words, run, sample
from tap import case, contains, equal, run_cases

MEL_TO_TEXT = ['npumel', '!', 'npuencoder', '!', 'npudecoder']
CUE_TIME = re.compile(r'(\d\d:\d\d:\d\d[,.]\d{3}) --> (\d\d:\d\d:\d\d[,.]\d{3})')


def launch(*elements, **options):
    return run(['gst-launch-1.0', '-q', *elements], **options)


def decode(path):
    return ['filesrc', f'location={path}', '!', 'decodebin', '!', *MEL_TO_TEXT]


@case
def a_recording_becomes_lines_on_fdsink():
    result = launch(*decode(sample), r'separator=\\n', '!', 'fdsink')
    equal(result.stderr, '', 'standard error')
    check_words(result.stdout)


@case
def a_recording_gives_the_same_text_in_every_run():
    texts = {launch(*decode(sample), r'separator=\\n', '!', 'fdsink').stdout
             for _ in range(3)}
    equal(len(texts), 1, f'different texts {texts}')


def captions(encoder, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f'captions.{suffix}'
        launch(*decode(sample), '!', encoder, '!', 'filesink', f'location={path}')
        return path.read_text()


def check_cues(text):
    times = CUE_TIME.findall(text)
    if not times:
        raise AssertionError(f'no cue in {text!r}')
    flat = [t for cue in times for t in cue]
    equal(flat, sorted(flat), 'times in order')
    check_words(re.sub(r'^(\d+|WEBVTT)$', '', CUE_TIME.sub('', text), flags=re.M))


@case
def srtenc_writes_subtitles():
    text = captions('srtenc', 'srt')
    equal(text.startswith('1\n'), True, f'begin of {text!r}')
    check_cues(text)


@case
def webvttenc_writes_captions():
    text = captions('webvttenc', 'vtt')
    equal(text.startswith('WEBVTT'), True, f'begin of {text!r}')
    check_cues(text)


@case
def textoverlay_shows_the_words_over_a_video():
    """White letters on black pictures: some have words, some have not."""
    frames = int(25 * media.sample_seconds())

    result = launch(
        'videotestsrc', 'pattern=black', f'num-buffers={frames}', '!',
        'video/x-raw,format=GRAY8,width=320,height=96,framerate=25/1', '!',
        'videoconvert', '!', 'textoverlay', 'name=overlay', 'font-desc=Sans 20', '!',
        'videoconvert', '!', 'video/x-raw,format=GRAY8', '!',
        'fdsink', 'sync=false',
        *decode(sample), '!', 'overlay.text_sink', text=False)
    size = 320 * 96
    pictures = [max(result.stdout[i:i + size])
                for i in range(0, len(result.stdout), size)]
    equal(len(pictures), frames, 'pictures')
    lit = sum(p > 128 for p in pictures)
    print(f'# words in {lit} of {frames} pictures')
    if not 0.1 * frames < lit < frames:
        raise AssertionError(f'words in {lit} of {frames} pictures')


@case
def the_sound_track_of_a_video_is_transcribed():
    with tempfile.TemporaryDirectory() as folder:
        film = media.make_video(pathlib.Path(folder) / 'talk.mkv')
        result = launch(*decode(film), r'separator=\\n', '!', 'fdsink',
                        check=False)
        check_words(result.stdout)


@case
def any_sample_format_rate_and_number_of_channels_is_taken():
    for caps in ('audio/x-raw,format=S16LE,rate=8000,channels=1',
                 'audio/x-raw,format=F64BE,rate=44100,channels=2',
                 'audio/x-raw,format=S24_32LE,rate=48000,channels=6,'
                 'channel-mask=(bitmask)0x3f',
                 'audio/x-raw,format=F32LE,rate=48000,channels=2,layout=non-interleaved'):
        result = launch(
            'filesrc', f'location={sample}', '!', 'decodebin', '!', 'audioconvert',
            '!', 'audioresample', '!', 'audioconvert', '!', caps, '!', *MEL_TO_TEXT,
            r'separator=\\n', '!', 'fdsink')
        if not media.words(result.stdout):
            raise AssertionError(f'no words with {caps}')


@case
def a_file_without_samples_ends_without_words():
    result = launch('audiotestsrc', 'num-buffers=0', '!', *MEL_TO_TEXT, '!',
                    'fdsink', timeout=30)
    equal(result.stdout, '')


@case
def silence_and_noise_give_no_words():
    for wave in ('silence', 'white-noise', 'pink-noise', 'sine'):
        result = launch('audiotestsrc', f'wave={wave}', 'num-buffers=200',
                        'samplesperbuffer=1600', 'volume=0.1', '!',
                        'audio/x-raw,rate=16000', '!', *MEL_TO_TEXT,
                        r'separator=\\n', '!', 'fdsink')
        equal(result.stdout.strip(), '', f'words of {wave}')


@case
def a_missing_model_is_named_with_a_remedy():
    result = launch('audiotestsrc', '!', 'npumel', '!', 'npuencoder',
                    'model=/nonexistent/ggml-base.bin', '!', 'fakesink',
                    check=False, timeout=30)
    equal(result.returncode != 0, True, 'failed')
    contains(result.stderr, '/nonexistent/ggml-base.bin', 'message')


sys.exit(run_cases())
