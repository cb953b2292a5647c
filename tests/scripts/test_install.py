# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` lays down works where it lies."""
import os
import pathlib
import sys
import tempfile

import media
from media import build_root, run, sample
from tap import case, contains, equal, run_cases

with tempfile.TemporaryDirectory(prefix='npu install ') as folder:
    folder = pathlib.Path(folder)
    run(['meson', 'install', '-C', build_root, '--no-rebuild', '--quiet',
         '--destdir', folder])
    files = [p for p in folder.rglob('*') if p.is_file()]
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(('GST_', 'LD_LIBRARY'))}
    environment['GST_REGISTRY'] = str(folder / 'registry')

    def one(name):
        found = [p for p in files if p.name == name]
        equal(len(found), 1, f'installed files named {name}')
        return found[0]

    @case
    def the_plugin_finds_its_core_from_where_it_lies():
        plugin = one('libgstnpu.so')
        equal(plugin.parent.name, 'gstreamer-1.0', 'folder of the plugin')
        environment['GST_PLUGIN_PATH'] = str(plugin.parent)
        libraries = run(['ldd', plugin], env=environment).stdout
        contains(libraries, str(folder), 'libraries')
        listing = run(['gst-inspect-1.0', 'npu'], env=environment).stdout
        for element in ('npumel', 'npuencoder', 'npudecoder'):
            contains(listing, element)

    @case
    def nothing_of_the_build_folder_remains_in_what_is_installed():
        for path in files:
            if path.suffix == '.so' or os.access(path, os.X_OK):
                sections = run(['readelf', '-d', path], check=False).stdout
                equal(str(build_root) in sections, False, f'build folder in {path}')

    @case
    def no_other_library_lies_where_gstreamer_looks_for_plugins():
        here = [p.name for p in one('libgstnpu.so').parent.iterdir()]
        equal(here, ['libgstnpu.so'])

    @case
    def the_installed_tool_transcribes_with_the_installed_plugin():
        environment['GST_PLUGIN_PATH'] = str(one('libgstnpu.so').parent)
        result = run([one('npu-transcribe'), '--no-srt', sample], env=environment)
        equal(bool(media.segments(result.stdout)), True, 'segments')

    @case
    def meson_devenv_sets_the_path_of_the_plugin():
        result = run(['meson', 'devenv', '-C', build_root, 'gst-inspect-1.0', 'npumel'],
                     env={k: v for k, v in environment.items()
                          if k != 'GST_PLUGIN_PATH'})
        contains(result.stdout, str(build_root / 'gst' / 'plugin'))

    status = run_cases()
sys.exit(status)
