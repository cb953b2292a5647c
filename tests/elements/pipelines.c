/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npumel, npuencoder and npudecoder together in whole pipelines. The model is
 * random: what matters is that the text comes, when it comes, and that it is
 * the same in every run.
 */
#include "npuencoder-fixture.h"

#include <gst/app/gstappsink.h>

#include "unit/model-writer.h"

/* 7.3 s that are not the same all over; wave=ticks would leave memory unset. */
#define SOURCE "audiotestsrc num-buffers=73 samplesperbuffer=1600 " \
  "wave=saw freq=3 ! " \
  "audio/x-raw,rate=16000,channels=1 ! "

#define RANDOM_TEXT "no-speech-threshold=1 log-probability-threshold=-100 "

/* A pipeline from a format with the test's model in place of its "%s". */
static GstElement *
new_pipeline (const gchar * format)
{
  gchar **parts = g_strsplit (format, "%s", -1);
  gchar *description = g_strjoinv (test_model (), parts);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (description, &error);

  fail_unless (error == NULL, "%s", error ? error->message : "");
  g_free (description);
  g_strfreev (parts);
  return pipeline;
}

/* Wait for the end; warnings and errors fail. */
static void
wait_for_end (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

  fail_unless (message != NULL, "no end within a minute");
  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_EOS) {
    GError *error = NULL;
    gchar *details = NULL;

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      gst_message_parse_error (message, &error, &details);
    else
      gst_message_parse_warning (message, &error, &details);
    fail ("%s: %s %s", GST_MESSAGE_SRC_NAME (message), error->message,
        details);
  }
  gst_message_unref (message);
  gst_object_unref (bus);
}

static void
play (GstElement * pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
note_text (GstElement * sink, GstBuffer * buffer, GstPad * pad, gpointer data)
{
  GString *text = data;
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  fail_unless (g_utf8_validate ((gchar *) map.data, map.size, NULL));
  g_string_append_printf (text, "%" GST_TIME_FORMAT "+%" GST_TIME_FORMAT
      " %.*s\n", GST_TIME_ARGS (GST_BUFFER_PTS (buffer)),
      GST_TIME_ARGS (GST_BUFFER_DURATION (buffer)), (gint) map.size, map.data);
  gst_buffer_unmap (buffer, &map);
}

/* The text, with times, that fakesink "text" of a pipeline gets. */
static gchar *
transcribe (const gchar * format)
{
  GstElement *pipeline = new_pipeline (format);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "text");
  GString *text = g_string_new (NULL);

  g_object_set (sink, "signal-handoffs", TRUE, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (note_text), text);
  play (pipeline);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return g_string_free (text, FALSE);
}

#define TRANSCRIBE(source, between) source "npumel ! npuencoder name=e " \
  "precision=float32 model=%s ! " between "npudecoder " RANDOM_TEXT \
  "! fakesink name=text"

GST_START_TEST (the_same_audio_gives_the_same_text_in_every_run)
{
  gchar *text = transcribe (TRANSCRIBE (SOURCE, ""));

  fail_unless (strlen (text) > 0);
  for (guint i = 0; i < 5; i++) {
    gchar *again = transcribe (TRANSCRIBE (SOURCE, ""));

    fail_unless_equals_string (again, text);
    g_free (again);
  }
  g_free (text);
}
GST_END_TEST;

GST_START_TEST (queues_and_tees_between_the_elements_change_nothing)
{
  gchar *direct = transcribe (TRANSCRIBE (SOURCE, ""));
  gchar *queued = transcribe (TRANSCRIBE (SOURCE "queue ! ",
          "queue ! identity ! "));
  gchar *forked = transcribe (TRANSCRIBE (SOURCE,
          "tee name=t  t. ! queue ! fakesink async=false  t. ! queue ! "));

  fail_unless_equals_string (queued, direct);
  fail_unless_equals_string (forked, direct);
  g_free (forked);
  g_free (queued);
  g_free (direct);
}
GST_END_TEST;

