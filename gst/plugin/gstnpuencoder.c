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
 * ## Latency
 * States of a window can leave when all of it was heard, and its timestamp is
 * that of its start. The latency is therefore the window's length (of the
 * model's whole context where #GstNpuEncoder:window is 0, 30 s without a
 * model), and for the work on it, decoding included, the hop but at most a
 * quarter of the window. A device that needs longer still loses nothing, but
 * sinks that follow the clock get the data late. The maximum is what the ring
 * of frames holds: a window, a hop for each window in flight, and 30 s.
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
 */
#include "gstnpuencoder.h"

#include "gstnpucaps.h"
#include "gstnpuerror.h"

GST_DEBUG_CATEGORY (gst_npu_encoder_debug);
#define GST_CAT_DEFAULT gst_npu_encoder_debug

#define DEFAULT_DEVICE "auto"
#define DEFAULT_THREADS 0
#define DEFAULT_PRECISION NPU_PRECISION_AUTO
#define DEFAULT_CONTEXT NPU_CONTEXT_AUTO
#define DEFAULT_WINDOW 0
#define DEFAULT_HOP 0
#define DEFAULT_DEPTH 2
#define MAX_THREADS 1024

/* Frames of the longest context among Whisper's models, 30 s: assumed while no
 * model is known, and added to the ring as room for a slow downstream. */
#define LONGEST_CONTEXT 3000

/* The latency has room for work of a quarter of the window. */
#define WORK_SHARE 4

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
  PROP_THREADS,
  PROP_PRECISION,
  PROP_CONTEXT,
  PROP_WINDOW,
  PROP_HOP,
  PROP_DEPTH,
  PROP_STATS,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NPU_MEL_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NPU_STATES_CAPS));

#define GST_TYPE_NPU_PRECISION (gst_npu_precision_get_type ())
static GType
gst_npu_precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {NPU_PRECISION_AUTO, "The device's best that keeps 1 % accuracy", "auto"},
    {NPU_PRECISION_FLOAT32, "32-bit floating point", "float32"},
    {NPU_PRECISION_BF16, "16-bit brain floating point", "bf16"},
    {NPU_PRECISION_INT8, "8-bit integer", "int8"},
    {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstNpuPrecision", values));
  return type;
}

#define GST_TYPE_NPU_CONTEXT (gst_npu_context_get_type ())
static GType
gst_npu_context_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {NPU_CONTEXT_AUTO, "Heard where the model was trained so, else full",
        "auto"},
    {NPU_CONTEXT_FULL, "Always the model's whole context", "full"},
    {NPU_CONTEXT_HEARD, "Only what was heard", "heard"},
    {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstNpuContext", values));
  return type;
}

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

/* NULL to READY. */
static gboolean
open_model (GstNpuEncoder * self)
{
  NpuDeviceOptions options = { 0 };
  gchar *device_name, *path;
  NpuPrecision precision;
  NpuDevice *device = NULL;
  NpuModel *model = NULL;
  NpuError error = { 0 };
  NpuStatus status;
  gboolean changed;

  GST_OBJECT_LOCK (self);
  device_name = g_strdup (self->settings.device);
  path = g_strdup (self->settings.model);
  precision = self->settings.precision;
  options.threads = self->settings.threads;
  self->outdated = FALSE;
  GST_OBJECT_UNLOCK (self);

  status = npu_device_open (device_name, &options, &device, &error);
  if (status == NPU_OK)
    status = npu_model_open (path, device, precision, &model, &error);
  g_free (device_name);
  g_free (path);
  if (status != NPU_OK) {
    gst_npu_element_error (GST_ELEMENT (self), &error);
    npu_device_unref (device);
    return FALSE;
  }

  GST_OBJECT_LOCK (self);
  g_mutex_lock (&self->lock);
  self->device = device;
  self->model = model;
  plan_windows (self);
  changed = GST_CLOCK_TIME_IS_VALID (self->latency)
      && self->latency != planned_latency (self);
  g_mutex_unlock (&self->lock);
  GST_OBJECT_UNLOCK (self);

  GST_INFO_OBJECT (self, "model %s (%s) on %s", npu_model_path (model),
      npu_model_digest (model), npu_device_info (device)->description);
  if (changed)
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  return TRUE;
}

