/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npudecoder: text and gaps on the clock, the protocol with the encoder, which
 * model decodes, bad input. The models are random, so that what the text says
 * does not matter here.
 */
#include <math.h>

#include "encoder/encoder.h"
#include "npuencoder-fixture.h"
#include "pipeline/windows.h"
#include "unit/model-writer.h"

#define WIDTH 32
#define POSITIONS 50
#define POSITION (20 * GST_MSECOND)

typedef struct
{
  NpuDevice *device;
  NpuModel *model;
} Opened;

static Opened
open_model (const gchar * path)
{
  Opened opened;
  NpuError error;

  fail_unless (npu_device_open ("auto", NULL, &opened.device,
          &error) == NPU_OK);
  fail_unless (npu_model_open (path, opened.device, NPU_PRECISION_AUTO,
          &opened.model, &error) == NPU_OK);
  return opened;
}

static void
close_model (Opened * opened)
{
  npu_model_unref (opened->model);
  npu_device_unref (opened->device);
}

/* Thresholds that let random text pass. */
static GstElement *
new_decoder (void)
{
  GstElement *decoder = gst_element_factory_make ("npudecoder", NULL);

  fail_unless (decoder != NULL);
  g_object_set (decoder, "no-speech-threshold", 1.0,
      "log-probability-threshold", -100.0, NULL);
  return decoder;
}

/* In a harness as if npuencoder with the test's model came before. */
static GstHarness *
new_decoder_harness (GstElement * decoder, NpuModel * model)
{
  GstBus *bus = gst_bus_new ();
  GstHarness *h;
  gchar *caps;

  gst_element_set_bus (decoder, bus);
  gst_object_unref (bus);
  h = gst_harness_new_with_element (decoder, "sink", "src");
  gst_object_unref (decoder);
  caps = g_strdup_printf ("tensor/strided, tensor-id=(string)encoder-states, "
      "type=(string)float32, dims-order=(string)row-major, dims=(int)<0,%d>, "
      "model-digest=(string)%s", WIDTH,
      model ? npu_model_digest (model) : "0123456789abcdef");
  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
  if (model)
    gst_harness_push_event (h, gst_npu_event_new_model (model));
  return h;
}

/* States of window @id, whose values follow from it. */
static GstBuffer *
new_states (guint64 id, guint64 first_position, GstClockTime pts,
    gboolean final)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL,
      POSITIONS * WIDTH * sizeof (gfloat), NULL);
  GstNpuWindow window = {
    .id = id,
    .first_sample = first_position * GST_NPU_SAMPLES_PER_POSITION,
    .positions = POSITIONS,
    .valid_positions = POSITIONS,
    .full = TRUE,
    .final = final,
    .peak = 0.5f,
  };
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (guint i = 0; i < POSITIONS * WIDTH; i++)
    ((gfloat *) map.data)[i] = 3.0f * sinf (0.7f * i + 13.0f * id);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = POSITIONS * POSITION;
  gst_buffer_add_npu_window_meta (buffer, &window);
  return buffer;
}

/* Where the decoder wants the next window, in samples. */
static guint64
pull_answer (GstHarness * h, guint64 expected_id)
{
  GstEvent *event;
  guint64 id, next;

  while ((event = gst_harness_try_pull_upstream_event (h))) {
    gboolean found = gst_npu_event_parse_window_done (event, &id, &next);

    gst_event_unref (event);
    if (found) {
      fail_unless_equals_uint64 (id, expected_id);
      return next;
    }
  }
  fail ("no answer");
  return 0;
}

/* ------------------------------------------------------------- text */

/* What came out, in order. */
typedef struct
{
  GstClockTime position;        /* end of the last text or gap */
  guint texts, gaps, holes, overlaps, invalid;
  GString *text;
} Coverage;

