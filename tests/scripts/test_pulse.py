# SPDX-License-Identifier: LGPL-2.1-or-later
"""The microphone: pulsesrc in front of a real PulseAudio server, into whose
null sink the project's recording is played."""
import os
import sys
import time

import media
from media import check_words, live_error_rate, sample
from pulse_server import PulseServer
from tap import case, contains, equal, run_cases

LIVE = ['pulsesrc', '!', 'npumel', '!', 'npuencoder', '!']


def listen(server, command, seconds_after=1.0, times=1):
    """Run a live command while the recording is played; then Ctrl-C."""
    with media.Background(command, env=server.environment) as program:
        server.wait_for_listener()
        time.sleep(0.5)
        for _ in range(times):
            server.play(sample)
        time.sleep(seconds_after)
        equal(program.process.poll(), None, 'status before Ctrl-C')
        return program.interrupt()


@case
def pulsesrc_npumel_npuencoder_fakesink_runs_without_any_property():
    with PulseServer() as server:
        status, _, errors = listen(
            server, ['gst-launch-1.0', '-e', *LIVE, 'fakesink'])
        equal(status, 0, f'status; {errors}')
        equal('WARN' in errors or 'ERROR' in errors, False, errors)


@case
def a_synchronised_sink_gets_every_sample_in_time():
    with PulseServer() as server:
        status, output, errors = listen(
            server, ['gst-launch-1.0', '-e', '-m', *LIVE, 'fakesink', 'sync=true'],
            times=2)
        equal(status, 0, f'status; {errors}')
        for trouble in ('(warning)', '(error)', '(qos)', 'WARNING', 'dropped',
                        "Can't record audio fast enough"):
            if trouble in output or trouble in errors:
                raise AssertionError(f'{trouble}:\n{output}\n{errors}')


@case
def words_of_the_microphone_are_read_from_fdsink():
    with PulseServer() as server:
        status, output, errors = listen(
            server, ['gst-launch-1.0', '-q', '-e', *LIVE, 'npudecoder',
                     r'separator=\\n', '!', 'fdsink'])
        equal(status, 0, f'status; {errors}')
        check_words(output, live_error_rate)


@case
def the_tool_prints_what_the_microphone_hears_and_flushes_at_ctrl_c():
    with PulseServer() as server:
        status, output, errors = listen(
            server, [media.transcribe, '--mic'], seconds_after=0.3)
        equal(status, 0, f'status; {errors}')
        segments = media.segments(output)
        check_words(' '.join(text for _, _, text in segments), live_error_rate)
        contains(errors, 'Listening')


@case
def the_tool_prints_words_within_seconds_of_their_being_said():
    with PulseServer() as server, \
            media.Background([media.transcribe, '--mic'], env=server.environment) as program:
        server.wait_for_listener()
        time.sleep(0.5)
        server.play(sample)
        time.sleep(2.5)
        segments = media.segments(program.written())
        check_words(' '.join(text for _, _, text in segments), live_error_rate)


@case
def the_tool_says_what_a_slow_device_leaves_out():
    with PulseServer() as server:
        status, _, errors = listen(
            server, [media.transcribe, '--mic', '--device', 'emu',
                     '--device-options', 'launch-us=8000000'], seconds_after=6)
        equal(status, 0, f'status; {errors}')
        contains(errors, 'the device is too slow')


@case
def the_tool_stays_silent_before_a_silent_microphone():
    with PulseServer() as server:
        status, output, errors = listen(
            server, [media.transcribe, '--mic', '--quiet'], seconds_after=12,
            times=0)
        equal((status, output, errors), (0, '', ''))


@case
def without_a_pulseaudio_server_the_tool_says_so_and_ends():
    environment = dict(os.environ, PULSE_SERVER='unix:/nonexistent/native')
    result = media.run([media.transcribe, '--mic'], check=False, timeout=30,
                       env=environment)
    equal(result.returncode, 1, 'status')
    contains(result.stderr, 'PulseAudio')


sys.exit(run_cases())
