/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder on the emulated NPU in real time: what double buffering is for,
 * and what happens when the device is too slow. All figures here are emulated.
 *
 * Costs are bytes per second and microseconds such that, of a hop, 15 % go by
 * to stage, 75 % to run and 20 % to read out.
 */
#include "npuencoder-fixture.h"

/* Long, so that what this machine does beside is small against it. */
#define HOP (4 * GST_SECOND)
#define SECONDS 60

/* How fast instrumented code is says nothing: what is measured is left out. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURED FALSE
#else
#define MEASURED TRUE
#endif

/* Four seconds of 320 byte frames in 0.6 s; 208 positions, which is 200 rounded
 * up, of 768 bytes in 0.8 s. The settings differ by the depth, which changes
 * nothing but makes the pipelines have a device each. */
#define LIVE_COSTS "to-device-mbps=0.213333,from-device-mbps=0.199680," \
  "launch-us=300000%u.0"

typedef struct
{
  guint depth;
  GThread *thread;
  GstStructure *stats;
  guint warnings;
} Live;

static gdouble
ratio_of (const GstStructure * stats, const gchar * name)
{
  gdouble value = -1;

  fail_unless (gst_structure_get_double (stats, name, &value), "%s", name);
  return value;
}

static GstStructure *
stats_of (GstElement * pipeline)
{
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  GstStructure *stats;

  g_object_get (encoder, "stats", &stats, NULL);
  gst_object_unref (encoder);
  return stats;
}

static guint
warnings_of (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  guint warnings = 0;

  while ((message = gst_bus_pop_filtered (bus,
              GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_QOS))) {
    gst_message_unref (message);
    warnings++;
  }
  gst_object_unref (bus);
  return warnings;
}