/* READY to NULL. */
static void
close_model (GstNpuEncoder * self)
{
  NpuDevice *device;
  NpuModel *model;

  g_mutex_lock (&self->lock);
  model = g_steal_pointer (&self->model);
  device = g_steal_pointer (&self->device);
  g_mutex_unlock (&self->lock);
  npu_model_unref (model);
  npu_device_unref (device);
}

static GstBufferPool *
make_pool (GstNpuEncoder * self)
{
  const NpuModelConfig *config = npu_model_config (self->model);
  GstBufferPool *pool = gst_buffer_pool_new ();
  GstStructure *structure = gst_buffer_pool_get_config (pool);
  GstAllocationParams params;

  gst_allocation_params_init (&params);
  params.align = 63;
  gst_buffer_pool_config_set_params (structure, NULL,
      config->audio_context * config->audio_width * sizeof (gfloat),
      self->depth + 1, 0);
  gst_buffer_pool_config_set_allocator (structure, NULL, &params);
  if (!gst_buffer_pool_set_config (pool, structure)
      || !gst_buffer_pool_set_active (pool, TRUE))
    gst_clear_object (&pool);
  return pool;
}

/* PAUSED to READY, when no pad is active any more. */
static void
stop (GstNpuEncoder * self)
{
  NpuFrameRing *ring;

  /* waits for what is in flight, which reads the ring */
  g_clear_pointer (&self->encoder, npu_encoder_free);
  if (self->pool) {
    gst_buffer_pool_set_active (self->pool, FALSE);
    gst_clear_object (&self->pool);
  }
  g_mutex_lock (&self->lock);
  ring = g_steal_pointer (&self->ring);
  g_queue_clear_full (&self->items, gst_npu_encoder_item_free);
  self->in_flight = 0;
  g_mutex_unlock (&self->lock);
  npu_ring_unref (ring);
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
  self->have_caps = FALSE;
  self->need_base = TRUE;
  self->upstream_ended = FALSE;
  self->first_slot = 0;
  self->in_flight = 0;
  self->last_finished = 0;
  self->load_started = g_get_monotonic_time ();
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

/* READY to PAUSED, before any pad is active. */
static gboolean
start (GstNpuEncoder * self)
{
  NpuFrameRing *ring = NULL;
  NpuError error = { 0 };
  NpuStatus status;

  if (!reopen_model (self))
    return FALSE;
  GST_OBJECT_LOCK (self);
  g_mutex_lock (&self->lock);
  plan_windows (self);
  self->depth = self->settings.depth;
  self->context = self->settings.context;
  reset (self);
  g_mutex_unlock (&self->lock);
  GST_OBJECT_UNLOCK (self);

  status = npu_model_load (self->model, NPU_MODEL_ENCODER, &error);
  if (status == NPU_OK)
    status = npu_ring_create (self->device,
        npu_model_config (self->model)->bands, self->ring_capacity, &ring,
        &error);
  if (status == NPU_OK)
    status = npu_encoder_create (self->model, self->depth, &self->encoder,
        &error);
  g_mutex_lock (&self->lock);
  self->ring = ring;
  g_mutex_unlock (&self->lock);

  if (status == NPU_OK && !(self->pool = make_pool (self)))
    status = npu_error_set (&error, NPU_ENOMEM,
        "there is no memory for buffers of encoder states");
  if (status == NPU_OK)
    return TRUE;
  gst_npu_element_error (GST_ELEMENT (self), &error);
  stop (self);
  return FALSE;
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

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    stop (self);
  else if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    close_model (self);
  return result;
}

/* --------------------------------------------------------- properties */

static void
set_string (gchar ** setting, const GValue * value)
{
  g_free (*setting);
  *setting = g_value_dup_string (value);
}

static void
gst_npu_encoder_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * spec)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (object);
  GstNpuEncoderSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  if (id == PROP_MODEL || id == PROP_DEVICE || id == PROP_THREADS
      || id == PROP_PRECISION)
    self->outdated = TRUE;
  switch (id) {
    case PROP_MODEL:
      set_string (&settings->model, value);
      break;
    case PROP_DEVICE:
      set_string (&settings->device, value);
      if (!settings->device)
        settings->device = g_strdup (DEFAULT_DEVICE);
      break;
    case PROP_THREADS:
      settings->threads = g_value_get_uint (value);
      break;
    case PROP_PRECISION:
      settings->precision = g_value_get_enum (value);
      break;
    case PROP_CONTEXT:
      settings->context = g_value_get_enum (value);
      break;
    case PROP_WINDOW:
      settings->window = g_value_get_uint64 (value);
      break;
    case PROP_HOP:
      settings->hop = g_value_get_uint64 (value);
      break;
    case PROP_DEPTH:
      settings->depth = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static const gchar *
precision_name (NpuPrecision precision)
{
  GEnumClass *names = g_type_class_ref (GST_TYPE_NPU_PRECISION);
  const gchar *name = g_enum_get_value (names, precision)->value_nick;

  g_type_class_unref (names);
  return name;
}

/* The lock is held. */
static void
describe_model (GstNpuEncoder * self, GstStructure * stats)
{
  const NpuProgram *program =
      npu_model_program (self->model, NPU_MODEL_ENCODER);
  const NpuDeviceInfo *info = npu_device_info (self->device);

  gst_structure_set (stats,
      "device", G_TYPE_STRING, info->name,
      "device-description", G_TYPE_STRING, info->description,
      "emulated", G_TYPE_BOOLEAN, (gboolean) info->emulated,
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

static GstStructure *
make_stats (GstNpuEncoder * self)
{
  GstNpuEncoderCounters *counters = &self->counters;
  GstStructure *stats;
  guint64 newest = 0, queued = 0;

  g_mutex_lock (&self->lock);
  if (self->ring) {
    newest = npu_ring_newest (self->ring);
    queued = newest - MIN (newest, npu_ring_oldest (self->ring));
  }
  stats = gst_structure_new ("application/x-npu-encoder-stats",
      "windows", G_TYPE_UINT64, counters->windows,
      "positions", G_TYPE_UINT64, counters->positions,
      "windows-dropped", G_TYPE_UINT64, counters->orphans,
      "windows-in-flight", G_TYPE_UINT, self->in_flight,
      "frames", G_TYPE_UINT64, newest,
      "frames-queued", G_TYPE_UINT64, queued,
      "driven", G_TYPE_BOOLEAN, (gboolean) self->windows.driven,
      "encode-time", G_TYPE_UINT64, counters->encode_time,
      "last-encode-time", G_TYPE_UINT64, counters->last_encode_time,
      "loaded", G_TYPE_BOOLEAN, self->loaded,
      "load-time", G_TYPE_UINT64, counters->load_time, NULL);
  if (self->model)
    describe_model (self, stats);
  g_mutex_unlock (&self->lock);
  return stats;
}

static void
gst_npu_encoder_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * spec)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (object);
  GstNpuEncoderSettings *settings = &self->settings;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, settings->model);
      break;
    case PROP_DEVICE:
      g_value_set_string (value, settings->device);
      break;
    case PROP_THREADS:
      g_value_set_uint (value, settings->threads);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, settings->precision);
      break;
    case PROP_CONTEXT:
      g_value_set_enum (value, settings->context);
      break;
    case PROP_WINDOW:
      g_value_set_uint64 (value, settings->window);
      break;
    case PROP_HOP:
      g_value_set_uint64 (value, settings->hop);
      break;
    case PROP_DEPTH:
      g_value_set_uint (value, settings->depth);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

