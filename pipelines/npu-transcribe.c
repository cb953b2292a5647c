/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npu-transcribe: words of a media file or of the microphone on standard
 * output, as they are recognised, and as SRT subtitles.
 *
 *   uridecodebin ! npumel ! npuencoder ! npudecoder ! appsink
 *   pulsesrc     ! npumel ! npuencoder ! npudecoder ! appsink
 */
#include "transcript.h"

#include <errno.h>
#include <locale.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/pbutils/pbutils.h>

#define PROGRESS_INTERVAL_MS 200

enum
{
  EXIT_OK = 0,
  EXIT_ERROR = 1,
  EXIT_USAGE = 2,
  EXIT_INTERRUPTED = 130,       /* what shells report for Ctrl-C */
};

typedef struct
{
  char *model, *language, *device, *device_options, *threads, *task;
  char *srt, *default_input;
  double hop;                   /* seconds; negative when not given */
  gboolean mic, no_srt, quiet, version;
  char **inputs;
} Options;

typedef struct
{
  Options options;
  char *uri;                    /* NULL for the microphone */
  NpuTranscript *transcript;
  GMainLoop *loop;
  GstElement *pipeline, *source, *mel, *encoder, *decoder, *sink;

  gint64 start_us;
  _Atomic guint64 position;     /* end of what was heard; streaming thread */
  GString *missing;             /* decoders that GStreamer asked for */
  gboolean audio_found;
  gboolean interrupted;
  gboolean source_failed;       /* and what it gave is still worked on */
  guint64 still_at;             /* then: position that does not change, */
  gint64 still_since;           /* since when, microseconds */
  int status;
} App;

/* Behind a microphone, seconds of new speech after which it is decoded again:
 * words come about this and half a second late. */
#define MICROPHONE_HOP 1.0
#define LONGEST_HOP 3600.0

/* How long a source that has failed may be the only one that says something. */
#define DRAIN_LIMIT (60 * G_TIME_SPAN_SECOND)

/* --- options ---------------------------------------------------------- */

