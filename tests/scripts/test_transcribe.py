# SPDX-License-Identifier: LGPL-2.1-or-later
"""npu-transcribe as a command: its output, its files, its messages."""
import http.server
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave

import media
from media import run, sample, transcribe
from tap import Skip, case, contains, equal, run_cases


def in_folder(function):
    """The case gets a folder of its own, whose name has a space."""
    def with_folder():
        with tempfile.TemporaryDirectory(prefix='npu transcribe ') as folder:
            function(pathlib.Path(folder))
    with_folder.__name__ = function.__name__
    return with_folder


def tool(*arguments, **options):
    return run([transcribe, *arguments], **options)


def srt_cues(path):
    """[(start, end, text)] of an SRT file, with every part of it checked."""
    cues = []
    for number, cue in enumerate(path.read_text().rstrip('\n').split('\n\n'), 1):
        head, times, *text = cue.split('\n')
        equal(int(head), number, 'cue number')
        match = re.fullmatch(
            r'(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})', times)
        n = [int(g) for g in match.groups()]
        cues.append((n[0] * 3600 + n[1] * 60 + n[2] + n[3] / 1000,
                     n[4] * 3600 + n[5] * 60 + n[6] + n[7] / 1000, '\n'.join(text)))
    return cues


def check_segments(text):
    segments = media.segments(text)
    equal(bool(segments), True, 'segments')
    media.check_words(' '.join(words for _, _, words in segments))
    length = media.sample_seconds()
    for (start, end, words), (following, *_) in zip(
            segments, segments[1:] + [(length + 0.3, 0, '')]):
        if not 0 <= start < end <= length + 0.3 or end > following + 0.011:
            raise AssertionError(f'times of {words!r}: {start} to {end}')
    return segments


@case
@in_folder
def a_recording_gives_segments_and_subtitles_beside_it(folder):
    recording = media.copy_sample(folder, 'a talk.wav')
    result = tool(recording)
    segments = check_segments(result.stdout)
    cues = srt_cues(folder / 'a talk.srt')
    equal([c[2] for c in cues], [s[2] for s in segments], 'text of the subtitles')
    for cue, segment in zip(cues, segments):
        if abs(cue[0] - segment[0]) > 0.011 or abs(cue[1] - segment[1]) > 0.011:
            raise AssertionError(f'{cue} and {segment}')
    equal(result.stderr, f'Subtitles: {folder}/a talk.srt\n', 'standard error')


@case
@in_folder
def no_word_is_lost_behind_a_silence(folder):
    for seconds in range(3, 10):
        recording = media.write_after_silence(folder / 'late.wav', seconds)
        heard = media.segments(tool('--no-srt', recording).stdout)
        rate = media.word_error_rate(
            media.words(' '.join(text for _, _, text in heard)), media.sample_words())
        if rate > 0.2 or abs(heard[0][0] - seconds - 1.04) > 0.5:
            raise AssertionError(f'behind {seconds} s: {heard}')


@case
@in_folder
def a_relative_name_and_a_uri_work(folder):
    recording = media.copy_sample(folder)
    check_segments(tool('speech.wav', cwd=folder).stdout)
    check_segments(tool('--no-srt', recording.as_uri(), cwd='/').stdout)


@case
@in_folder
def a_foreign_srt_is_kept_and_a_repeated_run_makes_one_file(folder):
    recording = media.copy_sample(folder)
    (folder / 'speech.srt').write_text('mine\n')
    for _ in range(2):
        result = tool(recording)
        contains(result.stderr, 'speech.1.srt')
    equal((folder / 'speech.srt').read_text(), 'mine\n')
    equal(sorted(p.name for p in folder.iterdir()),
          ['speech.1.srt', 'speech.srt', 'speech.wav'])


@case
@in_folder
def srt_names_the_file_and_overwrites_it(folder):
    (folder / 'out.srt').write_text('old\n' * 1000)
    tool('--srt', folder / 'out.srt', sample)
    srt_cues(folder / 'out.srt')


@case
@in_folder
def no_srt_writes_nothing(folder):
    recording = media.copy_sample(folder)
    result = tool('--no-srt', recording)
    equal([p.name for p in folder.iterdir()], ['speech.wav'])
    equal(result.stderr, '', 'standard error')


