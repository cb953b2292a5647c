# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run in a copy of the tree whose path has spaces: the first run configures
and builds, the second does neither."""
import os
import pathlib
import shutil
import sys
import tempfile
import time

import media
from media import run, source_root
from tap import Skip, case, contains, equal, run_cases

BUILD_LIMIT = 900


def copy_tree(folder):
    """The files that belong to the project, without any build folder."""
    listing = run(['git', '-C', source_root, 'ls-files', '-z', '--cached', '--others',
                   '--exclude-standard'], check=False)
    if listing.returncode == 0:
        for name in filter(None, listing.stdout.split('\0')):
            if (source_root / name).is_file():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source_root / name, target)
    else:
        shutil.copytree(source_root, folder, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns('build*', '.git', '__pycache__'))


def clean_environment():
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith(('GST_', 'MESON', 'NPU_', 'MALLOC_'))}
    return keep


with tempfile.TemporaryDirectory(prefix='npu run ') as scratch:
    scratch = pathlib.Path(scratch)
    tree = scratch / 'the tree'
    elsewhere = scratch / 'else where'
    elsewhere.mkdir()
    copy_tree(tree)
    environment = clean_environment()

    def run_script(*arguments, **options):
        return run([tree / 'run', *arguments], cwd=elsewhere, env=environment,
                   timeout=BUILD_LIMIT, **options)

    def check_words(text):
        media.check_words(' '.join(s[2] for s in media.segments(text)))

    @case
    def help_comes_before_anything_is_built():
        result = run_script('--help')
        contains(result.stdout, './run --mic')
        equal((tree / 'build').exists(), False, 'a build folder')

    @case
    def the_first_run_builds_and_transcribes_the_recording():
        result = run_script()
        check_words(result.stdout)
        contains(result.stderr, 'Building into')
        contains(result.stderr, 'sample.srt')

    @case
    def the_second_run_does_no_work_twice():
        before = time.monotonic()
        result = run_script('--quiet', '--no-srt')
        duration = time.monotonic() - before
        check_words(result.stdout)
        equal(result.stderr, '', 'standard error')
        tool = run([tree / 'build/pipelines/npu-transcribe', '--version'])
        print(f'# second run {duration:.1f} s, of {tool.stdout.strip()}')
        # the transcription itself takes most of it
        if duration > 10:
            raise AssertionError(f'{duration} s')

    @case
    def a_relative_file_is_found_from_any_folder():
        media.copy_sample(elsewhere, 'my talk.wav')
        result = run_script('my talk.wav')
        check_words(result.stdout)
        equal((elsewhere / 'my talk.srt').exists(), True, 'the subtitles')

    @case
    def a_changed_source_is_built_again():
        path = tree / 'pipelines' / 'npu-transcribe.c'
        path.write_text(path.read_text() + '\n')
        contains(run_script('--version').stderr, 'Building into')

    @case
    def a_tree_that_was_moved_with_its_build_folder_is_configured_anew():
        moved = scratch / 'moved tree'
        tree.rename(moved)
        try:
            # only as far as Meson: a whole build was done above
            result = run(['bash', '-c', 'root=$1; . "$root/.ci/packages.sh"; '
                          'configured "$root/build" tests', '-', moved], env=environment)
            equal(result.stdout, '', 'a setting of the folder before')
        finally:
            moved.rename(tree)

    @case
    def an_installed_package_is_not_installed_again():
        if not shutil.which('dpkg-query'):
            raise Skip('not Debian')
        result = run(['bash', '-c', 'root=$1; . "$root/.ci/packages.sh"; '
                      'install_missing "${build_packages[@]}" "${play_packages[@]}"',
                      '-', source_root])
        equal(result.stderr, '', 'standard error')

    @case
    def a_missing_package_is_named_and_installed_by_apt_get():
        commands = scratch / 'bin'
        commands.mkdir()
        (commands / 'apt-get').write_text('#!/bin/sh\necho "apt-get: $*" >&2\n')
        (commands / 'sudo').write_text('#!/bin/sh\necho through sudo >&2\nexec "$@"\n')
        for command in commands.iterdir():
            command.chmod(0o755)
        result = run(['bash', '-c', 'root=$1; . "$root/.ci/packages.sh"; '
                      'install_missing npu-no-such-package bash', '-', source_root],
                     env=dict(environment, PATH=f'{commands}:{environment["PATH"]}'))
        contains(result.stderr, 'Installing from Debian: npu-no-such-package\n')
        contains(result.stderr, '--no-install-recommends npu-no-such-package\n')
        equal('through sudo' in result.stderr, os.geteuid() != 0, 'sudo')

    status = run_cases()
sys.exit(status)