static GOptionContext *
make_option_context (Options * o)
{
  const GOptionEntry entries[] = {
    {"mic", 0, 0, G_OPTION_ARG_NONE, &o->mic,
        "listen to the default PulseAudio source until Ctrl-C", NULL},
    {"model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model,
        "a ggml file of Whisper, or a Hugging Face directory", "PATH"},
    {"language", 'l', 0, G_OPTION_ARG_STRING, &o->language,
        "language of the speech, such as en or de; auto finds it", "CODE"},
    {"task", 0, 0, G_OPTION_ARG_STRING, &o->task,
        "transcribe, or translate (to English)", "TASK"},
    {"device", 'd', 0, G_OPTION_ARG_STRING, &o->device,
        "the device that runs the model", "NAME"},
    {"device-options", 0, 0, G_OPTION_ARG_STRING, &o->device_options,
        "what only this device knows, as key=value with commas", "OPTIONS"},
    {"threads", 't', 0, G_OPTION_ARG_STRING, &o->threads,
        "threads of the CPU device; 0 takes what is there", "N"},
    {"hop", 0, 0, G_OPTION_ARG_DOUBLE, &o->hop,
        "decode again after so much new speech; 0 for a whole window, which a "
        "file has by default; the microphone has 1", "SECONDS"},
    {"srt", 'o', 0, G_OPTION_ARG_FILENAME, &o->srt,
        "write the subtitles to this file, and overwrite it", "FILE"},
    {"no-srt", 0, 0, G_OPTION_ARG_NONE, &o->no_srt,
        "write no subtitles", NULL},
    {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet,
        "words and errors only", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &o->version,
        "print the version", NULL},
    {"default-input", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME,
        &o->default_input, "what is transcribed without FILE", "FILE"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->inputs,
        NULL, "[FILE | URI]"},
    {NULL}
  };
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_set_summary (context,
      "Prints the words of a media file or of the microphone, one line a\n"
      "segment: [start -> end] text. Subtitles go beside the input as SRT, or\n"
      "to the current folder where that cannot be written. A file that is\n"
      "there already is kept: talk.srt becomes talk.1.srt.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  return context;
}

static gboolean
usage_error (const char *message)
{
  g_printerr ("npu-transcribe: %s\nnpu-transcribe --help lists the options.\n",
      message);
  return FALSE;
}

static gboolean
parse_options (Options * o, int argc, char **argv)
{
  g_autoptr (GOptionContext) context = make_option_context (o);
  g_autoptr (GError) error = NULL;
  guint inputs;

  o->hop = -1;
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return usage_error (error->message);
  inputs = o->inputs ? g_strv_length (o->inputs) : 0;
  if (o->version)
    return TRUE;
  if (inputs > 1)
    return usage_error ("one file at a time, please");
  if (o->mic && inputs > 0)
    return usage_error ("either --mic or a file, not both");
  if (o->hop != -1 && !(o->hop >= 0 && o->hop <= LONGEST_HOP))
    return usage_error ("--hop takes seconds, from 0 to 3600");
  if (o->srt && o->no_srt)
    return usage_error ("either --srt or --no-srt, not both");
  if (inputs == 0 && !o->mic && !o->default_input)
    return usage_error ("what shall be transcribed? Name a file, or --mic");
  return TRUE;
}

static void
clear_options (Options * o)
{
  g_free (o->model);
  g_free (o->language);
  g_free (o->device);
  g_free (o->device_options);
  g_free (o->threads);
  g_free (o->task);
  g_free (o->srt);
  g_free (o->default_input);
  g_strfreev (o->inputs);
}

/* --- input ------------------------------------------------------------ */

static gboolean
fail (App * app, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (App * app, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  npu_transcript_message (app->transcript, "npu-transcribe: %s", message);
  app->status = EXIT_ERROR;
  return FALSE;
}

static const char *
input_name (const Options * o)
{
  return o->inputs && o->inputs[0] ? o->inputs[0] : o->default_input;
}

/* Looked at before anything starts, since GStreamer's own errors for these
 * are vague. */
static gboolean
check_file (App * app, const char *path)
{
  GStatBuf info;

  if (g_stat (path, &info) != 0)
    return fail (app, "%s: %s", path, g_strerror (errno));
  if (S_ISDIR (info.st_mode))
    return fail (app, "%s is a folder; name a media file", path);
  if (g_access (path, R_OK) != 0)
    return fail (app, "%s cannot be read: %s", path, g_strerror (errno));
  if (S_ISREG (info.st_mode) && info.st_size == 0)
    return fail (app, "%s is empty", path);
  return TRUE;
}

static gboolean
find_input (App * app)
{
  const char *name = input_name (&app->options);
  g_autoptr (GError) error = NULL;

  if (app->options.mic)
    return TRUE;
  if (gst_uri_is_valid (name) && !g_file_test (name, G_FILE_TEST_EXISTS)) {
    app->uri = g_strdup (name);
    if (gst_uri_has_protocol (name, "file")) {
      g_autofree char *path = g_filename_from_uri (name, NULL, &error);

      return path ? check_file (app, path) : fail (app, "%s", error->message);
    }
    return TRUE;
  }
  if (!check_file (app, name))
    return FALSE;
  app->uri = gst_filename_to_uri (name, &error);
  return app->uri ? TRUE : fail (app, "%s: %s", name, error->message);
}

static gboolean
open_subtitles (App * app)
{
  const Options *o = &app->options;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  const char *name = input_name (o);
  gboolean local = TRUE;

  if (o->no_srt || (o->mic && !o->srt))
    return TRUE;
  if (o->srt) {
    if (!npu_transcript_open_srt (app->transcript, o->srt, &error))
      return fail (app, "%s; --no-srt goes without subtitles", error->message);
  } else {
    if (!g_file_test (name, G_FILE_TEST_EXISTS)) {
      g_autoptr (GstUri) uri = gst_uri_from_string (app->uri);

      local = gst_uri_has_protocol (app->uri, "file");
      path = local ? g_filename_from_uri (app->uri, NULL, NULL)
          : gst_uri_get_path (uri);
      if (!path || strcmp (path, "/") == 0) {
        g_free (path);
        path = g_strdup ("transcript");
      }
      name = path;
    }
    if (!npu_transcript_open_srt_beside (app->transcript, name, local, &error))
      npu_transcript_message (app->transcript, "npu-transcribe: warning: %s; "
          "going on without subtitles, --srt FILE writes them elsewhere",
          error->message);
  }
  return TRUE;
}

/* --- the pipeline ----------------------------------------------------- */

typedef struct
{
  const char *factory, *package;
} PackageHint;

static const PackageHint package_hints[] = {
  {"pulsesrc", "install it: apt-get install gstreamer1.0-pulseaudio"},
  {"uridecodebin", "install it: apt-get install gstreamer1.0-plugins-base"},
  {"appsink", "install it: apt-get install gstreamer1.0-plugins-base"},
};

static GstElement *
add_element (App * app, const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, NULL);
  const char *hint = "set GST_PLUGIN_PATH to the folder of libgstnpu.so "
      "(build/gst/plugin), or start the program through ./run";

  if (element) {
    gst_bin_add (GST_BIN (app->pipeline), element);
    return element;
  }
  for (guint i = 0; i < G_N_ELEMENTS (package_hints); i++)
    if (strcmp (package_hints[i].factory, factory) == 0)
      hint = package_hints[i].package;
  fail (app, "the GStreamer element %s is missing; %s", factory, hint);
  return NULL;
}

static char *
list_values (GParamSpec * spec)
{
  GString *list = g_string_new (NULL);

  if (G_IS_PARAM_SPEC_ENUM (spec)) {
    GEnumClass *values = G_PARAM_SPEC_ENUM (spec)->enum_class;

    g_string_append (list, "; it takes ");
    for (guint i = 0; i < values->n_values; i++)
      g_string_append_printf (list, "%s%s", i > 0 ? ", " : "",
          values->values[i].value_nick);
  } else if (G_IS_PARAM_SPEC_UINT (spec)) {
    g_string_append_printf (list, "; it takes a number of %u to %u",
        G_PARAM_SPEC_UINT (spec)->minimum, G_PARAM_SPEC_UINT (spec)->maximum);
  }
  return g_string_free (list, FALSE);
}

static gboolean
set_property (App * app, GstElement * element, const char *name,
    const char *text)
{
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  g_auto (GValue) value = G_VALUE_INIT;

  if (!text)
    return TRUE;
  if (!spec)
    return fail (app, "this build's %s has no property %s",
        GST_OBJECT_NAME (element), name);
  g_value_init (&value, spec->value_type);
  if (spec->value_type == G_TYPE_STRING) {
    g_value_set_string (&value, text);
  } else if (!gst_value_deserialize_with_pspec (&value, text, spec)
      || g_param_value_validate (spec, &value)) {
    g_autofree char *allowed = list_values (spec);

    fail (app, "'%s' is no value for the %s%s", text, name, allowed);
    app->status = EXIT_USAGE;
    return FALSE;
  }
  g_object_set_property (G_OBJECT (element), name, &value);
  return TRUE;
}

static gboolean
set_properties (App * app)
{
  const Options *o = &app->options;
  double hop = o->hop >= 0 ? o->hop : o->mic ? MICROPHONE_HOP : 0;

  g_object_set (app->encoder, "hop", (guint64) (hop * GST_SECOND), NULL);
  return set_property (app, app->encoder, "model", o->model)
      && set_property (app, app->encoder, "device", o->device)
      && set_property (app, app->encoder, "device-options", o->device_options)
      && set_property (app, app->encoder, "threads", o->threads)
      && set_property (app, app->decoder, "language-code", o->language)
      && set_property (app, app->decoder, "task", o->task);
}

/* GstAutoplugSelectResult, which decodebin keeps to itself */
typedef enum
{
  AUTOPLUG_TRY,
  AUTOPLUG_EXPOSE,
  AUTOPLUG_SKIP,
} AutoplugSelect;

/* Pictures need not be decoded, nor need anything be there that could. */
static AutoplugSelect
on_autoplug_select (GstElement * source, GstPad * pad, GstCaps * caps,
    GstElementFactory * factory, App * app)
{
  return gst_element_factory_list_is_type (factory,
      GST_ELEMENT_FACTORY_TYPE_DECODER | GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO |
      GST_ELEMENT_FACTORY_TYPE_MEDIA_IMAGE) ? AUTOPLUG_EXPOSE : AUTOPLUG_TRY;
}

static void
on_pad_added (GstElement * source, GstPad * pad, App * app)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (app->mel, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  if (!g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps,
                  0)), "audio/"))
    return;
  /* of several languages in a film, the first */
  if (gst_pad_is_linked (sink))
    return;
  app->audio_found = TRUE;
  if (GST_PAD_LINK_FAILED (gst_pad_link (pad, sink)))
    GST_ELEMENT_ERROR (source, STREAM, FORMAT,
        ("The audio of this file cannot be converted."), (NULL));
}

