/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder in a harness.
 */
#include "npuencoder-fixture.h"

#include <math.h>

#include "encoder/encoder.h"
#include "pipeline/ring.h"

const gchar *
test_model (void)
{
  static const gchar *path = NULL;

  if (!path)
    path = small_model_write (&small_model_default);
  return path;
}

GstElement *
new_encoder (void)
{
  GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);

  fail_unless (encoder != NULL);
  gst_util_set_object_arg (G_OBJECT (encoder), "precision", "float32");
  /* a harness says that it is live, but waits for nobody */
  gst_util_set_object_arg (G_OBJECT (encoder), "overload", "block");
  g_object_set (encoder, "model", test_model (), NULL);
  return encoder;
}

GstElement *
new_encoder_with (const gchar * first_property, ...)
{
  GstElement *encoder = new_encoder ();
  va_list properties;

  va_start (properties, first_property);
  g_object_set_valist (G_OBJECT (encoder), first_property, properties);
  va_end (properties);
  return encoder;
}

GstHarness *
new_harness (GstElement * encoder)
{
  GstBus *bus = gst_bus_new ();
  GstHarness *harness;

  gst_element_set_bus (encoder, bus);
  gst_object_unref (bus);
  harness = gst_harness_new_with_element (encoder, "sink", "src");
  gst_object_unref (encoder);
  gst_harness_set_src_caps_str (harness, MEL_80);
  return harness;
}

void
free_harness (GstHarness * harness)
{
  GstElement *encoder = gst_object_ref (harness->element);
  GstBus *bus = gst_element_get_bus (encoder);

  gst_harness_teardown (harness);
  /* messages hold pads, which must not go while the bus is being replaced */
  gst_bus_set_flushing (bus, TRUE);
  gst_element_set_bus (encoder, NULL);
  gst_object_unref (bus);
  gst_object_unref (encoder);
}

GstElement *
launch (const gchar * format, ...)
{
  GError *error = NULL;
  GstElement *pipeline;
  gchar *description;
  va_list arguments;

  va_start (arguments, format);
  description = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  pipeline = gst_parse_launch (description, &error);
  fail_unless (pipeline != NULL, "%s", error ? error->message : description);
  g_free (description);
  return pipeline;
}

guint64
count_of (const GstStructure * stats, const gchar * name)
{
  guint64 value = G_MAXUINT64;

  fail_unless (gst_structure_get_uint64 (stats, name, &value), "%s", name);
  return value;
}

gfloat
frame_value (guint64 frame, guint band)
{
  return -4.0f + 3.0f * sinf (0.37f * (frame % 1000) + 0.11f * band)
      + 2.0f * cosf (0.05f * (frame % 777) * (1 + band % 7));
}

GstBuffer *
new_frames (guint64 frame, guint count, GstClockTime pts)
{
  GstBuffer *buffer =
      gst_buffer_new_allocate (NULL, count * 80 * sizeof (gfloat), NULL);
  GstMapInfo map;
  gfloat *values;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  values = (gfloat *) map.data;
  for (guint i = 0; i < count; i++)
    for (guint band = 0; band < 80; band++)
      values[i * 80 + band] = frame_value (frame + i, band);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = pts;
  if (GST_CLOCK_TIME_IS_VALID (pts))
    GST_BUFFER_DURATION (buffer) = count * FRAME;
  return buffer;
}

GstFlowReturn
push_frames (GstHarness * harness, guint64 frame, guint count)
{
  return gst_harness_push (harness, new_frames (frame, count, frame * FRAME));
}

static GstPadProbeReturn
answer_query (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);

  if (!(info->type & GST_PAD_PROBE_TYPE_PUSH)
      || !gst_npu_query_is_driven (query))
    return GST_PAD_PROBE_OK;
  gst_npu_query_set_driven (query, TRUE);
  return GST_PAD_PROBE_HANDLED;
}

gulong
pretend_decoder (GstHarness * harness)
{
  return gst_pad_add_probe (harness->sinkpad,
      GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, answer_query, NULL, NULL);
}

