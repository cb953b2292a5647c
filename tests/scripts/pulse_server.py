# SPDX-License-Identifier: LGPL-2.1-or-later
"""A PulseAudio server of the test's own, with a null sink as the loudspeaker
and the null sink's monitor as the microphone."""
import os
import shutil
import subprocess
import tempfile
import time

START_LIMIT = 20


class PulseServer:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='npu-pulse-')
        socket = os.path.join(self.folder, 'native')
        self.environment = dict(
            os.environ, HOME=self.folder, XDG_RUNTIME_DIR=self.folder,
            XDG_CONFIG_HOME=self.folder, PULSE_RUNTIME_PATH=self.folder,
            PULSE_STATE_PATH=self.folder)
        self.environment.pop('PULSE_SERVER', None)
        self.log = open(os.path.join(self.folder, 'log'), 'w+')
        self.process = subprocess.Popen(
            ['pulseaudio', '-n', '--daemonize=no', '--exit-idle-time=-1',
             '--use-pid-file=no', '--disable-shm=yes', '--system=no',
             '-L', 'module-null-sink sink_name=speech',
             '-L', f'module-native-protocol-unix auth-anonymous=1 socket={socket}'],
            env=self.environment, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        self.environment['PULSE_SERVER'] = f'unix:{socket}'
        self.environment['PULSE_COOKIE'] = os.path.join(self.folder, 'cookie')
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_ready(self):
        limit = time.monotonic() + START_LIMIT
        while subprocess.run(['pactl', 'info'], env=self.environment,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > limit:
                self.log.seek(0)
                raise AssertionError(f'PulseAudio did not start:\n{self.log.read()}')
            time.sleep(0.1)
        subprocess.run(['pactl', 'set-default-source', 'speech.monitor'],
                       env=self.environment, check=True)

    def play(self, path):
        """Play a recording to its end."""
        subprocess.run(['paplay', '--device=speech', str(path)],
                       env=self.environment, check=True, timeout=120)

    def wait_for_listener(self, limit=30):
        """Until somebody records from the microphone."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            listing = subprocess.run(
                ['pactl', 'list', 'short', 'source-outputs'],
                env=self.environment, stdout=subprocess.PIPE, text=True)
            if listing.stdout.strip():
                return
            time.sleep(0.1)
        raise AssertionError('nobody opened the microphone')

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
