/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder: caps, what it tells a decoder and hears from it, latency,
 * statistics, bad input.
 */
#include "npuencoder-fixture.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "unit/model-writer.h"

/* ------------------------------------------------------------ caps */

GST_START_TEST (sink_caps_follow_the_model)
{
  GstElement *encoder = new_encoder ();
  GstPad *pad = gst_element_get_static_pad (encoder, "sink");
  GstCaps *both = gst_caps_from_string (MEL_80 ";" MEL_128);
  GstCaps *one = gst_caps_from_string (MEL_80);
  GstCaps *caps;

  caps = gst_pad_query_caps (pad, NULL);
  fail_unless (gst_caps_is_equal (caps, both));
  gst_caps_unref (caps);
  gst_element_set_state (encoder, GST_STATE_READY);
  caps = gst_pad_query_caps (pad, NULL);
  fail_unless (gst_caps_is_equal (caps, one));
  gst_caps_unref (caps);
  gst_element_set_state (encoder, GST_STATE_NULL);
  gst_caps_unref (both);
  gst_caps_unref (one);
  gst_object_unref (pad);
  gst_object_unref (encoder);
}
GST_END_TEST;

GST_START_TEST (src_caps_name_width_and_digest)
{
  GstHarness *h = new_harness (new_encoder ());
  GstCaps *caps, *expected;

  push_frames (h, 0, 100);
  gst_buffer_unref (gst_harness_pull (h));
  caps = gst_pad_get_current_caps (h->sinkpad);
  fail_unless (caps != NULL);
  expected = gst_caps_from_string ("tensor/strided, "
      "tensor-id=(string)encoder-states, type=(string)float32, "
      "dims-order=(string)row-major, dims=(int)<0,32>");
  fail_unless (gst_caps_is_subset (caps, expected));
  fail_unless_equals_int (strlen (gst_structure_get_string
          (gst_caps_get_structure (caps, 0), "model-digest")), 16);
  gst_caps_unref (expected);
  gst_caps_unref (caps);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (caps_of_another_model_are_refused_with_a_message)
{
  GstHarness *h = new_harness (new_encoder ());
  GError *error = NULL;
  gchar *text;

  gst_harness_set_src_caps_str (h, MEL_128);
  text = pop_error (h->element, &error);
  fail_unless (g_error_matches (error, GST_STREAM_ERROR,
          GST_STREAM_ERROR_WRONG_TYPE));
  fail_unless (strstr (text, "128") && strstr (text, "80"), "%s", text);
  fail_unless_equals_int (push_frames (h, 0, 10), GST_FLOW_NOT_NEGOTIATED);
  g_free (text);
  g_error_free (error);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (caps_of_any_kind_are_refused_with_one_message)
{
  static const gchar *const wrong[] = {
    "tensor/strided, tensor-id=(string)log-mel, type=(string)float32, "
        "dims-order=(string)row-major, dims=(int)<0,127>",
    "audio/x-raw, format=S16LE, rate=16000, channels=1, layout=interleaved",
  };
  GstHarness *h = new_harness (new_encoder ());
  GstBus *bus = gst_element_get_bus (h->element);
  GError *error = NULL;
  gchar *text;

  gst_harness_set_src_caps_str (h, wrong[__i__]);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_int (push_frames (h, 0, 10), GST_FLOW_NOT_NEGOTIATED);
  text = pop_error (h->element, &error);
  fail_unless (strstr (text, "npumel") && strstr (text, "80"), "%s", text);
  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) == NULL);
  g_free (text);
  g_error_free (error);
  gst_object_unref (bus);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (the_same_caps_again_change_nothing)
{
  GstHarness *h = new_harness (new_encoder ());

  push_frames (h, 0, 60);
  gst_harness_set_src_caps_str (h, MEL_80);
  push_frames (h, 60, 40);
  {
    GstBuffer *buffer = gst_harness_pull (h);

    check_states (buffer, &(Expected) {
        .frames = 100,.full = TRUE,.discont = TRUE});
    gst_buffer_unref (buffer);
  }
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_buffer_that_holds_no_whole_frames_is_an_error)
{
  GstHarness *h = new_harness (new_encoder ());
  GError *error = NULL;
  gchar *text;

  fail_unless_equals_int (gst_harness_push (h,
          gst_buffer_new_allocate (NULL, 81, NULL)), GST_FLOW_ERROR);
  text = pop_error (h->element, &error);
  fail_unless (strstr (text, "npumel") != NULL, "%s", text);
  g_free (text);
  g_error_free (error);
  free_harness (h);
}
GST_END_TEST;

/* ------------------------------------------------ with a decoder */

GST_START_TEST (the_model_goes_downstream_after_caps)
{
  GstHarness *h = new_harness (new_encoder ());
  GstEvent *event;

  push_frames (h, 0, 100);
  gst_buffer_unref (gst_harness_pull (h));
  wait_for_event (h, GST_EVENT_CAPS);
  event = gst_harness_pull_event (h);
  fail_unless (gst_npu_event_parse_model (event) != NULL);
  gst_event_unref (event);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (encoders_of_one_process_share_a_model)
{
  GstHarness *h[2];
  GstEvent *event[2];

  for (guint i = 0; i < 2; i++) {
    h[i] = new_harness (new_encoder ());
    push_frames (h[i], 0, 100);
    gst_buffer_unref (gst_harness_pull (h[i]));
    wait_for_event (h[i], GST_EVENT_CAPS);
    event[i] = gst_harness_pull_event (h[i]);
  }
  fail_unless (gst_npu_event_parse_model (event[0])
      == gst_npu_event_parse_model (event[1]));
  for (guint i = 0; i < 2; i++) {
    gst_event_unref (event[i]);
    free_harness (h[i]);
  }
}
GST_END_TEST;

/* That nothing comes can only be seen by waiting for a while. */
static void
check_quiet (GstHarness * h)
{
  g_usleep (100000);
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
}

static void
answer (GstHarness * h, GstBuffer * buffer, guint64 next_sample)
{
  guint64 id = gst_buffer_get_npu_window_meta (buffer)->window.id;

  gst_harness_push_upstream_event (h,
      gst_npu_event_new_window_done (id, next_sample));
}

GST_START_TEST (upstream_hears_how_long_windows_are)
{
  GstHarness *h = new_harness (new_encoder ());
  GstQuery *query = gst_npu_query_new_window ();

  fail_if (GST_CLOCK_TIME_IS_VALID (gst_npu_query_parse_window (query)));
  fail_unless (gst_pad_peer_query (h->srcpad, query));
  fail_unless_equals_uint64 (gst_npu_query_parse_window (query), GST_SECOND);
  gst_query_unref (query);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (driven_windows_start_where_the_answer_says)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  pretend_decoder (h);
  push_frames (h, 0, 250);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .frames = 100,.full = TRUE,.discont = TRUE});
  check_quiet (h);
  answer (h, buffer, 70 * 160);
  gst_buffer_unref (buffer);

  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 70,.frames = 100,.pts = 70 * FRAME,.first_sample = 70 * 160,
      .full = TRUE});
  gst_harness_push_event (h, gst_event_new_eos ());
  check_quiet (h);
  answer (h, buffer, 170 * 160);
  gst_buffer_unref (buffer);

  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 170,.frames = 80,.pts = 170 * FRAME,.first_sample = 170 * 160,
      .full = TRUE,.final = TRUE});
  answer (h, buffer, 250 * 160);
  gst_buffer_unref (buffer);
  fail_unless (gst_harness_pull_until_eos (h, &buffer));
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (answers_of_other_windows_are_ignored)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  pretend_decoder (h);
  push_frames (h, 0, 250);
  buffer = gst_harness_pull (h);
  gst_harness_push_upstream_event (h, gst_npu_event_new_window_done (7, 0));
  gst_harness_push_upstream_event (h,
      gst_npu_event_new_window_done (G_MAXUINT64, G_MAXUINT64));
  check_quiet (h);
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_window_that_nobody_answers_is_done_when_it_is_freed)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer, *copy;

  pretend_decoder (h);
  push_frames (h, 0, 250);
  buffer = gst_harness_pull (h);
  copy = gst_buffer_copy (buffer);
  gst_buffer_unref (buffer);
  check_quiet (h);
  gst_buffer_unref (copy);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 100,.frames = 100,.pts = GST_SECOND,.first_sample = 16000,
      .full = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (windows_do_not_depend_on_when_the_end_comes)
{
  for (guint late = 0; late < 2; late++) {
    GstHarness *h = new_harness (new_encoder ());
    GstBuffer *buffer;

    pretend_decoder (h);
    push_frames (h, 0, 100);
    if (late)
      check_quiet (h);
    gst_harness_push_event (h,
        gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, NULL));
    if (late)
      check_quiet (h);
    gst_harness_push_event (h, gst_event_new_eos ());
    buffer = gst_harness_pull (h);
    check_states (buffer, &(Expected) {
        .frames = 100,.full = TRUE,.final = TRUE,.discont = TRUE});
    gst_buffer_unref (buffer);
    free_harness (h);
  }
}
GST_END_TEST;