/* Until the end of the stream; counts warnings, fails on errors. */
static guint
run_to_the_end (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  guint warnings = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (;;) {
    GstMessage *message = gst_bus_timed_pop_filtered (bus, 100 * GST_SECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
    GstMessageType type;

    fail_unless (message != NULL, "the stream does not end");
    type = GST_MESSAGE_TYPE (message);
    fail_if (type == GST_MESSAGE_ERROR, "%s",
        gst_structure_to_string (gst_message_get_structure (message)));
    gst_message_unref (message);
    if (type == GST_MESSAGE_EOS)
      break;
    warnings++;
  }
  gst_object_unref (bus);
  return warnings;
}

/* ---------------------------------------------------------------- live */

static gpointer
listen (gpointer data)
{
  Live *live = data;
  GstElement *pipeline = launch ("audiotestsrc is-live=true wave=saw "
      "samplesperbuffer=1600 num-buffers=%u ! audio/x-raw,format=F32LE,"
      "rate=16000,channels=1 ! npumel ! npuencoder name=encoder model=builtin "
      "device=emu device-options=" LIVE_COSTS " overload=block depth=%u "
      "window=%" G_GUINT64_FORMAT " hop=%" G_GUINT64_FORMAT " ! fakesink",
      SECONDS * 10 + 100, live->depth % 2, live->depth, HOP, HOP);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  /* the last window is still on its way then */
  g_usleep (SECONDS * G_USEC_PER_SEC + HOP / 1000 + 600 * 1000);
  live->stats = stats_of (pipeline);
  live->warnings = warnings_of (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return NULL;
}

GST_START_TEST (live_lag_grows_at_depth_one_and_stays_below_a_hop_at_two)
{
  Live live[2] = { {.depth = 1}, {.depth = 2} };
  guint windows = SECONDS * GST_SECOND / HOP;

  for (guint i = 0; i < 2; i++)
    live[i].thread = g_thread_new ("live", listen, &live[i]);
  for (guint i = 0; i < 2; i++) {
    g_thread_join (live[i].thread);
    g_print ("emulated, %u s live, depth %u: %u windows, lag %.3f s, worst "
        "%.3f s, %u stalls\n", SECONDS, live[i].depth,
        (guint) count_of (live[i].stats, "windows"),
        count_of (live[i].stats, "lag") / 1e9,
        count_of (live[i].stats, "worst-lag") / 1e9,
        (guint) count_of (live[i].stats, "stalls"));
    fail_unless (count_of (live[i].stats, "frames") >= SECONDS * 100 + 400);
    fail_unless_equals_uint64 (count_of (live[i].stats, "frames-in-place"),
        count_of (live[i].stats, "frames"));
    fail_unless_equals_uint64 (count_of (live[i].stats, "copies"), 0);
    fail_unless_equals_uint64 (count_of (live[i].stats, "frames-lost"), 0);
    fail_unless_equals_int (live[i].warnings, 0);
  }
  /* a tenth of a hop with each window */
  fail_unless (count_of (live[0].stats, "windows") > 4);
  fail_unless (count_of (live[0].stats, "lag") >
      HOP + (count_of (live[0].stats, "windows") - 4) * (guint64) HOP / 10);
  fail_unless (count_of (live[0].stats, "stalls") > 0);
  fail_unless_equals_uint64 (count_of (live[1].stats, "windows"), windows);
  fail_unless (count_of (live[1].stats, "worst-lag") < HOP);
  fail_unless_equals_uint64 (count_of (live[1].stats, "stalls"), 0);
  for (guint i = 0; i < 2; i++)
    gst_structure_free (live[i].stats);
}
GST_END_TEST;

/* ----------------------------------------------------------- saturated */

/* 0.32 s of frames in 15 ms, 16 positions in 20 ms, a run in 75 ms. */
#define FILE_COSTS "to-device-mbps=0.682667,from-device-mbps=0.6144," \
  "launch-us=75000"
#define FILE_WINDOWS 80

static GstStructure *
read_file (guint depth, gdouble * seconds)
{
  GstElement *pipeline = launch ("audiotestsrc wave=saw samplesperbuffer=5120 "
      "num-buffers=%u ! audio/x-raw,format=F32LE,rate=16000,channels=1 ! "
      "npumel frames-per-buffer=32 ! npuencoder name=encoder model=builtin "
      "device=emu device-options=" FILE_COSTS " depth=%u window=320000000 "
      "hop=320000000 ! fakesink", FILE_WINDOWS, depth);
  gint64 started = g_get_monotonic_time ();
  GstStructure *stats;

  fail_unless_equals_int (run_to_the_end (pipeline), 0);
  *seconds = (g_get_monotonic_time () - started) / 1e6;
  stats = stats_of (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  fail_unless_equals_uint64 (count_of (stats, "windows"), FILE_WINDOWS);
  return stats;
}

GST_START_TEST (saturated_transfers_hide_behind_runs_at_depth_two)
{
  gdouble seconds[2];
  GstStructure *one = read_file (1, &seconds[0]);
  GstStructure *two = read_file (2, &seconds[1]);

  g_print ("emulated, %u windows from a file: depth 1 %.2f s, %.1f %% hidden; "
      "depth 2 %.2f s, %.1f %% hidden; %.2f times the throughput\n",
      FILE_WINDOWS, seconds[0], 100 * ratio_of (one, "overlap-ratio"),
      seconds[1], 100 * ratio_of (two, "overlap-ratio"),
      seconds[0] / seconds[1]);
  fail_unless (ratio_of (one, "overlap-ratio") == 0);
  fail_unless (ratio_of (two, "overlap-ratio") >= 0.95);
  fail_unless (seconds[0] / seconds[1] >= 1.4);
  gst_structure_free (one);
  gst_structure_free (two);
}
GST_END_TEST;

/* ------------------------------------------------------------ overload */

/* What QoS messages said. */
typedef struct
{
  guint count;
  gboolean context, hop, drop, none;
  guint64 lost;
} Said;

static void
note_message (GstMessage * message, Said * said)
{
  const GstStructure *structure = gst_message_get_structure (message);
  const gchar *step = gst_structure_get_string (structure, "overload");
  guint64 lost = 0, processed, dropped, duration;
  GstFormat format;
  gboolean live;

  gst_message_parse_qos (message, &live, NULL, NULL, NULL, &duration);
  gst_message_parse_qos_stats (message, &format, &processed, &dropped);
  fail_unless (live);
  fail_unless_equals_int (format, GST_FORMAT_BUFFERS);
  gst_structure_get_uint64 (structure, "lost", &lost);
  fail_unless_equals_uint64 (lost, duration);
  said->count++;
  said->context |= g_str_equal (step, "context");
  said->hop |= g_str_equal (step, "hop");
  said->drop |= g_str_equal (step, "drop");
  said->none |= g_str_equal (step, "none");
  said->lost += lost;
}

static void
listen_overloaded (const gchar * options, const gchar * overload,
    guint seconds, Said * said, GstStructure ** stats)
{
  GstElement *pipeline = launch ("audiotestsrc is-live=true wave=saw "
      "samplesperbuffer=800 num-buffers=%u ! audio/x-raw,format=F32LE,"
      "rate=16000,channels=1 ! npumel frames-per-buffer=5 ! npuencoder "
      "name=encoder model=builtin device=emu device-options=%s overload=%s "
      "window=800000000 hop=100000000 ! fakesink", seconds * 20, options,
      overload);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  memset (said, 0, sizeof (*said));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (;;) {
    message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
        GST_MESSAGE_QOS | GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    fail_unless (message != NULL, "the stream does not end");
    fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR, "%s",
        gst_structure_to_string (gst_message_get_structure (message)));
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      break;
    note_message (message, said);
    gst_message_unref (message);
  }
  gst_message_unref (message);
  *stats = stats_of (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

/* A run takes 0.7 s, a window comes every 0.1 s. */
GST_START_TEST (a_crawling_device_is_answered_step_by_step)
{
  GstStructure *stats;
  Said said;

  listen_overloaded ("launch-us=700000", "auto", 8, &said, &stats);
  g_print ("crawling: %u messages, lag %.3f s, worst %.3f s, %u windows, %u "
      "left out\n", said.count, count_of (stats, "lag") / 1e9,
      count_of (stats, "worst-lag") / 1e9, (guint) count_of (stats, "windows"),
      (guint) count_of (stats, "windows-left-out"));
  fail_unless (said.context && said.hop && said.drop);
  fail_unless (count_of (stats, "windows-left-out") > 0);
  /* capture did not wait, and states are not older than the pipeline is deep */
  fail_unless_equals_uint64 (count_of (stats, "frames"), 800);
  fail_unless (count_of (stats, "lag") < 3 * GST_SECOND);
  fail_unless_equals_uint64 (count_of (stats, "frames-lost")
      * 10 * GST_MSECOND, said.lost);
  gst_structure_free (stats);
}
GST_END_TEST;

GST_START_TEST (a_named_step_is_the_last_one_taken)
{
  GstStructure *stats;
  Said said;

  listen_overloaded ("launch-us=300000", "hop", 5, &said, &stats);
  fail_unless (said.context && said.hop && !said.drop);
  fail_unless_equals_uint64 (count_of (stats, "windows-left-out"), 0);
  gst_structure_free (stats);

  listen_overloaded ("launch-us=300000", "block", 2, &said, &stats);
  fail_unless_equals_int (said.count, 0);
  fail_unless_equals_uint64 (count_of (stats, "windows-left-out"), 0);
  gst_structure_free (stats);
}
GST_END_TEST;

/* The sixth to the ninth run take 0.5 s more than the others. */
GST_START_TEST (overload_is_over_when_the_device_is_fast_again)
{
  GstStructure *stats;
  Said said;

  listen_overloaded ("launch-us=1000,fault=slow,fault-at=6,fault-count=4,"
      "slow-us=500000", "auto", 10, &said, &stats);
  fail_unless (said.count >= 2 && said.none);
  fail_unless_equals_string (gst_structure_get_string (stats, "overload"),
      "none");
  fail_unless (count_of (stats, "lag") < 300 * GST_MSECOND);
  gst_structure_free (stats);
}
GST_END_TEST;

/* Sound of 0.1 s every 0.2 s, each piece a window of its own, of which a device
 * that takes 0.6 s a window can encode one in three. */
#define PIECES 40
#define PIECE_FRAMES 10
#define PIECE_EVERY (200 * GST_MSECOND)

static void
push_pieces (GstHarness * h)
{
  for (guint i = 0; i < PIECES; i++) {
    gint64 started = g_get_monotonic_time ();

    fail_unless_equals_int (gst_harness_push (h, new_frames (i * PIECE_FRAMES,
                PIECE_FRAMES, i * PIECE_EVERY)), GST_FLOW_OK);
    fail_unless (gst_harness_push_event (h, gst_event_new_gap (i * PIECE_EVERY
                + PIECE_FRAMES * FRAME, PIECE_EVERY - PIECE_FRAMES * FRAME)));
    /* capture did not wait */
    fail_unless (g_get_monotonic_time () - started <
        100 * G_TIME_SPAN_MILLISECOND);
    g_usleep (PIECE_EVERY / 1000);
  }
}

/* Until the end: frames of which a window has come, and those that a GAP event
 * stands for that is not of push_pieces(). */
static void
count_frames (GstHarness * h, guint64 * encoded, guint64 * missing)
{
  GstClockTime pts, duration;
  gboolean ended = FALSE;
  GstBuffer *buffer;
  GstEvent *event;

  *encoded = *missing = 0;
  while (!ended) {
    event = gst_harness_pull_event (h);
    ended = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
    if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
      gst_event_parse_gap (event, &pts, &duration);
      if (pts % PIECE_EVERY == 0)
        *missing += duration / FRAME;
    }
    gst_event_unref (event);
  }
  while ((buffer = gst_harness_try_pull (h))) {
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer) % PIECE_EVERY, 0);
    *encoded += GST_BUFFER_DURATION (buffer) / FRAME;
    gst_buffer_unref (buffer);
  }
}

static GstPadProbeReturn
answer_window (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstNpuWindowMeta *meta =
      gst_buffer_get_npu_window_meta (GST_PAD_PROBE_INFO_BUFFER (info));

  gst_pad_push_event (pad, gst_npu_event_new_window_done (meta->window.id,
          G_MAXUINT64));
  return GST_PAD_PROBE_OK;
}

/* Also behind a decoder. */
GST_START_TEST (a_live_source_with_holes_does_not_lag_for_ever)
{
  GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);
  guint64 encoded, missing, announced = 0;
  gboolean driven;
  GstStructure *stats;
  GstMessage *message;
  GstHarness *h;
  GstBus *bus;

  g_object_set (encoder, "model", "builtin", "device", "emu",
      "device-options", "launch-us=600000", "window", 500 * GST_MSECOND, NULL);
  h = new_harness (encoder);
  if (__i__) {
    pretend_decoder (h);
    gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, answer_window,
        NULL, NULL);
  }
  push_pieces (h);
  gst_harness_push_event (h, gst_event_new_eos ());
  count_frames (h, &encoded, &missing);
  g_object_get (encoder, "stats", &stats, NULL);
  bus = gst_element_get_bus (encoder);
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_QOS))) {
    guint64 running, time, duration;
    gdouble proportion;
    gint quality;

    gst_message_parse_qos (message, NULL, &running, NULL, &time, &duration);
    fail_unless_equals_uint64 (running, time);
    fail_unless_equals_uint64 (time % PIECE_EVERY, 0);
    gst_message_parse_qos_values (message, NULL, &proportion, &quality);
    if (duration > 0)
      fail_unless (proportion <= 0.5 && quality <= 500000);
    announced += duration / FRAME;
    gst_message_unref (message);
  }
  g_print ("with holes: lag %.3f s, worst %.3f s, %u frames encoded, %u left "
      "out\n", count_of (stats, "lag") / 1e9, count_of (stats,
          "worst-lag") / 1e9, (guint) encoded, (guint) missing);
  gst_structure_get_boolean (stats, "driven", &driven);
  fail_unless_equals_int (driven, __i__);
  fail_unless (count_of (stats, "worst-lag") < 2 * GST_SECOND);
  fail_unless (missing > 0 && encoded > 0);
  fail_unless_equals_uint64 (encoded + missing, PIECES * PIECE_FRAMES);
  fail_unless_equals_uint64 (count_of (stats, "frames-lost"), missing);
  fail_unless_equals_uint64 (announced, missing);
  fail_unless_equals_uint64 (count_of (stats, "windows")
      + count_of (stats, "windows-left-out"), PIECES);
  gst_structure_free (stats);
  gst_object_unref (bus);
  free_harness (h);
}
GST_END_TEST;