static void
on_no_more_pads (GstElement * source, App * app)
{
  if (!app->audio_found)
    GST_ELEMENT_ERROR (source, STREAM, WRONG_TYPE, ("It has no audio."),
        (NULL));
}

static GstPadProbeReturn
note_position (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  App *app = data;
  GstClockTime time = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

    time = GST_BUFFER_PTS (buffer);
    duration = GST_BUFFER_DURATION (buffer);
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_GAP) {
    gst_event_parse_gap (GST_PAD_PROBE_INFO_EVENT (info), &time, &duration);
  }
  if (GST_CLOCK_TIME_IS_VALID (time)) {
    if (GST_CLOCK_TIME_IS_VALID (duration))
      time += duration;
    if (time > atomic_load (&app->position))
      atomic_store (&app->position, time);
  }
  return GST_PAD_PROBE_OK;
}

static GstFlowReturn
on_new_sample (GstAppSink * sink, gpointer data)
{
  App *app = data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  GstBuffer *buffer = sample ? gst_sample_get_buffer (sample) : NULL;
  GstSegment *segment;
  GstClockTime start;
  GstMapInfo map;

  if (!buffer || !gst_buffer_map (buffer, &map, GST_MAP_READ))
    return GST_FLOW_OK;
  segment = gst_sample_get_segment (sample);
  start = gst_segment_to_stream_time (segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
  if (GST_CLOCK_TIME_IS_VALID (start)) {
    g_autofree char *text = g_strndup ((char *) map.data, map.size);
    GstClockTime duration = GST_BUFFER_DURATION_IS_VALID (buffer)
        ? GST_BUFFER_DURATION (buffer) : 0;

    npu_transcript_add (app->transcript, start, start + duration, text);
  }
  gst_buffer_unmap (buffer, &map);
  return GST_FLOW_OK;
}

static gboolean
make_elements (App * app)
{
  const char *source = app->options.mic ? "pulsesrc" : "uridecodebin";

  app->pipeline = gst_pipeline_new (NULL);
  return (app->source = add_element (app, source))
      && (app->mel = add_element (app, "npumel"))
      && (app->encoder = add_element (app, "npuencoder"))
      && (app->decoder = add_element (app, "npudecoder"))
      && (app->sink = add_element (app, "appsink"));
}

static gboolean
make_pipeline (App * app)
{
  static const GstAppSinkCallbacks callbacks = {.new_sample = on_new_sample };
  g_autoptr (GstPad) pad = NULL;

  if (!make_elements (app) || !set_properties (app))
    return FALSE;
  gst_app_sink_set_callbacks (GST_APP_SINK (app->sink),
      (GstAppSinkCallbacks *) & callbacks, app, NULL);
  g_object_set (app->sink, "sync", FALSE, NULL);
  pad = gst_element_get_static_pad (app->sink, "sink");
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      note_position, app, NULL);

  if (!gst_element_link_many (app->mel, app->encoder, app->decoder, app->sink,
          NULL))
    return fail (app, "the elements do not fit together; is GST_PLUGIN_PATH "
        "set to the plugin of another version?");
  if (app->options.mic)
    return gst_element_link (app->source, app->mel) ? TRUE
        : fail (app, "the microphone does not fit npumel");

  g_object_set (app->source, "uri", app->uri, NULL);
  g_signal_connect (app->source, "autoplug-select",
      G_CALLBACK (on_autoplug_select), app);
  g_signal_connect (app->source, "pad-added", G_CALLBACK (on_pad_added), app);
  g_signal_connect (app->source, "no-more-pads", G_CALLBACK (on_no_more_pads),
      app);
  return TRUE;
}