GST_START_TEST (a_rest_too_short_for_a_window_is_a_gap)
{
  GstHarness *h = new_harness (new_encoder ());
  GstClockTime start = 0, duration = 0;
  GstBuffer *buffer;
  GstEvent *event;

  pretend_decoder (h);
  push_frames (h, 0, 105);
  gst_harness_push_event (h, gst_event_new_eos ());
  buffer = gst_harness_pull (h);
  answer (h, buffer, 100 * 160);
  gst_buffer_unref (buffer);
  while ((event = gst_harness_pull_event (h))
      && GST_EVENT_TYPE (event) != GST_EVENT_EOS) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_GAP)
      gst_event_parse_gap (event, &start, &duration);
    gst_event_unref (event);
  }
  fail_unless (event != NULL);
  gst_event_unref (event);
  fail_unless_equals_uint64 (start, 100 * FRAME);
  fail_unless_equals_uint64 (duration, 5 * FRAME);
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
  free_harness (h);
}
GST_END_TEST;

/* As behind a tee, where a sink keeps the last buffer. */
GST_START_TEST (a_window_whose_decoder_went_away_is_done_though_it_is_kept)
{
  GstHarness *h = new_harness (new_encoder ());
  gulong decoder = pretend_decoder (h);
  GstBuffer *kept, *buffer;

  push_frames (h, 0, 250);
  kept = gst_harness_pull (h);
  check_quiet (h);
  gst_pad_remove_probe (h->sinkpad, decoder);
  buffer = gst_harness_pull (h);
  fail_unless (buffer != NULL);
  check_states (buffer, &(Expected) {
      .first = 100,.frames = 100,.pts = GST_SECOND,.first_sample = 16000,
      .full = TRUE});
  gst_buffer_unref (buffer);
  gst_buffer_unref (kept);
  free_harness (h);
}
GST_END_TEST;

