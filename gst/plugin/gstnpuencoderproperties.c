/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The properties of npuencoder: what they are, their defaults, get and set.
 */
#include "gstnpuencoder.h"

#define DEFAULT_DEVICE "auto"
#define DEFAULT_THREADS 0
#define DEFAULT_PRECISION NPU_PRECISION_AUTO
#define DEFAULT_CONTEXT NPU_CONTEXT_AUTO
#define DEFAULT_WINDOW 0
#define DEFAULT_HOP 0
#define DEFAULT_DEPTH 2
#define DEFAULT_OVERLOAD GST_NPU_OVERLOAD_AUTO
#define DEFAULT_MAX_STATES 64
#define DEFAULT_STATS_INTERVAL 0
#define MAX_THREADS 1024

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
  PROP_DEVICE_OPTIONS,
  PROP_THREADS,
  PROP_PRECISION,
  PROP_CONTEXT,
  PROP_WINDOW,
  PROP_HOP,
  PROP_DEPTH,
  PROP_OVERLOAD,
  PROP_MAX_STATES,
  PROP_STATS,
  PROP_STATS_INTERVAL,
  PROP_TIMELINE,
};

GType
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

GType
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
  if (id <= PROP_PRECISION)
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
    case PROP_DEVICE_OPTIONS:
      set_string (&settings->device_options, value);
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
    case PROP_OVERLOAD:
      settings->overload = g_value_get_enum (value);
      break;
    case PROP_MAX_STATES:
      settings->max_states = g_value_get_uint (value);
      break;
    case PROP_STATS_INTERVAL:
      settings->stats_interval = g_value_get_uint64 (value);
      break;
    case PROP_TIMELINE:
      set_string (&settings->timeline, value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_npu_encoder_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * spec)
{
  GstNpuEncoder *self = GST_NPU_ENCODER (object);
  GstNpuEncoderSettings *settings = &self->settings;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_npu_encoder_make_stats (self));
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
    case PROP_DEVICE_OPTIONS:
      g_value_set_string (value, settings->device_options);
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
    case PROP_OVERLOAD:
      g_value_set_enum (value, settings->overload);
      break;
    case PROP_MAX_STATES:
      g_value_set_uint (value, settings->max_states);
      break;
    case PROP_STATS_INTERVAL:
      g_value_set_uint64 (value, settings->stats_interval);
      break;
    case PROP_TIMELINE:
      g_value_set_string (value, settings->timeline);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_npu_encoder_init_settings (GstNpuEncoder * self)
{
  self->settings = (GstNpuEncoderSettings) {
    .device = g_strdup (DEFAULT_DEVICE),
    .threads = DEFAULT_THREADS,
    .precision = DEFAULT_PRECISION,
    .context = DEFAULT_CONTEXT,
    .window = DEFAULT_WINDOW,
    .hop = DEFAULT_HOP,
    .depth = DEFAULT_DEPTH,
    .overload = DEFAULT_OVERLOAD,
    .max_states = DEFAULT_MAX_STATES,
    .stats_interval = DEFAULT_STATS_INTERVAL,
  };
}

void
gst_npu_encoder_clear_settings (GstNpuEncoder * self)
{
  g_free (self->settings.model);
  g_free (self->settings.device);
  g_free (self->settings.device_options);
  g_free (self->settings.timeline);
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_READY)

static void
install_model_properties (GObjectClass * class)
{
  g_object_class_install_property (class, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "ggml file or Hugging Face directory, or \"builtin\"; unset: what "
          "GST_NPU_MODEL names, then gst-npu/models/default in the data "
          "folders, then the built-in model",
          NULL, FLAGS));
  g_object_class_install_property (class, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Name of the device (cpu, emu), or \"auto\" for the best that is "
          "present", DEFAULT_DEVICE, FLAGS));
  g_object_class_install_property (class, PROP_DEVICE_OPTIONS,
      g_param_spec_string ("device-options", "Device options",
          "What only this device knows, as key=value with commas between",
          NULL, FLAGS));
  g_object_class_install_property (class, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that compute on the CPU, 0 for as many as the process may "
          "use", 0, MAX_THREADS, DEFAULT_THREADS, FLAGS));
  g_object_class_install_property (class, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Arithmetic of encoder and decoder", GST_TYPE_NPU_PRECISION,
          DEFAULT_PRECISION, FLAGS));
}

static void
install_window_properties (GObjectClass * class)
{
  g_object_class_install_property (class, PROP_CONTEXT,
      g_param_spec_enum ("context", "Context",
          "How far a window is padded with silence", GST_TYPE_NPU_CONTEXT,
          DEFAULT_CONTEXT, FLAGS));
  g_object_class_install_property (class, PROP_WINDOW,
      g_param_spec_uint64 ("window", "Window",
          "Longest window in nanoseconds, at most the model's context; 0 for "
          "all of it", 0, G_MAXUINT64, DEFAULT_WINDOW, FLAGS));
  g_object_class_install_property (class, PROP_HOP,
      g_param_spec_uint64 ("hop", "Hop",
          "Nanoseconds of new audio for another window, at most the window; "
          "0 for a whole window", 0, G_MAXUINT64, DEFAULT_HOP, FLAGS));
  g_object_class_install_property (class, PROP_DEPTH,
      g_param_spec_uint ("depth", "Depth",
          "Windows in the device's pipeline at most: with 2, one is uploaded "
          "or downloaded while another is encoded", 1,
          NPU_ENCODER_MAX_DEPTH, DEFAULT_DEPTH, FLAGS));
  g_object_class_install_property (class, PROP_OVERLOAD,
      g_param_spec_enum ("overload", "Overload",
          "The last step that is taken when windows come faster from a live "
          "source than they are encoded", GST_TYPE_NPU_OVERLOAD,
          DEFAULT_OVERLOAD, FLAGS));
}

void
gst_npu_encoder_install_properties (GObjectClass * class)
{
  class->set_property = gst_npu_encoder_set_property;
  class->get_property = gst_npu_encoder_get_property;
  install_model_properties (class);
  install_window_properties (class);
  g_object_class_install_property (class, PROP_MAX_STATES,
      g_param_spec_uint ("max-states", "Maximum of states",
          "Buffers of states that may exist when downstream holds them",
          1, G_MAXINT, DEFAULT_MAX_STATES, FLAGS));
  g_object_class_install_property (class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Figures since the change to PAUSED (times in nanoseconds), the "
          "model and the device", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (class, PROP_STATS_INTERVAL,
      g_param_spec_uint64 ("stats-interval", "Statistics interval",
          "Nanoseconds after which stats are posted as an element message, at "
          "the next window; 0 for never", 0, G_MAXUINT64,
          DEFAULT_STATS_INTERVAL, FLAGS));
  g_object_class_install_property (class, PROP_TIMELINE,
      g_param_spec_string ("timeline", "Timeline",
          "File for a trace of every stage of every window, for Perfetto and "
          "npu-bench timeline; unset: what GST_NPU_TIMELINE names", NULL,
          FLAGS));
}
