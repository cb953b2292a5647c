/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Source side of npuencoder: the task that forms windows, keeps the slots of
 * the core's encoder busy, and pushes states and events in order. Each round
 * of the task takes one step; it never waits longer than SLICE for the device
 * or for weights, so that a flush need not either.
 */
#include "gstnpuencoder.h"

#include <string.h>

#include <gstnpumessages.h>
#include <gstnpuwindowmeta.h>

#include "gstnpucaps.h"
#include "gstnpuerror.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

/* Nanoseconds. */
#define SLICE (20 * GST_MSECOND)

typedef enum
{
  STEP_STOP,                    /* flushing, or downstream wants no more */
  STEP_WAIT,
  STEP_LOAD,                    /* wait for weights */
  STEP_ASK,                     /* whether a decoder is there */
  STEP_SUBMIT,                  /* a window is due and a slot is free */
  STEP_COLLECT,                 /* wait for the oldest window in flight */
  STEP_FORWARD,                 /* all before the first item is pushed */
} Step;

/* ----------------------------------------------------- choosing a step */

/* The lock is held. @window is set with STEP_SUBMIT. */
static Step
choose_step (GstNpuEncoder * self, NpuWindow * window)
{
  GstNpuEncoderItem *item = g_queue_peek_head (&self->items);
  guint64 newest = item ? item->frame : npu_ring_newest (self->ring);
  gboolean boundary = item && item->boundary;

  if (self->flow != GST_FLOW_OK)
    return STEP_STOP;
  if (newest > npu_windows_first_needed (&self->windows) && !self->awaiting) {
    if (!self->loaded)
      return STEP_LOAD;
    if (self->ask_driven || GST_PAD_NEEDS_RECONFIGURE (self->srcpad))
      return self->in_flight > 0 ? STEP_COLLECT : STEP_ASK;
    if (self->in_flight < self->depth
        && npu_windows_next (&self->windows, newest, boundary, window))
      return STEP_SUBMIT;
  }
  if (self->in_flight > 0)
    return STEP_COLLECT;
  if (item && !(boundary && self->awaiting))
    return STEP_FORWARD;
  return STEP_WAIT;
}

/* Frames that neither a later window nor one in flight covers. */
void
gst_npu_encoder_trim (GstNpuEncoder * self)
{
  guint64 first = npu_windows_first_needed (&self->windows);

  for (guint i = 0; i < self->in_flight; i++) {
    guint slot = (self->first_slot + i) % self->depth;

    first = MIN (first, self->slots[slot].window.first);
  }
  /* windows begin before the next frame; beyond it nothing can be needless */
  npu_ring_trim (self->ring, MIN (first, npu_ring_newest (self->ring)));
  g_cond_broadcast (&self->space);
}

/* -------------------------------------------------------------- steps */

/* Downstream's errors are told by upstream, our own by ourselves. */
#define FLOW_REPORTED_ERROR GST_FLOW_CUSTOM_ERROR

static GstFlowReturn
core_failed (GstNpuEncoder * self, const NpuError * error)
{
  gst_npu_element_error (GST_ELEMENT (self), error);
  return FLOW_REPORTED_ERROR;
}

static GstFlowReturn
load (GstNpuEncoder * self)
{
  NpuError error = { 0 };
  NpuStatus status =
      npu_model_wait (self->model, NPU_MODEL_ENCODER, SLICE, &error);

  if (status == NPU_ETIMEDOUT)
    return GST_FLOW_OK;
  if (status != NPU_OK)
    return core_failed (self, &error);

  g_mutex_lock (&self->lock);
  self->loaded = TRUE;
  self->counters.load_time =
      (g_get_monotonic_time () - self->load_started) * GST_USECOND;
  g_mutex_unlock (&self->lock);
  GST_INFO_OBJECT (self, "weights of %s are there",
      npu_model_path (self->model));
  return GST_FLOW_OK;
}

static GstFlowReturn
ask (GstNpuEncoder * self)
{
  GstQuery *query = gst_npu_query_new_driven ();
  gboolean driven;

  g_mutex_lock (&self->lock);
  self->ask_driven = FALSE;
  g_mutex_unlock (&self->lock);
  gst_pad_check_reconfigure (self->srcpad);
  driven = gst_pad_peer_query (self->srcpad, query)
      && gst_npu_query_parse_driven (query);
  gst_query_unref (query);

  g_mutex_lock (&self->lock);
  if (self->windows.driven != driven) {
    guint64 first = npu_windows_first_needed (&self->windows);

    GST_INFO_OBJECT (self, "windows are %s", driven ?
        "driven by the decoder's answers" : "fixed");
    self->windows.driven = driven;
    npu_windows_restart (&self->windows, first);
  }
  g_mutex_unlock (&self->lock);
  return GST_FLOW_OK;
}