static GstPadProbeReturn
cover (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Coverage *coverage = data;
  GstClockTime start, duration;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    GstMapInfo map;

    start = GST_BUFFER_PTS (buffer);
    duration = GST_BUFFER_DURATION (buffer);
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    if (map.size == 0 || !g_utf8_validate ((gchar *) map.data, map.size, NULL))
      coverage->invalid++;
    g_string_append_len (coverage->text, (gchar *) map.data, map.size);
    g_string_append_c (coverage->text, '|');
    gst_buffer_unmap (buffer, &map);
    coverage->texts++;
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info))
      == GST_EVENT_GAP) {
    gst_event_parse_gap (GST_PAD_PROBE_INFO_EVENT (info), &start, &duration);
    coverage->gaps++;
  } else {
    return GST_PAD_PROBE_OK;
  }
  coverage->holes += start > coverage->position;
  coverage->overlaps += start < coverage->position || duration == 0;
  coverage->position = start + duration;
  return GST_PAD_PROBE_OK;
}

static Coverage *
watch_coverage (GstPad * pad)
{
  Coverage *coverage = g_new0 (Coverage, 1);

  coverage->text = g_string_new (NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER
      | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, cover, coverage, NULL);
  return coverage;
}

static void
coverage_free (Coverage * coverage)
{
  g_string_free (coverage->text, TRUE);
  g_free (coverage);
}

/* Windows one after another, each where the last answer said. */
static guint64
decode_windows (GstHarness * h, guint windows, GstClockTime start)
{
  guint64 position = 0;

  for (guint id = 0; id < windows; id++) {
    guint64 next;

    fail_unless_equals_int (gst_harness_push (h, new_states (id, position,
                start + position * POSITION, id + 1 == windows)),
        GST_FLOW_OK);
    next = pull_answer (h, id) / GST_NPU_SAMPLES_PER_POSITION;
    fail_unless (next > position && next <= position + POSITIONS);
    position = next;
  }
  return position;
}

