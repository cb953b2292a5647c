/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The object npuencoder: properties, states, what it opens and allocates.
 */

/**
 * SECTION:element-npuencoder
 * @title: npuencoder
 * @see_also: npumel, npudecoder
 *
 * Runs the encoder of a Whisper model over windows of log-mel frames, on an
 * NPU or on the CPU, and pushes its states: float32, a row for every 20 ms,
 * with #GstNpuWindowMeta and the timestamp of the window.
 *
 * The model is a ggml file or a Hugging Face directory named by
 * #GstNpuEncoder:model. Without one, the environment variable GST_NPU_MODEL,
 * then `gst-npu/models/default` in the data folders of user and system, then
 * the built-in model is used. It is opened and checked in the change to READY;
 * its weights load in the background from the change to PAUSED on while frames
 * queue. The caps of the states name the model's digest, and the model itself
 * goes downstream in a sticky event, so that npudecoder need not be told.
 *
 * Without a decoder downstream, windows are fixed: each is
 * #GstNpuEncoder:window long and they start #GstNpuEncoder:hop after one
 * another; up to #GstNpuEncoder:depth of them are in flight. With npudecoder
 * downstream, also behind queues and tees, windows are driven: the next one
 * starts where the decoder says that the last complete sentence ended, and is
 * not formed before. The same file then gives the same text in every run. With
 * several decoders behind a tee the first answer counts.
 *
 * Gaps, discontinuities, new segments and the end of the stream drain: what
 * was heard is encoded as a shorter window first.
 *
 * ## Memory and pipeline
 * The encoder proposes a #GstNpuRingPool upstream, so that npumel writes frames
 * where the device needs them, and its states are device memory of a
 * #GstNpuBufferPool. Up to #GstNpuEncoder:depth windows are in the device's
 * pipeline: one is uploaded or downloaded while another is encoded. The device
 * is shared by a #GstContext of type "npu.device".
 *
 * Behind a live source capture does not wait for the encoder: when windows come
 * faster than they are encoded, #GstNpuEncoder:overload says what is done, and
 * QoS messages say that it was done. #GstNpuEncoder:stats has the figures, and
 * #GstNpuEncoder:timeline writes every stage of every window to a file.
 *
 * ## Latency
 * States of a window can leave when all of it was heard, and its timestamp is
 * that of its start. The latency is therefore the window's length (of the
 * model's whole context where #GstNpuEncoder:window is 0, 30 s without a
 * model), and for the work on it, decoding included, the hop but at most a
 * quarter of the window. Where a device needs longer, sinks that follow the
 * clock get the data late, or windows are left out as overload says. The
 * maximum is what the ring of frames holds: a window, a hop for each window in
 * flight, and 30 s.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! npumel ! npuencoder ! fakesink
 * ]|
 * Encode a recording with the default model.
 * |[
 * gst-launch-1.0 pulsesrc ! npumel ! npuencoder ! fakesink
 * ]|
 * Encode what the microphone hears, until interrupted.
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! npumel ! npuencoder window=5000000000 hop=1000000000 ! fakesink
 * ]|
 * Every second, encode the last five seconds.
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! npumel ! npuencoder device=emu device-options=cost=published ! fakesink
 * ]|
 * Encode on an emulated NPU.
 */
#include "gstnpuencoder.h"

#include "pipeline/timeline.h"

#include "gstnpucaps.h"
#include "gstnpuerror.h"

GST_DEBUG_CATEGORY (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

#define TIMELINE_VARIABLE "GST_NPU_TIMELINE"

/* Frames of the longest context among Whisper's models, 30 s: assumed while no
 * model is known, and added to the ring as room for a slow downstream. */
#define LONGEST_CONTEXT 3000

/* The latency has room for work of a quarter of the window. */
#define WORK_SHARE 4

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NPU_MEL_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NPU_STATES_CAPS));

