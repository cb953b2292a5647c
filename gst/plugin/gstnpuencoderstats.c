/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The figures of npuencoder: what it counts itself, and what the core's
 * executor and ring and the pools have counted. docs/performance.md defines
 * each.
 */
#include "gstnpuencoder.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

/* ---------------------------------------------------------------- lag */

/* A live source stamps what it captures by the pipeline's clock. */
void
gst_npu_encoder_read_clock (GstNpuEncoder * self)
{
  gint64 zero = GST_NPU_ENCODER_NO_CLOCK;
  GstClock *clock = NULL;
  gboolean live;

  g_mutex_lock (&self->lock);
  live = self->live;
  g_mutex_unlock (&self->lock);
  if (live)
    clock = gst_element_get_clock (GST_ELEMENT (self));
  if (clock) {
    GstClockTimeDiff running = GST_CLOCK_DIFF
        (gst_element_get_base_time (GST_ELEMENT (self)),
        gst_clock_get_time (clock));

    zero = g_get_monotonic_time () - running / GST_USECOND;
    gst_object_unref (clock);
  }
  self->running_zero = zero;
}

/* When the frame before @end was heard, if a clock tells; it cannot have been
 * after now. */
static gint64
time_of_end (GstNpuEncoder * self, guint64 end)
{
  gint64 now = g_get_monotonic_time ();
  GstClockTime running;

  if (self->running_zero == GST_NPU_ENCODER_NO_CLOCK)
    return now;
  running = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME,
      gst_npu_encoder_end_time (self, end));
  if (!GST_CLOCK_TIME_IS_VALID (running))
    return now;
  return MIN (now, self->running_zero + (gint64) (running / GST_USECOND));
}

void
gst_npu_encoder_note_arrival (GstNpuEncoder * self)
{
  GstNpuEncoderArrivals *arrivals = self->arrivals;
  GstNpuEncoderArrival *entry =
      &arrivals->entry[arrivals->count++ % GST_NPU_ENCODER_ARRIVALS];

  entry->end = npu_ring_newest (self->ring);
  entry->heard = time_of_end (self, entry->end);
  entry->came = g_get_monotonic_time ();
  if (self->first_arrival == 0)
    self->first_arrival = entry->came;
}

GstNpuEncoderArrival
gst_npu_encoder_arrival (GstNpuEncoder * self, guint64 frame)
{
  const GstNpuEncoderArrivals *arrivals = self->arrivals;
  guint64 known = MIN (arrivals->count, GST_NPU_ENCODER_ARRIVALS);
  gint64 now = g_get_monotonic_time ();
  GstNpuEncoderArrival found = { frame, now, now };

  for (guint64 i = 1; i <= known; i++) {
    const GstNpuEncoderArrival *entry =
        &arrivals->entry[(arrivals->count - i) % GST_NPU_ENCODER_ARRIVALS];

    if (entry->end < frame)
      break;
    found = *entry;
  }
  return found;
}

void
gst_npu_encoder_count_window (GstNpuEncoder * self,
    const GstNpuEncoderSlot * slot)
{
  GstNpuEncoderCounters *counters = &self->counters;
  gint64 now = g_get_monotonic_time ();
  /* runs follow one another: what lay before is another one's time */
  gint64 started = MAX (slot->submitted, self->last_finished);
  guint64 end = slot->window.first + slot->window.frames;

  counters->windows++;
  counters->positions += slot->positions;
  if (end > counters->encoded_end) {
    counters->encoded_frames +=
        end - MAX (slot->window.first, counters->encoded_end);
    counters->encoded_end = end;
  }
  counters->last_encode_time = (now - started) * GST_USECOND;
  counters->encode_time += counters->last_encode_time;
  counters->lag = (now - slot->heard) * GST_USECOND;
  counters->worst_lag = MAX (counters->worst_lag, counters->lag);
  counters->wall_time = (now - self->first_arrival) * GST_USECOND;
}

/* -------------------------------------------------------------- stats */

static const gchar *
precision_name (NpuPrecision precision)
{
  GEnumClass *names = g_type_class_ref (GST_TYPE_NPU_PRECISION);
  const gchar *name = g_enum_get_value (names, precision)->value_nick;

  g_type_class_unref (names);
  return name;
}

static void
add_model (GstNpuEncoder * self, GstStructure * stats)
{
  const NpuProgram *program =
      npu_model_program (self->model, NPU_MODEL_ENCODER);
  const NpuDeviceInfo *info =
      npu_device_info (npu_model_device (self->model));

  gst_structure_set (stats,
      "device", G_TYPE_STRING, info->name,
      "device-description", G_TYPE_STRING, info->description,
      "emulated", G_TYPE_BOOLEAN, (gboolean) info->emulated,
      "virtual-time", G_TYPE_BOOLEAN, (gboolean) info->virtual_time,
      "threads", G_TYPE_UINT, info->threads,
      "precision", G_TYPE_STRING,
      precision_name (npu_model_precision (self->model)),
      "model", G_TYPE_STRING, npu_model_path (self->model),
      "model-name", G_TYPE_STRING, npu_model_config (self->model)->name,
      "model-digest", G_TYPE_STRING, npu_model_digest (self->model), NULL);
  if (program)
    gst_structure_set (stats, "weights-bytes", G_TYPE_UINT64,
        (guint64) npu_program_bytes (program), NULL);
}

