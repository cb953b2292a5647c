/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Harness, signals and comparisons for the tests of npumel.
 */
#include "npumel-fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mel/mel.h"

GstHarness *
mel_harness (const gchar * caps)
{
  GstHarness *h = gst_harness_new ("npumel");
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (h->element, bus);
  gst_object_unref (bus);
  if (caps)
    gst_harness_set_src_caps_str (h, caps);
  return h;
}

void
mel_harness_free (GstHarness * h)
{
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

static GRand *
test_random (void)
{
  static GRand *generator = NULL;

  if (!generator) {
    const gchar *given = g_getenv ("NPU_TEST_SEED");
    guint32 seed = given ? (guint32) atoi (given) : g_random_int ();

    g_print ("NPU_TEST_SEED=%u\n", seed);
    generator = g_rand_new_with_seed (seed);
  }
  return generator;
}

guint
random_below (guint limit)
{
  return g_rand_int_range (test_random (), 0, limit);
}

gfloat *
noise (gsize count)
{
  gfloat *samples = g_new (gfloat, count + 1);
  gsize i;

  for (i = 0; i < count; i++)
    samples[i] = g_rand_double_range (test_random (), -0.5, 0.5);
  return samples;
}

GstFlowReturn
push_bytes (GstHarness * h, gconstpointer data, gsize size, GstClockTime time)
{
  GstBuffer *buffer = gst_buffer_new_memdup (data, size);

  GST_BUFFER_PTS (buffer) = time;
  return gst_harness_push (h, buffer);
}

GstFlowReturn
push_floats (GstHarness * h, const gfloat * samples, gsize count,
    GstClockTime time, GstBufferFlags flags)
{
  GstBuffer *buffer = gst_buffer_new_memdup (samples, count * sizeof (gfloat));

  GST_BUFFER_PTS (buffer) = time;
  GST_BUFFER_FLAG_SET (buffer, flags);
  return gst_harness_push (h, buffer);
}

void
push_noise (GstHarness * h, GstClockTime time, GstClockTime duration,
    GstBufferFlags flags)
{
  gsize count = gst_util_uint64_scale (duration, 16000, GST_SECOND);
  gfloat *samples = noise (count);

  fail_unless_equals_int (push_floats (h, samples, count, time, flags),
      GST_FLOW_OK);
  g_free (samples);
}

/* check writes a file at each assertion: too slow for millions of buffers */
#define demand(condition) \
  G_STMT_START { if (!(condition)) fail ("%s", #condition); } G_STMT_END

static void
collect_buffer (Frames * frames, GstBuffer * buffer)
{
  const gsize row = BANDS * sizeof (gfloat);
  GstMapInfo map;
  guint count;

  demand (gst_buffer_map (buffer, &map, GST_MAP_READ));
  demand (map.size > 0 && map.size % row == 0);
  count = map.size / row;
  g_array_append_vals (frames->values, map.data, count * BANDS);
  gst_buffer_unmap (buffer, &map);

  if (frames->frames == 0) {
    frames->start = GST_BUFFER_PTS (buffer);
  } else {
    demand (GST_BUFFER_PTS (buffer) == frames->end);
    demand (GST_BUFFER_OFFSET (buffer) == frames->offset);
    demand (!GST_BUFFER_IS_DISCONT (buffer));
  }
  demand (GST_BUFFER_DURATION (buffer) == count * 10 * GST_MSECOND);
  demand (GST_BUFFER_OFFSET_END (buffer) == GST_BUFFER_OFFSET (buffer) + count);
  demand (!GST_BUFFER_DTS_IS_VALID (buffer));
  frames->disconts += GST_BUFFER_IS_DISCONT (buffer);
  frames->end = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  frames->offset = GST_BUFFER_OFFSET_END (buffer);
  frames->frames += count;
  frames->buffers++;
}

void
collect (GstHarness * h, Frames * frames)
{
  GstBuffer *buffer;

  if (!frames->values)
    frames->values = g_array_new (FALSE, FALSE, sizeof (gfloat));
  while ((buffer = gst_harness_try_pull (h))) {
    collect_buffer (frames, buffer);
    gst_buffer_unref (buffer);
  }
}

void
frames_clear (Frames * frames)
{
  if (frames->values)
    g_array_unref (frames->values);
  memset (frames, 0, sizeof (*frames));
}

gfloat *
core_frames (const gfloat * samples, gsize count, gsize * frames)
{
  gfloat *values = g_new (gfloat, count / NPU_MEL_HOP * BANDS + 1);
  gsize room = count / NPU_MEL_HOP, done = 0;
  NpuMel *mel;

  fail_unless (npu_mel_create (BANDS, &mel, NULL) == NPU_OK);
  while (count > 0) {
    gsize taken = npu_mel_push (mel, samples, count);

    samples += taken;
    count -= taken;
    done += npu_mel_pull (mel, values + done * BANDS, room - done);
  }
  npu_mel_finish (mel);
  done += npu_mel_pull (mel, values + done * BANDS, room - done);
  fail_unless_equals_int (done, room);
  npu_mel_free (mel);
  *frames = done;
  return values;
}

gdouble
mean_difference (const gfloat * one, const gfloat * other, gsize count)
{
  gdouble max = -10, sum = 0;
  gsize i;

  for (i = 0; i < count; i++)
    max = MAX (max, other[i]);
  for (i = 0; i < count; i++)
    sum += fabs (MAX (one[i], max - 8) - MAX (other[i], max - 8)) / 4;
  return count > 0 ? sum / count : 0;
}

void
assert_same_bits (const Frames * frames, const gfloat * samples, gsize count)
{
  gsize wanted;
  gfloat *values = core_frames (samples, count, &wanted);

  fail_unless_equals_int (frames->frames, wanted);
  fail_unless (wanted == 0 || memcmp (values, frames->values->data,
          wanted * BANDS * sizeof (gfloat)) == 0);
  g_free (values);
}

GstEvent *
next_event (GstHarness * h, GstEventType type)
{
  GstEvent *event;

  while ((event = gst_harness_try_pull_event (h))) {
    if (GST_EVENT_TYPE (event) == type)
      return event;
    gst_event_unref (event);
  }
  return NULL;
}

void
assert_message (GstHarness * h, GstMessageType type, const gchar * text)
{
  GstBus *bus = gst_element_get_bus (h->element);
  GstMessage *message = gst_bus_pop_filtered (bus, type);
  GError *error = NULL;
  gchar *debug = NULL;

  fail_unless (message != NULL, "no message about '%s'", text);
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else
    gst_message_parse_warning (message, &error, &debug);
  fail_unless (strstr (error->message, text) != NULL, "'%s' lacks '%s'",
      error->message, text);
  g_error_free (error);
  g_free (debug);
  gst_message_unref (message);
  gst_object_unref (bus);
}

void
assert_no_message (GstHarness * h)
{
  GstBus *bus = gst_element_get_bus (h->element);

  fail_if (gst_bus_pop_filtered (bus,
          GST_MESSAGE_ERROR | GST_MESSAGE_WARNING) != NULL);
  gst_object_unref (bus);
}

guint64
statistic (GstHarness * h, const gchar * name)
{
  GstStructure *stats = NULL;
  guint64 value = 0;

  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, name, &value), "%s", name);
  gst_structure_free (stats);
  return value;
}