/* --- running ---------------------------------------------------------- */

/* Errors of sources and demuxers that mean no more than that there is nothing
 * which they can play. */
static gboolean
is_vague (const GError * error)
{
  return g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED)
      || g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX)
      || g_error_matches (error, GST_STREAM_ERROR,
      GST_STREAM_ERROR_TYPE_NOT_FOUND);
}

/* What went wrong, in the words of an element, which know nothing of files and
 * microphones. */
static void
report_error (App * app, GstMessage * message, gboolean from_source)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *details = NULL;

  gst_message_parse_error (message, &error, &details);
  GST_ERROR_OBJECT (GST_MESSAGE_SRC (message), "%s", details);
  if (!from_source)
    fail (app, "%s", error->message);
  else if (app->options.mic)
    fail (app, "PulseAudio gives no sound (%s); `pactl info` tells whether its "
        "server runs, `pactl list short sources` which sources there are",
        error->message);
  else if (app->missing->len > 0 && !app->audio_found)
    fail (app, "%s needs what GStreamer does not have here:%s. On Debian most "
        "of it is in gstreamer1.0-libav, gstreamer1.0-plugins-good, "
        "gstreamer1.0-plugins-bad and gstreamer1.0-plugins-ugly",
        input_name (&app->options), app->missing->str);
  else if (!app->audio_found && is_vague (error))
    fail (app, "%s: GStreamer finds nothing in it that it could play. %s %s",
        input_name (&app->options), error->message,
        gst_uri_has_protocol (app->uri, "file")
        ? "Is it an audio or video file, and complete?"
        : "Is the address right, and can it be reached?");
  else
    fail (app, "%s: %s", input_name (&app->options), error->message);
}

