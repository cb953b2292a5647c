/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whose memory frames and states lie in on their way through the elements:
 * that nothing is copied and nothing allocated, by counting; that whoever keeps
 * a buffer keeps what is in it; what faults of a device do; and whose device it
 * is.
 */
#include "npuencoder-fixture.h"

#include <gst/app/gstappsink.h>
#include <gstnpu.h>

static const gchar *const devices[] = { "cpu", "emu" };

/* Buffers of 0.1 s in a stream; instrumented code is slower and hears fewer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUFFERS 160
#else
#define BUFFERS 1200
#endif
/* Windows of 2 s in them. */
#define WINDOWS (BUFFERS / 20)

static guint64
stat_of (GstElement * element, const gchar * name)
{
  GstStructure *stats;
  guint64 value;

  g_object_get (element, "stats", &stats, NULL);
  value = count_of (stats, name);
  gst_structure_free (stats);
  return value;
}

static void
wait_for_eos (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 100 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  fail_unless (message != NULL, "the stream does not end");
  fail_unless (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS, "%s",
      gst_structure_to_string (gst_message_get_structure (message)));
  gst_message_unref (message);
  gst_object_unref (bus);
}

/* ------------------------------------------------- nothing is allocated */

static GstMemory *(*system_alloc) (GstAllocator *, gsize,
    GstAllocationParams *);
static gint system_memories;

static GstMemory *
count_alloc (GstAllocator * allocator, gsize size,
    GstAllocationParams * params)
{
  g_atomic_int_inc (&system_memories);
  return system_alloc (allocator, size, params);
}

/* Counts the memories of the default allocator from now on. */
static void
count_system_memories (void)
{
  GstAllocator *allocator = gst_allocator_find (GST_ALLOCATOR_SYSMEM);
  GstAllocatorClass *class = GST_ALLOCATOR_GET_CLASS (allocator);

  /* tests share a process where they are instrumented */
  if (class->alloc != count_alloc) {
    system_alloc = class->alloc;
    class->alloc = count_alloc;
  }
  g_atomic_int_set (&system_memories, 0);
  gst_object_unref (allocator);
}

/* Memories of devices: the counts of the allocators that buffers came from. */
typedef struct
{
  GstAllocator *frames;
  GstAllocator *states;
  guint64 frames_before, states_before;
  guint buffers;
} Counted;

static guint64
memories_of (GstAllocator * allocator)
{
  GstNpuMemoryCounts counts;

  gst_npu_allocator_get_counts (GST_NPU_ALLOCATOR (allocator), &counts);
  return counts.allocated + counts.wrapped + counts.shared;
}

static GstPadProbeReturn
see_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer allocator)
{
  GstMemory *memory =
      gst_buffer_peek_memory (GST_PAD_PROBE_INFO_BUFFER (info), 0);

  fail_unless (gst_is_npu_memory (memory));
  gst_object_replace (allocator, GST_OBJECT_CAST (memory->allocator));
  return GST_PAD_PROBE_OK;
}

static void
probe (GstElement * element, const gchar * name, GstAllocator ** allocator)
{
  GstPad *pad = gst_element_get_static_pad (element, name);

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, see_buffer, allocator,
      NULL);
  gst_object_unref (pad);
}

#define WARM_UP 10

/* Windows have gone by: the steady state begins after some, and must not have
 * made any memory later. */
static void
count_window (GstElement * sink, GstBuffer * buffer, GstPad * pad,
    gpointer data)
{
  Counted *counted = data;

  if (++counted->buffers != WARM_UP)
    return;
  counted->frames_before = memories_of (counted->frames);
  counted->states_before = memories_of (counted->states);
}

