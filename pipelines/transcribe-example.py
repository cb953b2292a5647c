#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shortest Python program that embeds the pipeline.

It takes the text of an audio or video file from an appsink and prints it.
On Debian it needs python3-gi and gir1.2-gst-plugins-base-1.0.
"""
import sys

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstApp', '1.0')
from gi.repository import Gst, GstApp  # noqa: E402  (after the versions)


def texts(path):
    """Yield (start in seconds, text) for every segment of a media file."""
    pipeline = Gst.parse_launch(
        'filesrc name=source ! decodebin ! npumel name=mel ! npuencoder '
        '! npudecoder ! appsink name=sink sync=false')
    pipeline.get_by_name('source').set_property('location', path)
    sink = pipeline.get_by_name('sink')

    audio = pipeline.get_by_name('mel').get_static_pad('sink')
    bus = pipeline.get_bus()
    error = None

    pipeline.set_state(Gst.State.PLAYING)
    try:
        while not sink.get_property('eos'):
            sample = sink.try_pull_sample(Gst.SECOND // 10)
            if sample:
                buffer = sample.get_buffer()
                text = buffer.extract_dup(0, buffer.get_size()).decode('utf-8')
                start = sample.get_segment().to_stream_time(
                    Gst.Format.TIME, buffer.pts)
                yield start / Gst.SECOND, text
                continue
            message = bus.pop_filtered(Gst.MessageType.ERROR)
            if message and not error:
                error = message.parse_error()[0].message
                if not audio.is_linked():
                    break
                # words of what was heard before still come
                audio.send_event(Gst.Event.new_eos())
        message = bus.pop_filtered(Gst.MessageType.ERROR)
        if message and not error:
            error = message.parse_error()[0].message
    finally:
        pipeline.set_state(Gst.State.NULL)
    if error:
        raise RuntimeError(error)


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit(f'Usage: {sys.argv[0]} FILE')
    try:
        for start, text in texts(sys.argv[1]):
            print(f'{start:6.2f} s  {text}', flush=True)
    except RuntimeError as error:
        sys.exit(f'{sys.argv[1]}: {error}')


if __name__ == '__main__':
    main()