/* The lock is held. */
static NpuStatus
submit (GstNpuEncoder * self, const NpuWindow * window, NpuError * error)
{
  guint index = (self->first_slot + self->in_flight) % self->depth;
  GstNpuEncoderSlot *slot = &self->slots[index];
  NpuEncoderWindow work = { 0 };
  NpuStatus status;

  slot->window = *window;
  slot->positions =
      npu_encoder_positions (self->model, self->context, window->frames);
  slot->peak = npu_ring_peak (self->ring, window->first, window->frames);
  slot->pts = gst_npu_encoder_frame_time (self, window->first);
  slot->discont = self->discont;
  slot->generation = self->generation;
  slot->submitted = g_get_monotonic_time ();

  work.positions = slot->positions;
  status = npu_ring_view (self->ring, window->first, window->frames,
      work.frames);
  if (status != NPU_OK)
    return npu_error_set (error, status, "frames of a window are gone");
  status = npu_ring_upload (self->ring, window->first + window->frames, error);
  if (status != NPU_OK)
    return status;
  status = npu_encoder_submit (self->encoder, index, &work, error);
  if (status != NPU_OK)
    return status;

  self->in_flight++;
  self->discont = FALSE;
  self->awaiting = self->windows.driven;
  GST_LOG_OBJECT (self, "window %" G_GUINT64_FORMAT " of %u frames at %"
      GST_TIME_FORMAT " in slot %u", (guint64) window->id, window->frames,
      GST_TIME_ARGS (slot->pts), index);
  return NPU_OK;
}

/* What a states buffer keeps until its last copy is gone. */
typedef struct
{
  GWeakRef encoder;
  guint64 id;
} WindowOwner;

static void
answer (GstNpuEncoder * self, guint64 id, guint64 next)
{
  g_mutex_lock (&self->lock);
  if (npu_windows_answer (&self->windows, id, next)) {
    GST_LOG_OBJECT (self, "window %" G_GUINT64_FORMAT " is done, next frame %"
        G_GUINT64_FORMAT, id, next);
    self->awaiting = FALSE;
    if (self->ring)
      gst_npu_encoder_trim (self);
    g_cond_signal (&self->work);
  }
  g_mutex_unlock (&self->lock);
}

/* Nobody is going to answer any more: all of the window is done with. */
static void
window_released (gpointer data)
{
  WindowOwner *owner = data;
  GstNpuEncoder *self = g_weak_ref_get (&owner->encoder);

  if (self) {
    answer (self, owner->id, G_MAXUINT64);
    gst_object_unref (self);
  }
  g_weak_ref_clear (&owner->encoder);
  g_free (owner);
}

static void
add_window_meta (GstNpuEncoder * self, GstBuffer * buffer,
    const GstNpuEncoderSlot * slot)
{
  WindowOwner *owner = g_new0 (WindowOwner, 1);
  GstNpuWindow window = {
    .id = slot->window.id,
    .first_sample = slot->window.first * GST_NPU_SAMPLES_PER_FRAME,
    .positions = slot->positions,
    .valid_positions = MIN ((slot->window.frames + 1) / 2, slot->positions),
    .full = slot->window.final
        || slot->window.frames == self->windows.window,
    .final = slot->window.final,
    .peak = slot->peak,
  };

  g_weak_ref_init (&owner->encoder, self);
  owner->id = window.id;
  gst_npu_window_meta_on_release (gst_buffer_add_npu_window_meta (buffer,
          &window), window_released, owner);
}

/* Copy the states of slot @index into a buffer of the pool. */
static GstFlowReturn
make_buffer (GstNpuEncoder * self, guint index, GstBuffer ** buffer)
{
  const GstNpuEncoderSlot *slot = &self->slots[index];
  gsize size = (gsize) slot->positions
      * npu_model_config (self->model)->audio_width * sizeof (gfloat);
  GstFlowReturn flow;
  GstMapInfo map;

  flow = gst_buffer_pool_acquire_buffer (self->pool, buffer, NULL);
  if (flow != GST_FLOW_OK)
    return flow;
  gst_buffer_set_size (*buffer, size);
  if (!gst_buffer_map (*buffer, &map, GST_MAP_WRITE)) {
    gst_clear_buffer (buffer);
    return GST_FLOW_ERROR;
  }
  memcpy (map.data, npu_encoder_states (self->encoder, index), size);
  gst_buffer_unmap (*buffer, &map);

  GST_BUFFER_PTS (*buffer) = slot->pts;
  GST_BUFFER_DURATION (*buffer) =
      slot->window.frames * GST_NPU_FRAME_DURATION;
  if (slot->discont)
    GST_BUFFER_FLAG_SET (*buffer, GST_BUFFER_FLAG_DISCONT);
  add_window_meta (self, *buffer, slot);
  return GST_FLOW_OK;
}