/* As behind a microphone, whose frames wake the encoder all the time. */
GST_START_TEST (a_decoder_that_went_away_is_missed_while_frames_come)
{
  GstHarness *h = new_harness (new_encoder ());
  gulong decoder = pretend_decoder (h);
  GstBuffer *kept, *buffer = NULL;

  push_frames (h, 0, 110);
  kept = gst_harness_pull (h);
  gst_pad_remove_probe (h->sinkpad, decoder);
  for (guint i = 11; i < 100 && !buffer; i++) {
    push_frames (h, 10 * i, 10);
    g_usleep (50 * 1000);
    buffer = gst_harness_try_pull (h);
  }
  fail_unless (buffer != NULL, "nobody looks for the decoder any more");
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), GST_SECOND);
  gst_buffer_unref (buffer);
  gst_buffer_unref (kept);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_decoder_may_come_later)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  push_frames (h, 0, 100);
  gst_buffer_unref (gst_harness_pull (h));

  pretend_decoder (h);
  gst_harness_push_upstream_event (h, gst_event_new_reconfigure ());
  push_frames (h, 100, 250);
  buffer = gst_harness_pull (h);
  check_quiet (h);
  answer (h, buffer, 150 * 160);
  gst_buffer_unref (buffer);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 150,.frames = 100,.pts = 150 * FRAME,
      .first_sample = 150 * 160,.full = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

/* ---------------------------------------------- latency, statistics */