GST_START_TEST (text_and_gaps_cover_the_stream_without_holes)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);
  guint64 end = decode_windows (h, 40, 0);

  gst_harness_push_event (h, gst_event_new_eos ());
  g_print ("%u texts, %u gaps: %.200s\n", coverage->texts, coverage->gaps,
      coverage->text->str);
  fail_unless (coverage->texts > 0);
  fail_unless_equals_int (coverage->holes, 0);
  fail_unless_equals_int (coverage->overlaps, 0);
  fail_unless_equals_int (coverage->invalid, 0);
  fail_unless (coverage->position >= end * POSITION);
  fail_unless (coverage->position < end * POSITION
      + NPU_WINDOW_REST * 10 * GST_MSECOND);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_stream_that_starts_late_begins_with_a_gap)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);

  decode_windows (h, 3, 36000 * GST_SECOND);
  fail_unless_equals_int (coverage->holes + coverage->overlaps, 0);
  fail_unless (coverage->position > 36000 * GST_SECOND);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (silence_gives_a_gap_and_an_answer)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);
  GstBuffer *states = new_states (0, 0, 0, FALSE);

  gst_buffer_get_npu_window_meta (states)->window.peak = -10.0f;
  gst_harness_push (h, states);
  fail_unless_equals_uint64 (pull_answer (h, 0),
      POSITIONS * GST_NPU_SAMPLES_PER_POSITION);
  fail_unless_equals_int (coverage->texts, 0);
  fail_unless_equals_uint64 (coverage->position, GST_SECOND);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_window_that_got_lost_on_the_way_is_answered)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);

  gst_harness_push_event (h, gst_npu_event_new_window_sent (0));
  fail_unless_equals_uint64 (pull_answer (h, 0), G_MAXUINT64);
  gst_harness_push (h, new_states (1, 0, 0, FALSE));
  pull_answer (h, 1);
  /* that one came, and needs no second answer */
  gst_harness_push_event (h, gst_npu_event_new_window_sent (1));
  gst_harness_push_event (h, gst_npu_event_new_window_sent (2));
  fail_unless_equals_uint64 (pull_answer (h, 2), G_MAXUINT64);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_window_that_overlaps_the_last_one_says_nothing_twice)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);
  guint texts;

  gst_harness_push (h, new_states (0, 0, 0, TRUE));
  texts = coverage->texts;
  gst_harness_push (h, new_states (0, 0, 0, TRUE));
  fail_unless_equals_int (coverage->texts, texts);
  fail_unless_equals_int (coverage->holes + coverage->overlaps, 0);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_clock_that_is_set_back_is_believed)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);
  GstBuffer *states = new_states (1, POSITIONS, 10 * GST_SECOND, TRUE);

  gst_harness_push (h, new_states (0, 0, 100 * GST_SECOND, TRUE));
  fail_unless (coverage->position > 100 * GST_SECOND);
  GST_BUFFER_FLAG_SET (states, GST_BUFFER_FLAG_DISCONT);
  gst_harness_push (h, states);
  fail_unless (coverage->position > 10 * GST_SECOND);
  fail_unless (coverage->position <= 11 * GST_SECOND);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_segment_that_comes_again_repeats_no_gap)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);
  guint64 end = decode_windows (h, 3, 0);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (guint id = 3; id < 5; id++) {
    gst_harness_push_event (h, gst_event_new_segment (&segment));
    gst_harness_push (h, new_states (id, end, end * POSITION, TRUE));
    end = pull_answer (h, id) / GST_NPU_SAMPLES_PER_POSITION;
    segment.stop = 100 * GST_SECOND;
  }
  fail_unless_equals_int (coverage->holes + coverage->overlaps, 0);
  segment.start = 100 * GST_SECOND;
  segment.base = segment.stop = 200 * GST_SECOND;
  coverage->position = segment.start;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  gst_harness_push (h, new_states (5, end, 101 * GST_SECOND, TRUE));
  fail_unless_equals_int (coverage->holes + coverage->overlaps, 0);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (the_separator_ends_each_text)
{
  Opened opened = open_model (test_model ());
  GstElement *decoder = new_decoder ();
  GstHarness *h;
  Coverage *coverage;
  guint newlines = 0;

  g_object_set (decoder, "separator", "\\t~\\n", NULL);
  h = new_decoder_harness (decoder, opened.model);
  coverage = watch_coverage (h->sinkpad);
  decode_windows (h, 20, 0);
  for (const gchar * c = coverage->text->str; (c = strstr (c, "\t~\n|")); c++)
    newlines++;
  fail_unless (coverage->texts > 0);
  fail_unless_equals_int (newlines, coverage->texts);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_separator_of_any_bytes_leaves_text_valid)
{
  Opened opened = open_model (test_model ());
  GstElement *decoder = new_decoder ();
  GstHarness *h;
  Coverage *coverage;

  g_object_set (decoder, "separator", "\\377\\n", NULL);
  h = new_decoder_harness (decoder, opened.model);
  coverage = watch_coverage (h->sinkpad);
  decode_windows (h, 20, 0);
  fail_unless (coverage->texts > 0);
  fail_unless_equals_int (coverage->invalid, 0);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

/* GLib complains of a backslash that begins no escape; here that is fatal. */
GST_START_TEST (a_separator_may_end_in_a_backslash)
{
  static const struct
  {
    const gchar *separator, *ending;
  } rows[] = {
    {"\\", "\\|"},
    {"\\\\", "\\|"},
    {"~\\\\\\", "~\\\\|"},
  };
  Opened opened = open_model (test_model ());
  GstElement *decoder = new_decoder ();
  GstHarness *h;
  Coverage *coverage;

  g_object_set (decoder, "separator", rows[__i__].separator, NULL);
  h = new_decoder_harness (decoder, opened.model);
  coverage = watch_coverage (h->sinkpad);
  decode_windows (h, 20, 0);
  fail_unless (coverage->texts > 0);
  fail_unless (g_str_has_suffix (coverage->text->str, rows[__i__].ending));
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

/* ----------------------------------------------------------- events */

static GstEvent *
pull_event (GstHarness * h, GstEventType type)
{
  GstEvent *event;

  while ((event = gst_harness_try_pull_event (h))) {
    if (GST_EVENT_TYPE (event) == type)
      return event;
    gst_event_unref (event);
  }
  return NULL;
}

GST_START_TEST (the_stream_is_sparse_text)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  GstEvent *event = pull_event (h, GST_EVENT_STREAM_START);
  GstStreamFlags flags;
  GstCaps *caps;

  gst_event_parse_stream_flags (event, &flags);
  fail_unless (flags & GST_STREAM_FLAG_SPARSE);
  gst_event_unref (event);
  caps = gst_pad_get_current_caps (h->sinkpad);
  fail_unless (gst_structure_has_name (gst_caps_get_structure (caps, 0),
          "text/x-raw"));
  gst_caps_unref (caps);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (gaps_are_passed_on_and_clipped)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  Coverage *coverage = watch_coverage (h->sinkpad);

  gst_harness_push_event (h, gst_event_new_gap (0, 60 * GST_SECOND));
  gst_harness_push_event (h, gst_event_new_gap (50 * GST_SECOND,
          20 * GST_SECOND));
  gst_harness_push_event (h, gst_event_new_gap (80 * GST_SECOND,
          GST_CLOCK_TIME_NONE));
  fail_unless_equals_int (coverage->gaps, 3);
  fail_unless_equals_int (coverage->holes + coverage->overlaps, 0);
  fail_unless_equals_uint64 (coverage->position, 80 * GST_SECOND);
  free_harness (h);
  coverage_free (coverage);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (only_the_language_of_the_audio_is_a_tag_of_the_text)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  GstTagList *tags;
  GstEvent *event;

  gst_harness_push_event (h, gst_event_new_tag (gst_tag_list_new
          (GST_TAG_BITRATE, 256000, NULL)));
  fail_unless (pull_event (h, GST_EVENT_TAG) == NULL);
  gst_harness_push_event (h, gst_event_new_tag (gst_tag_list_new
          (GST_TAG_BITRATE, 256000, GST_TAG_LANGUAGE_CODE, "de", NULL)));
  event = pull_event (h, GST_EVENT_TAG);
  gst_event_parse_tag (event, &tags);
  fail_unless_equals_int (gst_tag_list_n_tags (tags), 1);
  gst_event_unref (event);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (the_language_in_use_is_a_tag)
{
  Opened opened = open_model (test_model ());
  GstElement *decoder = new_decoder ();
  gchar *language = NULL;
  GstTagList *tags;
  GstEvent *event;
  GstHarness *h;

  g_object_set (decoder, "language-code", "de", NULL);
  h = new_decoder_harness (decoder, opened.model);
  decode_windows (h, 10, 0);
  event = pull_event (h, GST_EVENT_TAG);
  fail_unless (event != NULL);
  gst_event_parse_tag (event, &tags);
  gst_tag_list_get_string (tags, GST_TAG_LANGUAGE_CODE, &language);
  fail_unless_equals_string (language, "de");
  g_free (language);
  gst_event_unref (event);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (eos_before_caps_passes)
{
  GstElement *decoder = new_decoder ();
  GstHarness *h = gst_harness_new_with_element (decoder, "sink", "src");

  gst_object_unref (decoder);
  gst_harness_play (h);
  gst_pad_push_event (h->srcpad, gst_event_new_stream_start ("test"));
  fail_unless (gst_pad_push_event (h->srcpad, gst_event_new_eos ()));
  {
    GstEvent *event = pull_event (h, GST_EVENT_EOS);

    fail_unless (event != NULL);
    gst_event_unref (event);
  }
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (somebody_who_asks_learns_that_windows_are_answered)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  GstQuery *query = gst_npu_query_new_driven ();

  fail_if (gst_npu_query_parse_driven (query));
  fail_unless (gst_pad_peer_query (h->srcpad, query));
  fail_unless (gst_npu_query_parse_driven (query));
  gst_query_unref (query);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (latency_is_that_of_the_encoder)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);

  gst_harness_set_upstream_latency (h, 1250 * GST_MSECOND);
  fail_unless_equals_uint64 (gst_harness_query_latency (h),
      1250 * GST_MSECOND);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

static gpointer
push_windows (gpointer data)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint id = 0; flow == GST_FLOW_OK; id++)
    flow = gst_harness_push (data, new_states (id, POSITIONS * id,
            id * GST_SECOND, FALSE));
  return GINT_TO_POINTER (flow);
}

GST_START_TEST (a_flush_ends_a_decode_in_progress)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  GstStructure *stats;
  GstSegment segment;
  guint64 cancelled;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (guint i = 0; i < 100; i++) {
    GThread *thread = g_thread_new ("upstream", push_windows, h);

    g_usleep (i * 50);
    gst_pad_push_event (h->srcpad, gst_event_new_flush_start ());
    fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (thread)),
        GST_FLOW_FLUSHING);
    gst_pad_push_event (h->srcpad, gst_event_new_flush_stop (TRUE));
    gst_pad_push_event (h->srcpad, gst_event_new_segment (&segment));
    fail_unless_equals_int (gst_harness_push (h, new_states (0, 0, 0, FALSE)),
        GST_FLOW_OK);
  }
  /* the pad alone would end the stream too, but only behind the decode */
  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "windows-cancelled",
          &cancelled));
  gst_structure_free (stats);
  fail_unless (cancelled > 0);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