@case
@in_folder
def subtitles_go_to_the_current_folder_where_beside_cannot_be_written_or_nowhere(folder):
    locked, here = folder / 'locked', folder / 'here'
    locked.mkdir()
    here.mkdir()
    recording = media.copy_sample(locked)
    if os.geteuid() != 0:
        locked.chmod(0o555)
        command = []
    elif shutil.which('setpriv'):
        folder.chmod(0o755)
        here.chmod(0o777)
        # root writes everywhere; this user does not
        command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        if run([*command, 'test', '-x', transcribe], check=False).returncode:
            raise Skip('the build folder is not open to other users')
    else:
        raise Skip('runs as root, and setpriv is missing')
    environment = dict(os.environ, HOME=str(here), GST_REGISTRY=str(here / 'registry'))
    result = run([*command, transcribe, recording], cwd=here, env=environment)
    nowhere = run([*command, transcribe, recording], cwd=locked, env=environment)
    locked.chmod(0o755)
    contains(result.stderr, 'Subtitles: speech.srt')
    srt_cues(here / 'speech.srt')
    equal([p.name for p in locked.iterdir()], ['speech.wav'])
    contains(nowhere.stderr, 'going on without subtitles')
    check_segments(nowhere.stdout)


@case
@in_folder
def the_sound_of_a_video_is_transcribed(folder):
    film = media.make_video(folder / 'talk.mp4')
    check_segments(tool(film).stdout)
    srt_cues(folder / 'talk.srt')


@case
@in_folder
def a_video_without_a_decoder_for_its_pictures_is_transcribed(folder):
    film = media.make_video(folder / 'talk.mkv')
    environment = dict(os.environ, GST_PLUGIN_FEATURE_RANK='vp8dec:0,avdec_vp8:0')
    check_segments(tool('--no-srt', film, env=environment).stdout)


@case
@in_folder
def a_video_without_sound_is_refused_clearly(folder):
    film = folder / 'silent.mkv'
    run(['gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=25', '!',
         'video/x-raw,width=64,height=48', '!', 'videoconvert', '!',
         'vp8enc', '!', 'matroskamux', '!', 'filesink', f'location={film}'])
    refused(film, 'no audio')
    equal([p.name for p in folder.iterdir()], ['silent.mkv'])


class BrokenServer(http.server.BaseHTTPRequestHandler):
    """Gives a recording, promises a minute more, and hangs up."""
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        sound = bytearray(sample.read_bytes())
        sound[40:44] = (1 << 24).to_bytes(4, 'little')
        self.send_response(200)
        self.send_header('Content-Length', str(len(sound) + 60 * 32000))
        self.end_headers()
        self.wfile.write(sound)
        self.wfile.flush()
        time.sleep(2)
        self.close_connection = True

    def log_message(self, *_):
        pass


@case
@in_folder
def what_came_before_the_source_failed_is_transcribed(folder):
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), BrokenServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        result = tool(f'http://127.0.0.1:{server.server_port}/talk.wav', check=False,
                      cwd=folder, timeout=60)
        server.shutdown()
    equal(result.returncode, 1, 'status')
    check_segments(result.stdout)
    contains(result.stderr, 'talk.wav', 'message')