GST_START_TEST (nothing_is_copied_or_allocated_in_the_steady_state)
{
  GstElement *pipeline = launch ("audiotestsrc wave=saw num-buffers=%u "
      "samplesperbuffer=1600 ! audio/x-raw,format=F32LE,rate=16000,channels=1 "
      "! npumel name=mel ! npuencoder name=encoder device=%s model=builtin "
      "window=2000000000 hop=500000000 ! fakesink name=sink "
      "signal-handoffs=true", BUFFERS, devices[__i__]);
  GstElement *mel = gst_bin_get_by_name (GST_BIN (pipeline), "mel");
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  Counted counted = { NULL };

  count_system_memories ();
  probe (mel, "src", &counted.frames);
  probe (encoder, "src", &counted.states);
  g_signal_connect (sink, "handoff", G_CALLBACK (count_window), &counted);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_eos (pipeline);

  fail_unless (counted.buffers > 2 * WARM_UP);
  /* the source's own, one a buffer */
  fail_unless_equals_int (g_atomic_int_get (&system_memories), BUFFERS);
  fail_unless_equals_uint64 (memories_of (counted.frames),
      counted.frames_before);
  fail_unless_equals_uint64 (memories_of (counted.states),
      counted.states_before);
  fail_unless_equals_uint64 (stat_of (encoder, "frames"), 10 * BUFFERS);
  fail_unless_equals_uint64 (stat_of (encoder, "frames-in-place"),
      10 * BUFFERS);
  fail_unless_equals_uint64 (stat_of (encoder, "copies"), 0);
  fail_unless_equals_uint64 (stat_of (encoder, "states-grown"), 0);
  /* all but the first time that each was taken */
  fail_unless (stat_of (encoder, "states-reused") + stat_of (encoder,
          "states-allocated") >= counted.buffers);
  fail_unless_equals_uint64 (stat_of (mel, "pool-misses"), 0);
  /* each frame is uploaded once, though four windows cover it */
  fail_unless_equals_uint64 (stat_of (encoder, "uploaded-bytes"),
      10 * BUFFERS * 80 * sizeof (gfloat));

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (counted.frames);
  gst_object_unref (counted.states);
  gst_object_unref (mel);
  gst_object_unref (encoder);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static GstPadProbeReturn
keep_blocked (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

GST_START_TEST (a_new_ring_is_written_to_in_place_too)
{
  GstElement *pipeline = launch ("audiotestsrc is-live=true wave=saw "
      "samplesperbuffer=1600 ! audio/x-raw,format=F32LE,rate=16000,channels=1 "
      "! npumel name=mel ! npuencoder name=encoder device=emu model=builtin "
      "window=500000000 ! fakesink async=false sync=false");
  GstElement *mel = gst_bin_get_by_name (GST_BIN (pipeline), "mel");
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  GstPad *pad = gst_element_get_static_pad (mel, "src");
  guint64 before;
  gulong block;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (stat_of (encoder, "frames-in-place") < 50)
    g_usleep (10000);
  block = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      keep_blocked, NULL, NULL);
  g_usleep (300000);
  gst_element_set_state (encoder, GST_STATE_READY);
  gst_element_sync_state_with_parent (encoder);
  before = stat_of (encoder, "frames-in-place");
  gst_pad_remove_probe (pad, block);
  for (guint i = 0; i < 500
      && stat_of (encoder, "frames-in-place") < before + 50; i++)
    g_usleep (10000);
  fail_unless (stat_of (encoder, "frames-in-place") >= before + 50,
      "all frames are copied");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (mel);
  gst_object_unref (encoder);
  gst_object_unref (pipeline);
}
GST_END_TEST;

/* -------------------------------------------- other upstream elements */

GST_START_TEST (whoever_asks_writes_frames_in_place)
{
  GstHarness *h = new_harness (new_encoder ());
  GstBuffer *states;

  for (guint i = 0; i < 300; i++) {
    GstBuffer *frames = new_frames (i, 1, i * FRAME);
    GstBuffer *buffer = gst_harness_create_buffer (h, 80 * sizeof (gfloat));
    GstMapInfo map;

    fail_unless (gst_is_npu_memory (gst_buffer_peek_memory (buffer, 0)));
    fail_unless (gst_buffer_map (frames, &map, GST_MAP_READ));
    gst_buffer_fill (buffer, 0, map.data, map.size);
    gst_buffer_unmap (frames, &map);
    GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (frames);
    gst_buffer_unref (frames);
    fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
  }
  fail_unless_equals_uint64 (stat_of (h->element, "frames-in-place"), 300);
  fail_unless_equals_uint64 (stat_of (h->element, "copies"), 0);
  for (guint i = 0; i < 3; i++) {
    states = gst_harness_pull (h);
    check_states (states, &(Expected) {
        .first = i * 100,.frames = 100,.pts = i * GST_SECOND,
        .first_sample = i * 16000,.full = TRUE,.discont = i == 0});
    gst_buffer_unref (states);
  }
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (foreign_memory_is_copied_once_and_counted)
{
  GstHarness *h = new_harness (new_encoder ());

  push_frames (h, 0, 100);
  push_frames (h, 100, 100);
  for (guint i = 0; i < 2; i++)
    gst_buffer_unref (gst_harness_pull (h));
  fail_unless_equals_uint64 (stat_of (h->element, "frames-in-place"), 0);
  fail_unless_equals_uint64 (stat_of (h->element, "frames-copied"), 200);
  fail_unless_equals_uint64 (stat_of (h->element, "copies"), 2);
  free_harness (h);
}
GST_END_TEST;

/* ----------------------------------------------------- what is kept */

/* What was in the buffers that came, and they themselves. */
typedef struct
{
  GPtrArray *buffers;
  GPtrArray *sums;
} Kept;

static gchar *
sum_of (GstBuffer * buffer)
{
  GstMapInfo map;
  gchar *sum;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  sum = g_compute_checksum_for_data (G_CHECKSUM_MD5, map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  return sum;
}

static GstFlowReturn
keep_sample (GstElement * sink, gpointer data)
{
  GstSample *sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));
  GstBuffer *buffer = gst_buffer_ref (gst_sample_get_buffer (sample));
  Kept *kept = data;

  g_ptr_array_add (kept->buffers, buffer);
  g_ptr_array_add (kept->sums, sum_of (buffer));
  gst_sample_unref (sample);
  return GST_FLOW_OK;
}

static void
keep (GstElement * pipeline, const gchar * name, Kept * kept)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), name);

  kept->buffers =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  kept->sums = g_ptr_array_new_with_free_func (g_free);
  g_object_set (sink, "emit-signals", TRUE, NULL);
  g_signal_connect (sink, "new-sample", G_CALLBACK (keep_sample), kept);
  gst_object_unref (sink);
}

