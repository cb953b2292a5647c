/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sink side of npuencoder: frames go into the ring, serialized events into a
 * list that keeps their place among the frames. Nothing here waits for the
 * device; a full ring makes upstream wait, or windows are left out.
 */
#include "gstnpuencoder.h"

#include <gstnpumessages.h>

#include "gstnpucaps.h"
#include "gstnpuerror.h"
#include "gstnpusegment.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

/* Jumps of time up to a frame are rounding. Those up to DRAIN_JUMP are a
 * correction of the clock: time counts anew, but no word is cut in two. */
#define SAME_TIME GST_NPU_FRAME_DURATION
#define DRAIN_JUMP (200 * GST_MSECOND)

/* Until it is tried again to leave windows out, where nothing has been due for
 * long enough. */
#define TRY_AGAIN (20 * G_TIME_SPAN_MILLISECOND)

void
gst_npu_encoder_item_free (gpointer memory)
{
  GstNpuEncoderItem *item = memory;

  gst_clear_event (&item->left_out);
  gst_clear_event (&item->event);
  g_free (item);
}

/* So many items wait at most; a live source with a hole after each frame, and
 * downstream that takes nothing, must not fill the memory. */
#define MOST_ITEMS 10000

/* The lock is held. */
static void
wait_for_items (GstNpuEncoder * self)
{
  while (self->flow == GST_FLOW_OK && self->items.length >= MOST_ITEMS) {
    if (self->may_drop)
      gst_npu_encoder_say_full (self);
    g_cond_wait (&self->space, &self->lock);
  }
}

/* Takes @event. */
static void
push_item (GstNpuEncoder * self, GstEvent * event, gboolean boundary)
{
  GstNpuEncoderItem *item = g_new0 (GstNpuEncoderItem, 1);

  item->frame = npu_ring_newest (self->ring);
  item->boundary = boundary;
  item->time = g_get_monotonic_time ();
  item->event = event;
  g_queue_push_tail (&self->items, item);
  g_cond_signal (&self->work);
}

/* What tells the time of @frame, or NULL. */
const GstNpuEncoderBase *
gst_npu_encoder_base_of (GstNpuEncoder * self, guint64 frame)
{
  for (guint i = self->bases->len; i > 0; i--) {
    const GstNpuEncoderBase *base =
        &g_array_index (self->bases, GstNpuEncoderBase, i - 1);

    if (base->frame <= frame)
      return base;
  }
  return NULL;
}

GstClockTime
gst_npu_encoder_frame_time (GstNpuEncoder * self, guint64 frame)
{
  const GstNpuEncoderBase *base = gst_npu_encoder_base_of (self, frame);

  return base ? base->pts + (frame - base->frame) * GST_NPU_FRAME_DURATION :
      GST_CLOCK_TIME_NONE;
}

GstClockTime
gst_npu_encoder_end_time (GstNpuEncoder * self, guint64 end)
{
  return gst_npu_encoder_frame_time (self, end - 1) + GST_NPU_FRAME_DURATION;
}

static void
add_base (GstNpuEncoder * self, GstClockTime pts)
{
  GstNpuEncoderBase base = {
    npu_ring_newest (self->ring), pts, self->segment
  };
  guint64 needed = npu_windows_first_needed (&self->windows);
  guint outdated = 0;

  while (outdated + 1 < self->bases->len
      && g_array_index (self->bases, GstNpuEncoderBase,
          outdated + 1).frame <= needed)
    outdated++;
  if (outdated > 0)
    g_array_remove_range (self->bases, 0, outdated);
  g_array_append_val (self->bases, base);
}

/* Does the time of @buffer follow from what came before? If not, count anew,
 * and after more than a small jump begin a new window too. */
static void
follow_time (GstNpuEncoder * self, GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);
  gboolean boundary = TRUE;

  if (self->need_base) {
    if (!GST_CLOCK_TIME_IS_VALID (pts))
      pts = GST_CLOCK_TIME_IS_VALID (self->segment.start) ?
          self->segment.start : 0;
  } else {
    GstClockTime expected;
    GstClockTimeDiff jump;

    if (!GST_CLOCK_TIME_IS_VALID (pts))
      return;
    expected =
        gst_npu_encoder_frame_time (self, npu_ring_newest (self->ring));
    jump = GST_CLOCK_DIFF (expected, pts);
    if (ABS (jump) <= (GstClockTimeDiff) SAME_TIME)
      return;
    boundary = ABS (jump) > (GstClockTimeDiff) DRAIN_JUMP;
    GST_DEBUG_OBJECT (self, "time jumps by %" GST_STIME_FORMAT " at %"
        GST_TIME_FORMAT, GST_STIME_ARGS (jump), GST_TIME_ARGS (expected));
  }

  add_base (self, pts);
  self->need_base = FALSE;
  if (boundary)
    push_item (self, NULL, TRUE);
}

