/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Source side of npuencoder: the task that keeps the slots of the core's
 * executor busy and pushes states and events in order. Each round of the task
 * takes one step. It never waits for the device: the device's notification, a
 * frame, an answer or an event wakes it, so that a flush need not wait either.
 */
#include "gstnpuencoder.h"

#include <gstnpumessages.h>

#include "gstnpucaps.h"
#include "gstnpuerror.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

/* Nanoseconds that the task waits for weights at a time. */
#define SLICE (20 * GST_MSECOND)

/* Microseconds until a decoder that does not answer is looked for again. */
#define ASK_AGAIN (500 * G_TIME_SPAN_MILLISECOND)
/* Until a device that does not notify is looked at: it may hang. */
#define LOOK_AGAIN (100 * G_TIME_SPAN_MILLISECOND)
/* Until memory for states is asked for again, when downstream holds all. */
#define TRY_AGAIN (10 * G_TIME_SPAN_MILLISECOND)

typedef enum
{
  STEP_STOP,                    /* flushing, or downstream wants no more */
  STEP_WAIT,
  STEP_LOAD,                    /* wait for weights */
  STEP_ASK,                     /* whether a decoder is there */
  STEP_UPLOAD,                  /* frames of the window that comes next */
  STEP_SUBMIT,                  /* a window is due, slot and memory are there */
  STEP_COLLECT,                 /* a window may have ended */
  STEP_FORWARD,                 /* all before the first item is pushed */
} Step;

/* ----------------------------------------------------- choosing a step */

/* The lock is held. Whether it is known that the audio ends before @frame. */
static gboolean
ends_at (GstNpuEncoder * self, guint64 frame)
{
  for (GList * link = self->items.head; link; link = link->next) {
    const GstNpuEncoderItem *item = link->data;

    if (item->frame != frame)
      return FALSE;
    if (item->boundary)
      return TRUE;
  }
  return FALSE;
}

/* The lock is held. With STEP_WAIT, @busy says whether a window is due. */
static Step
choose_window_step (GstNpuEncoder * self, guint64 newest, gboolean ended,
    gboolean * busy)
{
  NpuWindow window;

  *busy = TRUE;
  if (!self->loaded)
    return STEP_LOAD;
  if (self->ask_driven || GST_PAD_NEEDS_RECONFIGURE (self->srcpad))
    return self->in_flight > 0 ? STEP_WAIT : STEP_ASK;
  /* decoders treat the window that the audio ends in in another way; which it
   * is must not depend on how soon the end is known */
  if (self->windows.driven && !ended
      && newest == npu_ring_newest (self->ring))
    newest--;
  else
    *busy = FALSE;
  if (!npu_windows_due (&self->windows, newest, ended))
    return STEP_WAIT;
  *busy = TRUE;
  if (!gst_npu_encoder_can_submit (self))
    return STEP_WAIT;
  gst_npu_encoder_check_overload (self, newest);
  if (!npu_windows_next (&self->windows, newest, ended, &window)) {
    *busy = FALSE;              /* longer hops from now on, or left out */
    return STEP_WAIT;
  }
  gst_npu_encoder_form_window (self, &window);
  return STEP_SUBMIT;
}

/* The lock is held. */
static Step
choose_step (GstNpuEncoder * self)
{
  GstNpuEncoderItem *item = g_queue_peek_head (&self->items);
  guint64 newest = item ? item->frame : npu_ring_newest (self->ring);
  gboolean busy = FALSE;

  self->starved = FALSE;
  if (self->flow != GST_FLOW_OK)
    return STEP_STOP;
  if (self->in_flight > 0 && self->poll)
    return STEP_COLLECT;
  if (newest > npu_windows_first_needed (&self->windows) && !self->awaiting) {
    Step step =
        choose_window_step (self, newest, ends_at (self, newest), &busy);

    if (step != STEP_WAIT)
      return step;
  }
  if (self->loaded && gst_npu_encoder_can_upload (self))
    return STEP_UPLOAD;
  if (item && self->in_flight == 0 && !busy && !self->awaiting)
    return STEP_FORWARD;
  return STEP_WAIT;
}

/* The lock is held. */
static gboolean
ask_is_due (const GstNpuEncoder * self)
{
  return self->awaiting && self->in_flight == 0 && self->flow == GST_FLOW_OK
      && g_get_monotonic_time () >= self->ask_at;
}

/* The lock is held. New work comes with a signal. That a decoder was taken away
 * does not, and its window may be kept by another branch of a tee. */
static Step
wait_for_step (GstNpuEncoder * self)
{
  Step step;

  if (ask_is_due (self))
    return STEP_ASK;            /* however much is to be uploaded */
  while ((step = choose_step (self)) == STEP_WAIT
      && g_queue_is_empty (&self->messages)) {
    gint64 now = g_get_monotonic_time ();

    if (self->in_flight > 0) {
      if (!g_cond_wait_until (&self->work, &self->lock, now + LOOK_AGAIN))
        self->poll = TRUE;
    } else if (self->starved) {
      gst_npu_encoder_say_starved (self);
      if (!self->may_drop || !gst_npu_encoder_drop_windows (self))
        g_cond_wait_until (&self->work, &self->lock, now + TRY_AGAIN);
    } else if (!self->awaiting) {
      g_cond_wait (&self->work, &self->lock);
    } else if (!g_cond_wait_until (&self->work, &self->lock, self->ask_at)) {
      return STEP_ASK;
    }
  }
  return step;
}

/* -------------------------------------------------------------- steps */

/* Downstream's errors are told by upstream, our own by ourselves. */
#define FLOW_REPORTED_ERROR GST_FLOW_CUSTOM_ERROR
/* Upstream's EOS was sent, unlike GST_FLOW_EOS, which downstream returns. */
#define FLOW_SENT_EOS GST_FLOW_CUSTOM_SUCCESS