static void
note_missing_decoder (App * app, GstMessage * message)
{
  g_autofree char *what =
      gst_missing_plugin_message_get_description (message);

  g_string_append_printf (app->missing, "%s %s",
      app->missing->len > 0 ? "," : "", what);
}

/* What the encoder left out of a live source, because it could not keep up. */
static void
report_overload (App * app, GstMessage * message)
{
  guint64 time, lost = 0;

  gst_message_parse_qos (message, NULL, NULL, &time, NULL, NULL);
  gst_structure_get_uint64 (gst_message_get_structure (message), "lost", &lost);
  if (lost > 0 && GST_CLOCK_TIME_IS_VALID (time))
    npu_transcript_message (app->transcript, "npu-transcribe: warning: %.1f s "
        "of sound from %.1f s on are left out, the device is too slow; try a "
        "greater --hop or a smaller --model", (double) lost / GST_SECOND,
        (double) time / GST_SECOND);
}

static void
end_audio (GstElement * mel, gpointer unused)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (mel, "sink");

  gst_pad_send_event (pad, gst_event_new_eos ());
}

/* A source that has failed gives no more, but what came before is still worth
 * its words: the loop then ends with the stream. */
static void
on_error (App * app, GstMessage * message)
{
  gboolean from_source = gst_object_has_as_ancestor (GST_MESSAGE_SRC (message),
      GST_OBJECT (app->source));

  if (from_source && app->source_failed)
    return;
  report_error (app, message, from_source);
  if (from_source && (app->audio_found || app->options.mic)) {
    app->source_failed = TRUE;
    app->still_since = g_get_monotonic_time ();
    /* not here: it waits for what is being taken at the moment */
    gst_element_call_async (app->mel, end_audio, NULL, NULL);
  } else {
    g_main_loop_quit (app->loop);
  }
}

/* Seconds that a file may be longer than its sound, and the share of it: times
 * in headers are estimates. */
#define SHORT_SECONDS 2
#define SHORT_SHARE 0.95