GST_START_TEST (two_decoders_behind_a_tee_both_write)
{
  gchar *direct = transcribe (TRANSCRIBE (SOURCE, ""));
  gchar *both = transcribe (TRANSCRIBE (SOURCE, "tee name=t  t. ! queue ! "
          "npudecoder " RANDOM_TEXT "! fakesink async=false  t. ! queue ! "));

  fail_unless_equals_string (both, direct);
  g_free (both);
  g_free (direct);
}
GST_END_TEST;

/* Windows that never reach the decoder are not waited for. */
GST_START_TEST (a_leaky_queue_before_the_decoder_does_not_hang)
{
  g_free (transcribe (TRANSCRIBE (SOURCE, "queue leaky=downstream "
              "max-size-buffers=1 ! identity sleep-time=20000 ! ")));
}
GST_END_TEST;

GST_START_TEST (a_closed_valve_before_the_decoder_does_not_hang)
{
  gchar *text = transcribe (TRANSCRIBE (SOURCE, "valve drop=true "
          "drop-mode=transform-to-gap ! "));

  fail_unless_equals_string (text, "");
  g_free (text);
}
GST_END_TEST;

/* Plays to the end, with a warning before it that there was nothing. */
static void
play_nothing (const gchar * format)
{
  GstElement *pipeline = new_pipeline (format);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  GError *error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_WARNING);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, "nothing to transcribe") != NULL);
  g_error_free (error);
  gst_message_unref (message);
  wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

GST_START_TEST (no_audio_one_sample_and_less_than_a_frame_end_well)
{
  const guint samples[] = { 1, 159, 160, 161, 401 };

  for (guint i = 0; i < G_N_ELEMENTS (samples); i++) {
    gchar *source = g_strdup_printf ("audiotestsrc num-buffers=1 "
        "samplesperbuffer=%u ! audio/x-raw,rate=16000,channels=1 ! "
        TRANSCRIBE ("", ""), samples[i], "%s");

    if (samples[i] < 160)
      play_nothing (source);
    else
      g_free (transcribe (source));
    g_free (source);
  }
  play_nothing (TRANSCRIBE ("audiotestsrc num-buffers=0 ! ", ""));
}
GST_END_TEST;

GST_START_TEST (several_pipelines_at_once_write_what_one_writes)
{
  gchar *alone = transcribe (TRANSCRIBE (SOURCE, ""));
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("pipeline", (GThreadFunc) transcribe,
        (gpointer) TRANSCRIBE (SOURCE, ""));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
    gchar *text = g_thread_join (threads[i]);

    fail_unless_equals_string (text, alone);
    g_free (text);
  }
  g_free (alone);
}
GST_END_TEST;

GST_START_TEST (small_windows_of_a_growing_sentence_end_well)
{
  gchar *text = transcribe (SOURCE "npumel ! npuencoder model=%s "
      "hop=200000000 ! npudecoder " RANDOM_TEXT "! fakesink name=text");

  fail_unless (strlen (text) > 0);
  g_free (text);
}
GST_END_TEST;

/* ------------------------------------------------------------- live */

/* A sink drops what is late by more than its duration: let there be none. */
static GstPadProbeReturn
drop_duration (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  info->data = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_BUFFER_DURATION (info->data) = GST_CLOCK_TIME_NONE;
  return GST_PAD_PROBE_OK;
}

/* A pipeline whose fakesink "sink" tells with a QoS message of what it drops.
 * Plays for some seconds, in which the sink has to get something. */