/* Frames of one buffer, on their way into the ring. */
typedef struct
{
  const NpuRingLease *lease;    /* NULL for frames in other memory */
  const gfloat *values;         /* then */
  guint32 count;
  guint32 taken;
} Frames;

/* The lock is held. Returns whether some were taken. */
static gboolean
take_frames (GstNpuEncoder * self, Frames * frames)
{
  guint32 bands = npu_ring_bands (self->ring);
  guint32 left = frames->count - frames->taken;
  guint32 taken = frames->lease ?
      npu_ring_commit (self->ring, frames->lease, frames->taken, left) :
      npu_ring_push (self->ring,
      frames->values + (gsize) frames->taken * bands, left);

  frames->taken += taken;
  return taken > 0;
}

static GstFlowReturn
push_frames (GstNpuEncoder * self, GstBuffer * buffer, Frames * frames)
{
  GstFlowReturn flow;

  gst_npu_encoder_read_clock (self);
  g_mutex_lock (&self->lock);
  wait_for_items (self);
  if (self->flow == GST_FLOW_OK && frames->count > 0)
    follow_time (self, buffer);
  while (self->flow == GST_FLOW_OK && frames->taken < frames->count) {
    if (take_frames (self, frames)) {
      gst_npu_encoder_note_arrival (self);
      g_cond_signal (&self->work);
    } else if (!self->may_drop) {
      g_cond_wait (&self->space, &self->lock);
    } else if (!gst_npu_encoder_drop_windows (self)) {
      gst_npu_encoder_say_full (self);
      g_cond_wait_until (&self->space, &self->lock,
          g_get_monotonic_time () + TRY_AGAIN);
    }
    if (!g_queue_is_empty (&self->messages)) {
      /* the task may be waiting for downstream */
      g_mutex_unlock (&self->lock);
      gst_npu_encoder_post_messages (self);
      g_mutex_lock (&self->lock);
    }
  }
  flow = self->flow;
  g_mutex_unlock (&self->lock);
  return flow;
}

static GstFlowReturn
refuse_size (GstNpuEncoder * self, gsize size, gsize frame_size)
{
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("A buffer of %" G_GSIZE_FORMAT " bytes does not hold log-mel frames "
          "of %" G_GSIZE_FORMAT " bytes; link npumel before this element.",
          size, frame_size), (NULL));
  return GST_FLOW_ERROR;
}

/* Memory that upstream did not get from us has to be copied. */
static GstFlowReturn
push_foreign (GstNpuEncoder * self, GstBuffer * buffer, guint32 count)
{
  GstFlowReturn flow;
  GstMapInfo map;
  Frames frames = {.count = count };

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, RESOURCE, READ,
        ("A buffer of log-mel frames cannot be read."), (NULL));
    return GST_FLOW_ERROR;
  }
  frames.values = (const gfloat *) map.data;
  flow = push_frames (self, buffer, &frames);
  gst_buffer_unmap (buffer, &map);
  return flow;
}

GstFlowReturn
gst_npu_encoder_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);
  gsize frame_size = npu_model_config (self->model)->bands * sizeof (gfloat);
  gsize size = gst_buffer_get_size (buffer);
  NpuRingLease lease;
  GstFlowReturn flow;

  if (!self->have_caps) {
    flow = GST_FLOW_NOT_NEGOTIATED;
  } else if (size % frame_size != 0 || size / frame_size > G_MAXUINT32) {
    flow = refuse_size (self, size, frame_size);
  } else if (gst_npu_ring_pool_take_lease (self->ring, buffer, &lease)) {
    Frames frames = {.lease = &lease,.count = size / frame_size };

    flow = push_frames (self, buffer, &frames);
  } else {
    flow = push_foreign (self, buffer, size / frame_size);
  }
  gst_buffer_unref (buffer);
  return flow;
}

/* ------------------------------------------------------------ events */

static gboolean
accept_caps (GstNpuEncoder * self, GstEvent * event)
{
  const NpuModelConfig *config = npu_model_config (self->model);
  GstCaps *caps;
  guint bands = 0;

  gst_event_parse_caps (event, &caps);
  self->have_caps = gst_npu_mel_caps_get_bands (caps, &bands)
      && bands == config->bands;
  if (self->have_caps) {
    self->refused = FALSE;
  } else if (gst_npu_is_refused_anew (&self->refused)) {
    gchar *got = gst_caps_to_string (caps);

    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("The model %s needs log-mel frames of %u bands, but got %s; link "
            "npumel before this element, remove a caps filter between them, "
            "or choose another model.", npu_model_path (self->model),
            config->bands, got), (NULL));
    g_free (got);
  }
  gst_event_unref (event);
  return self->have_caps;
}

