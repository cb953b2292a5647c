/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder while it is disturbed: flushes and state changes with windows in
 * flight, errors from downstream, a ring that is full.
 */
#include "npuencoder-fixture.h"

#define FLUSHES 200
#define STATE_CHANGES 60

static GRand *
new_random (const gchar * name)
{
  const gchar *given = g_getenv ("NPU_TEST_SEED");
  guint32 seed = given ? g_ascii_strtoull (given, NULL, 10) : g_random_int ();

  g_print ("%s: NPU_TEST_SEED=%u\n", name, seed);
  return g_rand_new_with_seed (seed);
}

static void
flush (GstHarness * h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

/* The first buffer since the time @pts; older ones were there before. */
static GstBuffer *
pull_from (GstHarness * h, GstClockTime pts)
{
  GstBuffer *buffer;

  while ((buffer = gst_harness_pull (h)) && GST_BUFFER_PTS (buffer) < pts)
    gst_buffer_unref (buffer);
  fail_unless (buffer != NULL, "no buffer after a flush");
  return buffer;
}

static void
flush_at_random (GstHarness * h, GRand * random)
{
  for (guint i = 1; i <= FLUSHES; i++) {
    /* every round has its own hour */
    GstClockTime hour = i * 3600 * GST_SECOND;
    guint frames = g_rand_int_range (random, 0, 500);
    GstBuffer *buffer;

    for (guint done = 0; done < frames; done += 10)
      fail_unless_equals_int (gst_harness_push (h, new_frames (done, 10,
                  hour + done * FRAME)), GST_FLOW_OK);
    if (g_rand_int_range (random, 0, 4) == 0)
      gst_harness_push_event (h, gst_event_new_gap (hour + frames * FRAME,
              GST_SECOND));
    if (g_rand_boolean (random))
      g_usleep (g_rand_int_range (random, 0, 3000));
    flush (h);

    hour += 1800 * GST_SECOND;
    gst_harness_push (h, new_frames (0, 101, hour));
    buffer = pull_from (h, hour);
    check_states (buffer, &(Expected) {
        .frames = 100,.pts = hour,.full = TRUE,.discont = TRUE,
        .first_sample = gst_buffer_get_npu_window_meta
        (buffer)->window.first_sample});
    gst_buffer_unref (buffer);
  }
}

GST_START_TEST (flushes_with_windows_in_flight_leave_no_trace)
{
  GRand *random = new_random ("flush");
  GstHarness *h = new_harness (new_encoder_with ("depth", 4, NULL));

  flush_at_random (h, random);
  free_harness (h);
  g_rand_free (random);
}
GST_END_TEST;

GST_START_TEST (flushes_with_answers_missing_leave_no_trace)
{
  GRand *random = new_random ("driven flush");
  GstHarness *h = new_harness (new_encoder ());

  pretend_decoder (h);
  flush_at_random (h, random);
  free_harness (h);
  g_rand_free (random);
}
GST_END_TEST;

GST_START_TEST (a_flush_keeps_what_tells_of_the_stream)
{
  GstHarness *h = new_harness (new_encoder ());
  const gchar *id = NULL;
  GstBuffer *buffer;
  GstEvent *event;

  pretend_decoder (h);
  push_frames (h, 0, 101);
  buffer = gst_harness_pull (h);
  /* has to wait for the answer, which never comes */
  gst_harness_push_event (h, gst_event_new_stream_start ("another"));
  flush (h);
  gst_buffer_unref (buffer);
  push_frames (h, 0, 101);
  gst_buffer_unref (gst_harness_pull (h));
  event = gst_pad_get_sticky_event (h->sinkpad, GST_EVENT_STREAM_START, 0);
  fail_unless (event != NULL);
  gst_event_parse_stream_start (event, &id);
  fail_unless_equals_string (id, "another");
  gst_event_unref (event);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (flush_start_does_not_wait_for_the_device)
{
  const SmallModel slow = { 80, 1500, 256, 1 };
  GstHarness *h = new_harness (new_encoder_with ("model",
          small_model_write (&slow), "threads", 1, NULL));
  GstStructure *stats;
  guint64 encode_time;
  guint in_flight = 0;
  guint64 taken;
  gint64 started;

  push_frames (h, 0, 3000);
  gst_buffer_unref (gst_harness_pull (h));
  g_object_get (h->element, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "last-encode-time", &encode_time);
  gst_structure_free (stats);

  push_frames (h, 3000, 3000);
  while (in_flight == 0) {
    g_object_get (h->element, "stats", &stats, NULL);
    gst_structure_get_uint (stats, "windows-in-flight", &in_flight);
    gst_structure_free (stats);
  }
  started = g_get_monotonic_time ();
  gst_harness_push_event (h, gst_event_new_flush_start ());
  taken = (g_get_monotonic_time () - started) * 1000;
  g_print ("a window takes %" G_GUINT64_FORMAT " us, the flush took %"
      G_GUINT64_FORMAT " us\n", encode_time / 1000, taken / 1000);
  fail_unless (taken < MAX (encode_time / 4, 20 * GST_MSECOND));
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (state_changes_with_windows_in_flight_do_not_hang)
{
  const GstState states[] = { GST_STATE_NULL, GST_STATE_READY,
    GST_STATE_PAUSED, GST_STATE_PLAYING
  };
  GRand *random = new_random ("states");
  gchar *description = g_strdup_printf ("audiotestsrc wave=saw freq=3 ! "
      "npumel ! npuencoder depth=4 model=%s ! fakesink", test_model ());
  GstElement *pipeline = gst_parse_launch (description, NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  for (guint i = 0; i < STATE_CHANGES; i++) {
    GstState state = states[g_rand_int_range (random, 0, 4)];

    fail_if (gst_element_set_state (pipeline, state)
        == GST_STATE_CHANGE_FAILURE);
    g_usleep (g_rand_int_range (random, 0, 20000));
    if (g_rand_boolean (random))
      gst_element_get_state (pipeline, NULL, NULL, 5 * GST_SECOND);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message == NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (description);
  g_rand_free (random);
}
GST_END_TEST;

/* 1000 seeks with and without a flush, caps changes, pauses and changes of
 * state, with runs in flight on a device that has separate copies. */
#if defined(__SANITIZE_THREAD__)
#define DISTURBANCES 30
#elif defined(__SANITIZE_ADDRESS__)
#define DISTURBANCES 100
#else
#define DISTURBANCES 1000
#endif

static void
change_caps (GstElement * pipeline, GRand * random)
{
  static const gint rates[] = { 8000, 16000, 44100, 48000 };
  static const gchar *const formats[] = { "F32LE", "S16LE", "S24LE" };
  GstElement *filter = gst_bin_get_by_name (GST_BIN (pipeline), "filter");
  GstCaps *caps = gst_caps_new_simple ("audio/x-raw",
      "format", G_TYPE_STRING, formats[g_rand_int_range (random, 0, 3)],
      "rate", G_TYPE_INT, rates[g_rand_int_range (random, 0, 4)],
      "channels", G_TYPE_INT, g_rand_int_range (random, 1, 3), NULL);

  g_object_set (filter, "caps", caps, NULL);
  gst_caps_unref (caps);
  gst_object_unref (filter);
}

/* Until the pipeline plays. In one of some thousand flushing seeks GStreamer
 * 1.22 itself leaves a pipeline in PAUSED whose sink has prerolled, whatever
 * its elements are: that one begins anew. Returns whether it had to. */
static gboolean
wait_for_playing (GstElement * pipeline)
{
  GstState state;

  if (gst_element_get_state (pipeline, &state, NULL, 10 * GST_SECOND)
      == GST_STATE_CHANGE_SUCCESS && state == GST_STATE_PLAYING)
    return FALSE;
  gst_element_set_state (pipeline, GST_STATE_READY);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fail_unless (gst_element_get_state (pipeline, &state, NULL,
          30 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (state, GST_STATE_PLAYING);
  return TRUE;
}

/* Returns whether the pipeline had to begin anew. */
static gboolean
disturb (GstElement * pipeline, GRand * random)
{
  gboolean anew = FALSE;
  GstClockTime time = g_rand_int_range (random, 0, 60) * GST_SECOND;

  switch (g_rand_int_range (random, 0, 8)) {
    case 0:
      gst_element_set_state (pipeline, GST_STATE_PAUSED);
      break;
    case 1:
      gst_element_set_state (pipeline, GST_STATE_READY);
      gst_element_set_state (pipeline, GST_STATE_PLAYING);
      break;
    case 2:
    case 3:
      change_caps (pipeline, random);
      break;
    case 4:
      /* would wait for data that a pipeline about to play does not take yet */
      anew = wait_for_playing (pipeline);
      gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_NONE,
          time);
      break;
    default:
      gst_element_seek_simple (pipeline, GST_FORMAT_TIME,
          GST_SEEK_FLAG_FLUSH, time);
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return anew;
}

GST_START_TEST (a_thousand_disturbances_with_runs_in_flight_do_no_harm)
{
  static const gchar *const tails[] = { "! fakesink", "! npudecoder ! fakesink"
  };
  GRand *random = new_random ("disturbances");
  gchar *description = g_strdup_printf ("audiotestsrc wave=saw freq=3 "
      "samplesperbuffer=1600 ! capsfilter name=filter caps-change-mode=delayed "
      "! npumel ! npuencoder "
      "device=emu device-options=launch-us=2000 depth=3 model=builtin "
      "window=1000000000 hop=300000000 %s", tails[__i__]);
  GstElement *pipeline = gst_parse_launch (description, NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  guint anew = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < DISTURBANCES; i++) {
    anew += disturb (pipeline, random);
    if (g_rand_boolean (random))
      g_usleep (g_rand_int_range (random, 0, 8000));
  }
  /* and it still works */
  anew += wait_for_playing (pipeline);
  fail_unless (anew <= 2, "%u of %u times the pipeline did not play", anew,
      DISTURBANCES);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message == NULL, "%s", message ?
      gst_structure_to_string (gst_message_get_structure (message)) : "");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (description);
  g_rand_free (random);
}
GST_END_TEST;

static GstPadProbeReturn
refuse (GstPad * pad, GstPadProbeInfo * info, gpointer flow)
{
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_DATA (info) = NULL;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GPOINTER_TO_INT (flow);
  return GST_PAD_PROBE_HANDLED;
}

static void
check_flow_comes_back (GstFlowReturn expected)
{
  GstHarness *h = new_harness (new_encoder ());
  GstFlowReturn flow = GST_FLOW_OK;

  gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, refuse,
      GINT_TO_POINTER (expected), NULL);
  for (guint i = 0; i < 2000 && flow == GST_FLOW_OK; i++) {
    flow = push_frames (h, 10 * i, 10);
    g_usleep (1000);
  }
  fail_unless_equals_int (flow, expected);
  free_harness (h);
}

GST_START_TEST (what_downstream_returns_comes_back_to_upstream)
{
  check_flow_comes_back (GST_FLOW_EOS);
  check_flow_comes_back (GST_FLOW_ERROR);
  check_flow_comes_back (GST_FLOW_NOT_NEGOTIATED);
}
GST_END_TEST;

GST_START_TEST (an_error_from_downstream_after_eos_is_posted)
{
  GstHarness *h = new_harness (new_encoder ());
  GError *error = NULL;

  gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, refuse,
      GINT_TO_POINTER (GST_FLOW_ERROR), NULL);
  push_frames (h, 0, 10);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_free (pop_error (h->element, &error));
  g_error_free (error);
  free_harness (h);
}
GST_END_TEST;

/* Frames from second @second on until upstream hears @expected. */
static void
push_until (GstHarness * h, guint second, GstFlowReturn expected)
{
  for (guint i = 0; push_frames (h, second * 100 + i, 1) != expected; i++) {
    fail_unless (i < 5000, "never %s", gst_flow_get_name (expected));
    g_usleep (1000);
  }
}

GST_START_TEST (it_goes_on_when_it_is_linked_again)
{
  GstHarness *h = new_harness (new_encoder ());
  GstPad *src = gst_element_get_static_pad (h->element, "src");
  GstClockTime time;
  GstBuffer *buffer;

  push_frames (h, 0, 100);
  gst_buffer_unref (gst_harness_pull (h));
  fail_unless (gst_pad_unlink (src, h->sinkpad));
  push_until (h, 1, GST_FLOW_NOT_LINKED);
  fail_unless (gst_pad_link (src, h->sinkpad) == GST_PAD_LINK_OK);
  push_until (h, 1000, GST_FLOW_OK);
  push_frames (h, 200000, 100);
  do {
    buffer = gst_harness_pull (h);
    fail_unless (buffer != NULL);
    time = GST_BUFFER_PTS (buffer);
    gst_buffer_unref (buffer);
  } while (time != 2000 * GST_SECOND);
  gst_object_unref (src);
  free_harness (h);
}
GST_END_TEST;

/* Ten hours; instrumented builds are slower and hear one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SECONDS 3600
#else
#define SECONDS 36000
#endif

static gpointer
push_hours (gpointer data)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = 0; i < SECONDS * 10 && flow == GST_FLOW_OK; i++)
    flow = push_frames (data, 10 * i, 10);
  return GINT_TO_POINTER (flow);
}

GST_START_TEST (a_full_ring_makes_upstream_wait_and_a_flush_ends_that)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *kept;
  GThread *thread;
  guint64 frames = 0, before;
  GstStructure *stats;

  pretend_decoder (h);
  thread = g_thread_new ("upstream", push_hours, h);
  kept = gst_harness_pull (h);
  do {
    before = frames;
    g_usleep (100000);
    g_object_get (h->element, "stats", &stats, NULL);
    gst_structure_get_uint64 (stats, "frames", &frames);
    gst_structure_free (stats);
  } while (frames != before);
  fail_unless (frames > 3000 && frames < 4000, "%d", (gint) frames);

  gst_pad_push_event (h->srcpad, gst_event_new_flush_start ());
  fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (thread)),
      GST_FLOW_FLUSHING);
  gst_buffer_unref (kept);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (ten_hours_pass_without_loss)
{
  GstHarness *h = new_harness (new_encoder ());
  GThread *thread;

  thread = g_thread_new ("upstream", push_hours, h);
  for (guint i = 0; i < SECONDS; i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    fail_unless (buffer != NULL);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), i * GST_SECOND);
    fail_unless_equals_uint64 (gst_buffer_get_npu_window_meta
        (buffer)->window.first_sample, (guint64) i * 16000);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (thread)),
      GST_FLOW_OK);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (states_outlive_their_encoder)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *buffer;

  pretend_decoder (h);
  push_frames (h, 0, 101);
  buffer = gst_harness_pull (h);
  free_harness (h);
  check_states (buffer, &(Expected) {
      .frames = 100,.full = TRUE,.discont = TRUE}
  );
  gst_buffer_unref (buffer);
}
GST_END_TEST;

static Suite *
npuencoder_stress_suite (void)
{
  Suite *suite = suite_create ("npuencoder-stress");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, flushes_with_windows_in_flight_leave_no_trace);
  tcase_add_test (tcase, flushes_with_answers_missing_leave_no_trace);
  tcase_add_test (tcase, a_flush_keeps_what_tells_of_the_stream);
  tcase_add_test (tcase, flush_start_does_not_wait_for_the_device);
  tcase_add_test (tcase, state_changes_with_windows_in_flight_do_not_hang);
  tcase_add_loop_test (tcase,
      a_thousand_disturbances_with_runs_in_flight_do_no_harm, 0, 2);
  tcase_add_test (tcase, what_downstream_returns_comes_back_to_upstream);
  tcase_add_test (tcase, it_goes_on_when_it_is_linked_again);
  tcase_add_test (tcase, an_error_from_downstream_after_eos_is_posted);
  tcase_add_test (tcase, a_full_ring_makes_upstream_wait_and_a_flush_ends_that);
  tcase_add_test (tcase, ten_hours_pass_without_loss);
  tcase_add_test (tcase, states_outlive_their_encoder);
  return suite;
}

GST_CHECK_MAIN (npuencoder_stress);