/* Encode frames without GStreamer; returns positions * width floats. */
static gfloat *
encode_directly (const Expected * expected, guint positions, guint width)
{
  NpuEncoderWindow window = {.positions = positions };
  gfloat *states = g_new (gfloat, (gsize) positions * width);
  NpuFrameRing *ring;
  NpuDevice *device;
  NpuEncoder *encoder;
  NpuModel *model;
  NpuError error;
  uint32_t slot;

  fail_unless (npu_device_open ("auto", NULL, &device, &error) == NPU_OK);
  fail_unless (npu_model_open (test_model (), device, NPU_PRECISION_FLOAT32,
          &model, &error) == NPU_OK);
  fail_unless (npu_model_wait (model, NPU_MODEL_ENCODER, NPU_WAIT_FOREVER,
          &error) == NPU_OK);
  fail_unless (npu_encoder_create (model, NULL, &encoder, &error) == NPU_OK);
  fail_unless (npu_ring_create (device, 80, expected->frames, &ring,
          &error) == NPU_OK);
  for (guint i = 0; i < expected->frames; i++) {
    gfloat frame[80];

    for (guint band = 0; band < 80; band++)
      frame[band] = frame_value (expected->first + i, band);
    fail_unless (npu_ring_push (ring, frame, 1) == 1);
  }
  npu_ring_view (ring, 0, expected->frames, window.frames);
  fail_unless (npu_ring_upload (ring, expected->frames, &error) == NPU_OK);
  fail_unless (npu_encoder_run (encoder, &window, 1, &slot,
          &error) == NPU_OK);
  memcpy (states, npu_encoder_states (encoder, slot, 0),
      (gsize) positions * width * sizeof (gfloat));
  npu_encoder_free (encoder);
  npu_ring_unref (ring);
  npu_model_unref (model);
  npu_device_unref (device);
  return states;
}

void
check_states (GstBuffer * buffer, const Expected * expected)
{
  GstNpuWindowMeta *meta = gst_buffer_get_npu_window_meta (buffer);
  guint width = small_model_default.width;
  gfloat *states;
  GstMapInfo map;

  fail_unless (meta != NULL);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), expected->pts);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer),
      expected->frames * FRAME);
  fail_unless_equals_int (GST_BUFFER_IS_DISCONT (buffer), expected->discont);
  fail_unless_equals_uint64 (meta->window.first_sample,
      expected->first_sample);
  fail_unless_equals_int (meta->window.valid_positions,
      (expected->frames + 1) / 2);
  fail_unless_equals_int (meta->window.full, expected->full);
  fail_unless_equals_int (meta->window.final, expected->final);

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  fail_unless_equals_uint64 (map.size,
      (guint64) meta->window.positions * width * sizeof (gfloat));
  states = encode_directly (expected, meta->window.positions, width);
  fail_unless (memcmp (states, map.data, map.size) == 0,
      "states differ from the core's");
  g_free (states);
  gst_buffer_unmap (buffer, &map);
}

gchar *
pop_error (GstElement * element, GError ** error)
{
  GstBus *bus = gst_element_get_bus (element);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 5 * GST_SECOND,
      GST_MESSAGE_ERROR);
  gchar *text;

  fail_unless (message != NULL, "no error on the bus");
  gst_message_parse_error (message, error, NULL);
  text = g_strdup ((*error)->message);
  gst_message_unref (message);
  gst_object_unref (bus);
  return text;
}

void
wait_for_event (GstHarness * h, GstEventType type)
{
  for (guint i = 0; i < 500; i++) {
    GstEvent *event = gst_harness_try_pull_event (h);

    if (!event) {
      g_usleep (10000);
      continue;
    }
    if (GST_EVENT_TYPE (event) == type) {
      gst_event_unref (event);
      return;
    }
    gst_event_unref (event);
  }
  fail ("no %s", gst_event_type_get_name (type));
}
