/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npumel and time: timestamps, holes, jumps, drift, segments and flushes.
 */
#include "npumel-fixture.h"

#include <string.h>

#include <gstnpu.h>

/* An instrumented build is ten times slower, so its hours are shorter. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOUR 360                /* seconds */
#else
#define HOUR 3600
#endif

static GstHarness *h;
static Frames frames;

static void
setup (void)
{
  h = mel_harness (MONO_16K);
}

static void
teardown (void)
{
  frames_clear (&frames);
  mel_harness_free (h);
}

static void
end_stream (void)
{
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  collect (h, &frames);
}

static void
assert_gap (GstClockTime start, GstClockTime end)
{
  GstEvent *event = next_event (h, GST_EVENT_GAP);
  GstClockTime time, duration;

  fail_unless (event != NULL, "no GAP event");
  gst_event_parse_gap (event, &time, &duration);
  fail_unless_equals_uint64 (time, start);
  fail_unless_equals_uint64 (time + duration, end);
  gst_event_unref (event);
}

static void
assert_no_gap (void)
{
  fail_if (next_event (h, GST_EVENT_GAP) != NULL);
}

/* --- counting --- */

GST_START_TEST (times_do_not_depend_on_pieces)
{
  static const guint pieces[] = { 1, 159, 160, 161, 1600, 40000, 0, 0, 0 };
  const gsize count = 40000;
  gfloat *samples = noise (count);
  gsize done = 0;

  while (done < count) {
    gsize piece = pieces[__i__] ? pieces[__i__] : 1 + random_below (3000);

    piece = MIN (piece, count - done);
    fail_unless_equals_int (push_floats (h, samples + done, piece,
            GST_SECOND + gst_util_uint64_scale (done, GST_SECOND, 16000), 0),
        GST_FLOW_OK);
    done += piece;
  }
  end_stream ();
  fail_unless_equals_uint64 (frames.start, GST_SECOND);
  fail_unless_equals_int (frames.buffers, 25);
  fail_unless_equals_int (frames.disconts, 1);
  assert_same_bits (&frames, samples, count);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (a_buffer_leaves_as_soon_as_its_last_frame_is_whole)
{
  /* 10 frames: the last one looks 200 samples beyond its own 9 * 160 */
  gfloat *samples = noise (1640);

  push_floats (h, samples, 1639, 0, 0);
  fail_unless_equals_int (gst_harness_buffers_received (h), 0);
  push_floats (h, samples, 1, gst_util_uint64_scale (1639, GST_SECOND, 16000),
      0);
  fail_unless_equals_int (gst_harness_buffers_received (h), 1);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (buffers_without_time_count_from_the_segment)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 5 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_noise (h, GST_CLOCK_TIME_NONE, 300 * GST_MSECOND, 0);
  push_noise (h, GST_CLOCK_TIME_NONE, 300 * GST_MSECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 5 * GST_SECOND);
  fail_unless_equals_int (frames.frames, 60);
}

GST_END_TEST;

GST_START_TEST (buffers_without_time_count_from_the_one_before)
{
  push_noise (h, 3 * GST_SECOND, 300 * GST_MSECOND, 0);
  push_noise (h, GST_CLOCK_TIME_NONE, 300 * GST_MSECOND, 0);
  push_noise (h, 3600 * GST_MSECOND, 400 * GST_MSECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 3 * GST_SECOND);
  fail_unless_equals_int (frames.frames, 100);
}

GST_END_TEST;

GST_START_TEST (jitter_is_counted_through)
{
  gfloat *samples = noise (80000);
  guint i;

  for (i = 0; i < 50; i++) {
    GstClockTime time = GST_SECOND + i * 100 * GST_MSECOND;

    if (i > 0)
      time += random_below (70000) * GST_USECOND - 35 * GST_MSECOND;
    push_floats (h, samples + i * 1600, 1600, time, 0);
  }
  end_stream ();
  fail_unless_equals_uint64 (frames.start, GST_SECOND);
  assert_same_bits (&frames, samples, 80000);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (audio_outside_the_segment_is_cut)
{
  GstSegment segment;
  gfloat *samples = noise (16000);

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 250 * GST_MSECOND;
  segment.stop = 750 * GST_MSECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_floats (h, samples, 16000, 0, 0);
  push_floats (h, samples, 16000, GST_SECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 250 * GST_MSECOND);
  assert_same_bits (&frames, samples + 4000, 8000);
  g_free (samples);
}

GST_END_TEST;

static void
push_silence_of_duration (gsize count, GstClockTime duration)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, count * 4, NULL);

  gst_buffer_memset (buffer, 0, 0, count * 4);
  GST_BUFFER_PTS (buffer) = 0;
  GST_BUFFER_DURATION (buffer) = duration;
  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
}