static gboolean
answer_latency (GstPad * pad, GstObject * parent, GstQuery * query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return FALSE;
  gst_query_set_latency (query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

GST_START_TEST (latency_is_answered_before_caps_and_model)
{
  GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);
  GstPad *sink = gst_element_get_static_pad (encoder, "sink");
  GstPad *src = gst_element_get_static_pad (encoder, "src");
  GstPad *upstream = gst_pad_new ("upstream", GST_PAD_SRC);
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min;

  gst_pad_set_query_function (upstream, answer_latency);
  gst_pad_set_active (upstream, TRUE);
  fail_unless (gst_pad_link (upstream, sink) == GST_PAD_LINK_OK);
  fail_unless (gst_pad_query (src, query));
  gst_query_parse_latency (query, NULL, &min, NULL);
  fail_unless_equals_uint64 (min, 37500 * GST_MSECOND);
  gst_query_unref (query);
  gst_pad_unlink (upstream, sink);
  gst_object_unref (upstream);
  gst_object_unref (sink);
  gst_object_unref (src);
  gst_object_unref (encoder);
}
GST_END_TEST;

GST_START_TEST (a_message_says_that_the_model_changes_the_latency)
{
  GstElement *encoder = new_encoder ();
  GstBus *bus = gst_bus_new ();
  GstPad *upstream = gst_pad_new ("upstream", GST_PAD_SRC);
  GstPad *sink = gst_element_get_static_pad (encoder, "sink");
  GstQuery *query = gst_query_new_latency ();
  GstMessage *message;

  gst_element_set_bus (encoder, bus);
  gst_pad_set_query_function (upstream, answer_latency);
  gst_pad_set_active (upstream, TRUE);
  gst_pad_link (upstream, sink);
  fail_unless (gst_element_query (encoder, query));
  gst_element_set_state (encoder, GST_STATE_READY);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY);
  fail_unless (message != NULL);
  gst_message_unref (message);
  gst_element_set_state (encoder, GST_STATE_NULL);
  gst_pad_unlink (upstream, sink);
  gst_query_unref (query);
  gst_object_unref (sink);
  gst_object_unref (upstream);
  gst_bus_set_flushing (bus, TRUE);
  gst_element_set_bus (encoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (encoder);
}
GST_END_TEST;

GST_START_TEST (latency_is_the_window_and_time_for_work)
{
  GstHarness *h = new_harness (new_encoder ());

  gst_harness_set_upstream_latency (h, 30 * GST_MSECOND);
  fail_unless_equals_uint64 (gst_harness_query_latency (h),
      1280 * GST_MSECOND);
  free_harness (h);

  h = new_harness (new_encoder_with ("window", 400 * GST_MSECOND,
          "hop", 50 * GST_MSECOND, NULL));
  fail_unless_equals_uint64 (gst_harness_query_latency (h),
      450 * GST_MSECOND);
  free_harness (h);
}
GST_END_TEST;

/* Plays a source with 200 ms of its own memory. */
static GstPadProbeReturn
answer_as_source (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_PAD_PROBE_OK;
  gst_query_set_latency (query, TRUE, 10 * GST_MSECOND, 200 * GST_MSECOND);
  return GST_PAD_PROBE_HANDLED;
}

GST_START_TEST (the_longest_latency_is_what_the_ring_holds)
{
  GstHarness *h = new_harness (new_encoder_with ("window", 400 * GST_MSECOND,
          "hop", 50 * GST_MSECOND, "depth", 3, NULL));
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min, max;

  gst_pad_add_probe (h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
      answer_as_source, NULL, NULL);
  fail_unless (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_latency (query, NULL, &min, &max);
  fail_unless_equals_uint64 (min, 460 * GST_MSECOND);
  fail_unless_equals_uint64 (max,
      (200 + 400 + 3 * 50) * GST_MSECOND + 30 * GST_SECOND);
  gst_query_unref (query);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (statistics_are_true)
{
  GstHarness *h = new_harness (new_encoder ());
  GstStructure *stats;
  guint64 windows, positions, frames, queued, time, last, bytes;
  gboolean loaded;

  push_frames (h, 0, 250);
  gst_buffer_unref (gst_harness_pull (h));
  gst_buffer_unref (gst_harness_pull (h));
  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get (stats,
          "windows", G_TYPE_UINT64, &windows,
          "positions", G_TYPE_UINT64, &positions,
          "frames", G_TYPE_UINT64, &frames,
          "frames-queued", G_TYPE_UINT64, &queued,
          "encode-time", G_TYPE_UINT64, &time,
          "last-encode-time", G_TYPE_UINT64, &last,
          "weights-bytes", G_TYPE_UINT64, &bytes,
          "loaded", G_TYPE_BOOLEAN, &loaded, NULL));
  fail_unless_equals_uint64 (windows, 2);
  fail_unless_equals_uint64 (positions, 100);
  fail_unless_equals_uint64 (frames, 250);
  fail_unless_equals_uint64 (queued, 50);
  fail_unless (time >= last && loaded && bytes > 1000);
  fail_unless_equals_string (gst_structure_get_string (stats, "model"),
      test_model ());
  fail_unless_equals_string (gst_structure_get_string (stats, "precision"),
      "float32");
  gst_structure_free (stats);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (statistics_are_posted_when_asked_for)
{
  GstHarness *h = new_harness (new_encoder_with ("stats-interval",
          (guint64) 1, NULL));
  GstBus *bus = gst_element_get_bus (h->element);
  guint64 windows, last = 0;

  push_frames (h, 0, 300);
  for (guint i = 0; i < 3; i++) {
    GstMessage *message = gst_bus_timed_pop_filtered (bus, 5 * GST_SECOND,
        GST_MESSAGE_ELEMENT);

    fail_unless (message != NULL);
    fail_unless (gst_message_has_name (message,
            "application/x-npu-encoder-stats"));
    fail_unless (gst_structure_get_uint64 (gst_message_get_structure (message),
            "windows", &windows));
    fail_unless (windows > last);
    last = windows;
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_timeline_shows_every_stage_of_every_window)
{
  gchar *path = g_build_filename (g_get_tmp_dir (), "npu-timeline-XXXXXX",
      NULL);
  GstHarness *h;
  gchar *text;

  close (g_mkstemp (path));
  h = new_harness (new_encoder_with ("timeline", path, NULL));
  push_frames (h, 0, 300);
  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (gst_harness_pull (h));
  free_harness (h);
  fail_unless (g_file_get_contents (path, &text, NULL, NULL));
  fail_unless (strstr (text, "\"emulated\"") && strstr (text, "\"device\""));
  /* spans are named after their window */
  for (guint i = 0; i < 3; i++) {
    gchar *name = g_strdup_printf ("\"window %u\"", i);

    fail_unless (strstr (text, name) != NULL, "no window %u", i);
    g_free (name);
  }
  g_free (text);
  g_remove (path);
  g_free (path);
}
GST_END_TEST;

GST_START_TEST (a_timeline_that_cannot_be_written_is_an_error)
{
  GstElement *encoder =
      new_encoder_with ("timeline", "/nonexistent/trace.json", NULL);
  GError *error = NULL;
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (encoder, bus);
  fail_unless (gst_element_set_state (encoder, GST_STATE_PAUSED) ==
      GST_STATE_CHANGE_FAILURE);
  g_free (pop_error (encoder, &error));
  fail_unless (strstr (error->message, "/nonexistent/trace.json") != NULL);
  g_error_free (error);
  gst_element_set_state (encoder, GST_STATE_NULL);
  gst_element_set_bus (encoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (encoder);
}
GST_END_TEST;

/* ------------------------------------------------------- bad input */

static void
check_does_not_open (GstElement * encoder, const gchar * in_message)
{
  GstBus *bus = gst_bus_new ();
  GError *error = NULL;
  gchar *text;

  gst_element_set_bus (encoder, bus);
  fail_unless_equals_int (gst_element_set_state (encoder, GST_STATE_READY),
      GST_STATE_CHANGE_FAILURE);
  text = pop_error (encoder, &error);
  fail_unless (error->domain == GST_RESOURCE_ERROR);
  fail_unless (strstr (text, in_message) != NULL, "%s", text);
  g_free (text);
  g_error_free (error);
  gst_element_set_state (encoder, GST_STATE_NULL);
  gst_bus_set_flushing (bus, TRUE);
  gst_element_set_bus (encoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (encoder);
}

GST_START_TEST (an_unknown_device_is_an_error_that_lists_devices)
{
  check_does_not_open (new_encoder_with ("device", "toaster", NULL), "cpu");
}
GST_END_TEST;

GST_START_TEST (a_missing_model_is_an_error_with_its_path)
{
  check_does_not_open (new_encoder_with ("model", "/nowhere/at-all.bin", NULL),
      "/nowhere/at-all.bin");
}
GST_END_TEST;

GST_START_TEST (another_model_can_be_named_in_ready)
{
  const SmallModel wide = { 80, 50, 64, 1 };
  GstElement *encoder = new_encoder ();
  GstHarness *h;
  GstCaps *caps;
  GstBuffer *buffer;

  gst_element_set_state (encoder, GST_STATE_READY);
  g_object_set (encoder, "model", small_model_write (&wide), NULL);
  h = new_harness (encoder);
  push_frames (h, 0, 100);
  buffer = gst_harness_pull (h);
  fail_unless_equals_uint64 (gst_buffer_get_size (buffer), 50 * 64 * 4);
  gst_buffer_unref (buffer);
  caps = gst_pad_get_current_caps (h->sinkpad);
  fail_unless (caps != NULL);
  gst_caps_unref (caps);

  gst_element_set_state (h->element, GST_STATE_READY);
  g_object_set (h->element, "model", "/nowhere", NULL);
  fail_unless_equals_int (gst_element_set_state (h->element,
          GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int (gst_element_set_state (h->element,
          GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  g_object_set (h->element, "model", test_model (), NULL);
  fail_unless_equals_int (gst_element_set_state (h->element,
          GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (an_empty_model_is_an_error)
{
  const gchar *path = g_intern_string (test_path ("empty.bin"));

  write_file (path, "", 0);
  check_does_not_open (new_encoder_with ("model", path, NULL), path);
}
GST_END_TEST;

GST_START_TEST (a_truncated_model_is_an_error)
{
  const gchar *path = g_intern_string (test_path ("truncated.bin"));
  gchar *data;
  gsize size;

  fail_unless (g_file_get_contents (test_model (), &data, &size, NULL));
  write_file (path, data, size - 100);
  g_free (data);
  check_does_not_open (new_encoder_with ("model", path, NULL), path);
}
GST_END_TEST;

static Suite *
npuencoder_protocol_suite (void)
{
  Suite *suite = suite_create ("npuencoder-protocol");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, sink_caps_follow_the_model);
  tcase_add_test (tcase, src_caps_name_width_and_digest);
  tcase_add_test (tcase, caps_of_another_model_are_refused_with_a_message);
  tcase_add_loop_test (tcase, caps_of_any_kind_are_refused_with_one_message,
      0, 2);
  tcase_add_test (tcase, the_same_caps_again_change_nothing);
  tcase_add_test (tcase, a_buffer_that_holds_no_whole_frames_is_an_error);
  tcase_add_test (tcase, the_model_goes_downstream_after_caps);
  tcase_add_test (tcase, encoders_of_one_process_share_a_model);
  tcase_add_test (tcase, upstream_hears_how_long_windows_are);
  tcase_add_test (tcase, driven_windows_start_where_the_answer_says);
  tcase_add_test (tcase, answers_of_other_windows_are_ignored);
  tcase_add_test (tcase, a_window_that_nobody_answers_is_done_when_it_is_freed);
  tcase_add_test (tcase, windows_do_not_depend_on_when_the_end_comes);
  tcase_add_test (tcase, a_rest_too_short_for_a_window_is_a_gap);
  tcase_add_test (tcase,
      a_window_whose_decoder_went_away_is_done_though_it_is_kept);
  tcase_add_test (tcase,
      a_decoder_that_went_away_is_missed_while_frames_come);
  tcase_add_test (tcase, a_decoder_may_come_later);
  tcase_add_test (tcase, latency_is_answered_before_caps_and_model);
  tcase_add_test (tcase, a_message_says_that_the_model_changes_the_latency);
  tcase_add_test (tcase, latency_is_the_window_and_time_for_work);
  tcase_add_test (tcase, the_longest_latency_is_what_the_ring_holds);
  tcase_add_test (tcase, statistics_are_true);
  tcase_add_test (tcase, statistics_are_posted_when_asked_for);
  tcase_add_test (tcase, a_timeline_shows_every_stage_of_every_window);
  tcase_add_test (tcase, a_timeline_that_cannot_be_written_is_an_error);
  tcase_add_test (tcase, an_unknown_device_is_an_error_that_lists_devices);
  tcase_add_test (tcase, a_missing_model_is_an_error_with_its_path);
  tcase_add_test (tcase, another_model_can_be_named_in_ready);
  tcase_add_test (tcase, an_empty_model_is_an_error);
  tcase_add_test (tcase, a_truncated_model_is_an_error);
  return suite;
}

GST_CHECK_MAIN (npuencoder_protocol);