/* Times are on the device's clock. */
static void
add_pipeline (GstNpuEncoder * self, GstStructure * stats)
{
  NpuPipelineStatistics pipeline = { 0 };

  if (self->encoder)
    npu_executor_statistics (npu_encoder_executor (self->encoder), &pipeline);
  gst_structure_set (stats,
      "stage-time", G_TYPE_UINT64, pipeline.stage_ns,
      "run-time", G_TYPE_UINT64, pipeline.run_ns,
      "read-time", G_TYPE_UINT64, pipeline.read_ns,
      "hidden-time", G_TYPE_UINT64, pipeline.hidden_ns,
      "uploaded-bytes", G_TYPE_UINT64, pipeline.uploaded_bytes,
      "downloaded-bytes", G_TYPE_UINT64, pipeline.downloaded_bytes,
      "dma-share", G_TYPE_DOUBLE, npu_statistics_dma_share (&pipeline),
      "overlap-ratio", G_TYPE_DOUBLE, npu_statistics_overlap (&pipeline),
      "queue-depth", G_TYPE_DOUBLE, npu_statistics_queue_depth (&pipeline),
      "peak-in-flight", G_TYPE_UINT, pipeline.peak_in_flight,
      "stalls", G_TYPE_UINT64, pipeline.stalls,
      "reruns", G_TYPE_UINT64, pipeline.reruns,
      "resets", G_TYPE_UINT64, pipeline.resets, NULL);
}

static void
add_memory (GstNpuEncoder * self, GstStructure * stats)
{
  NpuRingStatistics ring = { 0 };
  guint64 allocated = 0, grown = 0;

  if (self->ring)
    npu_ring_statistics (self->ring, &ring);
  if (self->pool)
    gst_npu_buffer_pool_get_counts (GST_NPU_BUFFER_POOL (self->pool),
        &allocated, &grown);
  gst_structure_set (stats,
      "frames-in-place", G_TYPE_UINT64, ring.frames_in_place,
      "frames-copied", G_TYPE_UINT64, ring.frames_copied,
      "copies", G_TYPE_UINT64, ring.copies,
      "states-allocated", G_TYPE_UINT64, allocated,
      "states-grown", G_TYPE_UINT64, grown,
      "states-reused", G_TYPE_UINT64, self->counters.reused_states, NULL);
}

GstStructure *
gst_npu_encoder_make_stats (GstNpuEncoder * self)
{
  GstNpuEncoderCounters *counters = &self->counters;
  GstStructure *stats;
  guint64 newest = 0, queued = 0;
  gdouble factor = 0;

  g_mutex_lock (&self->lock);
  if (self->ring) {
    newest = npu_ring_newest (self->ring);
    queued = newest - MIN (newest, npu_ring_oldest (self->ring));
  }
  if (counters->encoded_frames > 0)
    factor = (gdouble) counters->wall_time
        / (counters->encoded_frames * GST_NPU_FRAME_DURATION);
  stats = gst_structure_new ("application/x-npu-encoder-stats",
      "windows", G_TYPE_UINT64, counters->windows,
      "positions", G_TYPE_UINT64, counters->positions,
      "windows-dropped", G_TYPE_UINT64, counters->orphans,
      "windows-left-out", G_TYPE_UINT64, counters->skipped,
      "frames-lost", G_TYPE_UINT64, counters->lost_frames,
      "windows-in-flight", G_TYPE_UINT, self->in_flight,
      "frames", G_TYPE_UINT64, newest,
      "frames-queued", G_TYPE_UINT64, queued,
      "driven", G_TYPE_BOOLEAN, (gboolean) self->windows.driven,
      "live", G_TYPE_BOOLEAN, self->live,
      "overload", G_TYPE_STRING, self->ring ?
      gst_npu_encoder_overload_name (self) : "none",
      "encode-time", G_TYPE_UINT64, counters->encode_time,
      "last-encode-time", G_TYPE_UINT64, counters->last_encode_time,
      "lag", G_TYPE_UINT64, counters->lag,
      "worst-lag", G_TYPE_UINT64, counters->worst_lag,
      "real-time-factor", G_TYPE_DOUBLE, factor,
      "loaded", G_TYPE_BOOLEAN, self->loaded,
      "load-time", G_TYPE_UINT64, counters->load_time, NULL);
  add_pipeline (self, stats);
  add_memory (self, stats);
  if (self->model)
    add_model (self, stats);
  g_mutex_unlock (&self->lock);
  return stats;
}

void
gst_npu_encoder_post_stats (GstNpuEncoder * self)
{
  gint64 now = g_get_monotonic_time ();

  if (self->stats_interval == 0
      || (guint64) (now - self->stats_posted) * GST_USECOND <
      self->stats_interval)
    return;
  self->stats_posted = now;
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self),
          gst_npu_encoder_make_stats (self)));
}