static void
check_live (const gchar * format, guint seconds)
{
  GstElement *pipeline = new_pipeline (format);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstBus *bus = gst_element_get_bus (pipeline);
  GstStructure *stats;
  GstMessage *message;
  guint64 rendered = 0, dropped = 0;

  g_object_set (sink, "sync", TRUE, "qos", TRUE, "max-lateness",
      (gint64) 200 * GST_MSECOND, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, drop_duration, NULL, NULL);
  fail_unless_equals_int (gst_element_set_state (pipeline,
          GST_STATE_PLAYING), GST_STATE_CHANGE_ASYNC);
  message = gst_bus_timed_pop_filtered (bus, seconds * GST_SECOND,
      GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_QOS);
  fail_unless (message == NULL, "%s", message
      && gst_message_get_structure (message)
      ? gst_structure_to_string (gst_message_get_structure (message)) : "");
  g_object_get (sink, "stats", &stats, NULL);
  gst_structure_get (stats, "rendered", G_TYPE_UINT64, &rendered, "dropped",
      G_TYPE_UINT64, &dropped, NULL);
  gst_structure_free (stats);
  fail_unless (rendered > 0, "nothing came");
  fail_unless_equals_uint64 (dropped, 0);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

GST_START_TEST (a_live_source_with_a_sink_on_the_clock_posts_no_warning)
{
  check_live ("audiotestsrc is-live=true ! npumel ! npuencoder model=%s ! "
      "fakesink name=sink", 5);
  check_live ("audiotestsrc is-live=true ! npumel ! npuencoder model=%s ! "
      "npudecoder " RANDOM_TEXT "! fakesink name=sink", 4);
}
GST_END_TEST;

/* The latency of the whole pipeline has room for a window, so that nothing
 * comes late. */
static void
check_in_time (GstElement * sink, GstBuffer * buffer, GstPad * pad,
    gpointer late)
{
  GstClock *clock = gst_element_get_clock (sink);
  GstClockTime now = gst_clock_get_time (clock)
      - gst_element_get_base_time (sink);

  /* the sink has waited for the time; much later means that it came late */
  if (now > GST_BUFFER_PTS (buffer) + 1250 * GST_MSECOND
      + 500 * GST_MSECOND)
    g_atomic_int_inc ((gint *) late);
  gst_object_unref (clock);
}

GST_START_TEST (states_of_a_live_source_come_in_time)
{
  GstElement *pipeline = new_pipeline ("audiotestsrc is-live=true "
      "num-buffers=60 ! npumel ! npuencoder model=%s ! "
      "fakesink name=sink sync=true signal-handoffs=true");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gint late = 0;

  g_signal_connect (sink, "handoff", G_CALLBACK (check_in_time), &late);
  play (pipeline);
  fail_unless_equals_int (late, 0);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
}
GST_END_TEST;

/* ------------------------------------------------------------ files */

/* A file to read from, 20 s. */
static const gchar *
wave_file (void)
{
  const gchar *path = test_path ("speech.wav");
  GstElement *pipeline;
  gchar *description;

  description = g_strdup_printf ("audiotestsrc num-buffers=200 "
      "samplesperbuffer=1600 wave=saw freq=3 ! "
      "audio/x-raw,rate=16000,channels=1 ! wavenc ! filesink location=%s", path);
  pipeline = gst_parse_launch (description, NULL);
  play (pipeline);
  gst_object_unref (pipeline);
  g_free (description);
  return g_intern_string (path);
}

static void
check_order (GstElement * sink, GstBuffer * buffer, GstPad * pad,
    gpointer last)
{
  GstClockTime *position = last;

  if (*position != GST_CLOCK_TIME_NONE)
    fail_unless (GST_BUFFER_PTS (buffer) >= *position);
  *position = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
}

static GstPadProbeReturn
forget_order (GstPad * pad, GstPadProbeInfo * info, gpointer last)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_SEGMENT)
    *(GstClockTime *) last = GST_CLOCK_TIME_NONE;
  return GST_PAD_PROBE_OK;
}