/* The oldest window in flight has ended: free its slot. Returns whether its
 * result is still wanted. */
static gboolean
retire_slot (GstNpuEncoder * self, gboolean succeeded)
{
  GstNpuEncoderSlot *slot;
  gint64 now = g_get_monotonic_time ();
  gboolean wanted;

  g_mutex_lock (&self->lock);
  slot = &self->slots[self->first_slot];
  wanted = slot->generation == self->generation;
  self->first_slot = (self->first_slot + 1) % self->depth;
  self->in_flight--;
  if (wanted && succeeded) {
    /* slots run one after another: what lay before is another one's time */
    gint64 started = MAX (slot->submitted, self->last_finished);

    self->counters.windows++;
    self->counters.positions += slot->positions;
    self->counters.last_encode_time = (now - started) * GST_USECOND;
    self->counters.encode_time += self->counters.last_encode_time;
  } else {
    self->counters.orphans++;
  }
  self->last_finished = now;
  gst_npu_encoder_trim (self);
  g_mutex_unlock (&self->lock);
  return wanted;
}

static void
send_caps (GstNpuEncoder * self)
{
  const NpuModelConfig *config = npu_model_config (self->model);
  GstCaps *caps;

  if (self->sent_caps)
    return;
  caps = gst_npu_states_caps_new (config->audio_width,
      npu_model_digest (self->model));
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  gst_pad_push_event (self->srcpad, gst_npu_event_new_model (self->model));
  /* both are sticky, so that what was refused now is tried again with the next
   * buffer; but a flushing pad keeps nothing */
  self->sent_caps = !GST_PAD_IS_FLUSHING (self->srcpad);
}

static GstFlowReturn
collect (GstNpuEncoder * self)
{
  guint index = self->first_slot;
  GstBuffer *buffer = NULL;
  NpuError error = { 0 };
  NpuStatus status;
  GstFlowReturn flow = GST_FLOW_OK;

  status = npu_encoder_wait (self->encoder, index, SLICE, &error);
  if (status == NPU_ETIMEDOUT)
    return GST_FLOW_OK;
  if (status == NPU_OK)
    flow = make_buffer (self, index, &buffer);
  if (!retire_slot (self, status == NPU_OK)) {
    GST_DEBUG_OBJECT (self, "dropping a window from before the flush");
    gst_clear_buffer (&buffer);
    return GST_FLOW_OK;
  }
  if (status != NPU_OK)
    return core_failed (self, &error);
  if (flow != GST_FLOW_OK)
    return flow;

  send_caps (self);
  return gst_pad_push (self->srcpad, buffer);
}

/* What a flush swallowed goes back to its place, for flush_stop to decide. */
static void
put_back (GstNpuEncoder * self, GstNpuEncoderItem * item)
{
  g_mutex_lock (&self->lock);
  g_queue_push_head (&self->items, item);
  g_mutex_unlock (&self->lock);
}

static GstFlowReturn
forward_event (GstNpuEncoder * self, GstEvent * event)
{
  GstEventType type = GST_EVENT_TYPE (event);

  if (type == GST_EVENT_SEGMENT || type == GST_EVENT_GAP
      || type == GST_EVENT_EOS)
    send_caps (self);
  GST_LOG_OBJECT (self, "forwarding %" GST_PTR_FORMAT, event);
  gst_pad_push_event (self->srcpad, gst_event_ref (event));
  if (type == GST_EVENT_STREAM_START)
    send_caps (self);
  return type == GST_EVENT_EOS ? GST_FLOW_EOS : GST_FLOW_OK;
}

static GstFlowReturn
forward (GstNpuEncoder * self)
{
  GstFlowReturn flow = GST_FLOW_OK;
  GstNpuEncoderItem *item;

  g_mutex_lock (&self->lock);
  item = g_queue_pop_head (&self->items);
  if (item->boundary) {
    npu_windows_restart (&self->windows, item->frame);
    gst_npu_encoder_trim (self);
    self->discont = TRUE;
  }
  g_mutex_unlock (&self->lock);

  if (item->event)
    flow = forward_event (self, item->event);
  if (GST_PAD_IS_FLUSHING (self->srcpad))
    put_back (self, item);
  else
    gst_npu_encoder_item_free (item);
  return flow;
}