static void
check_kept (Kept * kept)
{
  for (guint i = 0; i < kept->buffers->len; i++) {
    gchar *sum = sum_of (g_ptr_array_index (kept->buffers, i));

    fail_unless_equals_string (sum, g_ptr_array_index (kept->sums, i));
    g_free (sum);
  }
}

static void
clear_kept (Kept * kept)
{
  g_ptr_array_unref (kept->buffers);
  g_ptr_array_unref (kept->sums);
}

GST_START_TEST (an_appsink_may_keep_every_frame_and_every_state)
{
  GstElement *pipeline = launch ("audiotestsrc wave=saw num-buffers=%u "
      "samplesperbuffer=1600 ! audio/x-raw,format=F32LE,rate=16000,channels=1 "
      "! npumel ! tee name=t ! queue ! npuencoder name=encoder device=%s "
      "model=builtin window=2000000000 max-states=200 ! tee name=s ! queue ! "
      "fakesink async=false sync=false t. ! queue ! appsink name=frames "
      "async=false sync=false s. ! queue ! appsink name=states async=false "
      "sync=false", BUFFERS, devices[__i__]);
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  Kept frames, states;

  keep (pipeline, "frames", &frames);
  keep (pipeline, "states", &states);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_eos (pipeline);
  fail_unless_equals_int (frames.buffers->len, BUFFERS);
  fail_unless_equals_int (states.buffers->len, WINDOWS);
  fail_unless_equals_uint64 (stat_of (encoder, "frames"), 10 * BUFFERS);
  fail_unless_equals_uint64 (stat_of (encoder, "states-grown")
      + 4 /* from the start */ , WINDOWS);
  check_kept (&frames);
  check_kept (&states);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  /* also when all that made them is gone */
  gst_object_unref (encoder);
  gst_object_unref (pipeline);
  check_kept (&frames);
  check_kept (&states);
  clear_kept (&frames);
  clear_kept (&states);
}
GST_END_TEST;