/* GStreamer ends files that are cut or damaged as if they were whole. */
static void
warn_of_short_sound (App * app)
{
  guint64 position = atomic_load (&app->position);
  gint64 duration;

  if (app->uri && !app->source_failed
      && gst_element_query_duration (app->pipeline, GST_FORMAT_TIME, &duration)
      && position + SHORT_SECONDS * GST_SECOND < (guint64) duration
      && position < SHORT_SHARE * duration)
    npu_transcript_message (app->transcript, "npu-transcribe: warning: the "
        "sound ends after %.1f s of %.1f s; is the file complete?",
        (double) position / GST_SECOND, (double) duration / GST_SECOND);
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (app, message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      npu_transcript_message (app->transcript, "npu-transcribe: warning: %s",
          error->message);
      break;
    case GST_MESSAGE_QOS:
      report_overload (app, message);
      break;
    case GST_MESSAGE_EOS:
      warn_of_short_sound (app);
      g_main_loop_quit (app->loop);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (app->pipeline));
      break;
    case GST_MESSAGE_ELEMENT:
      if (gst_is_missing_plugin_message (message))
        note_missing_decoder (app, message);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* Not every source that fails lets its stream come to an end. */
static void
watch_drain (App * app, guint64 position)
{
  gint64 now = g_get_monotonic_time ();

  if (position != app->still_at)
    app->still_since = now;
  app->still_at = position;
  if (app->source_failed && now - app->still_since > DRAIN_LIMIT)
    g_main_loop_quit (app->loop);
}

static gboolean
show_progress (gpointer data)
{
  App *app = data;
  NpuProgress progress = {
    .position = atomic_load (&app->position),
    .duration = GST_CLOCK_TIME_NONE,
    .elapsed_us = g_get_monotonic_time () - app->start_us,
  };
  gint64 duration;

  if (app->uri && gst_element_query_duration (app->pipeline, GST_FORMAT_TIME,
          &duration) && duration > 0)
    progress.duration = duration;
  npu_transcript_progress (app->transcript, &progress);
  watch_drain (app, progress.position);
  return G_SOURCE_CONTINUE;
}

/* The microphone has no end but this: what was said so far is still worth
 * its words. A file is simply left. A second Ctrl-C waits for nothing. */
static gboolean
on_interrupt (gpointer data)
{
  App *app = data;

  if (!app->options.mic || app->interrupted) {
    app->status = EXIT_INTERRUPTED;
    g_main_loop_quit (app->loop);
    return G_SOURCE_CONTINUE;
  }
  app->interrupted = TRUE;
  gst_element_send_event (app->pipeline, gst_event_new_eos ());
  return G_SOURCE_CONTINUE;
}

/* Runs after the messages on the bus, which have the reason, if there is one. */
static gboolean
give_up (gpointer data)
{
  App *app = data;

  if (app->status == EXIT_OK)
    fail (app, "the pipeline could not be started; GST_DEBUG=3 tells more");
  g_main_loop_quit (app->loop);
  return G_SOURCE_REMOVE;
}

static void
run (App * app)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (app->pipeline);
  guint watches[4];

  app->loop = g_main_loop_new (NULL, FALSE);
  watches[0] = gst_bus_add_watch (bus, on_message, app);
  watches[1] = g_unix_signal_add (SIGINT, on_interrupt, app);
  watches[2] = g_unix_signal_add (SIGTERM, on_interrupt, app);
  watches[3] = g_timeout_add (PROGRESS_INTERVAL_MS, show_progress, app);
  app->start_us = g_get_monotonic_time ();
  if (gst_element_set_state (app->pipeline, GST_STATE_PLAYING)
      == GST_STATE_CHANGE_FAILURE)
    g_idle_add (give_up, app);
  else if (app->options.mic && !app->options.quiet)
    npu_transcript_message (app->transcript,
        "Listening; Ctrl-C ends it, and the last words still come.");
  g_main_loop_run (app->loop);
  gst_element_set_state (app->pipeline, GST_STATE_NULL);

  for (guint i = 0; i < G_N_ELEMENTS (watches); i++)
    g_source_remove (watches[i]);
  g_main_loop_unref (app->loop);
}

static int
transcribe (App * app)
{
  app->transcript = npu_transcript_new (app->options.quiet);
  app->missing = g_string_new (NULL);
  if (find_input (app) && make_pipeline (app) && open_subtitles (app)) {
    run (app);
    if (!npu_transcript_finish (app->transcript))
      app->status = EXIT_ERROR;
    else if (app->status == EXIT_OK && !app->options.quiet
        && npu_transcript_segments (app->transcript) == 0)
      npu_transcript_message (app->transcript, "No words were recognised.");
  }
  gst_clear_object (&app->pipeline);
  g_string_free (app->missing, TRUE);
  npu_transcript_free (app->transcript);
  g_free (app->uri);
  return app->status;
}

int
main (int argc, char **argv)
{
  App app = {.status = EXIT_OK };

  setlocale (LC_ALL, "");
  g_set_prgname ("npu-transcribe");
  if (!parse_options (&app.options, argc, argv))
    app.status = EXIT_USAGE;
  else if (app.options.version)
    g_print ("npu-transcribe %s\n", NPU_VERSION);
  else
    transcribe (&app);
  clear_options (&app.options);
  return app.status;
}