/* --------------------------------------------------------------- task */

/* The task ends with @flow; what upstream pushes from now on returns it. */
static void
stop_task (GstNpuEncoder * self, GstFlowReturn flow)
{
  gboolean reported = flow == FLOW_REPORTED_ERROR;
  gboolean ended;

  g_mutex_lock (&self->lock);
  if (self->flow == GST_FLOW_OK)
    self->flow = reported ? GST_FLOW_ERROR : flow;
  flow = self->flow;
  ended = self->upstream_ended;
  g_cond_broadcast (&self->space);
  gst_pad_pause_task (self->srcpad);
  g_mutex_unlock (&self->lock);

  GST_DEBUG_OBJECT (self, "task stops: %s", gst_flow_get_name (flow));
  if (flow != GST_FLOW_NOT_LINKED && flow >= GST_FLOW_EOS)
    return;
  /* upstream that has ended would not hear of downstream's error */
  if (ended && !reported)
    GST_ELEMENT_FLOW_ERROR (self, flow);
  gst_pad_push_event (self->srcpad, gst_event_new_eos ());
}

static void
loop (gpointer data)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (data);
  GstFlowReturn flow = GST_FLOW_OK;
  NpuError error = { 0 };
  NpuStatus status = NPU_OK;
  NpuWindow window;
  Step step;

  g_mutex_lock (&self->lock);
  while ((step = choose_step (self, &window)) == STEP_WAIT)
    g_cond_wait (&self->work, &self->lock);
  if (step == STEP_SUBMIT)
    status = submit (self, &window, &error);
  if (step == STEP_STOP)
    flow = self->flow;
  g_mutex_unlock (&self->lock);

  if (step == STEP_LOAD)
    flow = load (self);
  else if (step == STEP_ASK)
    flow = ask (self);
  else if (step == STEP_COLLECT)
    flow = collect (self);
  else if (step == STEP_FORWARD)
    flow = forward (self);
  else if (status != NPU_OK)
    flow = core_failed (self, &error);

  if (flow != GST_FLOW_OK)
    stop_task (self, flow);
}

void
gst_npu_encoder_start_task (GstNpuEncoder * self)
{
  gst_pad_start_task (self->srcpad, loop, self, NULL);
}

/* ------------------------------------------------------------ the pad */

gboolean
gst_npu_encoder_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);
  guint64 id, next_sample;

  if (gst_npu_event_parse_window_done (event, &id, &next_sample)) {
    answer (self, id, next_sample / GST_NPU_SAMPLES_PER_FRAME);
    gst_event_unref (event);
    return TRUE;
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE) {
    /* the pad has taken note, and what upstream sends does not change */
    g_mutex_lock (&self->lock);
    g_cond_signal (&self->work);
    g_mutex_unlock (&self->lock);
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
query_caps (GstNpuEncoder * self, GstPad * pad, GstQuery * query)
{
  GstCaps *caps, *filter;

  g_mutex_lock (&self->lock);
  if (self->model)
    caps = gst_npu_states_caps_new (npu_model_config (self->model)->audio_width,
        npu_model_digest (self->model));
  else
    caps = gst_pad_get_pad_template_caps (pad);
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

static gboolean
query_latency (GstNpuEncoder * self, GstQuery * query)
{
  GstClockTime min, max, latency, buffered;
  gboolean live;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  latency = gst_npu_encoder_latency (self, &buffered);
  min += latency;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += buffered;
  GST_DEBUG_OBJECT (self, "latency %" GST_TIME_FORMAT " of %" GST_TIME_FORMAT
      ", up to %" GST_TIME_FORMAT, GST_TIME_ARGS (latency),
      GST_TIME_ARGS (min), GST_TIME_ARGS (max));
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

gboolean
gst_npu_encoder_src_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      return query_caps (self, pad, query);
    case GST_QUERY_LATENCY:
      return query_latency (self, query);
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

gboolean
gst_npu_encoder_src_activate_mode (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    g_mutex_lock (&self->lock);
    self->flow = GST_FLOW_OK;
    g_mutex_unlock (&self->lock);
    gst_npu_encoder_start_task (self);
    return TRUE;
  }

  g_mutex_lock (&self->lock);
  self->flow = GST_FLOW_FLUSHING;
  self->generation++;
  g_cond_broadcast (&self->work);
  g_cond_broadcast (&self->space);
  g_mutex_unlock (&self->lock);
  return gst_pad_stop_task (pad);
}