GST_START_TEST (a_source_waits_while_downstream_holds_all_states)
{
  GstHarness *h = new_harness (new_encoder_with ("max-states", 5, NULL));
  GstBus *bus = gst_element_get_bus (h->element);
  GstBuffer *kept[5];
  GstMessage *message;

  push_frames (h, 0, 1000);
  for (guint i = 0; i < 5; i++)
    kept[i] = gst_harness_pull (h);
  message = gst_bus_timed_pop_filtered (bus, 5 * GST_SECOND,
      GST_MESSAGE_WARNING);
  fail_unless (message != NULL);
  gst_message_unref (message);
  fail_unless (gst_harness_try_pull (h) == NULL);
  fail_unless_equals_uint64 (stat_of (h->element, "windows"), 5);

  /* each that is let go of brings another one, and none is lost */
  for (guint i = 0; i < 5; i++) {
    GstBuffer *buffer;

    gst_buffer_unref (kept[i]);
    buffer = gst_harness_pull (h);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), (i + 5) * GST_SECOND);
    kept[i] = buffer;
  }
  /* and a flush does not wait */
  push_frames (h, 1000, 300);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  for (guint i = 0; i < 5; i++)
    gst_buffer_unref (kept[i]);
  gst_object_unref (bus);
  free_harness (h);
}
GST_END_TEST;

GST_START_TEST (behind_a_live_source_windows_are_left_out_instead)
{
  GstElement *encoder = new_encoder_with ("max-states", 5, NULL);
  GstBuffer *kept[6], *late;
  GstHarness *h;

  gst_util_set_object_arg (G_OBJECT (encoder), "overload", "drop");
  h = new_harness (encoder);
  /* depth and its two more */
  for (guint i = 0; i < 5; i++) {
    push_frames (h, i * 100, 100);
    kept[i] = gst_harness_pull (h);
  }
  for (guint i = 5; i < 60; i++) {
    fail_unless_equals_int (push_frames (h, i * 100, 100), GST_FLOW_OK);
    g_usleep (1000);
  }
  while (stat_of (h->element, "windows-left-out") < 40)
    g_usleep (1000);
  gst_buffer_unref (kept[0]);
  late = gst_harness_pull (h);
  fail_unless (GST_BUFFER_PTS (late) >= 50 * GST_SECOND);
  fail_unless (GST_BUFFER_IS_DISCONT (late));
  fail_unless_equals_uint64 (gst_buffer_get_npu_window_meta
      (late)->window.first_sample, GST_BUFFER_PTS (late) / GST_SECOND * 16000);
  /* each window is one or the other, and the end comes though all is held */
  push_frames (h, 6000, 30);
  gst_harness_push_event (h, gst_event_new_eos ());
  wait_for_event (h, GST_EVENT_EOS);
  fail_unless_equals_uint64 (stat_of (h->element, "windows")
      + stat_of (h->element, "windows-left-out"), 61);
  gst_buffer_unref (late);
  for (guint i = 1; i < 5; i++)
    gst_buffer_unref (kept[i]);
  free_harness (h);
}
GST_END_TEST;

/* -------------------------------------------------------------- faults */

static GstElement *
emulated_encoder (const gchar * options)
{
  GstElement *encoder = new_encoder ();

  gst_util_set_object_arg (G_OBJECT (encoder), "precision", "auto");
  g_object_set (encoder, "device", "emu", "device-options", options, NULL);
  return encoder;
}

GST_START_TEST (a_device_that_hangs_once_loses_no_window)
{
  GstHarness *h =
      new_harness (emulated_encoder ("fault=hang,fault-at=3,timeout-ms=300"));

  push_frames (h, 0, 1000);
  for (guint i = 0; i < 10; i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    fail_unless (buffer != NULL);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), i * GST_SECOND);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (stat_of (h->element, "resets"), 1);
  fail_unless (stat_of (h->element, "reruns") > 0);
  free_harness (h);
}
GST_END_TEST;

