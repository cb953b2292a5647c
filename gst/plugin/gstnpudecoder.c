/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The object npudecoder: properties and states.
 */

/**
 * SECTION:element-npudecoder
 * @title: npudecoder
 * @see_also: npumel, npuencoder
 *
 * Turns encoder states into text: one buffer for each segment (a sentence, or
 * what comes between two pauses), with its time and duration, valid UTF-8
 * without white space around it. Where nothing is said it sends GAP events, so
 * that text and gaps cover the stream without holes; the stream is marked as
 * sparse.
 *
 * It uses the model that npuencoder sends along with its states;
 * #GstNpuDecoder:model is only needed for states that come from elsewhere, and
 * has to name the same model. The weights of the decoder load in the background
 * as soon as the model is known.
 *
 * After each window it tells the encoder upstream where the last complete
 * segment ended; there the next window starts. Text therefore comes when a
 * window is full or the stream ends: behind a live source up to one window
 * late. This is part of the latency that npuencoder reports, as is the time for
 * decoding. The language, once known, is sent as a tag.
 *
 * Segments carry no separator: give #GstNpuDecoder:separator where text is read
 * as a stream of bytes. It may be written with the escapes of C; on the command
 * line of gst-launch-1.0, which takes one backslash away, '\\n' is a new line.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q filesrc location=speech.wav ! decodebin ! npumel ! npuencoder ! npudecoder separator='\\n' ! fdsink
 * ]|
 * Print what is said, a segment a line.
 * |[
 * gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! npumel ! npuencoder ! npudecoder ! srtenc ! filesink location=talk.srt
 * ]|
 * Write subtitles as SRT.
 * |[
 * gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! npumel ! npuencoder ! npudecoder ! webvttenc ! filesink location=talk.vtt
 * ]|
 * Write subtitles as WebVTT.
 * |[
 * gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! npumel ! npuencoder ! npudecoder ! overlay.text_sink filesrc location=talk.mp4 ! decodebin ! videoconvert ! textoverlay name=overlay ! videoconvert ! autovideosink
 * ]|
 * Show a video with captions. The file is read twice, since the captions of a
 * window come only when all of it was heard, and one reader would have to store
 * the pictures until then.
 * |[
 * gst-launch-1.0 -q pulsesrc ! npumel ! npuencoder ! npudecoder separator='\\n' ! fdsink
 * ]|
 * Print what the microphone hears, until interrupted.
 */
#include "gstnpudecoder.h"

#include "gstnpucaps.h"
#include "gstnpuerror.h"

GST_DEBUG_CATEGORY (gst_npu_decoder_debug);
#define GST_CAT_DEFAULT gst_npu_decoder_debug

#define DEFAULT_LANGUAGE "auto"
#define DEFAULT_TASK NPU_TASK_TRANSCRIBE
#define DEFAULT_SEPARATOR ""
#define DEFAULT_NO_SPEECH_THRESHOLD 0.6f
#define DEFAULT_LOG_PROBABILITY_THRESHOLD -1.0f

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_LANGUAGE_CODE,
  PROP_TASK,
  PROP_SEPARATOR,
  PROP_NO_SPEECH_THRESHOLD,
  PROP_LOG_PROBABILITY_THRESHOLD,
  PROP_STATS,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NPU_STATES_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("text/x-raw, format=(string)utf8"));

#define GST_TYPE_NPU_TASK (gst_npu_task_get_type ())
static GType
gst_npu_task_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {NPU_TASK_TRANSCRIBE, "In the language that is spoken", "transcribe"},
    {NPU_TASK_TRANSLATE, "Into English", "translate"},
    {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstNpuTask", values));
  return type;
}

