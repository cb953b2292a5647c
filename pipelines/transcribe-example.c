/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shortest C program that embeds the pipeline: it takes the text of an
 * audio or video file from an appsink and prints it. To build it alone:
 *
 *   cc transcribe-example.c -o transcribe-example \
 *       $(pkg-config --cflags --libs gstreamer-1.0 gstreamer-app-1.0)
 */
#include <gst/gst.h>
#include <gst/app/gstappsink.h>

/* Called from a streaming thread for every segment of text. */
static GstFlowReturn
on_new_sample (GstAppSink * sink, gpointer data)
{
  GstSample *sample = gst_app_sink_pull_sample (sink);
  const GstSegment *segment = gst_sample_get_segment (sample);
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstMapInfo map;

  if (gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    g_print ("%6.2f s  %.*s\n", gst_segment_to_stream_time (segment,
            GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)) / (double) GST_SECOND,
        (int) map.size, (char *) map.data);
    gst_buffer_unmap (buffer, &map);
  }
  gst_sample_unref (sample);
  return GST_FLOW_OK;
}

#define DRAIN_LIMIT (60 * GST_SECOND)

/* A source that has failed gives no more. Words of what it gave still come when
 * the stream ends; where there was no audio yet there is nothing to end. */
static void
drain (GstElement * pipeline, GstBus * bus)
{
  GstElement *mel = gst_bin_get_by_name (GST_BIN (pipeline), "mel");
  GstPad *pad = gst_element_get_static_pad (mel, "sink");
  GstMessage *end = NULL;

  if (gst_pad_is_linked (pad)) {
    gst_pad_send_event (pad, gst_event_new_eos ());
    end = gst_bus_timed_pop_filtered (bus, DRAIN_LIMIT, GST_MESSAGE_EOS);
  }
  if (end)
    gst_message_unref (end);
  gst_object_unref (pad);
  gst_object_unref (mel);
}

int
main (int argc, char **argv)
{
  GstAppSinkCallbacks callbacks = {.new_sample = on_new_sample };
  GstElement *pipeline, *source, *sink;
  GError *error = NULL;
  GstMessage *message;
  GstBus *bus;
  int status = 0;

  gst_init (&argc, &argv);
  if (argc != 2) {
    g_printerr ("Usage: %s FILE\n", argv[0]);
    return 2;
  }

  pipeline = gst_parse_launch ("filesrc name=source ! decodebin ! "
      "npumel name=mel ! npuencoder ! npudecoder ! "
      "appsink name=sink sync=false", &error);
  if (error) {
    g_printerr ("%s\n", error->message);
    return 1;
  }

  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  g_object_set (source, "location", argv[1], NULL);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, NULL, NULL);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  bus = gst_element_get_bus (pipeline);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s: %s\n", argv[1], error->message);
    g_error_free (error);
    status = 1;
    drain (pipeline, bus);
  }

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_message_unref (message);
  gst_object_unref (bus);
  gst_object_unref (source);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return status;
}