GST_START_TEST (seeks_in_a_file_keep_text_in_order)
{
  gchar *format = g_strdup_printf ("filesrc location=%s ! wavparse ! npumel ! "
      "npuencoder model=%s ! npudecoder " RANDOM_TEXT
      "! fakesink name=text signal-handoffs=true", wave_file (), "%s");
  GstElement *pipeline = new_pipeline (format);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "text");
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstClockTime last = GST_CLOCK_TIME_NONE;
  GRand *random = g_rand_new_with_seed (7);

  g_signal_connect (sink, "handoff", G_CALLBACK (check_order), &last);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, forget_order,
      &last, NULL);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_element_get_state (pipeline, NULL, NULL, 20 * GST_SECOND);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 30; i++) {
    fail_unless (gst_element_seek_simple (pipeline, GST_FORMAT_TIME,
            GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
            g_rand_int_range (random, 0, 19000) * GST_MSECOND));
    g_usleep (g_rand_int_range (random, 0, 8000));
  }
  wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_rand_free (random);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  g_free (format);
}
GST_END_TEST;

static gchar *
write_subtitles (const gchar * encoder)
{
  const gchar *path = test_path (encoder);
  gchar *format = g_strdup_printf (SOURCE "npumel ! npuencoder model=%s ! "
      "npudecoder " RANDOM_TEXT "! %s ! filesink location=%s", "%s", encoder,
      path);
  GstElement *pipeline = new_pipeline (format);
  gchar *text;

  play (pipeline);
  fail_unless (g_file_get_contents (path, &text, NULL, NULL));
  gst_object_unref (pipeline);
  g_free (format);
  return text;
}

GST_START_TEST (subtitles_are_written)
{
  gchar *text = write_subtitles ("srtenc");

  fail_unless (g_str_has_prefix (text, "1\n00:00:0"), "%s", text);
  g_free (text);
  text = write_subtitles ("webvttenc");
  fail_unless (g_str_has_prefix (text, "WEBVTT\n"), "%s", text);
  fail_unless (strstr (text, " --> ") != NULL);
  g_free (text);
}
GST_END_TEST;

GST_START_TEST (captions_lie_over_a_video)
{
  GstElement *pipeline = new_pipeline (SOURCE "npumel ! npuencoder model=%s "
      "! npudecoder " RANDOM_TEXT "! overlay.text_sink  "
      "videotestsrc num-buffers=73 ! video/x-raw,framerate=10/1,width=160,"
      "height=120 ! textoverlay name=overlay ! fakesink");

  play (pipeline);
  gst_object_unref (pipeline);
}
GST_END_TEST;

GST_START_TEST (text_reaches_an_application)
{
  GstElement *pipeline = new_pipeline (SOURCE "npumel ! npuencoder model=%s "
      "! npudecoder " RANDOM_TEXT "! appsink name=text sync=false");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "text");
  GstSample *sample;
  guint count = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
    GstBuffer *buffer = gst_sample_get_buffer (sample);

    fail_unless (GST_BUFFER_PTS_IS_VALID (buffer));
    fail_unless (GST_BUFFER_DURATION (buffer) > 0);
    count++;
    gst_sample_unref (sample);
  }
  fail_unless (count > 0);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static Suite *
pipelines_suite (void)
{
  Suite *suite = suite_create ("pipelines");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, the_same_audio_gives_the_same_text_in_every_run);
  tcase_add_test (tcase, queues_and_tees_between_the_elements_change_nothing);
  tcase_add_test (tcase, two_decoders_behind_a_tee_both_write);
  tcase_add_test (tcase, a_leaky_queue_before_the_decoder_does_not_hang);
  tcase_add_test (tcase, a_closed_valve_before_the_decoder_does_not_hang);
  tcase_add_test (tcase, no_audio_one_sample_and_less_than_a_frame_end_well);
  tcase_add_test (tcase, several_pipelines_at_once_write_what_one_writes);
  tcase_add_test (tcase, small_windows_of_a_growing_sentence_end_well);
  tcase_add_test (tcase,
      a_live_source_with_a_sink_on_the_clock_posts_no_warning);
  tcase_add_test (tcase, states_of_a_live_source_come_in_time);
  tcase_add_test (tcase, seeks_in_a_file_keep_text_in_order);
  tcase_add_test (tcase, subtitles_are_written);
  tcase_add_test (tcase, captions_lie_over_a_video);
  tcase_add_test (tcase, text_reaches_an_application);
  return suite;
}

GST_CHECK_MAIN (pipelines);
