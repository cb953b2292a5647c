# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands and media files that the script tests share."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import wave

source_root = pathlib.Path(os.environ['NPU_SOURCE_ROOT'])
build_root = pathlib.Path(os.environ['NPU_BUILD_ROOT'])
transcribe = build_root / 'pipelines' / 'npu-transcribe'
sample = source_root / 'models' / 'commands-en' / 'sample.wav'
time_limit = 120

# The most errors that the built-in model may make in the project's recording,
# behind a file, and live, where speech is cut elsewhere in a window.
file_error_rate = 0.10
live_error_rate = 0.15

SEGMENT = re.compile(
    r'\[(?:(\d\d):)?(\d\d):(\d\d\.\d\d) -> (?:(\d\d):)?(\d\d):(\d\d\.\d\d)\] (\S.*)')


def run(command, timeout=time_limit, check=True, **options):
    """Run a command (a list, or a line for the shell); returns its result."""
    options.setdefault('stdin', subprocess.DEVNULL)
    options.setdefault('text', True)
    result = subprocess.run(
        [str(c) for c in command] if not isinstance(command, str) else command,
        shell=isinstance(command, str), timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if check and result.returncode != 0:
        raise AssertionError(
            f'{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}')
    return result


class Background:
    """A process that is interrupted and waited for on leaving the block."""

    def __init__(self, command, **options):
        self.output = tempfile.TemporaryFile('w+')
        self.errors = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=self.errors, **options)

    def __enter__(self):
        return self

    def interrupt(self, timeout=time_limit):
        """Ctrl-C, then everything it wrote: (status, stdout, stderr)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout)
        return self.process.returncode, self._read(self.output), self._read(self.errors)

    def written(self):
        return self._read(self.output)

    @staticmethod
    def _read(file):
        file.seek(0)
        return file.read()

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def segments(text):
    """[(start, end, words)] of npu-transcribe's lines; fails on any other."""
    found = []
    for line in text.splitlines():
        match = SEGMENT.fullmatch(line)
        if not match:
            raise AssertionError(f'not a segment: {line!r}')
        h0, m0, s0, h1, m1, s1, words = match.groups()
        start = 3600 * int(h0 or 0) + 60 * int(m0) + float(s0)
        end = 3600 * int(h1 or 0) + 60 * int(m1) + float(s1)
        found.append((start, end, words))
    return found


def words(text):
    """Lower-case words without punctuation."""
    return re.findall(r"[a-z']+", text.lower())


def word_error_rate(heard, said):
    """Edit distance of two word lists over the length of what was said."""
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(said, 1):
        previous, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            previous, row[j] = row[j], min(
                row[j] + 1, row[j - 1] + 1, previous + (word != expected))
    return row[-1] / max(1, len(said))


def check_words(text, limit=file_error_rate):
    """Fail unless the text is that of the project's recording."""
    heard, said = words(text), sample_words()
    rate = word_error_rate(heard, said)
    print(f'# word error rate {rate:.2f}: {" ".join(heard)}')
    if rate > limit:
        raise AssertionError(f'heard {heard}, said {said}')


def sample_words():
    """What is said in the project's own recording."""
    return words((sample.parent / 'sample.txt').read_text())


def make_video(path, seconds=None):
    """The sample as the sound track of a small video (Matroska or MP4)."""
    muxer, encoder = {'.mkv': ('matroskamux', ['vp8enc']),
                      '.mp4': ('mp4mux', ['openh264enc', '!', 'h264parse'])}[path.suffix]
    frames = int(25 * (seconds or sample_seconds()))
    run(['gst-launch-1.0', '-q', muxer, 'name=mux', '!', 'filesink',
         f'location={path}',
         'videotestsrc', f'num-buffers={frames}', '!',
         'video/x-raw,width=64,height=48,framerate=25/1', '!',
         'videoconvert', '!', *encoder, '!', 'mux.',
         'filesrc', f'location={sample}', '!', 'decodebin', '!',
         'audioconvert', '!', 'avenc_aac', '!', 'mux.'])
    return path


def sample_seconds():
    with wave.open(str(sample)) as recording:
        return recording.getnframes() / recording.getframerate()


def write_after_silence(path, seconds):
    """The sample behind a silence of so many seconds, with a little noise in
    it, since digital silence is passed over."""
    with wave.open(str(sample)) as recording, wave.open(str(path), 'w') as out:
        out.setparams(recording.getparams())
        count = int(seconds * recording.getframerate())
        out.writeframes(bytes([1, 0, 255, 255]) * (count // 2))
        out.writeframes(recording.readframes(recording.getnframes()))
    return path


def copy_sample(folder, name='speech.wav'):
    path = pathlib.Path(folder) / name
    shutil.copyfile(sample, path)
    return path