G_DEFINE_TYPE (GstNpuDecoder, gst_npu_decoder, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (npudecoder, "npudecoder", GST_RANK_NONE,
    GST_TYPE_NPU_DECODER);

/* ------------------------------------------------------------- states */

/* A model that the property names is checked in the change to READY. In READY
 * the property may name another one. */
static gboolean
open_override (GstNpuDecoder * self)
{
  NpuDevice *device = NULL;
  NpuError error = { 0 };
  NpuStatus status;
  gboolean outdated;
  gchar *path;

  GST_OBJECT_LOCK (self);
  path = g_strdup (self->settings.model);
  outdated = self->outdated;
  self->outdated = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (outdated)
    g_clear_pointer (&self->override, npu_model_unref);
  if (!path || self->override) {
    g_free (path);
    return TRUE;
  }
  status = npu_device_open ("auto", NULL, &device, &error);
  if (status == NPU_OK)
    status = npu_model_open (path, device, NPU_PRECISION_AUTO,
        &self->override, &error);
  npu_device_unref (device);
  g_free (path);
  if (status == NPU_OK)
    return TRUE;
  gst_npu_element_error (GST_ELEMENT (self), &error);
  return FALSE;
}

/* READY to PAUSED. */
static void
start (GstNpuDecoder * self)
{
  g_mutex_lock (&self->lock);
  self->cancelled = FALSE;
  memset (&self->counters, 0, sizeof (self->counters));
  self->language[0] = '\0';
  g_mutex_unlock (&self->lock);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->width = 0;
  self->position = GST_CLOCK_TIME_NONE;
  self->next_sample = 0;
  self->seen_window = G_MAXUINT64;
  self->sent_caps = FALSE;
  self->refused = FALSE;
}

static GstStateChangeReturn
gst_npu_decoder_change_state (GstElement * element, GstStateChange transition)
{
  GstNpuDecoder *self = GST_NPU_DECODER (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!open_override (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!open_override (self))
        return GST_STATE_CHANGE_FAILURE;
      start (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      gst_npu_decoder_set_cancelled (self, TRUE);
      break;
    default:
      break;
  }

  result = GST_ELEMENT_CLASS (gst_npu_decoder_parent_class)->change_state
      (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_npu_decoder_use_model (self, NULL);
  else if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    g_clear_pointer (&self->override, npu_model_unref);
  return result;
}

/* --------------------------------------------------------- properties */

static void
set_string (gchar ** setting, const GValue * value, const gchar * fallback)
{
  const gchar *string = g_value_get_string (value);

  g_free (*setting);
  *setting = g_strdup (string ? string : fallback);
}

/* Escapes may stand for any byte, but what comes out is text. A backslash at
 * the end that begins no escape stands for itself. */
static gchar *
unescape (const gchar * escaped)
{
  gsize length = strlen (escaped), backslashes = 0;
  gchar *complete, *bytes, *text;

  while (backslashes < length && escaped[length - 1 - backslashes] == '\\')
    backslashes++;
  complete = g_strconcat (escaped, backslashes % 2 ? "\\" : NULL, NULL);
  bytes = g_strcompress (complete);
  text = g_utf8_make_valid (bytes, -1);
  g_free (complete);
  g_free (bytes);
  return text;
}

static void
gst_npu_decoder_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * spec)
{
  GstNpuDecoder *self = GST_NPU_DECODER (object);
  GstNpuDecoderSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      set_string (&settings->model, value, NULL);
      self->outdated = TRUE;
      break;
    case PROP_LANGUAGE_CODE:
      set_string (&settings->language, value, DEFAULT_LANGUAGE);
      break;
    case PROP_TASK:
      settings->task = g_value_get_enum (value);
      break;
    case PROP_SEPARATOR:
      set_string (&settings->separator, value, DEFAULT_SEPARATOR);
      g_free (self->separator);
      self->separator = unescape (settings->separator);
      break;
    case PROP_NO_SPEECH_THRESHOLD:
      settings->no_speech_threshold = g_value_get_float (value);
      break;
    case PROP_LOG_PROBABILITY_THRESHOLD:
      settings->log_probability_threshold = g_value_get_float (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStructure *
make_stats (GstNpuDecoder * self)
{
  const GstNpuDecoderCounters *counters = &self->counters;
  const NpuProgram *program;
  GstStructure *stats;

  g_mutex_lock (&self->lock);
  stats = gst_structure_new ("application/x-npu-decoder-stats",
      "windows", G_TYPE_UINT64, counters->windows,
      "segments", G_TYPE_UINT64, counters->segments,
      "tokens", G_TYPE_UINT64, counters->tokens,
      "windows-without-speech", G_TYPE_UINT64, counters->silent,
      "windows-looped", G_TYPE_UINT64, counters->looped,
      "windows-cancelled", G_TYPE_UINT64, counters->cancelled,
      "decode-time", G_TYPE_UINT64, counters->decode_time,
      "last-decode-time", G_TYPE_UINT64, counters->last_decode_time, NULL);
  if (self->language[0] != '\0')
    gst_structure_set (stats, "language", G_TYPE_STRING, self->language, NULL);
  if (self->model) {
    gst_structure_set (stats, "model", G_TYPE_STRING,
        npu_model_path (self->model), "model-digest", G_TYPE_STRING,
        npu_model_digest (self->model), NULL);
    program = npu_model_program (self->model, NPU_MODEL_DECODER);
    if (program)
      gst_structure_set (stats, "weights-bytes", G_TYPE_UINT64,
          (guint64) npu_program_bytes (program), NULL);
  }
  g_mutex_unlock (&self->lock);
  return stats;
}

static void
gst_npu_decoder_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * spec)
{
  GstNpuDecoder *self = GST_NPU_DECODER (object);
  GstNpuDecoderSettings *settings = &self->settings;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, settings->model);
      break;
    case PROP_LANGUAGE_CODE:
      g_value_set_string (value, settings->language);
      break;
    case PROP_TASK:
      g_value_set_enum (value, settings->task);
      break;
    case PROP_SEPARATOR:
      g_value_set_string (value, settings->separator);
      break;
    case PROP_NO_SPEECH_THRESHOLD:
      g_value_set_float (value, settings->no_speech_threshold);
      break;
    case PROP_LOG_PROBABILITY_THRESHOLD:
      g_value_set_float (value, settings->log_probability_threshold);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

/* ------------------------------------------------------------- object */

static void
gst_npu_decoder_init (GstNpuDecoder * self)
{
  self->settings = (GstNpuDecoderSettings) {
    .language = g_strdup (DEFAULT_LANGUAGE),
    .separator = g_strdup (DEFAULT_SEPARATOR),
    .task = DEFAULT_TASK,
    .no_speech_threshold = DEFAULT_NO_SPEECH_THRESHOLD,
    .log_probability_threshold = DEFAULT_LOG_PROBABILITY_THRESHOLD,
  };
  self->separator = g_strdup (DEFAULT_SEPARATOR);
  g_mutex_init (&self->lock);

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_npu_decoder_chain);
  gst_pad_set_event_full_function (self->sinkpad, gst_npu_decoder_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_npu_decoder_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}

static void
gst_npu_decoder_finalize (GObject * object)
{
  GstNpuDecoder *self = GST_NPU_DECODER (object);

  g_free (self->settings.model);
  g_free (self->settings.language);
  g_free (self->settings.separator);
  g_free (self->separator);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_npu_decoder_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass * class)
{
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  GParamFlags ready = flags | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (class, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "ggml file or Hugging Face directory; unset: the model that comes "
          "with the states", NULL, ready));
  g_object_class_install_property (class, PROP_LANGUAGE_CODE,
      g_param_spec_string ("language-code", "Language code",
          "ISO 639-1 code of the language spoken, or \"auto\" to detect it in "
          "the first window with speech; English-only models ignore \"auto\"",
          DEFAULT_LANGUAGE, ready));
  g_object_class_install_property (class, PROP_TASK,
      g_param_spec_enum ("task", "Task",
          "In which language to write; only multilingual models translate",
          GST_TYPE_NPU_TASK, DEFAULT_TASK, ready));
  g_object_class_install_property (class, PROP_SEPARATOR,
      g_param_spec_string ("separator", "Separator",
          "Appended to the text of each segment; may contain escapes as in C, "
          "such as \\n for a new line",
          DEFAULT_SEPARATOR, flags | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (class, PROP_NO_SPEECH_THRESHOLD,
      g_param_spec_float ("no-speech-threshold", "No-speech threshold",
          "Windows whose probability of no speech is higher give no text, "
          "unless the text is likely; the built-in model, and others trained "
          "at short contexts, are believed without asking for the text", 0.0f,
          1.0f,
          DEFAULT_NO_SPEECH_THRESHOLD, ready));
  g_object_class_install_property (class, PROP_LOG_PROBABILITY_THRESHOLD,
      g_param_spec_float ("log-probability-threshold",
          "Log probability threshold",
          "Text is likely when the mean logarithm of its tokens' probabilities "
          "is above this", -100.0f, 0.0f,
          DEFAULT_LOG_PROBABILITY_THRESHOLD, ready));
  g_object_class_install_property (class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counters since the change to PAUSED (times in nanoseconds), the "
          "language and the model in use", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_npu_decoder_class_init (GstNpuDecoderClass * class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);

  GST_DEBUG_CATEGORY_INIT (gst_npu_decoder_debug, "npudecoder", 0,
      "decoder of speech on NPUs");

  object_class->set_property = gst_npu_decoder_set_property;
  object_class->get_property = gst_npu_decoder_get_property;
  object_class->finalize = gst_npu_decoder_finalize;
  install_properties (object_class);

  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_npu_decoder_change_state);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Speech decoder on NPUs", "Filter/Converter/Text",
      "Turns the states of a Whisper model's encoder into timed text",
      "The gst-npu developers");
  gst_type_mark_as_plugin_api (GST_TYPE_NPU_TASK, 0);
}
