/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Buffers of frames: memory, times, and the one warning about samples that
 * are no numbers.
 */
#include "gstnpumelwriter.h"

#include "pipeline/timeline.h"

#include "gstnpucaps.h"

/* The warning waits for a second, so that there is something to count. */
#define WARNING_DELAY_SAMPLES NPU_MEL_RATE

void
gst_npu_mel_writer_init (GstNpuMelWriter * self, GstElement * element,
    GstPad * pad)
{
  self->element = element;
  self->pad = pad;
  gst_npu_mel_writer_begin_stream (self);
}

void
gst_npu_mel_writer_clear (GstNpuMelWriter * self)
{
  gst_npu_mel_writer_forget (self);
  g_clear_pointer (&self->mel, npu_mel_free);
  gst_npu_chunk_pool_clear (&self->pool);
  GST_OBJECT_LOCK (self->element);
  self->counts.frames_per_buffer = 0;
  GST_OBJECT_UNLOCK (self->element);
}

/* --- buffers --- */

static GstFlowReturn
begin_chunk (GstNpuMelWriter * self)
{
  GstFlowReturn flow = gst_npu_chunk_pool_acquire (&self->pool, &self->chunk);

  if (flow != GST_FLOW_OK)
    return flow;
  if (!gst_buffer_map (self->chunk, &self->chunk_map, GST_MAP_WRITE)) {
    gst_clear_buffer (&self->chunk);
    GST_ELEMENT_ERROR (self->element, RESOURCE, WRITE,
        ("The memory for log-mel frames cannot be written: the element behind "
            "npumel proposed memory that is not mappable."), (NULL));
    return GST_FLOW_ERROR;
  }
  self->chunk_fill = 0;
  return GST_FLOW_OK;
}

static GstFlowReturn
send_chunk (GstNpuMelWriter * self)
{
  GstBuffer *buffer = self->chunk;
  guint frames = self->chunk_fill;

  gst_buffer_unmap (buffer, &self->chunk_map);
  self->chunk = NULL;
  gst_buffer_set_size (buffer,
      (gsize) frames * npu_mel_bands (self->mel) * sizeof (gfloat));
  GST_BUFFER_PTS (buffer) = gst_npu_mel_writer_sent (self);
  GST_BUFFER_DURATION (buffer) = frames * GST_NPU_MEL_FRAME_DURATION;
  GST_BUFFER_OFFSET (buffer) = self->offset;
  GST_BUFFER_OFFSET_END (buffer) = self->offset + frames;
  if (self->discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
  self->frames_sent += frames;
  self->offset += frames;

  GST_OBJECT_LOCK (self->element);
  self->counts.frames += frames;
  self->counts.pool_misses = self->pool.misses;
  GST_OBJECT_UNLOCK (self->element);
  return gst_pad_push (self->pad, buffer);
}

/* Compute frames into the chunk, as many as are ready and fit. */
static void
fill_chunk (GstNpuMelWriter * self)
{
  gsize bands = npu_mel_bands (self->mel);
  gint64 started = g_get_monotonic_time ();

  self->chunk_fill += npu_mel_pull (self->mel,
      (gfloat *) self->chunk_map.data + self->chunk_fill * bands,
      self->chunk_frames - self->chunk_fill);
  npu_timeline_record (NPU_LANE_MEL, self->offset, started * GST_USECOND,
      g_get_monotonic_time () * GST_USECOND);
}

/* Send the frames that are ready. */
static GstFlowReturn
collect_frames (GstNpuMelWriter * self)
{
  GstFlowReturn flow = GST_FLOW_OK;

  while (flow == GST_FLOW_OK && npu_mel_ready (self->mel) > 0) {
    if (!self->chunk && (flow = begin_chunk (self)) != GST_FLOW_OK)
      break;
    fill_chunk (self);
    if (self->chunk_fill == self->chunk_frames)
      flow = send_chunk (self);
  }
  return flow;
}

/* --- negotiation --- */

static gboolean
set_bands (GstNpuMelWriter * self, guint bands)
{
  NpuError error;

  if (self->mel && npu_mel_bands (self->mel) == bands)
    return TRUE;
  gst_npu_mel_writer_forget (self);
  g_clear_pointer (&self->mel, npu_mel_free);
  if (npu_mel_create (bands, &self->mel, &error) == NPU_OK)
    return TRUE;
  GST_ELEMENT_ERROR (self->element, RESOURCE, FAILED, ("%s.", error.message),
      (NULL));
  return FALSE;
}

gboolean
gst_npu_mel_writer_negotiate (GstNpuMelWriter * self, guint bands,
    guint frames_per_buffer)
{
  GstCaps *caps;
  gboolean agreed;

  /* memory of the old kind is sent while it is valid */
  if (self->chunk && self->chunk_fill > 0 && send_chunk (self) != GST_FLOW_OK)
    GST_DEBUG_OBJECT (self->element, "the last frames were not taken");
  if (!set_bands (self, bands))
    return FALSE;

  self->chunk_frames = frames_per_buffer;
  GST_OBJECT_LOCK (self->element);
  self->counts.frames_per_buffer = frames_per_buffer;
  GST_OBJECT_UNLOCK (self->element);
  caps = gst_npu_mel_caps_new (bands);
  agreed = gst_pad_set_caps (self->pad, caps)
      && gst_npu_chunk_pool_negotiate (&self->pool, self->pad, caps,
      (gsize) frames_per_buffer * bands * sizeof (gfloat));
  gst_caps_unref (caps);
  return agreed;
}

/* --- the stream --- */

/* Say once in a stream that samples were no numbers. */
static void
warn_of_unusable_samples (GstNpuMelWriter * self, gboolean at_end)
{
  guint64 samples = self->earlier_samples + npu_mel_samples (self->mel);
  guint64 unusable = self->earlier_unusable +
      npu_mel_unusable_samples (self->mel);

  if (unusable == 0)
    return;
  GST_OBJECT_LOCK (self->element);
  self->counts.unusable_samples = unusable;
  GST_OBJECT_UNLOCK (self->element);
  if (self->first_unusable == 0)
    self->first_unusable = samples;
  if (self->warned
      || (!at_end && samples - self->first_unusable < WARNING_DELAY_SAMPLES))
    return;
  self->warned = TRUE;
  GST_ELEMENT_WARNING (self->element, STREAM, FORMAT,
      ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " samples so far are no "
          "usable numbers (NaN, infinity) and are heard as silence: check the "
          "element or file that the audio comes from.", unusable, samples),
      (NULL));
}

