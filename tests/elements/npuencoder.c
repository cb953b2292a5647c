/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder: windows and their states, time, draining.
 */
#include "npuencoder-fixture.h"

/* --------------------------------------------------------- windows */

GST_START_TEST (fixed_windows_follow_one_another)
{
  GstHarness *h = new_harness (new_encoder ());

  for (guint i = 0; i < 30; i++)
    fail_unless_equals_int (push_frames (h, 10 * i, 10), GST_FLOW_OK);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    check_states (buffer, &(Expected) {
        .first = 100 * i,.frames = 100,.pts = i * GST_SECOND,
        .first_sample = 16000 * i,.full = TRUE,.discont = i == 0});
    fail_unless_equals_uint64 (gst_buffer_get_npu_window_meta
        (buffer)->window.id, i);
    gst_buffer_unref (buffer);
  }
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (fixed_windows_overlap_by_hop)
{
  GstHarness *h = new_harness (new_encoder_with ("window", 400 * GST_MSECOND,
          "hop", 150 * GST_MSECOND, NULL));
  const struct
  {
    guint first, frames;
  } windows[] = { {0, 15}, {0, 30}, {5, 40}, {20, 40} };

  push_frames (h, 0, 61);
  for (guint i = 0; i < G_N_ELEMENTS (windows); i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    check_states (buffer, &(Expected) {
        .first = windows[i].first,.frames = windows[i].frames,
        .pts = windows[i].first * FRAME,
        .first_sample = windows[i].first * 160,
        .full = windows[i].frames == 40,.discont = i == 0});
    gst_buffer_unref (buffer);
  }
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_window_is_at_most_the_context)
{
  GstHarness *h = new_harness (new_encoder_with ("window", 3600 * GST_SECOND,
          NULL));
  GstBuffer *buffer;

  push_frames (h, 0, 100);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .frames = 100,.full = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

static void
check_warning (guint64 window, guint64 hop, const gchar * named)
{
  GstElement *encoder =
      new_encoder_with ("window", window, "hop", hop, NULL);
  GstBus *bus = gst_bus_new ();
  GstMessage *message;

  gst_element_set_bus (encoder, bus);
  fail_unless_equals_int (gst_element_set_state (encoder, GST_STATE_PAUSED),
      GST_STATE_CHANGE_SUCCESS);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  if (named) {
    GError *warning;

    fail_unless (message != NULL, "no warning of %s", named);
    gst_message_parse_warning (message, &warning, NULL);
    fail_unless (g_str_has_prefix (warning->message, named), "%s",
        warning->message);
    g_error_free (warning);
    gst_message_unref (message);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  }
  fail_unless (message == NULL);
  gst_element_set_state (encoder, GST_STATE_NULL);
  gst_element_set_bus (encoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (encoder);
}

GST_START_TEST (lengths_that_cannot_be_had_are_warned_of)
{
  check_warning (2 * GST_SECOND, 0, "window=2000000000 is longer");
  check_warning (400 * GST_MSECOND, GST_SECOND, "hop=1000000000 is longer");
  check_warning (GST_SECOND, GST_SECOND, NULL);
  check_warning (0, 0, NULL);
}
GST_END_TEST;

/* And half a second of silence behind the end, so that the last words are
 * complete. */
GST_START_TEST (heard_context_encodes_what_was_heard)
{
  GstElement *encoder = new_encoder ();
  GstHarness *h;
  GstBuffer *buffer;
  guint positions;

  gst_util_set_object_arg (G_OBJECT (encoder), "context", "heard");
  h = new_harness (encoder);
  push_frames (h, 0, 31);
  gst_harness_push_event (h, gst_event_new_eos ());
  buffer = gst_harness_pull (h);
  positions = gst_buffer_get_npu_window_meta (buffer)->window.positions;
  fail_unless (positions < 50);
  fail_unless (2 * positions >= 31 + 50);
  check_states (buffer, &(Expected) {
      .frames = 31,.full = TRUE,.final = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (buffers_without_time_continue)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  gst_harness_push (h, new_frames (0, 60, 5 * GST_SECOND));
  gst_harness_push (h, new_frames (60, 140, GST_CLOCK_TIME_NONE));
  gst_buffer_unref (gst_harness_pull (h));
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 100,.frames = 100,.pts = 6 * GST_SECOND,
      .first_sample = 16000,.full = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

/* Far beyond 2^32 nanoseconds and samples of 32 bits. */
GST_START_TEST (time_is_exact_after_days)
{
  GstHarness *h = new_harness (new_encoder ());
  GstClockTime start = 100 * 24 * 3600 * GST_SECOND + 12345678;
  GstBuffer *buffer;

  gst_harness_push (h, new_frames (0, 150, start));
  gst_buffer_unref (gst_harness_pull (h));
  gst_harness_push_event (h, gst_event_new_eos ());
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 100,.frames = 50,.pts = start + GST_SECOND,
      .first_sample = 16000,.full = TRUE,.final = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

/* However long it waited upstream. */
GST_START_TEST (lag_is_counted_from_when_sound_was_heard)
{
  GstHarness *h = new_harness (new_encoder ());
  GstStructure *stats;
  guint64 lag;

  gst_harness_use_testclock (h);
  /* whether upstream is live is asked before the first window */
  push_frames (h, 0, 100);
  gst_buffer_unref (gst_harness_pull (h));
  gst_harness_set_time (h, 10 * GST_SECOND);
  push_frames (h, 100, 100);
  gst_buffer_unref (gst_harness_pull (h));
  g_object_get (h->element, "stats", &stats, NULL);
  lag = count_of (stats, "lag");
  fail_unless (lag >= 8 * GST_SECOND && lag < 10 * GST_SECOND,
      "lag of %.3f s", lag / 1e9);
  gst_structure_free (stats);
  free_harness (h);
}
GST_END_TEST;

/* -------------------------------------------------------- draining */

GST_START_TEST (eos_drains_a_partial_window_even_while_weights_load)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  push_frames (h, 0, 1);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .frames = 1,.full = TRUE,.final = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  fail_unless (gst_harness_pull_until_eos (h, &buffer));
  fail_unless (buffer == NULL);
  free_harness (h);
}
GST_END_TEST;

/* A window of @frames frames from @first on, after everything before it. */
static void
check_next (GstHarness * h, guint frames, guint64 first_sample)
{
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL);
  check_states (buffer, &(Expected) {
      .frames = frames,.first_sample = first_sample,
      .full = TRUE,.final = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
}

GST_START_TEST (a_stream_may_follow_the_end_of_another_at_once)
{
  GstHarness *h = new_harness (new_encoder ());
  GstSegment segment;
  GstCaps *caps = gst_caps_from_string (MEL_80);

  gst_segment_init (&segment, GST_FORMAT_TIME);
  push_frames (h, 0, 50);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  gst_harness_push_event (h, gst_event_new_stream_start ("another"));
  gst_harness_push_event (h, gst_event_new_caps (caps));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  fail_unless_equals_int (push_frames (h, 0, 70), GST_FLOW_OK);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  check_next (h, 50, 0);
  check_next (h, 70, 50 * 160);
  wait_for_event (h, GST_EVENT_EOS);
  wait_for_event (h, GST_EVENT_EOS);
  gst_caps_unref (caps);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (eos_without_audio_passes)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless (gst_harness_pull_until_eos (h, &buffer));
  fail_unless (buffer == NULL);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (eos_before_caps_passes)
{
  GstElement *encoder = new_encoder ();
  GstHarness *h = gst_harness_new_with_element (encoder, "sink", "src");

  gst_object_unref (encoder);
  gst_harness_play (h);
  gst_pad_push_event (h->srcpad, gst_event_new_stream_start ("test"));
  fail_unless (gst_pad_push_event (h->srcpad, gst_event_new_eos ()));
  wait_for_event (h, GST_EVENT_EOS);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (a_gap_drains_and_restarts)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  push_frames (h, 0, 130);
  gst_harness_push_event (h, gst_event_new_gap (1300 * GST_MSECOND,
          60 * GST_SECOND));
  gst_harness_push (h, new_frames (130, 100, 61300 * GST_MSECOND));
  gst_buffer_unref (gst_harness_pull (h));
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 100,.frames = 30,.pts = GST_SECOND,.first_sample = 16000,
      .full = TRUE,.final = TRUE});
  gst_buffer_unref (buffer);
  wait_for_event (h, GST_EVENT_GAP);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 130,.frames = 100,.pts = 61300 * GST_MSECOND,
      .first_sample = 130 * 160,.full = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_jump_of_time_drains_and_restarts)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  push_frames (h, 0, 30);
  buffer = new_frames (30, 100, 10 * GST_SECOND);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  gst_harness_push (h, buffer);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .frames = 30,.full = TRUE,.final = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 30,.frames = 100,.pts = 10 * GST_SECOND,
      .first_sample = 4800,.full = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_correction_of_the_clock_cuts_no_window)
{
  GstHarness *h = new_harness (new_encoder ());
  GstClockTime shift = 45 * GST_MSECOND;
  GstBuffer *buffer;

  push_frames (h, 0, 30);
  gst_harness_push (h, new_frames (30, 170, 300 * GST_MSECOND + shift));
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .frames = 100,.full = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 100,.frames = 100,.pts = GST_SECOND + shift,
      .first_sample = 16000,.full = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_new_segment_drains_and_the_same_again_does_not)
{
  GstHarness *h = new_harness (new_encoder ());
  GstSegment segment;
  GstBuffer *buffer;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  push_frames (h, 0, 30);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_frames (h, 30, 50);
  segment.base = 20 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_frames (h, 0, 100);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .frames = 80,.full = TRUE,.final = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  buffer = gst_harness_pull (h);
  check_states (buffer, &(Expected) {
      .first = 0,.frames = 100,.pts = 0,.first_sample = 80 * 160,
      .full = TRUE,.discont = TRUE});
  gst_buffer_unref (buffer);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (events_keep_their_place_among_windows)
{
  GstHarness *h = new_harness (new_encoder ());
  GstPad *src = gst_element_get_static_pad (h->element, "src");
  GstEvent *event;

  push_frames (h, 0, 100);
  push_frames (h, 100, 50);
  gst_harness_push_event (h, gst_event_new_tag (gst_tag_list_new
          (GST_TAG_TITLE, "one", NULL)));
  gst_buffer_unref (gst_harness_pull (h));
  wait_for_event (h, GST_EVENT_TAG);
  event = gst_pad_get_sticky_event (src, GST_EVENT_TAG, 0);
  fail_unless (event != NULL);
  gst_event_unref (event);
  push_frames (h, 150, 50);
  gst_buffer_unref (gst_harness_pull (h));
  gst_object_unref (src);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (other_formats_than_forward_time_are_refused)
{
  GstHarness *h = new_harness (new_encoder ());
  GstSegment segment;
  GError *error = NULL;

  gst_segment_init (&segment, __i__ ? GST_FORMAT_TIME : GST_FORMAT_BYTES);
  if (__i__) {
    segment.rate = -1.0;
    segment.stop = GST_SECOND;
  }
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  g_free (pop_error (h->element, &error));
  fail_unless (g_error_matches (error, GST_STREAM_ERROR,
          GST_STREAM_ERROR_FORMAT));
  g_error_free (error);
  free_harness (h);
}
GST_END_TEST;

static Suite *
npuencoder_suite (void)
{
  Suite *suite = suite_create ("npuencoder");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, fixed_windows_follow_one_another);
  tcase_add_test (tcase, fixed_windows_overlap_by_hop);
  tcase_add_test (tcase, a_window_is_at_most_the_context);
  tcase_add_test (tcase, lengths_that_cannot_be_had_are_warned_of);
  tcase_add_test (tcase, heard_context_encodes_what_was_heard);
  tcase_add_test (tcase, buffers_without_time_continue);
  tcase_add_test (tcase, time_is_exact_after_days);
  tcase_add_test (tcase, lag_is_counted_from_when_sound_was_heard);
  tcase_add_test (tcase, eos_drains_a_partial_window_even_while_weights_load);
  tcase_add_test (tcase, a_stream_may_follow_the_end_of_another_at_once);
  tcase_add_test (tcase, eos_without_audio_passes);
  tcase_add_test (tcase, eos_before_caps_passes);
  tcase_add_test (tcase, a_gap_drains_and_restarts);
  tcase_add_test (tcase, a_jump_of_time_drains_and_restarts);
  tcase_add_test (tcase, a_correction_of_the_clock_cuts_no_window);
  tcase_add_test (tcase, a_new_segment_drains_and_the_same_again_does_not);
  tcase_add_test (tcase, events_keep_their_place_among_windows);
  tcase_add_loop_test (tcase, other_formats_than_forward_time_are_refused,
      0, 2);
  return suite;
}

GST_CHECK_MAIN (npuencoder);