static GstFlowReturn
core_result (GstNpuEncoder * self, NpuStatus status, const NpuError * error)
{
  if (status == NPU_OK)
    return GST_FLOW_OK;
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
    return core_result (self, status, &error);

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
  self->ask_at = g_get_monotonic_time () + ASK_AGAIN;
  g_mutex_unlock (&self->lock);
  gst_pad_check_reconfigure (self->srcpad);
  driven = gst_pad_peer_query (self->srcpad, query)
      && gst_npu_query_parse_driven (query);
  gst_query_unref (query);
  gst_npu_encoder_ask_live (self);

  g_mutex_lock (&self->lock);
  if (self->windows.driven != driven) {
    guint64 first;

    GST_INFO_OBJECT (self, "windows are %s", driven ?
        "driven by the decoder's answers" : "fixed");
    /* who was to answer is gone, the window done with */
    if (self->awaiting)
      gst_npu_encoder_take_answer (self, self->awaited, G_MAXUINT64);
    first = npu_windows_first_needed (&self->windows);
    self->windows.driven = driven;
    npu_windows_restart (&self->windows, first);
  }
  g_mutex_unlock (&self->lock);
  return GST_FLOW_OK;
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
  GstBuffer *buffer;
  NpuError error = { 0 };
  NpuStatus status = gst_npu_encoder_collect (self, &buffer, &error);
  GstEvent *sent = NULL;
  GstFlowReturn flow;
  gboolean driven;

  if (!buffer)
    return core_result (self, status, &error);
  g_mutex_lock (&self->lock);
  driven = self->windows.driven;
  self->ask_at = g_get_monotonic_time () + ASK_AGAIN;
  g_mutex_unlock (&self->lock);
  if (driven)
    sent = gst_npu_event_new_window_sent
        (gst_buffer_get_npu_window_meta (buffer)->window.id);
  send_caps (self);
  flow = gst_pad_push (self->srcpad, buffer);
  if (sent)
    gst_pad_push_event (self->srcpad, sent);
  gst_npu_encoder_post_stats (self);
  return flow;
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
  return type == GST_EVENT_EOS ? FLOW_SENT_EOS : GST_FLOW_OK;
}

/* The lock is held. What a decoder left of the frames before @end and is too
 * short for a window: a GAP event, or NULL. */
static GstEvent *
rest_as_gap (GstNpuEncoder * self, guint64 end)
{
  guint64 first = npu_windows_first_needed (&self->windows);

  if (!self->windows.driven || first >= end)
    return NULL;
  return gst_event_new_gap (gst_npu_encoder_frame_time (self, first),
      (end - first) * GST_NPU_FRAME_DURATION);
}

static GstFlowReturn
forward (GstNpuEncoder * self)
{
  GstFlowReturn flow = GST_FLOW_OK;
  GstNpuEncoderItem *item;
  GstEvent *gap = NULL;

  g_mutex_lock (&self->lock);
  item = g_queue_pop_head (&self->items);
  if (item->boundary) {
    if (item->frame > self->skipped_end) {
      gap = rest_as_gap (self, item->frame);
      npu_windows_restart (&self->windows, item->frame);
    }
    self->discont = TRUE;
  }
  gst_npu_encoder_trim (self);
  g_mutex_unlock (&self->lock);

  if (item->left_out)
    gst_pad_push_event (self->srcpad, g_steal_pointer (&item->left_out));
  if (gap)
    gst_pad_push_event (self->srcpad, gap);
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
  if (flow == FLOW_SENT_EOS) {
    if (!g_queue_is_empty (&self->items)) {
      /* another stream has begun behind it */
      g_mutex_unlock (&self->lock);
      return;
    }
    flow = GST_FLOW_EOS;
  }
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
  /* what is linked later is to get more than an end */
  if (ended || flow != GST_FLOW_NOT_LINKED)
    gst_pad_push_event (self->srcpad, gst_event_new_eos ());
}

static void
loop (gpointer data)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (data);
  GstFlowReturn flow = GST_FLOW_OK;
  NpuError error = { 0 };
  Step step;

  g_mutex_lock (&self->lock);
  step = wait_for_step (self);
  if (step == STEP_STOP)
    flow = self->flow;
  g_mutex_unlock (&self->lock);

  gst_npu_encoder_post_messages (self);
  if (step == STEP_LOAD)
    flow = load (self);
  else if (step == STEP_ASK)
    flow = ask (self);
  else if (step == STEP_UPLOAD)
    flow = core_result (self, gst_npu_encoder_upload (self, &error), &error);
  else if (step == STEP_SUBMIT)
    flow = core_result (self, gst_npu_encoder_submit (self, &error), &error);
  else if (step == STEP_COLLECT)
    flow = collect (self);
  else if (step == STEP_FORWARD)
    flow = forward (self);

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
    g_mutex_lock (&self->lock);
    gst_npu_encoder_take_answer (self, id,
        next_sample / GST_NPU_SAMPLES_PER_FRAME);
    g_mutex_unlock (&self->lock);
    gst_event_unref (event);
    return TRUE;
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE) {
    /* the pad has taken note, and what upstream sends does not change */
    g_mutex_lock (&self->lock);
    if (self->flow == GST_FLOW_NOT_LINKED) {
      /* it may be linked again */
      self->flow = GST_FLOW_OK;
      gst_npu_encoder_start_task (self);
    }
    g_cond_signal (&self->work);
    g_mutex_unlock (&self->lock);
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
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
      return gst_npu_encoder_answer_caps (self, pad, query);
    case GST_QUERY_CONTEXT:
      return gst_npu_encoder_answer_context (self, query)
          || gst_pad_query_default (pad, parent, query);
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