static void
check_error (const gchar * options, const gchar * in_message)
{
  GstHarness *h = new_harness (emulated_encoder (options));
  GError *error = NULL;

  push_frames (h, 0, 300);
  g_free (pop_error (h->element, &error));
  fail_unless (strstr (error->message, in_message) != NULL, "%s",
      error->message);
  g_error_free (error);
  free_harness (h);
}

GST_START_TEST (a_device_that_fails_for_good_is_an_error)
{
  check_error ("fault=hang,fault-count=9,timeout-ms=100", "reset");
  check_error ("fault=error,fault-count=9", "failed");
  check_error ("fault=lost,fault-at=2", "device");
}
GST_END_TEST;

GST_START_TEST (a_lost_device_is_opened_again_from_null)
{
  GstElement *pipeline = launch ("audiotestsrc wave=saw ! npumel ! npuencoder "
      "name=encoder device=emu device-options=fault=lost,fault-at=4 "
      "model=builtin window=1000000000 ! fakesink");
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  GstBus *bus = gst_element_get_bus (pipeline);

  for (guint i = 0; i < 2; i++) {
    GstMessage *message;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered (bus, 20 * GST_SECOND,
        GST_MESSAGE_ERROR);
    fail_unless (message != NULL);
    gst_message_unref (message);
    fail_unless (stat_of (encoder, "windows") > 0,
        "the device was still lost");
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  gst_object_unref (bus);
  gst_object_unref (encoder);
  gst_object_unref (pipeline);
}
GST_END_TEST;

/* A device that is lost while another one's window runs on it. */
GST_START_TEST (a_window_that_cannot_be_submitted_leaves_no_trace)
{
  GstHarness *other = new_harness (emulated_encoder ("fault=lost,fault-at=2"));
  GstHarness *late =
      new_harness (emulated_encoder ("fault=lost,fault-at=2"));
  GstStructure *stats;
  GError *error = NULL;
  guint in_flight;

  push_frames (other, 0, 300);
  g_free (pop_error (other->element, &error));
  g_clear_error (&error);
  push_frames (late, 0, 100);
  g_free (pop_error (late->element, &error));
  g_clear_error (&error);
  gst_harness_push_event (late, gst_event_new_flush_start ());
  gst_harness_push_event (late, gst_event_new_flush_stop (TRUE));
  g_object_get (late->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint (stats, "windows-in-flight",
          &in_flight));
  fail_unless_equals_int (in_flight, 0);
  gst_structure_free (stats);
  fail_unless_equals_uint64 (stat_of (late->element, "windows-dropped"), 1);
  free_harness (other);
  free_harness (late);
}
GST_END_TEST;

GST_START_TEST (a_device_without_memory_fails_the_change_of_state)
{
  GstElement *encoder = emulated_encoder ("fault=oom,fault-at=2");
  GstBus *bus = gst_bus_new ();
  GstMessage *message;

  gst_element_set_bus (encoder, bus);
  fail_unless (gst_element_set_state (encoder, GST_STATE_PAUSED) ==
      GST_STATE_CHANGE_FAILURE);
  message = gst_bus_timed_pop_filtered (bus, 0, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_unref (message);
  gst_element_set_state (encoder, GST_STATE_NULL);
  gst_element_set_bus (encoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (encoder);
}
GST_END_TEST;

/* ----------------------------------------------------- shared devices */

static GstNpuDevice *
device_of (GstElement * element)
{
  GstQuery *query = gst_query_new_context (GST_NPU_DEVICE_CONTEXT_TYPE);
  GstPad *pad = gst_element_get_static_pad (element, "src");
  GstNpuDevice *device = NULL;
  GstContext *context;

  fail_unless (gst_pad_query (pad, query));
  gst_query_parse_context (query, &context);
  fail_unless (gst_context_get_npu_device (context, &device));
  gst_query_unref (query);
  gst_object_unref (pad);
  return device;
}

GST_START_TEST (encoders_of_a_pipeline_share_a_device)
{
  GstElement *pipeline = gst_parse_launch ("npuencoder name=a device=emu "
      "npuencoder name=b npuencoder name=c device=cpu", NULL);
  GstNpuDevice *found[3];

  fail_unless (gst_element_set_state (pipeline, GST_STATE_READY) ==
      GST_STATE_CHANGE_SUCCESS);
  for (guint i = 0; i < 3; i++) {
    gchar *name = g_strdup_printf ("%c", 'a' + i);
    GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), name);

    found[i] = device_of (encoder);
    gst_object_unref (encoder);
    g_free (name);
  }
  fail_unless_equals_string (gst_npu_device_get_name (found[2]), "cpu");
  /* whichever was opened first, "auto" takes what another one has */
  fail_unless (found[1] == found[0] || found[1] == found[2]);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  for (guint i = 0; i < 3; i++)
    gst_object_unref (found[i]);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static GstBusSyncReply
give_device (GstBus * bus, GstMessage * message, gpointer device)
{
  const gchar *type;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_NEED_CONTEXT
      && gst_message_parse_context_type (message, &type)
      && g_str_equal (type, GST_NPU_DEVICE_CONTEXT_TYPE)) {
    GstContext *context = gst_context_new_npu_device (device);

    gst_element_set_context (GST_ELEMENT (GST_MESSAGE_SRC (message)), context);
    gst_context_unref (context);
  }
  gst_message_unref (message);
  return GST_BUS_DROP;
}

GST_START_TEST (an_application_can_give_a_device)
{
  GstNpuDevice *device = gst_npu_device_new ("emu", 0, NULL, NULL), *used;
  GstContext *context = gst_context_new_npu_device (device);

  for (guint answered = 0; answered < 2; answered++) {
    GstElement *pipeline = gst_pipeline_new (NULL);
    GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);

    gst_bin_add (GST_BIN (pipeline), encoder);
    if (answered) {
      GstBus *bus = gst_element_get_bus (pipeline);

      gst_bus_set_sync_handler (bus, give_device, device, NULL);
      gst_object_unref (bus);
    } else {
      gst_element_set_context (pipeline, context);
    }
    for (guint again = 0; again < 2; again++) {
      fail_unless (gst_element_set_state (pipeline, GST_STATE_READY) ==
          GST_STATE_CHANGE_SUCCESS);
      used = device_of (encoder);
      fail_unless (used == device);
      gst_object_unref (used);
      gst_element_set_state (pipeline, GST_STATE_NULL);
    }
    gst_object_unref (pipeline);
  }
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}
GST_END_TEST;