G_DEFINE_TYPE (GstNpuEncoder, gst_npu_encoder, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (npuencoder, "npuencoder", GST_RANK_NONE,
    GST_TYPE_NPU_ENCODER);

/* ------------------------------------------------ windows and latency */

static guint32
frames_of (GstClockTime time, guint32 longest)
{
  guint64 frames = time / GST_NPU_FRAME_DURATION;

  if (time == 0)
    return longest;
  return CLAMP (frames, 1, longest);
}

/* The object lock and the lock are held. */
static void
plan_windows (GstNpuEncoder * self)
{
  guint32 context = LONGEST_CONTEXT;

  if (self->model)
    context = npu_model_config (self->model)->audio_context * 2;
  self->window_frames = frames_of (self->settings.window, context);
  self->hop_frames = frames_of (self->settings.hop, self->window_frames);
  self->ring_capacity = self->window_frames
      + self->settings.depth * self->hop_frames + LONGEST_CONTEXT;
}

/* What the properties ask for and the model cannot do. The object lock must
 * not be held: the application hears of it. */
static void
warn_of_lengths (GstNpuEncoder * self, GstClockTime window, GstClockTime hop)
{
  GstClockTime longest = self->window_frames * GST_NPU_FRAME_DURATION;

  if (window > longest)
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
        ("window=%" G_GUINT64_FORMAT " is longer than the context of the "
            "model %s; windows are %" G_GUINT64_FORMAT " ns long. Set at most "
            "that, or use a model with a longer context.", window,
            npu_model_path (self->model), longest), (NULL));
  if (hop > longest)
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
        ("hop=%" G_GUINT64_FORMAT " is longer than a window and would leave "
            "out audio; windows come every %" G_GUINT64_FORMAT " ns. Set at "
            "most the window's length.", hop, longest), (NULL));
}

/* The lock is held; after plan_windows(). */
static GstClockTime
planned_latency (GstNpuEncoder * self)
{
  return (self->window_frames + MIN (self->hop_frames,
          self->window_frames / WORK_SHARE)) * GST_NPU_FRAME_DURATION;
}

GstClockTime
gst_npu_encoder_latency (GstNpuEncoder * self, GstClockTime * buffered)
{
  GstClockTime latency;

  GST_OBJECT_LOCK (self);
  g_mutex_lock (&self->lock);
  /* in PAUSED and higher the ring is what it is */
  if (!self->ring)
    plan_windows (self);
  latency = planned_latency (self);
  *buffered = self->ring_capacity * GST_NPU_FRAME_DURATION;
  self->latency = latency;
  g_mutex_unlock (&self->lock);
  GST_OBJECT_UNLOCK (self);
  return latency;
}

/* ------------------------------------------------------------- states */

/* What the properties name, for a moment without the lock. */
typedef struct
{
  gchar *path;
  gchar *device;
  gchar *device_options;
  guint threads;
  NpuPrecision precision;
} ModelRequest;

static ModelRequest
take_request (GstNpuEncoder * self)
{
  ModelRequest request;

  GST_OBJECT_LOCK (self);
  request = (ModelRequest) {
    .path = g_strdup (self->settings.model),
    .device = g_strdup (self->settings.device),
    .device_options = g_strdup (self->settings.device_options),
    .threads = self->settings.threads,
    .precision = self->settings.precision,
  };
  self->outdated = FALSE;
  GST_OBJECT_UNLOCK (self);
  return request;
}

static void
clear_request (ModelRequest * request)
{
  g_free (request->path);
  g_free (request->device);
  g_free (request->device_options);
}

/* Open the device, unless somebody shares one that fits, and the model. */
static NpuModel *
open_request (GstNpuEncoder * self, const ModelRequest * request,
    GstNpuDevice ** device)
{
  NpuModel *model = NULL;
  NpuError error = { 0 };

  if (!gst_npu_ensure_element_device (GST_ELEMENT (self), request->device,
          request->threads, request->device_options, device))
    return NULL;
  if (npu_model_open (request->path, gst_npu_device_get_handle (*device),
          request->precision, &model, &error) != NPU_OK)
    gst_npu_element_error (GST_ELEMENT (self), &error);
  return model;
}