void
gst_npu_mel_writer_begin (GstNpuMelWriter * self, GstClockTime start)
{
  self->start = start;
  self->frames_sent = 0;
}

GstFlowReturn
gst_npu_mel_writer_take (GstNpuMelWriter * self, const gfloat * samples,
    gsize count)
{
  GstFlowReturn flow = GST_FLOW_OK;

  while (flow == GST_FLOW_OK && count > 0) {
    gsize taken = npu_mel_push (self->mel, samples, count);

    samples += taken;
    count -= taken;
    flow = collect_frames (self);
  }
  warn_of_unusable_samples (self, FALSE);
  return flow;
}

GstFlowReturn
gst_npu_mel_writer_end (GstNpuMelWriter * self)
{
  GstFlowReturn flow;

  npu_mel_finish (self->mel);
  flow = collect_frames (self);
  if (flow == GST_FLOW_OK && self->chunk)
    flow = send_chunk (self);
  warn_of_unusable_samples (self, TRUE);
  gst_npu_mel_writer_forget (self);
  return flow;
}

void
gst_npu_mel_writer_forget (GstNpuMelWriter * self)
{
  if (self->chunk) {
    gst_buffer_unmap (self->chunk, &self->chunk_map);
    gst_clear_buffer (&self->chunk);
  }
  if (self->mel) {
    self->earlier_samples += npu_mel_samples (self->mel);
    self->earlier_unusable += npu_mel_unusable_samples (self->mel);
    npu_mel_reset (self->mel);
  }
  self->discont = TRUE;
}

void
gst_npu_mel_writer_begin_stream (GstNpuMelWriter * self)
{
  gst_npu_mel_writer_forget (self);
  self->offset = 0;
  self->earlier_samples = self->earlier_unusable = self->first_unusable = 0;
  self->warned = FALSE;
}

GstClockTime
gst_npu_mel_writer_sent (const GstNpuMelWriter * self)
{
  return self->start + self->frames_sent * GST_NPU_MEL_FRAME_DURATION;
}