static Suite *
npuencoder_memory_suite (void)
{
  Suite *suite = suite_create ("npuencoder-memory");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase,
      nothing_is_copied_or_allocated_in_the_steady_state, 0, 2);
  tcase_add_test (tcase, a_new_ring_is_written_to_in_place_too);
  tcase_add_test (tcase, whoever_asks_writes_frames_in_place);
  tcase_add_test (tcase, foreign_memory_is_copied_once_and_counted);
  tcase_add_loop_test (tcase, an_appsink_may_keep_every_frame_and_every_state,
      0, 2);
  tcase_add_test (tcase, a_source_waits_while_downstream_holds_all_states);
  tcase_add_test (tcase, behind_a_live_source_windows_are_left_out_instead);
  tcase_add_test (tcase, a_device_that_hangs_once_loses_no_window);
  tcase_add_test (tcase, a_device_that_fails_for_good_is_an_error);
  tcase_add_test (tcase, a_lost_device_is_opened_again_from_null);
  tcase_add_test (tcase, a_window_that_cannot_be_submitted_leaves_no_trace);
  tcase_add_test (tcase, a_device_without_memory_fails_the_change_of_state);
  tcase_add_test (tcase, encoders_of_a_pipeline_share_a_device);
  tcase_add_test (tcase, an_application_can_give_a_device);
  return suite;
}

GST_CHECK_MAIN (npuencoder_memory);