/* NULL to READY. */
static gboolean
open_model (GstNpuEncoder * self)
{
  ModelRequest request = take_request (self);
  GstNpuDevice *device;
  NpuModel *model;
  gboolean changed;

  GST_OBJECT_LOCK (self);
  device = g_steal_pointer (&self->npu_device);
  GST_OBJECT_UNLOCK (self);
  model = open_request (self, &request, &device);
  clear_request (&request);

  GST_OBJECT_LOCK (self);
  g_mutex_lock (&self->lock);
  gst_object_replace ((GstObject **) & self->npu_device,
      GST_OBJECT_CAST (device));
  self->model = model;
  plan_windows (self);
  changed = GST_CLOCK_TIME_IS_VALID (self->latency)
      && self->latency != planned_latency (self);
  g_mutex_unlock (&self->lock);
  GST_OBJECT_UNLOCK (self);
  gst_clear_object (&device);
  if (!model)
    return FALSE;

  GST_INFO_OBJECT (self, "model %s (%s) on %s", npu_model_path (model),
      npu_model_digest (model),
      npu_device_info (npu_model_device (model))->description);
  if (changed)
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  return TRUE;
}

/* READY to NULL. */
static void
close_model (GstNpuEncoder * self)
{
  GstNpuDevice *device;
  NpuModel *model;

  GST_OBJECT_LOCK (self);
  g_mutex_lock (&self->lock);
  model = g_steal_pointer (&self->model);
  device = g_steal_pointer (&self->npu_device);
  g_mutex_unlock (&self->lock);
  GST_OBJECT_UNLOCK (self);
  npu_model_unref (model);
  gst_clear_object (&device);
}

/* Slots in flight, the one that is being filled, and one on its way downstream
 * have memory for states from the start. */
static GstBufferPool *
make_pool (GstNpuEncoder * self)
{
  const NpuModelConfig *config = npu_model_config (self->model);
  guint positions = npu_encoder_positions (self->model, self->context,
      self->window_frames + GST_NPU_ENCODER_FRAMES_AFTER_END);
  GstBufferPool *pool = gst_npu_buffer_pool_new (self->npu_device);
  GstStructure *structure = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (structure, NULL,
      positions * config->audio_width * sizeof (gfloat), self->depth + 2,
      gst_npu_encoder_max_states (self));
  if (!gst_buffer_pool_set_config (pool, structure)
      || !gst_buffer_pool_set_active (pool, TRUE))
    gst_clear_object (&pool);
  return pool;
}

static void
clear_states (GstNpuEncoder * self)
{
  for (guint i = 0; i < NPU_ENCODER_MAX_DEPTH; i++)
    gst_clear_buffer (&self->slots[i].states);
  gst_clear_buffer (&self->next_states);
  if (self->pool)
    gst_buffer_pool_set_active (self->pool, FALSE);
}

static void
stop_timeline (GstNpuEncoder * self)
{
  if (self->timeline)
    npu_timeline_stop ();
  self->timeline = FALSE;
}

/* PAUSED to READY, when no pad is active any more. */
static void
stop (GstNpuEncoder * self)
{
  NpuEncoder *encoder;
  GstBufferPool *pool;
  NpuFrameRing *ring;

  g_mutex_lock (&self->lock);
  encoder = g_steal_pointer (&self->encoder);
  g_mutex_unlock (&self->lock);
  /* waits for what is in flight, which reads the ring and writes states */
  npu_encoder_free (encoder);
  clear_states (self);
  g_mutex_lock (&self->lock);
  ring = g_steal_pointer (&self->ring);
  pool = g_steal_pointer (&self->pool);
  g_queue_clear_full (&self->items, gst_npu_encoder_item_free);
  g_queue_clear_full (&self->messages, (GDestroyNotify) gst_message_unref);
  self->in_flight = 0;
  g_mutex_unlock (&self->lock);
  npu_ring_unref (ring);
  gst_clear_object (&pool);
  stop_timeline (self);
}