/* ------------------------------------------------------------- object */

static void
gst_npu_encoder_init (GstNpuEncoder * self)
{
  self->settings = (GstNpuEncoderSettings) {
    .device = g_strdup (DEFAULT_DEVICE),
    .threads = DEFAULT_THREADS,
    .precision = DEFAULT_PRECISION,
    .context = DEFAULT_CONTEXT,
    .window = DEFAULT_WINDOW,
    .hop = DEFAULT_HOP,
    .depth = DEFAULT_DEPTH,
  };
  g_mutex_init (&self->lock);
  g_cond_init (&self->work);
  g_cond_init (&self->space);
  g_queue_init (&self->items);
  self->bases = g_array_new (FALSE, FALSE, sizeof (GstNpuEncoderBase));
  self->flow = GST_FLOW_FLUSHING;
  self->latency = GST_CLOCK_TIME_NONE;

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_npu_encoder_chain);
  gst_pad_set_event_function (self->sinkpad, gst_npu_encoder_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_npu_encoder_sink_query);
  gst_pad_set_activatemode_function (self->sinkpad,
      gst_npu_encoder_sink_activate_mode);
  /* caps of another model get in, to be refused with a message */
  GST_PAD_SET_ACCEPT_TEMPLATE (self->sinkpad);
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

  g_free (self->settings.model);
  g_free (self->settings.device);
  g_array_unref (self->bases);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->work);
  g_cond_clear (&self->space);
  G_OBJECT_CLASS (gst_npu_encoder_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass * class)
{
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (class, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "ggml file or Hugging Face directory, or \"builtin\"; unset: what "
          "GST_NPU_MODEL names, then gst-npu/models/default in the data "
          "folders, then the built-in model",
          NULL, flags));
  g_object_class_install_property (class, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Name of the device, or \"auto\" for the best that is present",
          DEFAULT_DEVICE, flags));
  g_object_class_install_property (class, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that compute on the CPU, 0 for as many as the process may "
          "use", 0, MAX_THREADS, DEFAULT_THREADS, flags));
  g_object_class_install_property (class, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Arithmetic of encoder and decoder", GST_TYPE_NPU_PRECISION,
          DEFAULT_PRECISION, flags));
  g_object_class_install_property (class, PROP_CONTEXT,
      g_param_spec_enum ("context", "Context",
          "How far a window is padded with silence", GST_TYPE_NPU_CONTEXT,
          DEFAULT_CONTEXT, flags));
  g_object_class_install_property (class, PROP_WINDOW,
      g_param_spec_uint64 ("window", "Window",
          "Longest window in nanoseconds, at most the model's context; 0 for "
          "all of it", 0, G_MAXUINT64, DEFAULT_WINDOW, flags));
  g_object_class_install_property (class, PROP_HOP,
      g_param_spec_uint64 ("hop", "Hop",
          "Nanoseconds of new audio for another window, at most the window; "
          "0 for a whole window", 0, G_MAXUINT64, DEFAULT_HOP, flags));
  g_object_class_install_property (class, PROP_DEPTH,
      g_param_spec_uint ("depth", "Depth",
          "Windows in flight at most when no decoder drives them", 1,
          NPU_ENCODER_MAX_DEPTH, DEFAULT_DEPTH, flags));
  g_object_class_install_property (class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counters since the change to PAUSED (times in nanoseconds), the "
          "model and the device", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_npu_encoder_class_init (GstNpuEncoderClass * class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);

  GST_DEBUG_CATEGORY_INIT (gst_npu_encoder_debug, "npuencoder", 0,
      "encoder of speech on NPUs");

  object_class->set_property = gst_npu_encoder_set_property;
  object_class->get_property = gst_npu_encoder_get_property;
  object_class->finalize = gst_npu_encoder_finalize;
  install_properties (object_class);

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
}