static gboolean
accept_segment (GstNpuEncoder * self, GstEvent * event, gboolean * changed)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME || segment->rate <= 0.0) {
    if (gst_npu_is_refused_anew (&self->refused))
      GST_ELEMENT_ERROR (self, STREAM, FORMAT,
          ("Only forward playback in time format can be transcribed: link "
              "npumel before this element, and seek with a positive rate."),
          ("segment %" GST_SEGMENT_FORMAT, segment));
    return FALSE;
  }
  self->refused = FALSE;
  *changed = !gst_npu_segment_is_update (&self->segment, segment);
  g_mutex_lock (&self->lock);
  self->segment = *segment;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* Everything serialized goes through the list; the task sends it on. */
static gboolean
queue_event (GstNpuEncoder * self, GstEvent * event, gboolean boundary)
{
  GstEventType type = GST_EVENT_TYPE (event);
  GstFlowReturn flow;
  gboolean restart = FALSE;

  g_mutex_lock (&self->lock);
  if (type == GST_EVENT_STREAM_START)
    self->ask_driven = TRUE;
  if (type == GST_EVENT_STREAM_START || type == GST_EVENT_SEGMENT) {
    self->upstream_ended = FALSE;
    restart = self->flow == GST_FLOW_EOS;
    if (restart)
      self->flow = GST_FLOW_OK;
  }
  wait_for_items (self);
  flow = self->flow;
  if (flow == GST_FLOW_OK || (flow != GST_FLOW_FLUSHING
          && GST_EVENT_IS_STICKY (event) && type != GST_EVENT_EOS)) {
    if (boundary)
      self->need_base = TRUE;
    if (type == GST_EVENT_EOS)
      self->upstream_ended = TRUE;
    push_item (self, event, boundary);
    event = NULL;
  }
  g_mutex_unlock (&self->lock);

  if (restart)
    gst_npu_encoder_start_task (self);
  if (!event)
    return TRUE;
  /* nobody else would tell, since no data follows */
  if (type == GST_EVENT_EOS
      && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS))
    GST_ELEMENT_FLOW_ERROR (self, flow);
  gst_event_unref (event);
  return FALSE;
}

static gboolean
flush_start (GstNpuEncoder * self, GstEvent * event)
{
  g_mutex_lock (&self->lock);
  self->flow = GST_FLOW_FLUSHING;
  self->generation++;
  g_cond_broadcast (&self->work);
  g_cond_broadcast (&self->space);
  g_mutex_unlock (&self->lock);

  /* the task pauses itself within one slice of waiting; pausing it here would
   * wait for that */
  return gst_pad_push_event (self->srcpad, event);
}

/* What waits to be sent is out of date, but for what describes the stream. */
static void
flush_items (GstNpuEncoder * self)
{
  GstNpuEncoderItem *item;

  while ((item = g_queue_pop_head (&self->items))) {
    if (item->event && GST_EVENT_IS_STICKY (item->event)
        && GST_EVENT_TYPE (item->event) != GST_EVENT_SEGMENT
        && GST_EVENT_TYPE (item->event) != GST_EVENT_EOS)
      gst_pad_store_sticky_event (self->srcpad, item->event);
    gst_npu_encoder_item_free (item);
  }
}

static gboolean
flush_stop (GstNpuEncoder * self, GstEvent * event)
{
  gboolean result;

  /* the task has let go of the device's results within one slice of waiting;
   * what still runs is dropped when it ends */
  GST_PAD_STREAM_LOCK (self->srcpad);
  result = gst_pad_push_event (self->srcpad, event);
  g_mutex_lock (&self->lock);
  flush_items (self);
  npu_windows_restart (&self->windows, npu_ring_newest (self->ring));
  gst_npu_encoder_trim (self);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->refused = FALSE;
  self->awaiting = FALSE;
  self->discont = TRUE;
  self->need_base = TRUE;
  self->last_formed = 0;
  self->upstream_ended = FALSE;
  self->flow = GST_FLOW_OK;
  g_mutex_unlock (&self->lock);
  GST_PAD_STREAM_UNLOCK (self->srcpad);

  gst_npu_encoder_start_task (self);
  return result;
}