/* The lock is held. */
static void
reset (GstNpuEncoder * self)
{
  guint64 next_id = self->windows.next_id;

  npu_windows_init (&self->windows, self->window_frames, self->hop_frames,
      FALSE);
  self->windows.next_id = next_id;
  g_array_set_size (self->bases, 0);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  memset (&self->counters, 0, sizeof (self->counters));
  memset (self->slots, 0, sizeof (self->slots));
  self->arrivals->count = 0;
  self->have_caps = FALSE;
  self->refused = FALSE;
  self->need_base = TRUE;
  self->upstream_ended = FALSE;
  self->open_slot = -1;
  self->in_flight = 0;
  self->poll = FALSE;
  self->uploaded = 0;
  self->first_arrival = 0;
  self->stats_posted = self->load_started = g_get_monotonic_time ();
  self->last_finished = 0;
  self->live = self->said_starved = self->said_full = FALSE;
  self->last_formed = 0;
  self->skipped_end = 0;
  gst_npu_encoder_plan_overload (self);
  self->loaded = FALSE;
  self->ask_driven = TRUE;
  self->awaiting = FALSE;
  self->discont = TRUE;
  self->sent_caps = FALSE;
}

/* In READY too the properties may name another model or device. */
static gboolean
reopen_model (GstNpuEncoder * self)
{
  gboolean outdated;

  GST_OBJECT_LOCK (self);
  outdated = self->outdated;
  GST_OBJECT_UNLOCK (self);
  if (!outdated && self->model)
    return TRUE;
  close_model (self);
  return open_model (self);
}

static NpuStatus
start_timeline (GstNpuEncoder * self, const gchar * path, NpuError * error)
{
  const NpuDeviceInfo *info =
      npu_device_info (npu_model_device (self->model));
  NpuStatus status;

  if (!path || !*path)
    path = g_getenv (TIMELINE_VARIABLE);
  if (!path || !*path)
    return NPU_OK;
  status = npu_timeline_start (path, error);
  if (status != NPU_OK)
    return status;
  self->timeline = TRUE;
  npu_timeline_describe ("device", info->description);
  npu_timeline_describe ("emulated", info->emulated ? "true" : "false");
  npu_timeline_describe ("clock", info->virtual_time ? "virtual" :
      "monotonic");
  npu_timeline_describe ("model", npu_model_config (self->model)->name);
  return NPU_OK;
}

/* Ring, executor and memory for states. */
static NpuStatus
allocate (GstNpuEncoder * self, NpuError * error)
{
  const NpuEncoderOptions options = {
    .executor = {
      .depth = self->depth,
      .notify = gst_npu_encoder_run_ended,
      .notify_user = self,
    },
    .foreign_states = true,
  };
  NpuFrameRing *ring = NULL;
  NpuEncoder *encoder = NULL;
  GstBufferPool *pool = NULL;
  NpuStatus status;

  status = npu_ring_create (npu_model_device (self->model),
      npu_model_config (self->model)->bands, self->ring_capacity, &ring,
      error);
  if (status == NPU_OK)
    status = npu_encoder_create (self->model, &options, &encoder, error);
  if (status == NPU_OK && !(pool = make_pool (self)))
    status = npu_error_set (error, NPU_ENOMEM, "The device has no memory for "
        "buffers of encoder states; use a smaller model or depth");
  g_mutex_lock (&self->lock);
  self->ring = ring;
  self->encoder = encoder;
  self->pool = pool;
  g_mutex_unlock (&self->lock);
  return status;
}

/* READY to PAUSED, before any pad is active. */
static gboolean
start (GstNpuEncoder * self)
{
  NpuError error = { 0 };
  GstClockTime window, hop;
  gchar *timeline;
  NpuStatus status;

  if (!reopen_model (self))
    return FALSE;
  GST_OBJECT_LOCK (self);
  g_mutex_lock (&self->lock);
  plan_windows (self);
  self->depth = self->settings.depth;
  self->context = self->settings.context;
  self->overload_limit = self->settings.overload;
  self->max_states = self->settings.max_states;
  self->stats_interval = self->settings.stats_interval;
  timeline = g_strdup (self->settings.timeline);
  window = self->settings.window;
  hop = self->settings.hop;
  reset (self);
  g_mutex_unlock (&self->lock);
  GST_OBJECT_UNLOCK (self);
  warn_of_lengths (self, window, hop);

  status = start_timeline (self, timeline, &error);
  g_free (timeline);
  if (status == NPU_OK)
    status = npu_model_load (self->model, NPU_MODEL_ENCODER, &error);
  if (status == NPU_OK)
    status = allocate (self, &error);
  if (status == NPU_OK)
    return TRUE;
  gst_npu_element_error (GST_ELEMENT (self), &error);
  stop (self);
  return FALSE;
}