/* Nothing waits for longer than a hop of 3 s: not behind a window that takes
 * 0.4 s, and five short ones after it. */
GST_START_TEST (short_pieces_that_can_be_encoded_in_time_are_not_left_out)
{
  GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);
  GstStructure *stats;
  GstHarness *h;

  g_object_set (encoder, "model", "builtin", "device", "emu",
      "device-options", "launch-us=400000", "window", 3 * GST_SECOND, NULL);
  h = new_harness (encoder);
  push_frames (h, 0, 300);
  for (guint i = 0; i < 5; i++) {
    GstClockTime time = (4 + i) * GST_SECOND;

    gst_harness_push (h, new_frames (300 + i * 30, 30, time));
    gst_harness_push_event (h, gst_event_new_gap (time + 30 * FRAME,
            70 * FRAME));
    g_usleep (100000);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  wait_for_event (h, GST_EVENT_EOS);
  g_object_get (encoder, "stats", &stats, NULL);
  fail_unless_equals_uint64 (count_of (stats, "windows"), 6);
  fail_unless_equals_uint64 (count_of (stats, "windows-left-out"), 0);
  fail_unless_equals_uint64 (count_of (stats, "frames-lost"), 0);
  gst_structure_free (stats);
  free_harness (h);
}
GST_END_TEST;