GST_START_TEST (a_wrong_duration_does_no_harm)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 500 * GST_USECOND;
  segment.stop = 2 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  /* one sample, over before the segment begins */
  push_silence_of_duration (1, 900 * GST_USECOND);
  push_silence_of_duration (16000, 3600 * GST_SECOND);
  end_stream ();
  fail_unless_equals_int (frames.frames, 99);
}

GST_END_TEST;

/* --- holes --- */

GST_START_TEST (mel_is_silent_over_a_short_gap)
{
  gfloat *samples = noise (48000);

  memset (samples + 16000, 0, 16000 * sizeof (gfloat));
  push_floats (h, samples, 16000, 0, 0);
  gst_harness_push_event (h, gst_event_new_gap (GST_SECOND, GST_SECOND));
  collect (h, &frames);
  /* nothing waits for the audio behind the gap but the last look ahead */
  fail_unless_equals_int (frames.frames, 190);
  push_floats (h, samples + 32000, 16000, 2 * GST_SECOND, 0);
  end_stream ();
  assert_same_bits (&frames, samples, 48000);
  assert_no_gap ();
  fail_unless_equals_uint64 (statistic (h, "silent-samples"), 16000);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (a_long_gap_is_passed_on)
{
  push_noise (h, 0, 555 * GST_MSECOND, 0);
  gst_harness_push_event (h, gst_event_new_gap (555 * GST_MSECOND,
          31 * GST_SECOND));
  collect (h, &frames);
  fail_unless_equals_int (frames.frames, 55);
  assert_gap (550 * GST_MSECOND, 31555 * GST_MSECOND);
  frames_clear (&frames);

  push_noise (h, 31555 * GST_MSECOND, 300 * GST_MSECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 31555 * GST_MSECOND);
  fail_unless_equals_int (frames.disconts, 1);
  fail_unless_equals_int (frames.frames, 30);
}

GST_END_TEST;

static gboolean
answer_window (GstPad * pad, GstObject * parent, GstQuery * query)
{
  if (!gst_npu_query_is_window (query))
    return gst_pad_query_default (pad, parent, query);
  gst_npu_query_set_window (query, 10 * GST_SECOND);
  return TRUE;
}

GST_START_TEST (a_gap_is_long_when_no_window_of_the_encoder_holds_it)
{
  gst_pad_set_query_function (h->sinkpad, answer_window);
  push_noise (h, 0, GST_SECOND, 0);
  gst_harness_push_event (h, gst_event_new_gap (GST_SECOND, 10 * GST_SECOND));
  push_noise (h, 11 * GST_SECOND, GST_SECOND, 0);
  collect (h, &frames);
  /* nothing waits for what follows but the last look ahead */
  fail_unless_equals_int (frames.frames, 1190);
  assert_no_gap ();
  gst_harness_push_event (h, gst_event_new_gap (12 * GST_SECOND,
          11 * GST_SECOND));
  assert_gap (12 * GST_SECOND, 23 * GST_SECOND);
}

GST_END_TEST;

GST_START_TEST (many_short_gaps_are_a_long_one)
{
  guint i;

  g_object_set (h->element, "max-gap", 2 * GST_SECOND, NULL);
  push_noise (h, 0, GST_SECOND, 0);
  for (i = 1; i < 10; i++)
    gst_harness_push_event (h, gst_event_new_gap (i * GST_SECOND, GST_SECOND));
  collect (h, &frames);
  fail_unless_equals_int (frames.frames, 300);
  assert_gap (3 * GST_SECOND, 4 * GST_SECOND);
  assert_gap (4 * GST_SECOND, 5 * GST_SECOND);
  frames_clear (&frames);

  push_noise (h, GST_CLOCK_TIME_NONE, GST_SECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 10 * GST_SECOND);
  fail_unless_equals_int (frames.disconts, 1);
}

GST_END_TEST;

GST_START_TEST (a_gap_before_any_audio_is_passed_on)
{
  gst_harness_push_event (h, gst_event_new_gap (0, GST_SECOND));
  assert_gap (0, GST_SECOND);
  push_noise (h, GST_SECOND, GST_SECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, GST_SECOND);
  fail_unless_equals_int (frames.frames, 100);
}

GST_END_TEST;

GST_START_TEST (a_gap_that_is_over_changes_nothing)
{
  gfloat *samples = noise (32000);

  push_floats (h, samples, 16000, 0, 0);
  gst_harness_push_event (h, gst_event_new_gap (0, 500 * GST_MSECOND));
  push_floats (h, samples + 16000, 16000, GST_SECOND, 0);
  end_stream ();
  assert_same_bits (&frames, samples, 32000);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (a_buffer_marked_gap_is_silence)
{
  gfloat *samples = noise (48000);

  push_floats (h, samples, 16000, 0, 0);
  push_floats (h, samples + 16000, 16000, GST_SECOND, GST_BUFFER_FLAG_GAP);
  push_floats (h, samples + 32000, 16000, 2 * GST_SECOND, 0);
  end_stream ();
  memset (samples + 16000, 0, 16000 * sizeof (gfloat));
  assert_same_bits (&frames, samples, 48000);
  g_free (samples);
}

GST_END_TEST;

/* --- jumps --- */

GST_START_TEST (lost_audio_becomes_silence)
{
  gfloat *samples = noise (48000);

  memset (samples + 16000, 0, 3200 * sizeof (gfloat));
  push_floats (h, samples, 16000, 0, 0);
  push_floats (h, samples + 19200, 16000, 1200 * GST_MSECOND,
      GST_BUFFER_FLAG_DISCONT);
  end_stream ();
  assert_same_bits (&frames, samples, 35200);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (audio_that_comes_twice_is_left_out)
{
  gfloat *samples = noise (48000);
  gsize done;

  push_floats (h, samples, 16000, 0, 0);
  /* in pieces shorter than what comes twice */
  for (done = 12800; done < 32000; done += 1600)
    push_floats (h, samples + done, 1600,
        gst_util_uint64_scale (done, GST_SECOND, 16000),
        done == 12800 ? GST_BUFFER_FLAG_DISCONT : 0);
  end_stream ();
  assert_same_bits (&frames, samples, 32000);
  fail_unless_equals_uint64 (statistic (h, "left-out-samples"), 3200);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (discont_without_a_jump_changes_nothing)
{
  gfloat *samples = noise (32000);

  push_floats (h, samples, 16000, 0, GST_BUFFER_FLAG_DISCONT);
  push_floats (h, samples + 16000, 16000, GST_SECOND + 62500,
      GST_BUFFER_FLAG_DISCONT);
  end_stream ();
  assert_same_bits (&frames, samples, 32000);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (a_long_jump_forward_begins_anew)
{
  push_noise (h, 0, GST_SECOND, 0);
  push_noise (h, 40 * GST_SECOND, GST_SECOND, GST_BUFFER_FLAG_DISCONT);
  assert_gap (GST_SECOND, 40 * GST_SECOND);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless_equals_int (gst_harness_buffers_received (h), 20);
  while (frames.frames < 100) {
    GstBuffer *buffer = gst_harness_pull (h);

    frames.frames += gst_buffer_get_size (buffer) / (BANDS * sizeof (gfloat));
    gst_buffer_unref (buffer);
  }
  frames_clear (&frames);
  collect (h, &frames);
  fail_unless_equals_uint64 (frames.start, 40 * GST_SECOND);
  fail_unless_equals_int (frames.disconts, 1);
  fail_unless_equals_int (frames.frames, 100);
}

GST_END_TEST;

GST_START_TEST (a_clock_that_is_set_back_loses_no_audio)
{
  push_noise (h, 100 * GST_SECOND, GST_SECOND, 0);
  collect (h, &frames);
  push_noise (h, 50 * GST_SECOND, GST_SECOND, GST_BUFFER_FLAG_DISCONT);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless_equals_uint64 (statistic (h, "frames"), 200);
  assert_no_gap ();
}

GST_END_TEST;

GST_START_TEST (a_jump_without_discont_is_believed_when_it_lasts)
{
  guint i;

  for (i = 0; i < 10; i++)
    push_noise (h, i * 100 * GST_MSECOND, 100 * GST_MSECOND, 0);
  for (i = 0; i < 9; i++)
    push_noise (h, 5 * GST_SECOND + i * 100 * GST_MSECOND, 100 * GST_MSECOND,
        0);
  collect (h, &frames);
  fail_unless (frames.end <= 1900 * GST_MSECOND);
  for (; i < 20; i++)
    push_noise (h, 5 * GST_SECOND + i * 100 * GST_MSECOND, 100 * GST_MSECOND,
        0);
  end_stream ();
  fail_unless_equals_uint64 (frames.end, 7 * GST_SECOND);
}

GST_END_TEST;

/* --- hours --- */

/* Three hours from a source whose clock is 200 parts in a million fast or
 * slow: buffers of 100 ms by their samples, stamped by another clock. The
 * frames stay without a hole, and their times within the threshold. */
GST_START_TEST (a_skewed_clock_does_not_part_sound_and_time)
{
  const gint64 skew = __i__ == 0 ? 200 : -200;
  const guint count = 3 * HOUR * 10;
  const GstClockTimeDiff length = 100 * GST_MSECOND;
  /* the threshold, and what is gained while it is waited for */
  const GstClockTimeDiff bound = 40 * GST_MSECOND + 300 * GST_USECOND;
  gfloat *samples = noise (1600);
  GstClockTimeDiff ahead, earliest = 0, latest = 0;
  guint i;

  g_object_set (h->element, "frames-per-buffer", 1, NULL);
  for (i = 0; i < count; i++) {
    GstClockTimeDiff time = i * length + i * length / 1000000 * skew;

    push_floats (h, samples, 1600, GST_SECOND + time, 0);
    collect (h, &frames);
    g_array_set_size (frames.values, 0);
    ahead = GST_CLOCK_DIFF (GST_SECOND + time + length, frames.end);
    earliest = MIN (earliest, ahead);
    latest = MAX (latest, ahead);
  }
  /* the last whole frame ends 2.5 to 12.5 ms before the end of the audio */
  fail_unless (latest <= bound - 2500 * GST_USECOND);
  fail_unless (earliest >= -bound - 12500 * GST_USECOND);
  /* and it was skewed all right */
  fail_unless (latest - earliest > 30 * GST_MSECOND);
  fail_unless_equals_int (frames.disconts, 1);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (hours_of_an_odd_rate_do_not_drift)
{
  const guint rate = 11025, seconds = HOUR;
  gfloat *samples = noise (rate * 10);
  guint i;

  gst_harness_set_src_caps_str (h, "audio/x-raw, format=(string)"
      GST_AUDIO_NE (F32) ", rate=(int)11025, channels=(int)1, "
      "layout=(string)interleaved");
  for (i = 0; i < seconds / 10; i++) {
    push_floats (h, samples, rate * 10, GST_CLOCK_TIME_NONE, 0);
    collect (h, &frames);
    g_array_set_size (frames.values, 0);
  }
  end_stream ();
  fail_unless_equals_int (frames.frames, seconds * 100);
  fail_unless_equals_uint64 (frames.end, seconds * GST_SECOND);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (ten_hours_give_their_frames)
{
  gfloat *samples = noise (160000);
  guint i;

  g_object_set (h->element, "frames-per-buffer", 1000, NULL);
  gst_harness_set_drop_buffers (h, TRUE);
  for (i = 0; i < HOUR; i++)
    fail_unless_equals_int (push_floats (h, samples, 160000,
            i * 10 * GST_SECOND, 0), GST_FLOW_OK);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless_equals_uint64 (statistic (h, "frames"), 10 * HOUR * 100);
  g_free (samples);
}

GST_END_TEST;

/* --- segments and flushes --- */

GST_START_TEST (a_segment_without_time_is_refused)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  assert_message (h, GST_MESSAGE_ERROR, "rawaudioparse");
  fail_unless_equals_int (gst_harness_push (h, gst_buffer_new ()),
      GST_FLOW_ERROR);
  assert_no_message (h);
}

GST_END_TEST;

GST_START_TEST (a_reverse_segment_is_refused)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  assert_message (h, GST_MESSAGE_ERROR, "positive rate");
  fail_unless_equals_int (gst_harness_push (h, gst_buffer_new ()),
      GST_FLOW_ERROR);
  assert_no_message (h);

  /* and forgotten with the next one */
  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  push_noise (h, 0, GST_SECOND, 0);
}

GST_END_TEST;

GST_START_TEST (a_segment_drains_the_one_before)
{
  GstSegment segment;
  GstBuffer *buffer;
  guint count = 0;

  push_noise (h, 0, 155 * GST_MSECOND, 0);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 10 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  while ((buffer = gst_harness_try_pull (h))) {
    count += gst_buffer_get_size (buffer) / (BANDS * sizeof (gfloat));
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_int (count, 15);

  push_noise (h, 10 * GST_SECOND, 155 * GST_MSECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 10 * GST_SECOND);
  fail_unless_equals_int (frames.frames, 15);
  fail_unless_equals_int (frames.disconts, 1);
}

GST_END_TEST;

GST_START_TEST (the_same_segment_again_changes_nothing)
{
  gfloat *samples = noise (32000);
  GstSegment segment;

  push_floats (h, samples, 10000, 0, 0);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_floats (h, samples + 10000, 22000, 625 * GST_MSECOND, 0);
  end_stream ();
  assert_same_bits (&frames, samples, 32000);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (a_flush_forgets_what_was_heard)
{
  GstSegment segment;
  gfloat *samples = noise (16000);

  push_noise (h, 0, 555 * GST_MSECOND, 0);
  collect (h, &frames);
  frames_clear (&frames);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 7 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_floats (h, samples, 16000, 7 * GST_SECOND, 0);
  end_stream ();
  fail_unless_equals_uint64 (frames.start, 7 * GST_SECOND);
  fail_unless_equals_int (frames.disconts, 1);
  assert_same_bits (&frames, samples, 16000);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (seeks_while_playing_neither_hang_nor_fail)
{
  GstElement *pipeline = gst_parse_launch ("audiotestsrc ! "
      "audio/x-raw,rate=44100 ! npumel ! fakesink sync=true", NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  guint i;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fail_unless_equals_int (gst_element_get_state (pipeline, NULL, NULL,
          20 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  for (i = 0; i < 30; i++) {
    fail_unless (gst_element_seek_simple (pipeline, GST_FORMAT_TIME,
            GST_SEEK_FLAG_FLUSH, random_below (3600) * GST_SECOND));
    g_usleep (random_below (20000));
  }
  fail_unless_equals_int (gst_element_get_state (pipeline, NULL, NULL,
          20 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  fail_if (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) != NULL);

  gst_element_seek (pipeline, -1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
      GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_SET, 5 * GST_SECOND);
  fail_unless (gst_bus_timed_pop_filtered (bus, 20 * GST_SECOND,
          GST_MESSAGE_ERROR) != NULL);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

GST_END_TEST;

GST_START_TEST (the_end_gives_every_whole_frame)
{
  static const guint lengths[] = { 1, 159, 160, 161, 199, 200, 1599, 1600, 1639,
    1640, 1641, 5000
  };
  gfloat *samples = noise (lengths[__i__]);

  push_floats (h, samples, lengths[__i__], 0, 0);
  end_stream ();
  assert_same_bits (&frames, samples, lengths[__i__]);
  g_free (samples);
}

GST_END_TEST;

GST_START_TEST (no_audio_gives_a_segment_and_no_buffer)
{
  GstEvent *event;

  end_stream ();
  fail_unless_equals_int (frames.buffers, 0);
  event = next_event (h, GST_EVENT_SEGMENT);
  fail_unless (event != NULL);
  gst_event_unref (event);
  event = next_event (h, GST_EVENT_EOS);
  fail_unless (event != NULL);
  gst_event_unref (event);
}

GST_END_TEST;

static TCase *
add_case (Suite * suite, const gchar * name)
{
  TCase *tests = tcase_create (name);

  tcase_add_checked_fixture (tests, setup, teardown);
  suite_add_tcase (suite, tests);
  return tests;
}

static Suite *
npumel_time_suite (void)
{
  Suite *suite = suite_create ("npumel-time");
  TCase *tests = add_case (suite, "counting");

  tcase_add_loop_test (tests, times_do_not_depend_on_pieces, 0, 9);
  tcase_add_test (tests, a_buffer_leaves_as_soon_as_its_last_frame_is_whole);
  tcase_add_test (tests, buffers_without_time_count_from_the_segment);
  tcase_add_test (tests, buffers_without_time_count_from_the_one_before);
  tcase_add_test (tests, jitter_is_counted_through);
  tcase_add_test (tests, audio_outside_the_segment_is_cut);
  tcase_add_test (tests, a_wrong_duration_does_no_harm);

  tests = add_case (suite, "holes");
  tcase_add_test (tests, mel_is_silent_over_a_short_gap);
  tcase_add_test (tests, a_long_gap_is_passed_on);
  tcase_add_test (tests,
      a_gap_is_long_when_no_window_of_the_encoder_holds_it);
  tcase_add_test (tests, many_short_gaps_are_a_long_one);
  tcase_add_test (tests, a_gap_before_any_audio_is_passed_on);
  tcase_add_test (tests, a_gap_that_is_over_changes_nothing);
  tcase_add_test (tests, a_buffer_marked_gap_is_silence);

  tests = add_case (suite, "jumps");
  tcase_add_test (tests, lost_audio_becomes_silence);
  tcase_add_test (tests, audio_that_comes_twice_is_left_out);
  tcase_add_test (tests, discont_without_a_jump_changes_nothing);
  tcase_add_test (tests, a_long_jump_forward_begins_anew);
  tcase_add_test (tests, a_clock_that_is_set_back_loses_no_audio);
  tcase_add_test (tests, a_jump_without_discont_is_believed_when_it_lasts);

  tests = add_case (suite, "hours");
  tcase_add_loop_test (tests, a_skewed_clock_does_not_part_sound_and_time, 0,
      2);
  tcase_add_test (tests, hours_of_an_odd_rate_do_not_drift);
  tcase_add_test (tests, ten_hours_give_their_frames);

  tests = add_case (suite, "segments and flushes");
  tcase_add_test (tests, a_segment_without_time_is_refused);
  tcase_add_test (tests, a_reverse_segment_is_refused);
  tcase_add_test (tests, a_segment_drains_the_one_before);
  tcase_add_test (tests, the_same_segment_again_changes_nothing);
  tcase_add_test (tests, a_flush_forgets_what_was_heard);
  tcase_add_test (tests, seeks_while_playing_neither_hang_nor_fail);
  tcase_add_loop_test (tests, the_end_gives_every_whole_frame, 0, 12);
  tcase_add_test (tests, no_audio_gives_a_segment_and_no_buffer);
  return suite;
}

GST_CHECK_MAIN (npumel_time);