@case
@in_folder
def a_recording_that_is_cut_is_transcribed_with_a_warning(folder):
    run(['gst-launch-1.0', '-q', 'filesrc', f'location={sample}', '!', 'wavparse', '!',
         'audioconvert', '!', 'flacenc', '!', 'matroskamux', '!', 'filesink',
         f'location={folder}/whole.mkv'])
    whole = (folder / 'whole.mkv').read_bytes()
    (folder / 'cut.mkv').write_bytes(whole[:len(whole) // 2])
    result = tool('--no-srt', folder / 'cut.mkv')
    contains(result.stderr, 'is the file complete?', 'message')
    equal(bool(media.segments(result.stdout)), True, 'words')


def refused(*arguments, status=1, timeout=30, **options):
    *arguments, message = arguments
    result = tool(*arguments, check=False, timeout=timeout, **options)
    equal(result.returncode, status, f'status of {arguments}; {result.stderr}')
    equal(result.stdout, '', 'standard output')
    contains(result.stderr, message, 'message')
    equal(result.stderr.startswith('npu-transcribe: '), True, result.stderr)
    return result.stderr


@case
@in_folder
def bad_input_is_refused_with_the_reason(folder):
    refused(folder / 'nothing.wav', 'No such file')
    refused(folder, 'is a folder')
    (folder / 'empty.wav').touch()
    refused(folder / 'empty.wav', 'is empty')
    (folder / 'letter.txt').write_text('Dear reader,\n' * 50)
    refused(folder / 'letter.txt', 'letter.txt')
    (folder / 'noise.mp4').write_bytes(os.urandom(65536))
    contains(refused(folder / 'noise.mp4', 'noise.mp4'), 'Is it an audio or video file')
    # long enough that GStreamer takes it for something else than text
    (folder / 'numbers.txt').write_text('\n'.join(map(str, range(100000))))
    refused(folder / 'numbers.txt', 'Is it an audio or video file')
    refused('http://127.0.0.1:1/talk.mp4', 'Is the address right')
    refused('file:///nonexistent/talk.mp4', 'No such file')
    refused('nowhere://talk.mp4', 'nowhere')


@case
@in_folder
def a_recording_that_is_cut_short_keeps_its_words(folder):
    recording = folder / 'cut.wav'
    recording.write_bytes(sample.read_bytes()[:sample.stat().st_size // 2])
    equal(bool(media.segments(tool(recording).stdout)), True, 'segments')


@case
@in_folder
def a_bad_model_is_refused_with_the_reason(folder):
    refused('--model', folder / 'no.bin', sample, 'no.bin')
    (folder / 'empty.bin').touch()
    refused('--model', folder / 'empty.bin', sample, 'empty.bin')
    (folder / 'other.bin').write_bytes(os.urandom(4096))
    refused('--model', folder / 'other.bin', sample, 'other.bin')
    refused('--model', folder, sample, str(folder))


@case
def wrong_usage_is_told_with_status_2():
    refused('--nonsense', 'nonsense', status=2)
    refused('what shall be transcribed', status=2)
    refused('a.wav', 'b.wav', 'one file', status=2)
    refused('--mic', 'a.wav', 'not both', status=2)
    contains(refused('--threads', 'many', sample, 'many', status=2), '0 to 1024')
    refused('--hop', '-2', sample, '0 to 3600', status=2)
    refused('--hop', 'nan', sample, '0 to 3600', status=2)
    refused('--task', 'sing', sample, 'transcribe', status=2)


@case
def an_unknown_device_is_refused_with_the_reason():
    refused('--device', 'abacus', sample, 'abacus')


@case
def help_and_version_go_to_standard_output():
    contains(tool('--help').stdout, '--mic')
    contains(tool('--version').stdout, 'npu-transcribe ')


@case
def without_the_plugin_it_says_where_to_look():
    environment = {k: v for k, v in os.environ.items() if k != 'GST_PLUGIN_PATH'}
    with tempfile.TemporaryDirectory() as folder:
        environment['GST_REGISTRY'] = f'{folder}/registry'
        probe = run(['gst-inspect-1.0', 'npumel'], env=environment, check=False)
        if probe.returncode == 0:
            raise Skip('the plugin is installed in the system')
        refused('--no-srt', sample, 'GST_PLUGIN_PATH', env=environment)


def on_a_terminal(*arguments):
    """What the tool writes with standard output and error on one terminal."""
    reader, writer = pty.openpty()
    process = subprocess.Popen([transcribe, *map(str, arguments)],
                               stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    received = b''
    while True:
        try:
            part = os.read(reader, 4096)
        except OSError:
            break
        if not part:
            break
        received += part
    equal(process.wait(60), 0, 'status')
    return received.decode().replace('\r\n', '\n')


@case
def a_terminal_gets_progress_that_leaves_the_lines_readable():
    text = on_a_terminal('--no-srt', sample)
    visible = []
    for line in text.split('\n'):
        visible.append(line.split('\r\033[K')[-1])
    check_segments('\n'.join(visible).rstrip('\n') + '\n')


@case
@in_folder
def progress_stays_below_the_words(folder):
    """A window takes less time than passes between two looks at the progress."""
    recording = folder / 'long.wav'
    with wave.open(str(sample)) as speech, wave.open(str(recording), 'w') as out:
        out.setparams(speech.getparams())
        frames = speech.readframes(speech.getnframes())
        for _ in range(40):
            out.writeframes(frames)
    text = on_a_terminal('--no-srt', recording)
    first = re.search(r'of 09:5\d   [\d.]+ x real time   \d\d:\d\d left', text)
    equal(bool(first), True, f'progress in {text[:500]!r}')
    lines = text[first.end():].split('\n')
    # behind the last words the progress is cleared for good
    for line in lines[:-1]:
        contains(line, '\r\033[K[', 'words in the place of the progress')


@case
def a_closed_standard_output_is_told():
    result = run(f'"{transcribe}" --no-srt "{sample}" >/dev/full', check=False)
    equal(result.returncode, 1, 'status')
    contains(result.stderr, 'standard output could not be written')


sys.exit(run_cases())