/* 20 s that are encoded in less than one: there is no reason to lose any. */
GST_START_TEST (what_came_before_the_first_window_is_caught_up_with)
{
  GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);
  GstPad *pad = gst_element_get_static_pad (encoder, "src");
  gulong blocked = gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, NULL, NULL, NULL);
  GstStructure *stats;
  GstHarness *h;

  g_object_set (encoder, "model", "builtin", "device", "emu",
      "device-options", "launch-us=30000", "window", GST_SECOND, NULL);
  h = new_harness (encoder);
  push_frames (h, 0, 2000);
  g_usleep (2500000);
  gst_pad_remove_probe (pad, blocked);
  gst_harness_push_event (h, gst_event_new_eos ());
  wait_for_event (h, GST_EVENT_EOS);
  g_object_get (encoder, "stats", &stats, NULL);
  fail_unless_equals_uint64 (count_of (stats, "windows"), 20);
  fail_unless_equals_uint64 (count_of (stats, "frames-lost"), 0);
  gst_structure_free (stats);
  gst_object_unref (pad);
  free_harness (h);
}
GST_END_TEST;

static Suite *
npuencoder_live_suite (void)
{
  Suite *suite = suite_create ("npuencoder-live");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  if (MEASURED) {
    tcase_add_test (tcase,
        live_lag_grows_at_depth_one_and_stays_below_a_hop_at_two);
    tcase_add_test (tcase, saturated_transfers_hide_behind_runs_at_depth_two);
    tcase_add_test (tcase, overload_is_over_when_the_device_is_fast_again);
  }
  tcase_add_test (tcase, a_crawling_device_is_answered_step_by_step);
  tcase_add_test (tcase, a_named_step_is_the_last_one_taken);
  tcase_add_test (tcase,
      short_pieces_that_can_be_encoded_in_time_are_not_left_out);
  tcase_add_test (tcase, what_came_before_the_first_window_is_caught_up_with);
  tcase_add_loop_test (tcase, a_live_source_with_holes_does_not_lag_for_ever,
      0, 2);
  return suite;
}

GST_CHECK_MAIN (npuencoder_live);