static gboolean
take_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);
  gboolean changed;

  GST_LOG_OBJECT (self, "got %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      return flush_start (self, event);
    case GST_EVENT_FLUSH_STOP:
      return flush_stop (self, event);
    case GST_EVENT_CAPS:
      return accept_caps (self, event);
    case GST_EVENT_SEGMENT:
      if (!accept_segment (self, event, &changed)) {
        gst_event_unref (event);
        return FALSE;
      }
      return queue_event (self, event, changed);
    case GST_EVENT_STREAM_START:
    case GST_EVENT_GAP:
    case GST_EVENT_SEGMENT_DONE:
    case GST_EVENT_EOS:
      return queue_event (self, event, TRUE);
    default:
      if (GST_EVENT_IS_SERIALIZED (event))
        return queue_event (self, event, FALSE);
      return gst_pad_event_default (pad, parent, event);
  }
}

GstFlowReturn
gst_npu_encoder_sink_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstEventType type = GST_EVENT_TYPE (event);

  return gst_npu_event_flow (GST_NPU_ENCODER (parent)->srcpad, type,
      take_event (pad, parent, event));
}

/* ----------------------------------------------------------- queries */

gboolean
gst_npu_encoder_answer_caps (GstNpuEncoder * self, GstPad * pad,
    GstQuery * query)
{
  const NpuModelConfig *config;
  GstCaps *caps, *filter;

  g_mutex_lock (&self->lock);
  config = self->model ? npu_model_config (self->model) : NULL;
  if (!config)
    caps = gst_pad_get_pad_template_caps (pad);
  else if (pad == self->sinkpad)
    caps = gst_npu_mel_caps_new (config->bands);
  else
    caps = gst_npu_states_caps_new (config->audio_width,
        npu_model_digest (self->model));
  g_mutex_unlock (&self->lock);

  gst_query_parse_caps (query, &filter);
  if (filter) {
    GstCaps *all = caps;

    caps = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
  return TRUE;
}

/* A pool over the ring: upstream writes frames where they are needed. Each
 * query gets a pool of its own, so that it can be set up anew. */
static gboolean
propose_allocation (GstNpuEncoder * self, GstQuery * query)
{
  gsize frame_size = npu_model_config (self->model)->bands * sizeof (gfloat);
  GstBufferPool *pool;
  GstCaps *caps;
  guint bands;

  gst_query_parse_allocation (query, &caps, NULL);
  if (!caps || !gst_npu_mel_caps_get_bands (caps, &bands)
      || bands != npu_model_config (self->model)->bands || !self->ring)
    return FALSE;
  pool = gst_npu_ring_pool_new (self->npu_device, self->ring,
      self->window_frames + self->depth * self->hop_frames);
  gst_query_add_allocation_pool (query, pool, frame_size, 0, 0);
  gst_object_unref (pool);
  return TRUE;
}

static gboolean
query_window (GstNpuEncoder * self, GstQuery * query)
{
  GstClockTime window;

  g_mutex_lock (&self->lock);
  window = self->window_frames * GST_NPU_FRAME_DURATION;
  g_mutex_unlock (&self->lock);
  if (window == 0)
    return FALSE;
  gst_npu_query_set_window (query, window);
  return TRUE;
}

gboolean
gst_npu_encoder_sink_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      return gst_npu_encoder_answer_caps (self, pad, query);
    case GST_QUERY_CONTEXT:
      return gst_npu_encoder_answer_context (self, query)
          || gst_pad_query_default (pad, parent, query);
    case GST_QUERY_ALLOCATION:
      return propose_allocation (self, query);
    case GST_QUERY_ACCEPT_CAPS:
      /* what does not fit gets in, to be refused with a message */
      gst_query_set_accept_caps_result (query, TRUE);
      return TRUE;
    case GST_QUERY_DRAIN:
      /* no buffer of upstream's is ever held */
      return TRUE;
    case GST_QUERY_CUSTOM:
      if (gst_npu_query_is_window (query))
        return query_window (self, query);
      /* fallthrough */
    default:
      /* a serialized query would overtake what the ring holds */
      if (GST_QUERY_IS_SERIALIZED (query))
        return FALSE;
      return gst_pad_query_default (pad, parent, query);
  }
}

gboolean
gst_npu_encoder_sink_activate_mode (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  g_mutex_lock (&self->lock);
  self->flow = active ? GST_FLOW_OK : GST_FLOW_FLUSHING;
  g_cond_broadcast (&self->work);
  g_cond_broadcast (&self->space);
  g_mutex_unlock (&self->lock);
  return TRUE;
}