/* -------------------------------------------------------- bad input */

static void
check_error (GstHarness * h, const gchar * in_message)
{
  GError *error = NULL;
  gchar *text = pop_error (h->element, &error);

  fail_unless (strstr (text, in_message) != NULL, "%s", text);
  g_free (text);
  g_error_free (error);
}

GST_START_TEST (states_without_window_are_an_error)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);

  fail_unless_equals_int (gst_harness_push (h, gst_buffer_new_allocate (NULL,
              POSITIONS * WIDTH * sizeof (gfloat), NULL)), GST_FLOW_ERROR);
  check_error (h, "npuencoder");
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (states_of_the_wrong_size_are_an_error)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  GstBuffer *states = new_states (0, 0, 0, FALSE);

  gst_buffer_set_size (states, 1000);
  fail_unless_equals_int (gst_harness_push (h, states), GST_FLOW_ERROR);
  check_error (h, test_model ());
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (states_without_a_model_are_an_error)
{
  GstHarness *h = new_decoder_harness (new_decoder (), NULL);

  fail_unless_equals_int (gst_harness_push (h, new_states (0, 0, 0, FALSE)),
      GST_FLOW_ERROR);
  check_error (h, "model");
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (the_property_names_the_model_of_states_without_one)
{
  GstElement *decoder = new_decoder ();
  Opened opened = open_model (test_model ());
  GstHarness *h;
  gchar *caps;

  g_object_set (decoder, "model", test_model (), NULL);
  h = gst_harness_new_with_element (decoder, "sink", "src");
  gst_object_unref (decoder);
  caps = g_strdup_printf ("tensor/strided, tensor-id=(string)encoder-states, "
      "type=(string)float32, dims-order=(string)row-major, dims=(int)<0,%d>, "
      "model-digest=(string)%s", WIDTH, npu_model_digest (opened.model));
  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
  fail_unless_equals_int (gst_harness_push (h, new_states (0, 0, 0, FALSE)),
      GST_FLOW_OK);
  gst_harness_teardown (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_property_that_names_another_model_is_an_error)
{
  const SmallModel other = { 80, POSITIONS, WIDTH, 2 };
  GstElement *decoder = new_decoder ();
  Opened opened = open_model (test_model ());
  GstHarness *h;

  g_object_set (decoder, "model", small_model_write (&other), NULL);
  h = new_decoder_harness (decoder, opened.model);
  check_error (h, "leave the property unset");
  fail_unless_equals_int (gst_harness_push (h, new_states (0, 0, 0, FALSE)),
      GST_FLOW_NOT_NEGOTIATED);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

static void
check_that_nothing_more_is_said (GstHarness * h)
{
  GstBus *bus = gst_element_get_bus (h->element);

  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) == NULL);
  gst_object_unref (bus);
}

GST_START_TEST (caps_of_any_kind_are_refused_with_one_message)
{
  static const gchar *const wrong[] = {
    "tensor/strided, tensor-id=(string)log-mel, type=(string)float32, "
        "dims-order=(string)row-major, dims=(int)<0,80>",
    "audio/x-raw, format=S16LE, rate=16000, channels=1, layout=interleaved",
  };
  GstHarness *h = new_decoder_harness (new_decoder (), NULL);

  gst_harness_set_src_caps_str (h, wrong[__i__]);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_int (gst_harness_push (h, new_states (i, 0, 0, FALSE)),
        GST_FLOW_NOT_NEGOTIATED);
  check_error (h, "npuencoder");
  check_that_nothing_more_is_said (h);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (a_segment_not_in_time_is_refused_with_one_message)
{
  Opened opened = open_model (test_model ());
  GstHarness *h = new_decoder_harness (new_decoder (), opened.model);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  for (guint i = 0; i < 3; i++)
    fail_unless (gst_harness_push (h, new_states (i, 0, 0, FALSE))
        != GST_FLOW_OK);
  check_error (h, "time format");
  check_that_nothing_more_is_said (h);
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (an_unknown_language_is_an_error_that_lists_languages)
{
  Opened opened = open_model (test_model ());
  GstElement *decoder = new_decoder ();
  GstHarness *h;

  g_object_set (decoder, "language-code", "klingon", NULL);
  h = new_decoder_harness (decoder, opened.model);
  fail_unless_equals_int (gst_harness_push (h, new_states (0, 0, 0, FALSE)),
      GST_FLOW_ERROR);
  check_error (h, "de");
  free_harness (h);
  close_model (&opened);
}
GST_END_TEST;

GST_START_TEST (a_missing_model_is_an_error_with_its_path)
{
  GstElement *decoder = new_decoder ();
  GstBus *bus = gst_bus_new ();
  GError *error = NULL;
  gchar *text;

  g_object_set (decoder, "model", "/nowhere/at-all.bin", NULL);
  gst_element_set_bus (decoder, bus);
  fail_unless_equals_int (gst_element_set_state (decoder, GST_STATE_READY),
      GST_STATE_CHANGE_FAILURE);
  text = pop_error (decoder, &error);
  fail_unless (strstr (text, "/nowhere/at-all.bin") != NULL, "%s", text);
  g_free (text);
  g_error_free (error);
  gst_element_set_state (decoder, GST_STATE_NULL);
  gst_bus_set_flushing (bus, TRUE);
  gst_element_set_bus (decoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (decoder);
}
GST_END_TEST;

static Suite *
npudecoder_suite (void)
{
  Suite *suite = suite_create ("npudecoder");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, text_and_gaps_cover_the_stream_without_holes);
  tcase_add_test (tcase, a_stream_that_starts_late_begins_with_a_gap);
  tcase_add_test (tcase, silence_gives_a_gap_and_an_answer);
  tcase_add_test (tcase, a_window_that_got_lost_on_the_way_is_answered);
  tcase_add_test (tcase,
      a_window_that_overlaps_the_last_one_says_nothing_twice);
  tcase_add_test (tcase, a_clock_that_is_set_back_is_believed);
  tcase_add_test (tcase, a_segment_that_comes_again_repeats_no_gap);
  tcase_add_test (tcase, the_separator_ends_each_text);
  tcase_add_test (tcase, a_separator_of_any_bytes_leaves_text_valid);
  tcase_add_loop_test (tcase, a_separator_may_end_in_a_backslash, 0, 3);
  tcase_add_test (tcase, the_stream_is_sparse_text);
  tcase_add_test (tcase, gaps_are_passed_on_and_clipped);
  tcase_add_test (tcase, only_the_language_of_the_audio_is_a_tag_of_the_text);
  tcase_add_test (tcase, the_language_in_use_is_a_tag);
  tcase_add_test (tcase, eos_before_caps_passes);
  tcase_add_test (tcase, somebody_who_asks_learns_that_windows_are_answered);
  tcase_add_test (tcase, latency_is_that_of_the_encoder);
  tcase_add_test (tcase, a_flush_ends_a_decode_in_progress);
  tcase_add_test (tcase, states_without_window_are_an_error);
  tcase_add_test (tcase, states_of_the_wrong_size_are_an_error);
  tcase_add_test (tcase, states_without_a_model_are_an_error);
  tcase_add_test (tcase, the_property_names_the_model_of_states_without_one);
  tcase_add_test (tcase, a_property_that_names_another_model_is_an_error);
  tcase_add_loop_test (tcase, caps_of_any_kind_are_refused_with_one_message,
      0, 2);
  tcase_add_test (tcase, a_segment_not_in_time_is_refused_with_one_message);
  tcase_add_test (tcase,
      an_unknown_language_is_an_error_that_lists_languages);
  tcase_add_test (tcase, a_missing_model_is_an_error_with_its_path);
  return suite;
}

GST_CHECK_MAIN (npudecoder);