gboolean
gst_npu_encoder_answer_context (GstNpuEncoder * self, GstQuery * query)
{
  GstNpuDevice *device = NULL;
  gboolean answered;

  GST_OBJECT_LOCK (self);
  if (self->npu_device)
    device = gst_object_ref (self->npu_device);
  GST_OBJECT_UNLOCK (self);
  answered = gst_npu_handle_context_query (GST_ELEMENT (self), query, device);
  gst_clear_object (&device);
  return answered;
}

static void
gst_npu_encoder_set_context (GstElement * element, GstContext * context)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (element);

  gst_npu_handle_set_context (element, context, &self->npu_device);
  GST_ELEMENT_CLASS (gst_npu_encoder_parent_class)->set_context (element,
      context);
}

static GstStateChangeReturn
gst_npu_encoder_change_state (GstElement * element, GstStateChange transition)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !open_model (self))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start (self))
    return GST_STATE_CHANGE_FAILURE;

  result = GST_ELEMENT_CLASS (gst_npu_encoder_parent_class)->change_state
      (element, transition);

  /* upstream may know of an earlier ring */
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    gst_pad_push_event (self->sinkpad, gst_event_new_reconfigure ());
  else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    stop (self);
  else if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    close_model (self);
  return result;
}

/* ------------------------------------------------------------- object */

static void
gst_npu_encoder_init (GstNpuEncoder * self)
{
  gst_npu_encoder_init_settings (self);
  g_mutex_init (&self->lock);
  g_cond_init (&self->work);
  g_cond_init (&self->space);
  g_queue_init (&self->items);
  g_queue_init (&self->messages);
  self->arrivals = g_new0 (GstNpuEncoderArrivals, 1);
  self->open_slot = -1;
  self->bases = g_array_new (FALSE, FALSE, sizeof (GstNpuEncoderBase));
  self->flow = GST_FLOW_FLUSHING;
  self->latency = GST_CLOCK_TIME_NONE;

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_npu_encoder_chain);
  gst_pad_set_event_full_function (self->sinkpad, gst_npu_encoder_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_npu_encoder_sink_query);
  gst_pad_set_activatemode_function (self->sinkpad,
      gst_npu_encoder_sink_activate_mode);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, gst_npu_encoder_src_event);
  gst_pad_set_query_function (self->srcpad, gst_npu_encoder_src_query);
  gst_pad_set_activatemode_function (self->srcpad,
      gst_npu_encoder_src_activate_mode);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}

static void
gst_npu_encoder_finalize (GObject * object)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (object);

  gst_npu_encoder_clear_settings (self);
  gst_clear_object (&self->npu_device);
  g_free (self->arrivals);
  g_array_unref (self->bases);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->work);
  g_cond_clear (&self->space);
  G_OBJECT_CLASS (gst_npu_encoder_parent_class)->finalize (object);
}

static void
gst_npu_encoder_class_init (GstNpuEncoderClass * class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);

  GST_DEBUG_CATEGORY_INIT (gst_npu_encoder_debug, "npuencoder", 0,
      "encoder of speech on NPUs");

  object_class->finalize = gst_npu_encoder_finalize;
  gst_npu_encoder_install_properties (object_class);

  element_class->set_context =
      GST_DEBUG_FUNCPTR (gst_npu_encoder_set_context);
  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_npu_encoder_change_state);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Speech encoder on NPUs", "Filter/Converter/Audio",
      "Runs the encoder of a Whisper model over log-mel frames",
      "The gst-npu developers");
  gst_type_mark_as_plugin_api (GST_TYPE_NPU_PRECISION, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_NPU_CONTEXT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_NPU_OVERLOAD, 0);
}
